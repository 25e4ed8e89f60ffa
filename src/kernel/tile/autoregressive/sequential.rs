//! The forward direction, in which each pass needs the features of those before it.

use super::super::super::row::gate::add;
use super::super::super::row::{Real, feature, feature_mut};
use super::super::backward::{Backward, StepBackward};
use super::super::forward::Tile;
use super::super::layout::StepLayout;
use super::super::network::PassGradients;
use super::Autoregressive;
use crate::direction::Direction;

impl<R: Real> Autoregressive<'_, R> {
    pub(super) fn pass_by_pass(&self, layout: &StepLayout, tile: &mut Tile<'_, R>) {
        let rows = tile.log_det.len();
        for pass in 0..self.n_passes() {
            self.network.run_pass(
                (&self.masks, pass),
                &layout.networks[0],
                Self::input(layout),
                layout.parameters,
                tile.work,
                rows,
                layout.is_tape,
            );
            let features = self.of_pass(Direction::Forward, pass);
            features.forward(&self.features, layout, tile);
            self.read_features(features.group, layout, tile);
        }
    }

    /// How many numbers per row the scratch of
    /// [`backward_pass_by_pass`](Self::backward_pass_by_pass) needs.
    pub(in super::super) fn sequential_backward_per_row(&self) -> usize {
        PassGradients::<R>::per_row(&self.network)
    }

    /// The gradients of [`forward`](Self::forward) where the data went out.
    pub(in super::super) fn backward_pass_by_pass(
        &self,
        step: StepBackward<'_>,
        tape: &mut [R],
        scratch: &mut [R],
        back: &mut Backward<'_, '_, R>,
    ) {
        let StepBackward { layout, offsets, .. } = step;
        let rows = back.log_det.len();
        let network_layout = &layout.networks[0];
        let mut gradients = PassGradients::new(&self.network, scratch, rows);
        for pass in (0..self.n_passes()).rev() {
            let features = self.of_pass(Direction::Forward, pass);
            // Later passes have read what this one gave.
            let of_input = &gradients.input()[self.first_feature() * rows..];
            for place in features.group.clone() {
                let index = self.features[place];
                add(feature_mut(back.state, index, rows), feature(of_input, place, rows));
            }
            features.backward(&self.features, layout, tape, back.state, back.log_det);
            let (before, parameters) = tape.split_at(layout.parameters * rows);
            gradients.pass((&self.masks, pass), network_layout, before, parameters);
        }
        let (before, parameters) = tape.split_at(layout.parameters * rows);
        let parameters = &parameters[..self.network.output.d_output * rows];
        let input = Self::input(layout);
        gradients.weights(network_layout, input, before, parameters, offsets, back.weights);
        if self.takes_context
            && let Some(context) = &mut back.context
        {
            gradients.add_context(context);
        }
    }
}

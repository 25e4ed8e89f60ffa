//! [`Coupling`]: networks read some features of a tile, and a map transforms the others.

use super::super::row::gate::add;
use super::super::row::{Map, Real, feature, feature_mut};
use super::backward::{Backward, Scratch, StepBackward};
use super::features::Features;
use super::forward::Tile;
use super::layout::StepLayout;
use super::network::{Gradients, Input, Network};
use crate::direction::Direction;

/// A map of some features, whose parameters networks give from the others and the context.
pub(in super::super) struct Coupling<'a, R> {
    pub map: Map<R>,
    /// The features that the networks see as they are, ascending.
    pub kept: Vec<usize>,
    /// Those that they see by their sines and cosines, ascending.
    pub angles: Vec<usize>,
    /// The features that the map transforms, ascending.
    pub transformed: Vec<usize>,
    pub takes_context: bool,
    /// Their outputs one after another are the parameters.
    pub networks: Vec<Network<'a, R>>,
}

impl<R: Real> Coupling<'_, R> {
    pub(super) fn d_input(&self, d_context: usize) -> usize {
        self.n_seen() + if self.takes_context { d_context } else { 0 }
    }

    pub(super) fn d_features(&self) -> usize {
        self.kept.len() + self.angles.len() + self.transformed.len()
    }

    /// The inputs of the networks before the context: features, sines, cosines.
    fn n_seen(&self) -> usize {
        self.kept.len() + 2 * self.angles.len()
    }

    pub(super) fn n_weights(&self) -> usize {
        self.networks.iter().map(Network::n_weights).sum()
    }

    pub(super) fn forward(
        &self,
        direction: Direction,
        layout: &StepLayout,
        tile: &mut Tile<'_, R>,
    ) {
        let rows = tile.log_det.len();
        let context = if self.takes_context { tile.context } else { &[] };
        let input = &mut tile.work[layout.input * rows..];
        for (i, &index) in self.kept.iter().enumerate() {
            feature_mut(input, i, rows).copy_from_slice(feature(tile.state, index, rows));
        }
        let (n_kept, n_angles) = (self.kept.len(), self.angles.len());
        for (i, &index) in self.angles.iter().enumerate() {
            let angles = feature(tile.state, index, rows);
            let (sines, cosines) = input[n_kept * rows..].split_at_mut(n_angles * rows);
            let places = feature_mut(sines, i, rows).iter_mut().zip(feature_mut(cosines, i, rows));
            for ((sine, cosine), angle) in places.zip(angles) {
                (*sine, *cosine) = angle.sin_cos();
            }
        }
        input[self.n_seen() * rows..][..context.len()].copy_from_slice(context);
        let mut output = layout.parameters;
        for (network, network_layout) in self.networks.iter().zip(&layout.networks) {
            let input = self.input(layout);
            network.run(network_layout, input, output, tile.work, rows, layout.is_tape);
            output += network.output.d_output;
        }
        self.features(direction).forward(&self.transformed, layout, tile);
    }

    /// The gradients of [`forward`](Self::forward).
    pub(super) fn backward(
        &self,
        step: StepBackward<'_>,
        tape: &mut [R],
        scratch: &mut Scratch<'_, R>,
        back: &mut Backward<'_, '_, R>,
    ) {
        let StepBackward { direction, layout, offsets, is_first } = step;
        let rows = back.log_det.len();
        let features = self.features(direction);
        features.backward(&self.transformed, layout, tape, back.state, back.log_det);
        let (tape, mut parameters) = tape.split_at(layout.parameters * rows);
        // What comes before the first step is needed only by who asks for it.
        let context_wanted = self.takes_context && back.context.is_some();
        let goes_on = !is_first || back.input_wanted || context_wanted;
        let d_input = self.networks.first().map_or(0, |network| network.first().d_input);
        let input_gradient = &mut scratch.input_gradient[..d_input * rows];
        let mut offsets = &offsets[..];
        for (i, (network, network_layout)) in self.networks.iter().zip(&layout.networks).enumerate()
        {
            let (output_gradient, others) = parameters.split_at(network.output.d_output * rows);
            parameters = others;
            let (of_network, others) = offsets.split_at(network.n_weights());
            offsets = others;
            let gradients = Gradients {
                tape,
                rows,
                offsets: of_network,
                weights: back.weights,
                buffers: scratch.buffers.each_mut().map(|buffer| &mut **buffer),
                context: back.context.as_deref_mut(),
            };
            let below =
                network.backward(network_layout, self.input(layout), output_gradient, gradients);
            if goes_on {
                network.first().input_gradient(below, input_gradient, rows, i > 0);
            }
        }
        if goes_on {
            for (i, &index) in self.kept.iter().enumerate() {
                add(feature_mut(back.state, index, rows), feature(input_gradient, i, rows));
            }
            let (n_kept, n_angles) = (self.kept.len(), self.angles.len());
            for (i, &index) in self.angles.iter().enumerate() {
                let (sine, cosine) = (n_kept + i, n_kept + n_angles + i);
                let seen = |place: usize| feature(&tape[layout.input * rows..], place, rows);
                let gradient = |place: usize| feature(input_gradient, place, rows);
                let of_sine = gradient(sine).iter().zip(seen(cosine));
                let of_cosine = gradient(cosine).iter().zip(seen(sine));
                let target = feature_mut(back.state, index, rows).iter_mut();
                for ((sum, (a, cosine)), (b, sine)) in target.zip(of_sine).zip(of_cosine) {
                    *sum += *a * *cosine - *b * *sine;
                }
            }
        }
        if context_wanted && let Some(context) = &mut back.context {
            add(context, &input_gradient[self.n_seen() * rows..]);
        }
    }

    fn features(&self, direction: Direction) -> Features<'_, R> {
        let n_features = self.transformed.len();
        Features { map: &self.map, direction, group: 0..n_features, n_features }
    }

    fn input(&self, layout: &StepLayout) -> Input {
        Input { start: layout.input, context: layout.input + self.n_seen() }
    }
}

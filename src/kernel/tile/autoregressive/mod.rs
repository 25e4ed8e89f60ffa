//! [`Autoregressive`]: a masked network reads the data features of a tile, and a map transforms all.
//!
//! In the inverse direction the data come in, and all is done at once. In the forward direction
//! (`sequential`) they come out, pass by pass: each unit of the network is computed when what it depends on
//! is known.

mod sequential;

use std::sync::Arc;

use super::super::row::gate::add;
use super::super::row::{Map, Real, feature, feature_mut};
use super::backward::{Backward, Scratch, StepBackward};
use super::features::Features;
use super::forward::Tile;
use super::layout::StepLayout;
use super::network::{Gradients, Input, Network};
use crate::conditioner::NetworkMasks;
use crate::direction::Direction;

/// A map of all features, whose parameters a masked network gives from those before each.
pub(in super::super) struct Autoregressive<'a, R> {
    pub map: Map<R>,
    pub masks: Arc<NetworkMasks>,
    /// Where the tile has each feature, in the order of their passes.
    pub features: Vec<usize>,
    pub takes_context: bool,
    /// Its inputs are the context and, after it, the features in the order of their passes; its outputs are
    /// the parameters of the features of each pass, one pass after another.
    pub network: Network<'a, R>,
}

impl<R: Real> Autoregressive<'_, R> {
    pub(super) fn d_input(&self, d_context: usize) -> usize {
        self.features.len() + if self.takes_context { d_context } else { 0 }
    }

    fn n_passes(&self) -> usize {
        self.masks.adjacency.n_passes()
    }

    /// The features of a pass.
    fn of_pass(&self, direction: Direction, pass: usize) -> Features<'_, R> {
        let outputs = &self.masks.output.outputs;
        let n = self.map.n_parameters();
        let group = outputs.before(pass) / n..outputs.before(pass + 1) / n;
        Features { map: &self.map, direction, group, n_features: self.features.len() }
    }

    /// Where the features stand among the inputs.
    fn first_feature(&self) -> usize {
        self.masks.first().inputs.before(1)
    }

    fn read_context(&self, layout: &StepLayout, tile: &mut Tile<'_, R>) {
        if self.takes_context {
            let rows = tile.log_det.len();
            tile.work[layout.input * rows..][..tile.context.len()].copy_from_slice(tile.context);
        }
    }

    /// Puts the features at these places of the order into the input.
    fn read_features(
        &self,
        places: std::ops::Range<usize>,
        layout: &StepLayout,
        tile: &mut Tile<'_, R>,
    ) {
        let rows = tile.log_det.len();
        let input = &mut tile.work[(layout.input + self.first_feature()) * rows..];
        for place in places {
            let from = feature(tile.state, self.features[place], rows);
            feature_mut(input, place, rows).copy_from_slice(from);
        }
    }

    pub(super) fn forward(
        &self,
        direction: Direction,
        layout: &StepLayout,
        tile: &mut Tile<'_, R>,
    ) {
        self.read_context(layout, tile);
        match direction {
            Direction::Inverse => self.at_once(layout, tile),
            Direction::Forward => self.pass_by_pass(layout, tile),
        }
    }

    fn at_once(&self, layout: &StepLayout, tile: &mut Tile<'_, R>) {
        let rows = tile.log_det.len();
        self.read_features(0..self.features.len(), layout, tile);
        let input = Self::input(layout);
        let network = &layout.networks[0];
        self.network.run(network, input, layout.parameters, tile.work, rows, layout.is_tape);
        for pass in 0..self.n_passes() {
            self.of_pass(Direction::Inverse, pass).forward(&self.features, layout, tile);
        }
    }

    /// The gradients of [`forward`](Self::forward) where the data came in.
    pub(super) fn backward(
        &self,
        step: StepBackward<'_>,
        tape: &mut [R],
        scratch: &mut Scratch<'_, R>,
        back: &mut Backward<'_, '_, R>,
    ) {
        let StepBackward { layout, offsets, is_first, .. } = step;
        let rows = back.log_det.len();
        for pass in 0..self.n_passes() {
            let features = self.of_pass(Direction::Inverse, pass);
            features.backward(&self.features, layout, tape, back.state, back.log_det);
        }
        // What comes before the first step is needed only by who asks for it.
        let context_wanted = self.takes_context && back.context.is_some();
        let goes_on = !is_first || back.input_wanted || context_wanted;
        let (tape, parameters) = tape.split_at(layout.parameters * rows);
        let gradients = Gradients {
            tape,
            rows,
            offsets,
            weights: back.weights,
            buffers: scratch.buffers.each_mut().map(|buffer| &mut **buffer),
            context: back.context.as_deref_mut(),
        };
        let output_gradient = &parameters[..self.network.output.d_output * rows];
        let below = self.network.backward(
            &layout.networks[0],
            Self::input(layout),
            output_gradient,
            gradients,
        );
        if goes_on {
            let first = self.network.first();
            let input_gradient = &mut scratch.input_gradient[..first.d_input * rows];
            first.input_gradient(below, input_gradient, rows, false);
            self.add_input_gradient(input_gradient, context_wanted, back);
        }
    }

    /// Adds the gradient of the input to those of the features and the context.
    fn add_input_gradient(
        &self,
        input: &[R],
        context_wanted: bool,
        back: &mut Backward<'_, '_, R>,
    ) {
        let rows = back.log_det.len();
        let (of_context, of_features) = input.split_at(self.first_feature() * rows);
        for (place, &index) in self.features.iter().enumerate() {
            add(feature_mut(back.state, index, rows), feature(of_features, place, rows));
        }
        if context_wanted && let Some(context) = &mut back.context {
            add(context, of_context);
        }
    }

    fn input(layout: &StepLayout) -> Input {
        Input { start: layout.input, context: layout.input }
    }
}

//! One network on a tile: hidden layers, residual blocks, an output layer.

mod backward;
mod forward;
mod places;

use super::super::row::{Activation, Linear, Real};

pub(super) use backward::Gradients;
pub(super) use forward::Ends;
pub(super) use places::NetworkPlaces;

/// A network as `conditioner::Parts` tells it.
pub(in super::super) struct Network<'a, R> {
    pub hidden: Vec<Linear<'a, R>>,
    pub blocks: Vec<Block<'a, R>>,
    pub output: Linear<'a, R>,
}

/// A residual block: `h += second(first(activation(h)))`, the last one times the gate if there is
/// one, which reads the context.
pub(in super::super) struct Block<'a, R> {
    pub activation: Activation<R>,
    pub first: Linear<'a, R>,
    pub second: Linear<'a, R>,
    pub gate: Option<Linear<'a, R>>,
}

impl<'a, R: Real> Network<'a, R> {
    /// All linear layers, in the order of their weights.
    pub(super) fn linears(&self) -> impl Iterator<Item = &Linear<'a, R>> {
        let blocks = self.blocks.iter().flat_map(Block::linears);
        self.hidden.iter().chain(blocks).chain([&self.output])
    }

    /// The layer that reads the input.
    pub(super) fn first(&self) -> &Linear<'a, R> {
        self.hidden.first().unwrap_or(&self.output)
    }

    /// How many weights and biases it has.
    pub(super) fn n_weights(&self) -> usize {
        self.linears().map(Linear::n_weights).sum()
    }

    /// The width of its widest layer before the output.
    pub(super) fn width(&self) -> usize {
        let blocks = self.blocks.iter().flat_map(Block::linears);
        self.hidden.iter().chain(blocks).map(|layer| layer.d_output).max().unwrap_or(0)
    }
}

impl<'a, R: Real> Block<'a, R> {
    /// All linear layers, in the order of their weights.
    fn linears(&self) -> impl Iterator<Item = &Linear<'a, R>> {
        [&self.first, &self.second].into_iter().chain(&self.gate)
    }
}

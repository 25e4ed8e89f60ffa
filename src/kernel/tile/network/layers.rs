//! [`Network`]: the layers of a network, with their weights as slices.

use crate::kernel::row::{Activation, Linear, Real};

/// A network as `conditioner::NetworkLayers` tells it.
pub(in crate::kernel) struct Network<'a, R> {
    pub hidden: Vec<Linear<'a, R>>,
    pub blocks: Vec<Block<'a, R>>,
    pub output: Linear<'a, R>,
}

/// A residual block: `h += second(first(activation(h)))`, the last one times the gate if there is
/// one, which reads the context.
pub(in crate::kernel) struct Block<'a, R> {
    pub activation: Activation<R>,
    pub first: Linear<'a, R>,
    pub second: Linear<'a, R>,
    pub gate: Option<Linear<'a, R>>,
}

impl<'a, R: Real> Network<'a, R> {
    /// All linear layers, in the order of their weights.
    pub(in crate::kernel::tile) fn linears(&self) -> impl Iterator<Item = &Linear<'a, R>> {
        let blocks = self.blocks.iter().flat_map(Block::linears);
        self.hidden.iter().chain(blocks).chain([&self.output])
    }

    /// The layer that reads the input.
    pub(in crate::kernel::tile) fn first(&self) -> &Linear<'a, R> {
        self.hidden.first().unwrap_or(&self.output)
    }

    /// How many weights and biases it has.
    pub(in crate::kernel::tile) fn n_weights(&self) -> usize {
        self.linears().map(Linear::n_weights).sum()
    }

    /// The width of its widest layer before the output.
    pub(in crate::kernel::tile) fn width(&self) -> usize {
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

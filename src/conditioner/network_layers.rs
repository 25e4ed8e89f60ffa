//! [`NetworkLayers`]: a network as the fused kernels see it.

use std::sync::Arc;

use burn::module::Param;
use burn::nn::Linear;
use burn::nn::activation::Activation;
use burn::tensor::{Int, Tensor};

use super::network_masks::NetworkMasks;
use super::residual_block::ResidualBlock;

/// The layers of a network. It takes its input (and the context after it) through the hidden
/// layers, then through the residual blocks, then through the output layer.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "flex"),
    expect(dead_code, reason = "networks show their layers, and no backend with kernels looks")
)]
pub struct NetworkLayers<'a> {
    pub(crate) d_context: usize,
    /// The inputs, ascending, that are angles. They come after the others, their sines and then their
    /// cosines.
    pub(crate) angles: Option<&'a Param<Tensor<1, Int>>>,
    pub(crate) hidden: &'a [Linear],
    /// One after each hidden layer, or none at all.
    pub(crate) activations: &'a [Activation],
    pub(crate) blocks: &'a [ResidualBlock],
    pub(crate) output: &'a Linear,
    /// Which weights connect, if not all do.
    pub(crate) masks: Option<&'a Arc<NetworkMasks>>,
}

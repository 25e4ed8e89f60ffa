//! One network on a tile: hidden layers, residual blocks, an output layer.

mod backward;
mod forward;
mod layers;
mod layout;

pub(super) use backward::Gradients;
pub(super) use forward::Input;
pub(in super::super) use layers::{Block, Network};
pub(super) use layout::NetworkLayout;

//! One network on a tile: hidden layers, residual blocks, an output layer. `pass`: a masked network, some
//! units at a time.

mod backward;
mod forward;
mod layers;
mod layout;
mod pass;

pub(super) use backward::Gradients;
pub(super) use forward::Input;
pub(in super::super) use layers::{Block, Network};
pub(super) use layout::NetworkLayout;
pub(super) use pass::PassGradients;

//! A tile of rows carried through all steps of a flow, and its gradients carried back.
//!
//! [`Steps::carry`] takes a tile through. With the [`Layout`] of a tape it leaves what
//! [`Steps::carry_back`] needs: the inputs of every linear layer, the parameters of every map, and
//! what its gradient asks for.

mod backward;
mod forward;
mod layout;
mod network;
mod steps;

pub(super) use backward::{Back, Offsets, WeightSums};
pub(super) use layout::Layout;
pub(super) use network::{Block, Network};
pub(super) use steps::{Source, Step, Steps};

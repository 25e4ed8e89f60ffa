//! A tile of rows carried through all steps of a flow, and its gradients carried back.
//!
//! [`Steps::carry`] takes a tile through. With the [`Layout`] of a tape it leaves what
//! [`Steps::carry_back`] needs: the inputs of every linear layer, the parameters of every map, and
//! one of its values.

mod backward;
mod forward;
mod layout;
mod steps;

pub(super) use backward::{Back, Offsets, WeightSums};
pub(super) use layout::Layout;
pub(super) use steps::{Source, Step, Steps};

//! A tile of rows through all steps of a flow, and its gradients back.
//!
//! [`Steps::forward`] takes a tile through. With the [`Layout`] of a tape it leaves what
//! [`Steps::backward`] needs: the inputs of every linear layer, the parameters of every map, and
//! what its gradient asks for. Each operation has its file: `coupling`, `elementwise`,
//! `fixed`, `autoregressive`, `matrix`, `permutation`. What becomes of the gradients of weights: `weights`.

mod autoregressive;
mod backward;
mod coupling;
mod elementwise;
mod features;
mod fixed;
mod forward;
mod layout;
mod matrix;
mod network;
mod permutation;
mod steps;
mod weights;

pub(super) use autoregressive::Autoregressive;
pub(super) use backward::{Backward, Offsets};
pub(super) use coupling::Coupling;
pub(super) use elementwise::Elementwise;
pub(super) use fixed::Fixed;
pub(super) use forward::Tile;
pub(super) use layout::Layout;
pub(super) use matrix::Matrix;
pub(super) use network::{Block, Network};
pub(super) use permutation::{Permutation, relabelled};
pub(super) use steps::{Operation, Step, Steps};
pub(super) use weights::{Keeper, KeptRows, Summand, Sums, Terms, Weights, n_pieces, pieces};

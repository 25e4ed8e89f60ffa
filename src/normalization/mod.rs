//! Layers that standardise features by what they have met.

mod act_norm;
mod affine;
mod batch_norm;
mod calibrated;

pub use act_norm::{ActNorm, ActNormConfig};
pub use batch_norm::{BatchNorm, BatchNormConfig};

//! Layers that standardise features by what they have met.

mod act_norm;

pub use act_norm::{ActNorm, ActNormConfig};

//! Layers that mix features by a matrix.

mod lu;
mod triangular;

pub use lu::{LuLinear, LuLinearConfig};

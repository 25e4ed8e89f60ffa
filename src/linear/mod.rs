//! Layers that are a matrix: features in another order, or mixed.

mod lu;
mod permutation;
mod triangular;

pub use lu::{LuLinear, LuLinearConfig};
pub use permutation::{Permutation, PermutationConfig};

//! Layers that are a matrix: features in another order, or mixed.

mod householder;
mod lower_triangular;
mod lu;
mod permutation;
mod product;
mod qr;
mod reflections;
mod svd;
mod triangular;

pub use householder::{Householder, HouseholderConfig};
pub use lower_triangular::{TriangularLinear, TriangularLinearConfig};
pub use lu::{LuLinear, LuLinearConfig};
pub use permutation::{Permutation, PermutationConfig};
pub use qr::{QrLinear, QrLinearConfig};
pub use svd::{SvdLinear, SvdLinearConfig};

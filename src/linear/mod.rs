//! Layers that are a matrix: features in another order, or mixed.

mod householder;
mod lu;
mod permutation;
mod product;
mod qr;
mod reflections;
mod substitution;
mod svd;
mod triangular;

pub use householder::{Householder, HouseholderConfig};
pub use lu::{LuLinear, LuLinearConfig};
pub use permutation::{Permutation, PermutationConfig};
pub use qr::{QrLinear, QrLinearConfig};
pub use svd::{SvdLinear, SvdLinearConfig};
pub(crate) use triangular::cholesky;
pub use triangular::{TriangularLinear, TriangularLinearConfig};

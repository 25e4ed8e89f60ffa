//! Probability densities: base distributions, and the density that a flow makes of one.

mod chunks;
mod diagonal_normal;
mod interface;
mod noise;
mod normalizing_flow;
mod standard_normal;

pub use diagonal_normal::{DiagonalNormal, DiagonalNormalConfig};
pub use interface::{Distribution, Reparameterized};
pub use normalizing_flow::NormalizingFlow;
pub use standard_normal::StandardNormal;

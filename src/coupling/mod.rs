//! Coupling layers: some features pass unchanged and decide how the others are transformed.

mod mask;
mod masked_coupling;
mod partition;

pub use mask::Mask;
pub use masked_coupling::{MaskedCoupling, MaskedCouplingConfig};

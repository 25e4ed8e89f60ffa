//! x
pub use burn;
mod cast;
mod closed_enum;
pub mod conditioner;
pub mod coupling;
pub mod data;
pub mod distribution;
pub mod elementwise;
mod flow;
mod layer;
pub mod preset;
mod sequential;
pub mod testing;
pub mod univariate;

pub use cast::cast;
pub use coupling::{MaskedCoupling, MaskedCouplingConfig};
pub use distribution::{Distribution, NormalizingFlow, Reparameterized, StandardNormal};
pub use elementwise::{Elementwise, ElementwiseConfig};
pub use flow::{Flow, Inverse};
pub use layer::Layer;
pub use preset::{NiceConfig, RealNvpConfig};
pub use sequential::Sequential;

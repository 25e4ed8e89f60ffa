//! Named architectures. A preset stacks layers of the crate and adds no maths.

mod nice;
mod real_nvp;

pub use nice::{Nice, NiceConfig};
pub use real_nvp::{RealNvp, RealNvpConfig};

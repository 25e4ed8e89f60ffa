//! Named architectures. A preset stacks layers of the crate and adds no maths.

mod alternate;
mod nice;
mod nsf;
mod real_nvp;

pub use nice::{Nice, NiceConfig};
pub use nsf::{Nsf, NsfConfig};
pub use real_nvp::{RealNvp, RealNvpConfig};

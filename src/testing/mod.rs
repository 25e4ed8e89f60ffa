//! Laws that every flow obeys, to check layers with: this crate's own and yours.
//!
//! [`Laws`] takes a function that builds a flow, and has a method for each law. A broken law panics
//! with what was expected and what was found. Inputs and parameters come from a seeded generator.
//!
//! # Example
//!
//! ```
//! use normalizing_flows::testing::Laws;
//! use normalizing_flows::{ElementwiseConfig, burn::tensor::Device};
//!
//! let laws = Laws::new(3, |device, _rng| ElementwiseConfig::new(3).init(device));
//! laws.check_all(&Device::default());
//! ```

mod compare;
mod determinant;
mod gradients;
mod invertibility;
mod laws;
mod parameters;
mod robustness;

pub use compare::assert_close;
pub use laws::{Law, Laws};
pub use parameters::perturb;

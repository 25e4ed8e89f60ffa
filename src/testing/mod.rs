//! Checks of the invariants that the parts of a model satisfy: for this crate's own parts and for
//! yours.
//!
//! | part | case | tests |
//! |---|---|---|
//! | [`Flow`](crate::Flow) | [`Laws`] | [`flow_laws!`](crate::flow_laws) |
//! | [`Distribution`](crate::Distribution) | [`DistributionLaws`] | [`distribution_laws!`](crate::distribution_laws) |
//! | [`Univariate`](crate::univariate::Univariate) | [`UnivariateLaws`] | [`univariate_laws!`](crate::univariate_laws) |
//! | [`Conditioner`](crate::conditioner::Conditioner) | [`ConditionerLaws`] | [`conditioner_laws!`](crate::conditioner_laws) |
//! | [`AutoregressiveConditioner`](crate::conditioner::AutoregressiveConditioner) | [`AutoregressiveLaws`] | [`autoregressive_laws!`](crate::autoregressive_laws) |
//!
//! A case takes a function that builds the part, and has a method for each check, which panics with
//! what was expected and what was found. The macros make a `#[test]` of each. Inputs and parameters
//! come from a seeded generator.
//!
//! # Example
//!
//! ```
//! use normalizing_flows::testing::Laws;
//! use normalizing_flows::{ElementwiseConfig, burn::tensor::Device};
//!
//! let laws = Laws::new(3, |device, rng| ElementwiseConfig::new(3).init(device, rng));
//! laws.check_all(&Device::default());
//! ```

mod autoregressive_laws;
mod compare;
mod conditioner_laws;
mod determinant;
mod distribution_laws;
mod flow_laws;
mod gradients;
mod invertibility;
mod list;
mod parameters;
mod quadrature;
mod robustness;
mod univariate_laws;

pub use autoregressive_laws::AutoregressiveLaws;
pub use compare::assert_close;
pub use conditioner_laws::ConditionerLaws;
pub use distribution_laws::DistributionLaws;
pub use flow_laws::Laws;
pub use parameters::perturb;
pub use univariate_laws::UnivariateLaws;

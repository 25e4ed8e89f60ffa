//! Monotone maps by networks that hold weights of their own; a conditioner gives them a signal.
//!
//! - `stacked`: a linear layer of a network for each feature, or of one for all
//! - `monotone_network`: a network of positive weights, as in neural autoregressive flows
//! - `integral_network`: the integral of a positive network, as in unconstrained monotonic ones

mod integral_network;
mod monotone_network;
mod stacked;

pub use integral_network::{IntegralNetwork, IntegralNetworkConfig};
pub use monotone_network::{MonotoneNetwork, MonotoneNetworkConfig};
pub use stacked::StackedLinear;

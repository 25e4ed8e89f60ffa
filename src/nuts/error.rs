//! [`DensityError`]: what stops a chain, or a trajectory.

use std::fmt;

/// Why a target has no value at a point. Outside of its support or where it is not finite a trajectory ends, as where
/// its energy diverges.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DensityError {
    /// The log-density or its gradient is not finite.
    NonFinite {
        /// The log-density.
        log_density: f64,
        /// The point.
        point: Vec<f64>,
    },
}

impl fmt::Display for DensityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NonFinite { log_density, point } = self;
        match log_density.is_finite() {
            true => write!(f, "the gradient of the log-density is not finite at {point:?}"),
            false => write!(f, "the log-density is {log_density} at {point:?}"),
        }
    }
}

impl std::error::Error for DensityError {}

impl nuts_rs::LogpError for DensityError {
    fn is_recoverable(&self) -> bool {
        true
    }
}

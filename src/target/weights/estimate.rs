//! [`Estimate`]: a number with its standard error.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number that was estimated from samples, with its standard error. Prints as `value ± error`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} ± {:.4}", self.value, self.error)
    }
}

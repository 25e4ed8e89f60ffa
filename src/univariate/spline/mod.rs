//! Monotone splines.
//!
//! - `config`: its sizes, and which of them are allowed
//! - `rational_quadratic`: the map of quotients of quadratic polynomials, and what it does beyond its interval
//! - `rational_linear`: the same of quotients of lines, two in each bin
//! - `boundary`: which slopes the ends of the interval have
//! - `knots`: from the parameters to knots and slopes, and to the bin that a value falls into
//! - `bin`: the formulas of one bin

mod bin;
mod boundary;
mod config;
mod knots;
mod rational_linear;
mod rational_quadratic;

pub use boundary::BoundarySlopes;
pub use config::RationalQuadraticSplineConfig;
pub use rational_linear::{RationalLinearSpline, RationalLinearSplineConfig};
pub use rational_quadratic::RationalQuadraticSpline;

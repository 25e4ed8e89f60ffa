//! Monotone scalar maps, as functions of a value and the parameters that a conditioner gives.
//!
//! A univariate map knows nothing of networks or masks: a [coupling](crate::coupling) layer feeds
//! it the parameters that its conditioner computed, an [elementwise](crate::elementwise) layer the
//! parameters that it learns.

mod additive;
mod affine;
mod fixed_map;
mod interface;
mod map;
mod scale;
mod spline;

pub use additive::{Additive, AdditiveConfig};
pub use affine::{Affine, AffineConfig};
pub use fixed_map::FixedMap;
pub use interface::Univariate;
pub(crate) use interface::conditioned;
pub use map::{UnivariateConfig, UnivariateMap};
pub(crate) use scale::LN_1000;
pub use scale::ScaleBound;
pub use spline::{BoundarySlopes, RationalQuadraticSpline, RationalQuadraticSplineConfig};

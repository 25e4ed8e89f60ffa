//! Monotone scalar maps, as functions of a value and the parameters that a conditioner gives.
//!
//! A univariate map knows nothing of networks or masks: a [coupling](crate::coupling) layer feeds
//! it the parameters that its conditioner computed, an [elementwise](crate::elementwise) layer the
//! parameters that it learns.

mod additive;
mod affine;
mod bernstein;
mod fixed_map;
mod interface;
mod logistic_mixture;
mod map;
mod network;
mod numerical;
mod scale;
mod softplus;
mod spline;
mod sum_of_squares;

pub use additive::{Additive, AdditiveConfig};
pub use affine::{Affine, AffineConfig};
pub use bernstein::{BernsteinPolynomial, BernsteinPolynomialConfig, BernsteinTails};
pub use fixed_map::FixedMap;
pub use interface::Univariate;
pub(crate) use interface::conditioned;
pub use logistic_mixture::{LogisticMixture, LogisticMixtureConfig};
pub use map::{UnivariateConfig, UnivariateMap};
pub use network::{
    IntegralNetwork, IntegralNetworkConfig, MonotoneNetwork, MonotoneNetworkConfig, StackedLinear,
};
pub use numerical::forward_by_root;
pub(crate) use scale::LN_1000;
pub use scale::ScaleBound;
pub(crate) use softplus::softplus;
pub use spline::{
    BoundarySlopes, RationalLinearSpline, RationalLinearSplineConfig, RationalQuadraticSpline,
    RationalQuadraticSplineConfig,
};
pub use sum_of_squares::{SumOfSquares, SumOfSquaresConfig};

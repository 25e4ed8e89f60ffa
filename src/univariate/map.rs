//! [`UnivariateMap`]: every univariate map of the crate in one type.

use burn::config::Config;
use burn::tensor::Tensor;

use super::additive::Additive;
use super::affine::{Affine, AffineConfig};
use super::interface::Univariate;
use super::spline::{RationalQuadraticSpline, RationalQuadraticSplineConfig};
use crate::closed_enum::closed_enum;

/// Configuration of a [`UnivariateMap`].
#[derive(Config, Debug)]
#[non_exhaustive]
pub enum UnivariateConfig {
    /// Scale and shift, as in RealNVP.
    Affine(AffineConfig),
    /// Shift, as in NICE.
    Additive,
    /// A monotone spline, as in neural spline flows.
    RationalQuadraticSpline(RationalQuadraticSplineConfig),
}

impl Default for UnivariateConfig {
    fn default() -> Self {
        Self::Affine(AffineConfig::new())
    }
}

impl From<AffineConfig> for UnivariateConfig {
    fn from(config: AffineConfig) -> Self {
        Self::Affine(config)
    }
}

impl From<RationalQuadraticSplineConfig> for UnivariateConfig {
    fn from(config: RationalQuadraticSplineConfig) -> Self {
        Self::RationalQuadraticSpline(config)
    }
}

impl UnivariateConfig {
    /// Builds the map, which holds no weights.
    ///
    /// # Panics
    ///
    /// If the configuration of the map is out of its range.
    pub fn init(&self) -> UnivariateMap {
        match self {
            Self::Affine(config) => config.init().into(),
            Self::Additive => Additive.into(),
            Self::RationalQuadraticSpline(config) => config.init().into(),
        }
    }
}

closed_enum! {
    /// Any univariate map of the crate: the run-time form, and the default of the layers that are
    /// generic in their map.
    pub enum UnivariateMap as on_map($) {
        /// Scale and shift, as in RealNVP.
        Affine(Affine),
        /// Shift, as in NICE.
        Additive(Additive),
        /// A monotone spline, as in neural spline flows.
        RationalQuadraticSpline(RationalQuadraticSpline),
    }
}

impl Univariate for UnivariateMap {
    fn n_parameters(&self) -> usize {
        on_map!(self, map => map.n_parameters())
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        on_map!(self, map => map.forward(z, parameters))
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        on_map!(self, map => map.inverse(x, parameters))
    }

    fn as_known(&self) -> Option<UnivariateMap> {
        Some(self.clone())
    }
}

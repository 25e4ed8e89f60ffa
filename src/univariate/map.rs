//! [`UnivariateMap`]: every univariate map of the crate in one type.

use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::additive::{Additive, AdditiveConfig};
use super::affine::{Affine, AffineConfig};
use super::bernstein::{BernsteinPolynomial, BernsteinPolynomialConfig};
use super::interface::Univariate;
use super::logistic_mixture::{LogisticMixture, LogisticMixtureConfig};
use super::network::{
    IntegralNetwork, IntegralNetworkConfig, MonotoneNetwork, MonotoneNetworkConfig,
};
use super::spline::{
    RationalLinearSpline, RationalLinearSplineConfig, RationalQuadraticSpline,
    RationalQuadraticSplineConfig,
};
use super::sum_of_squares::{SumOfSquares, SumOfSquaresConfig};
use crate::closed_enum::closed_enum;
use crate::kernel::KernelMap;

closed_enum! {
    /// Any univariate map of the crate: the run-time form, and the default of the layers that are
    /// generic in their map.
    pub enum UnivariateMap as on_map($) {
        /// Scale and shift, as in RealNVP.
        Affine(Affine) from AffineConfig;
        /// Shift, as in NICE.
        Additive(Additive) from AdditiveConfig;
        /// A monotone spline, as in neural spline flows.
        RationalQuadraticSpline(RationalQuadraticSpline) from RationalQuadraticSplineConfig;
        /// A monotone spline of quotients of lines.
        RationalLinearSpline(RationalLinearSpline) from RationalLinearSplineConfig;
        /// The logit of a mixture of logistics, as in deep sigmoidal flows.
        LogisticMixture(LogisticMixture) from LogisticMixtureConfig;
        /// The integral of a sum of squared polynomials.
        SumOfSquares(SumOfSquares) from SumOfSquaresConfig;
        /// A polynomial of increasing coefficients.
        BernsteinPolynomial(BernsteinPolynomial) from BernsteinPolynomialConfig;
        /// A network of positive weights, as in neural autoregressive flows.
        MonotoneNetwork(MonotoneNetwork) from MonotoneNetworkConfig;
        /// The integral of a positive network, as in UMNN.
        IntegralNetwork(IntegralNetwork) from IntegralNetworkConfig;
    }

    /// Configuration of a [`UnivariateMap`].
    pub enum UnivariateConfig as on_config;
}

impl Default for UnivariateConfig {
    fn default() -> Self {
        AffineConfig::new().into()
    }
}

impl UnivariateConfig {
    /// Builds the map on a device; its weights, if it holds any, are drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> UnivariateMap {
        on_config!(self, config => config.init(device, rng).into())
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

    fn pull_back(
        &self,
        z: Tensor<2>,
        parameters: Tensor<3>,
        gradient: Tensor<2>,
    ) -> Option<(Tensor<2>, Tensor<3>)> {
        on_map!(self, map => map.pull_back(z, parameters, gradient))
    }

    fn kernel(&self) -> Option<KernelMap> {
        on_map!(self, map => map.kernel())
    }
}

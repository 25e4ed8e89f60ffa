//! Flows of polynomials.

use burn::config::Config;

use super::turning::turning;
use crate::conditioner::MadeConfig;
use crate::distribution::FlowConfig;
use crate::error::Error;
use crate::univariate::{BernsteinPolynomialConfig, SumOfSquaresConfig};

/// The sum-of-squares polynomial flow (SOS): autoregressive layers whose order turns round, of integrals of sums of
/// squared polynomials.
///
/// Densities cost one pass through the conditioners and the maps. Samples are found numerically: per layer and pass of
/// the order one pass through the conditioner, and about six through the map.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, SosConfig};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = SosConfig::new(2).with_n_layers(2).init(&Device::default(), &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(10, &mut rng);
/// assert!((model.log_prob(x) - log_prob).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Jaini, Selby, Yu: *Sum-of-Squares Polynomial Flow*, 2019, arXiv:1905.02325.
#[derive(Config, Debug)]
pub struct SosConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The number of layers, at least 1.
    #[config(default = 3)]
    pub n_layers: usize,
    /// The network of each layer.
    #[config(default = "MadeConfig::default()")]
    pub conditioner: MadeConfig,
    /// The polynomials of each layer.
    #[config(default = "SumOfSquaresConfig::new()")]
    pub polynomials: SumOfSquaresConfig,
}

impl SosConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let sizes = [self.d_features, self.d_context, self.n_layers];
        let layers = turning(sizes, &self.conditioner, &self.polynomials.clone().into())?;
        Ok(FlowConfig::standard(self.d_features, layers))
    }
}

/// The Bernstein polynomial flow: autoregressive layers whose order turns round, of polynomials of increasing
/// coefficients.
///
/// Densities cost one pass through the conditioners and the maps. Samples are found numerically: per layer and pass of
/// the order one pass through the conditioner, and about six through the map.
/// Data should be standardised: beyond the interval a layer is straight.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, BernsteinConfig};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = BernsteinConfig::new(2).with_n_layers(2).init(&Device::default(), &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(10, &mut rng);
/// assert!((model.log_prob(x) - log_prob).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Ramasinghe, Fernando, Khan, Barnes: *Robust Normalizing Flows Using Bernstein-Type Polynomials*, 2021,
/// arXiv:2102.03509.
#[derive(Config, Debug)]
pub struct BernsteinConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The number of layers, at least 1.
    #[config(default = 3)]
    pub n_layers: usize,
    /// The network of each layer.
    #[config(default = "MadeConfig::default()")]
    pub conditioner: MadeConfig,
    /// The polynomial of each layer.
    #[config(default = "BernsteinPolynomialConfig::new()")]
    pub polynomial: BernsteinPolynomialConfig,
}

impl BernsteinConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let sizes = [self.d_features, self.d_context, self.n_layers];
        let layers = turning(sizes, &self.conditioner, &self.polynomial.clone().into())?;
        Ok(FlowConfig::standard(self.d_features, layers))
    }
}

//! Neural autoregressive flows.

use burn::config::Config;

use super::turning::turning;
use crate::conditioner::MadeConfig;
use crate::distribution::FlowConfig;
use crate::error::Error;
use crate::univariate::{IntegralNetworkConfig, MonotoneNetworkConfig};

/// The neural autoregressive flow (NAF): autoregressive layers whose order turns round, of networks that are increasing
/// since their weights are positive.
///
/// Densities cost one pass through the conditioners and the maps. Samples are found numerically: per layer and pass of
/// the order one pass through the conditioner, and about six through the map.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, NafConfig};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = NafConfig::new(2).with_n_layers(2).init(&Device::default(), &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(10, &mut rng);
/// assert!((model.log_prob(x) - log_prob).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Huang, Krueger, Lacoste, Courville: *Neural Autoregressive Flows*, 2018, arXiv:1804.00779.
#[derive(Config, Debug)]
pub struct NafConfig {
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
    /// The monotone network of each layer.
    #[config(default = "MonotoneNetworkConfig::new()")]
    pub network: MonotoneNetworkConfig,
}

impl NafConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let sizes = [self.d_features, self.d_context, self.n_layers];
        let layers = turning(sizes, &self.conditioner, &self.network.clone().into())?;
        Ok(FlowConfig::standard(self.d_features, layers))
    }
}

/// The unconstrained neural autoregressive flow (UNAF): autoregressive layers whose order turns round, of integrals of
/// positive networks.
///
/// Densities cost one pass through the conditioners and the maps. Samples are found numerically: per layer and pass of
/// the order one pass through the conditioner, and about six through the map.
/// Each of them evaluates the integrand at every node of the quadrature.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, UnafConfig};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = UnafConfig::new(2).with_n_layers(2).init(&Device::default(), &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(10, &mut rng);
/// assert!((model.log_prob(x) - log_prob).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Wehenkel, Louppe: *Unconstrained Monotonic Neural Networks*, 2019, arXiv:1908.05164.
#[derive(Config, Debug)]
pub struct UnafConfig {
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
    /// The integral network of each layer.
    #[config(default = "IntegralNetworkConfig::new()")]
    pub network: IntegralNetworkConfig,
}

impl UnafConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let sizes = [self.d_features, self.d_context, self.n_layers];
        let layers = turning(sizes, &self.conditioner, &self.network.clone().into())?;
        Ok(FlowConfig::standard(self.d_features, layers))
    }
}

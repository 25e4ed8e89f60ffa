//! The masked autoregressive flow and its inverse.

use burn::config::Config;

use super::real_nvp::shared_bound;
use super::turning::turning;
use crate::conditioner::MadeConfig;
use crate::distribution::FlowConfig;
use crate::error::Error;
use crate::flow::InverseConfig;
use crate::univariate::AffineConfig;

/// The masked autoregressive flow (MAF): layers in which each feature is scaled and shifted given those
/// before it, whose order turns round from layer to layer.
///
/// Densities cost one pass through the conditioners; samples as many small steps per layer as there
/// are features. [`IafConfig`] has it the other way round.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, MafConfig};
/// use normalizing_flows::conditioner::MlpConfig;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = MafConfig::new(3)
///     .with_n_layers(3)
///     .with_conditioner(MlpConfig::new().with_d_hidden(vec![32, 32]).into())
///     .init(&device, &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(10, &mut rng);
/// assert!((model.log_prob(x) - log_prob).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Papamakarios, Pavlakou, Murray: *Masked Autoregressive Flow for Density Estimation*, 2017,
/// arXiv:1705.07057.
#[derive(Config, Debug)]
pub struct MafConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The number of layers, at least 1; the paper uses 5 and 10.
    #[config(default = 5)]
    pub n_layers: usize,
    /// The network of each layer.
    #[config(default = "MadeConfig::default()")]
    pub conditioner: MadeConfig,
    /// The affine map of each layer. By default its log-scale is soft-clipped so that the whole
    /// stack scales a feature by at most 1000, and by at least 1/1000.
    pub affine: Option<AffineConfig>,
}

impl MafConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let affine = self.affine.clone().unwrap_or_else(|| shared_bound(self.n_layers));
        let sizes = [self.d_features, self.d_context, self.n_layers];
        let layers = turning(sizes, &self.conditioner, &affine.into())?;
        Ok(FlowConfig::standard(self.d_features, layers))
    }
}

/// The inverse autoregressive flow (IAF): the layers of a [masked autoregressive flow](MafConfig) with
/// their directions swapped, so that samples, and the densities of samples, cost one pass through the
/// conditioners.
///
/// It is the flow of variational inference, which asks for the densities of its own samples. The
/// density of any other row costs as many small steps per layer as there are features.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, IafConfig};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = IafConfig::new(3).init(&device, &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(10, &mut rng);
/// assert!((model.log_prob(x) - log_prob).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Kingma et al.: *Improving Variational Inference with Inverse Autoregressive Flow*, 2016,
/// arXiv:1606.04934.
#[derive(Config, Debug)]
pub struct IafConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The number of layers, at least 1.
    #[config(default = 5)]
    pub n_layers: usize,
    /// The network of each layer.
    #[config(default = "MadeConfig::default()")]
    pub conditioner: MadeConfig,
    /// The affine map of each layer; by default as in [`MafConfig`].
    pub affine: Option<AffineConfig>,
}

impl IafConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let Self { d_features, d_context, n_layers, conditioner, affine } = self.clone();
        let maf = MafConfig { d_features, d_context, n_layers, conditioner, affine }.build()?;
        let inverse = InverseConfig::new(maf.layers).into();
        Ok(FlowConfig::standard(self.d_features, vec![inverse]))
    }
}

//! NICE.

use burn::config::Config;

use super::alternate::{alternate, alternating_mask};
use crate::conditioner::NetworkConfig;
use crate::coupling::MaskedCouplingConfig;
use crate::distribution::FlowConfig;
use crate::elementwise::ElementwiseConfig;
use crate::error::Error;
use crate::univariate::AdditiveConfig;

/// NICE: additive coupling layers, whose alternating masks change parity from layer to layer, over
/// a learnt scale of each latent feature.
///
/// The couplings preserve volume, so only the scale changes the values of the density. Beside it
/// there is a shift here, which the paper does without, and the scale is bounded as in
/// [`Affine`](crate::univariate::Affine). Each direction costs one pass through the conditioners.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, NiceConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = NiceConfig::new(4).init(&device, &mut rng);
/// assert_eq!(model.log_prob(Tensor::zeros([7, 4], &device)).dims(), [7]);
/// ```
///
/// # References
///
/// Dinh, Krueger, Bengio: *NICE: Non-linear Independent Components Estimation*, 2015,
/// arXiv:1410.8516.
#[derive(Config, Debug)]
pub struct NiceConfig {
    /// The number of features, at least 2.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The number of coupling layers, at least 1; the paper uses 4.
    #[config(default = 4)]
    pub n_layers: usize,
    /// The network of each layer.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
}

impl NiceConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let layer = MaskedCouplingConfig::new(alternating_mask(self.d_features)?)
            .with_d_context(self.d_context)
            .with_conditioner(self.conditioner.clone())
            .with_univariate(AdditiveConfig::new().into());
        let mut layers = vec![ElementwiseConfig::new(self.d_features).into()];
        layers.extend(alternate(layer, self.n_layers)?);
        Ok(FlowConfig::standard(self.d_features, layers))
    }
}

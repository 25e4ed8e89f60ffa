//! RealNVP.

use burn::config::Config;

use super::alternate::{alternate, alternating_mask};
use super::mixing::Mixing;
use crate::conditioner::NetworkConfig;
use crate::coupling::MaskedCouplingConfig;
use crate::distribution::FlowConfig;
use crate::error::Error;
use crate::univariate::{AffineConfig, LN_1000, ScaleBound};

/// RealNVP: affine coupling layers whose alternating masks change parity from layer to layer.
///
/// Each direction costs one pass through the conditioners.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, RealNvpConfig};
/// use normalizing_flows::conditioner::MlpConfig;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = RealNvpConfig::new(3)
///     .with_n_layers(4)
///     .with_conditioner(MlpConfig::new().with_d_hidden(vec![128, 128]).into())
///     .init(&device, &mut rng);
/// assert_eq!(model.sample(10, &mut rng).dims(), [10, 3]);
/// ```
///
/// # References
///
/// Dinh, Sohl-Dickstein, Bengio: *Density estimation using Real NVP*, 2017, arXiv:1605.08803.
#[derive(Config, Debug)]
pub struct RealNvpConfig {
    /// The number of features, at least 2.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The number of coupling layers, at least 1.
    #[config(default = 8)]
    pub n_layers: usize,
    /// The network of each layer.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
    /// The affine map of each layer. By default its log-scale is soft-clipped so that all couplings
    /// together scale a feature by at most 1000, and by at least 1/1000: at `ln 1000` divided by the
    /// number of layers that transform the feature. Matrices between the layers scale by themselves.
    pub affine: Option<AffineConfig>,
    /// What stands between the layers.
    #[config(default = "Mixing::Auto")]
    pub mixing: Mixing,
}

impl RealNvpConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let affine = self.affine.clone().unwrap_or_else(|| shared_bound(self.n_layers.div_ceil(2)));
        let layer = MaskedCouplingConfig::new(alternating_mask(self.d_features)?)
            .with_d_context(self.d_context)
            .with_conditioner(self.conditioner.clone())
            .with_univariate(affine.into());
        let layers = self.mixing.between(alternate(layer, self.n_layers)?, self.d_features);
        Ok(FlowConfig::standard(self.d_features, layers))
    }
}

/// A bound that the layers share of which so many transform each feature. With the bound of one layer in
/// each of them, a deep stack is tame where it was trained and overflows a few standard deviations
/// farther out, where the conditioners extrapolate: each layer feeds the next one values a thousand times
/// larger.
pub(super) fn shared_bound(layers_per_feature: usize) -> AffineConfig {
    let bound = LN_1000 / layers_per_feature.max(1) as f64;
    AffineConfig::new().with_bound(ScaleBound::SoftClip { bound })
}

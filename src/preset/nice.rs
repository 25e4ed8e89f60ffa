//! NICE.

use burn::config::Config;
use burn::tensor::Device;
use rand::Rng;

use super::alternate::alternate;
use crate::conditioner::NetworkConfig;
use crate::coupling::{Mask, MaskedCoupling, MaskedCouplingConfig};
use crate::distribution::{NormalizingFlow, StandardNormal};
use crate::elementwise::{Elementwise, ElementwiseConfig};
use crate::sequential::Sequential;
use crate::univariate::UnivariateConfig;

/// A standard normal scaled feature by feature and carried through additive coupling layers; what
/// [`NiceConfig`] builds.
pub type Nice = NormalizingFlow<StandardNormal, (Elementwise, Sequential<MaskedCoupling>)>;

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
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
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
    /// Builds the density on a device, its weights drawn from `rng`. It starts as the standard
    /// normal.
    ///
    /// # Panics
    ///
    /// If `d_features` is below 2, `n_layers` is 0, or the configuration of a part is out of its
    /// range.
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Nice {
        let layer = MaskedCouplingConfig::new(Mask::alternating(self.d_features))
            .with_d_context(self.d_context)
            .with_conditioner(self.conditioner.clone())
            .with_univariate(UnivariateConfig::Additive);
        let couplings = alternate(layer, self.n_layers, device, rng);
        let scale = ElementwiseConfig::new(self.d_features).init(device);
        NormalizingFlow::new(StandardNormal::new(self.d_features, device), (scale, couplings))
    }
}

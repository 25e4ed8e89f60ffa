//! Glow, for vectors.

use burn::config::Config;

use super::alternate::{alternate, alternating_mask};
use super::real_nvp::shared_bound;
use crate::conditioner::NetworkConfig;
use crate::coupling::MaskedCouplingConfig;
use crate::distribution::FlowConfig;
use crate::error::Error;
use crate::flow::LayerConfig;
use crate::linear::LuLinearConfig;
use crate::normalization::ActNormConfig;
use crate::univariate::AffineConfig;

/// Glow on vectors: steps of an ActNorm, a linear layer and an affine coupling, in this order from data to
/// latent.
///
/// The linear layer, a matrix by its triangular factors as in the paper, takes the place of fixed
/// permutations: the couplings meet other mixtures of the features each time, and correlated
/// features come apart in one step. The model is set by the first batch: `fit` does it, and otherwise
/// [`calibrate`](crate::NormalizingFlow::calibrate). On the CPU all steps are one pass of the kernels. Each
/// direction costs one pass through the conditioners, and `O(d²)` per step for the matrices.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, GlowConfig};
/// use normalizing_flows::burn::tensor::{Device, Distribution as Draw, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let model = GlowConfig::new(3).with_n_steps(4).init(&device, &mut rng);
/// let batch = Tensor::<2>::random([64, 3], Draw::Normal(5.0, 2.0), &device);
/// let model = model.calibrate(batch.clone());
/// assert_eq!(model.log_prob(batch).dims(), [64]);
/// // One that is calibrated starts with samples like the batch.
/// let mean = model.sample(1000, &mut rng).mean().into_scalar::<f32>();
/// assert!((mean - 5.0).abs() < 1.5);
/// ```
///
/// # References
///
/// Kingma, Dhariwal: *Glow: Generative Flow with Invertible 1x1 Convolutions*, 2018, arXiv:1807.03039.
#[derive(Config, Debug)]
pub struct GlowConfig {
    /// The number of features, at least 2.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The number of steps, at least 1.
    #[config(default = 8)]
    pub n_steps: usize,
    /// The network of each coupling.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
    /// The affine map of each coupling; by default as in [`RealNvpConfig`](super::RealNvpConfig).
    pub affine: Option<AffineConfig>,
}

impl GlowConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let affine = self.affine.clone().unwrap_or_else(|| shared_bound(self.n_steps.div_ceil(2)));
        let coupling = MaskedCouplingConfig::new(alternating_mask(self.d_features)?)
            .with_d_context(self.d_context)
            .with_conditioner(self.conditioner.clone())
            .with_univariate(affine.into());
        let step = |coupling: LayerConfig| -> [LayerConfig; 3] {
            let linear = LuLinearConfig::new(self.d_features).into();
            [coupling, linear, ActNormConfig::new(self.d_features).into()]
        };
        let couplings = alternate(coupling, self.n_steps)?;
        Ok(FlowConfig::standard(self.d_features, couplings.into_iter().flat_map(step).collect()))
    }
}

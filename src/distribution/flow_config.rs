//! [`FlowConfig`]: any base and layers of the crate as a configuration.

use burn::config::Config;
use burn::tensor::Device;
use rand::Rng;

use super::base::BaseConfig;
use super::normalizing_flow::NormalizingFlow;
use super::standard_normal::StandardNormalConfig;
use crate::error::{Error, or_panic};
use crate::flow::{LayerConfig, SequentialConfig, common_d_context, common_d_features};

/// A model of the crate's own parts: a base distribution and layers. Every preset is one.
///
/// What it builds has one type, [`NormalizingFlow`] without parameters, so that a `Vec` of
/// different models, a file and a `match` on a flag need no generic code.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, FlowConfig, NiceConfig, NsfConfig, RealNvpConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let presets: [FlowConfig; 3] =
///     [RealNvpConfig::new(2).into(), NiceConfig::new(2).into(), NsfConfig::new(2).into()];
/// for model in presets.map(|preset| preset.init(&device, &mut rng)) {
///     assert_eq!(model.log_prob(Tensor::zeros([3, 2], &device)).dims(), [3]);
/// }
/// ```
#[derive(Config, Debug)]
pub struct FlowConfig {
    /// The base distribution.
    pub base: BaseConfig,
    /// The layers in `forward` order: the first is next to the base, the last next to the data.
    pub layers: Vec<LayerConfig>,
}

impl FlowConfig {
    /// Layers over a standard normal of so many features.
    pub fn standard(d_features: usize, layers: Vec<LayerConfig>) -> Self {
        Self::new(StandardNormalConfig::new(d_features).into(), layers)
    }

    /// Builds the model on a device, its weights drawn from `rng`, the base first, then layer by
    /// layer.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> NormalizingFlow {
        or_panic(self.validate());
        let base = self.base.init(device, rng);
        let flow = self.sequential().init(device, rng);
        NormalizingFlow::new(base, flow)
    }

    /// Whether every value is in its range, and the base and all layers have the same features and
    /// context.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        self.base.validate()?;
        let flow = self.sequential();
        flow.validate()?;
        common_d_features([Some(self.base.d_features()), flow.d_features()])?;
        common_d_context([self.base.d_context(), flow.d_context()])?;
        Ok(())
    }

    /// The number of features.
    pub fn d_features(&self) -> usize {
        self.base.d_features()
    }

    /// The number of context features; 0 for none.
    pub fn d_context(&self) -> usize {
        self.base.d_context().max(self.sequential().d_context())
    }

    fn sequential(&self) -> SequentialConfig {
        SequentialConfig::new(self.layers.clone())
    }
}

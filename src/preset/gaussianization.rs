//! The Gaussianization flow.

use burn::config::Config;

use crate::conditioner::NetworkConfig;
use crate::distribution::FlowConfig;
use crate::elementwise::{ConditionalElementwiseConfig, ElementwiseConfig};
use crate::error::{Error, ensure};
use crate::flow::LayerConfig;
use crate::linear::HouseholderConfig;
use crate::univariate::{LogisticMixtureConfig, UnivariateConfig};

/// The Gaussianization flow: in turns a map of each feature by itself, which makes it more like a Gaussian, and a rotation
/// that is learnt.
///
/// It has no networks, unless there is a context, which then gives the parameters of the maps. Densities cost one
/// pass; samples are found numerically, feature by feature, in about six. Any map will do. The default is the logit of a
/// mixture of logistics; the paper takes the normal quantile of it.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, GaussianizationConfig};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = GaussianizationConfig::new(2).with_n_layers(2).init(&Device::default(), &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(10, &mut rng);
/// assert!((model.log_prob(x) - log_prob).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Meng, Song, Song, Ermon: *Gaussianization Flows*, 2020, arXiv:2003.01941. Chen, Gopinath: *Gaussianization*, 2000.
#[derive(Config, Debug)]
pub struct GaussianizationConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The number of layers of maps, at least 1.
    #[config(default = 6)]
    pub n_layers: usize,
    /// The network of each layer, from the context; without one there is none.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
    /// The map of each feature.
    #[config(default = "LogisticMixtureConfig::new().into()")]
    pub univariate: UnivariateConfig,
}

impl GaussianizationConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let Self { d_features, d_context, n_layers, .. } = *self;
        ensure!(n_layers > 0, "`n_layers` must be at least 1, got 0");
        let map = || -> LayerConfig {
            let univariate = self.univariate.clone();
            if d_context == 0 {
                return ElementwiseConfig::new(d_features).with_univariate(univariate).into();
            }
            ConditionalElementwiseConfig::new(d_features, d_context)
                .with_conditioner(self.conditioner.clone())
                .with_univariate(univariate)
                .into()
        };
        let mut layers = vec![map()];
        for _ in 1..n_layers {
            layers.push(HouseholderConfig::new(d_features).into());
            layers.push(map());
        }
        Ok(FlowConfig::standard(d_features, layers))
    }
}

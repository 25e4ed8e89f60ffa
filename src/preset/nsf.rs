//! The neural spline flow.

use burn::config::Config;

use super::alternate::{alternate, alternating_mask};
use super::mixing::Mixing;
use super::turning::turning;
use crate::conditioner::{NetworkConfig, ResidualMlpConfig};
use crate::coupling::MaskedCouplingConfig;
use crate::distribution::FlowConfig;
use crate::error::Error;
use crate::univariate::RationalQuadraticSplineConfig;

/// The neural spline flow: coupling layers of rational quadratic splines, whose alternating masks change
/// parity from layer to layer, or by choice autoregressive layers, whose order turns round.
///
/// The defaults are those of the paper on tables (ten layers, residual networks of two blocks of
/// 256 units, eight bins, and from four features on a random permutation and a linear layer between
/// the layers), and zuko's interval from -5 to 5. Data should be standardised: beyond the interval a
/// spline is by default the identity, so there the density has the tails of the standard normal. Each
/// direction costs one pass through the conditioners; samples of an autoregressive one cost as many
/// small steps per layer as there are features.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, NsfConfig};
/// use normalizing_flows::conditioner::MlpConfig;
/// use normalizing_flows::univariate::RationalQuadraticSplineConfig;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = NsfConfig::new(3)
///     .with_n_layers(4)
///     .with_conditioner(MlpConfig::new().into())
///     .with_spline(RationalQuadraticSplineConfig::new().with_interval([-3.0, 3.0]))
///     .init(&device, &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(10, &mut rng);
/// assert!((model.log_prob(x) - log_prob).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Durkan, Bekasov, Murray, Papamakarios: *Neural Spline Flows*, 2019, arXiv:1906.04032.
#[derive(Config, Debug)]
pub struct NsfConfig {
    /// The number of features, at least 2, or 1 if autoregressive.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The number of layers, at least 1.
    #[config(default = 10)]
    pub n_layers: usize,
    /// The network of each layer.
    #[config(default = "ResidualMlpConfig::new().with_d_hidden(256).into()")]
    pub conditioner: NetworkConfig,
    /// The spline of each layer.
    #[config(default = "RationalQuadraticSplineConfig::new()")]
    pub spline: RationalQuadraticSplineConfig,
    /// Whether each feature is given all before it, not one half of them the other.
    #[config(default = false)]
    pub autoregressive: bool,
    /// What stands between the layers.
    #[config(default = "Mixing::Auto")]
    pub mixing: Mixing,
}

impl NsfConfig {
    pub(super) fn build(&self) -> Result<FlowConfig, Error> {
        let layers = if self.autoregressive {
            let sizes = [self.d_features, self.d_context, self.n_layers];
            turning(sizes, &self.conditioner.clone().into(), &self.spline.clone().into())?
        } else {
            let layer = MaskedCouplingConfig::new(alternating_mask(self.d_features)?)
                .with_d_context(self.d_context)
                .with_conditioner(self.conditioner.clone())
                .with_univariate(self.spline.clone().into());
            alternate(layer, self.n_layers)?
        };
        let layers = self.mixing.between(layers, self.d_features);
        Ok(FlowConfig::standard(self.d_features, layers))
    }
}

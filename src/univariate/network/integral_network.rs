//! [`IntegralNetwork`]: the integral of a positive network.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::nn::activation::{Activation, ActivationConfig};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::super::interface::{Univariate, parameter};
use super::super::numerical::forward_by_root;
use super::super::scale::ScaleBound;
use super::stacked::{StackedLinear, inputs, n_networks, outputs, validate};
use crate::error::{Error, ensure, or_panic};
use crate::parameters::Settings;
use crate::solver::gauss_legendre;

/// Configuration of an [`IntegralNetwork`].
#[derive(Config, Debug)]
pub struct IntegralNetworkConfig {
    /// The signals that the integrand takes beside the number, at least 1; a feature has one parameter more.
    #[config(default = 16)]
    pub n_signals: usize,
    /// The widths of the hidden layers, at least one, each at least 1.
    #[config(default = "vec![64, 64]")]
    pub d_hidden: Vec<usize>,
    /// The activation after each hidden layer, without weights of its own. The smoother, the fewer nodes will do.
    #[config(default = "ActivationConfig::Tanh")]
    pub activation: ActivationConfig,
    /// What keeps the logarithm of the integrand in bounds. The soft clip is zuko's; its slope has a kink at 0,
    /// which the quadrature feels.
    #[config(default = "ScaleBound::Tanh { bound: 7.0 }")]
    pub log_integrand: ScaleBound,
    /// The nodes of the quadrature of Gauss and Legendre, from 2 to 256.
    #[config(default = 16)]
    pub n_nodes: usize,
    /// Up to this distance from 0 on the side of the data the map is an integral, and beyond it straight; above 0.
    #[config(default = 10.0)]
    pub bound: f64,
    /// A network for each of so many features, which the layer must then have; `None`: one network for all.
    pub n_features: Option<usize>,
}

impl Default for IntegralNetworkConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl IntegralNetworkConfig {
    /// Builds the map on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> IntegralNetwork {
        or_panic(self.validate());
        let n = self.n_features.unwrap_or(1);
        let mut d_input = 1 + self.n_signals;
        let mut layers = Vec::with_capacity(self.d_hidden.len() + 1);
        for &width in &self.d_hidden {
            layers.push(StackedLinear::uniform([n, d_input, width], device, rng));
            d_input = width;
        }
        // An integrand of 1.
        layers.push(StackedLinear::zeros([n, d_input, 1], device));
        let Self { activation, log_integrand, n_nodes, bound, n_features, .. } = self;
        let texts = [
            "integral network".to_string(),
            format!("activation = {activation:?}"),
            format!("log_integrand = {log_integrand:?}"),
            format!("n_nodes = {n_nodes}"),
            format!("bound = {bound:?}"),
            format!("n_features = {n_features:?}"),
        ];
        IntegralNetwork {
            layers,
            activations: self.d_hidden.iter().map(|_| activation.init(device)).collect(),
            log_integrand: *log_integrand,
            n_nodes: *n_nodes,
            bound: *bound,
            n_features: *n_features,
            settings: Settings::new(texts, device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        validate(self.n_signals, &self.d_hidden, self.n_features)?;
        ensure!(
            !matches!(self.activation, ActivationConfig::SwiGlu(_) | ActivationConfig::PRelu(_)),
            "`activation` of an integral network must have no weights of its own, got {:?}",
            self.activation
        );
        ensure!(
            (2..=256).contains(&self.n_nodes),
            "`n_nodes` must be at least 2 and at most 256, got {}",
            self.n_nodes
        );
        ensure!(
            self.bound > 0.0 && self.bound.is_finite(),
            "`bound` must be above 0 and finite, got {}",
            self.bound
        );
        self.log_integrand.validate()
    }
}

/// The integral of a positive network, from data to latent: the map of unconstrained monotonic neural networks
/// (UMNN), as in zuko.
///
/// With signals `s` and a constant `c` from the conditioner, and a network `h`,
///
/// ```text
/// z = c + ∫₀ˣ g(t, s) dt        g = exp(7 tanh(h / 7))
/// ```
///
/// The network is free, since the exponential makes it positive. [`ScaleBound`] has other bounds of its logarithm. Its weights are the map's own and are trained with
/// the conditioner. The integral is by the quadrature of Gauss and Legendre, and the slope is `g` itself: so the
/// log-density is as exact as the quadrature: of a network with weights of 1 the error is 2e-5 of the range with 16
/// nodes, 7e-9 with 32, and roundings of f64 with 64. Beyond `±bound` the map goes on straight, so that it takes every number.
///
/// From latent to data the map is inverted [numerically](crate::univariate::forward_by_root).
///
/// The parameters of a feature are the signals and the constant. The last layer starts at zero: a new map is the
/// identity, up to roundings.
///
/// # Shapes
///
/// As for [`Univariate`], with `n_signals + 1` parameters per feature. A call takes memory for `n_nodes` times its
/// rows.
///
/// # Panics
///
/// If there is a network for each of another number of features.
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{IntegralNetworkConfig, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let map = IntegralNetworkConfig::new().init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let x = Tensor::<2>::from_data([[0.3], [-40.0]], &device);
/// let parameters = Tensor::<3>::ones([2, 17, 1], &device);
/// let (z, log_slope) = map.inverse(x.clone(), parameters.clone());
/// let (back, log_slope_back) = map.forward(z, parameters);
/// assert!(((back - x.clone()) / x).abs().max().into_scalar::<f32>() < 1e-5);
/// assert!((log_slope + log_slope_back).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Wehenkel, Louppe: *Unconstrained Monotonic Neural Networks*, 2019, arXiv:1908.05164.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct IntegralNetwork {
    /// The layers of the integrand, first to last.
    pub layers: Vec<StackedLinear>,
    activations: Vec<Activation>,
    #[module(skip)]
    log_integrand: ScaleBound,
    #[module(skip)]
    n_nodes: usize,
    #[module(skip)]
    bound: f64,
    #[module(skip)]
    n_features: Option<usize>,
    settings: Settings,
}

impl IntegralNetwork {
    /// The logarithm of the integrand, of `[batch, d]` numbers and `[batch, n_signals, d]` signals.
    fn log_integrand(&self, x: Tensor<2>, signals: Tensor<3>) -> Tensor<2> {
        let [batch, d] = x.dims();
        let inputs = inputs(x, signals, n_networks(self.n_features, d));
        let (last, hidden) = self.layers.split_last().expect("there are hidden layers");
        let hidden = hidden
            .iter()
            .zip(&self.activations)
            .fold(inputs, |input, (layer, activation)| activation.forward(layer.forward(input)));
        self.log_integrand.log_scale(outputs(last.forward(hidden), batch))
    }
}

impl Univariate for IntegralNetwork {
    fn n_parameters(&self) -> usize {
        // The number itself is in the place of the constant.
        self.layers[0].weight.dims()[1]
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        forward_by_root(self, z, parameters)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let [batch, d] = x.dims();
        let (bound, n_signals) = (self.bound, self.n_parameters() - 1);
        let inside = x.clone().clamp(-bound, bound);
        let signals = parameters.clone().narrow(1, 0, n_signals);
        // At the nodes, and last at the number itself: all as rows of one batch.
        let nodes = gauss_legendre(self.n_nodes);
        let n = nodes.len() + 1;
        let options = (&x.device(), x.dtype());
        let column = |values: Vec<f64>| {
            let n = values.len();
            Tensor::<1>::from_data(values.as_slice(), options).reshape([n, 1, 1])
        };
        let at = column(nodes.iter().map(|[at, _]| *at).chain([1.0]).collect());
        let points = (inside.clone().unsqueeze_dim::<3>(0) * at).reshape([n * batch, d]);
        let signals = signals.unsqueeze_dim::<4>(0).expand([n, batch, n_signals, d]);
        let log_values = self.log_integrand(points, signals.reshape([n * batch, n_signals, d]));
        let log_values = log_values.reshape([n, batch, d]);
        let log_slope = log_values.clone().narrow(0, n - 1, 1).squeeze_dim::<2>(0);
        let weights = column(nodes.iter().map(|[_, weight]| *weight).collect());
        let mean = (log_values.narrow(0, 0, n - 1).exp() * weights).sum_dim(0).squeeze_dim::<2>(0);
        let straight = (x - inside.clone()) * log_slope.clone().exp();
        (inside * mean + straight + parameter(&parameters, n_signals), log_slope)
    }
}

/// As "integral network 17-64-64-1, 16 nodes, for all features".
impl ModuleDisplay for IntegralNetwork {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let widths: Vec<String> =
            self.layers.iter().map(|layer| layer.weight.dims()[1].to_string()).collect();
        let of = match self.n_features {
            None => "for all features".to_string(),
            Some(n) => format!("for each of {n} features"),
        };
        let (widths, n_nodes) = (widths.join("-"), self.n_nodes);
        let text = format!("integral network {widths}-1, {n_nodes} nodes, {of}");
        content.add_formatted(&text).optional()
    }
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;
    use crate::parameters::cast;
    use crate::testing::perturb;
    use burn::tensor::{DType, FloatDType, TensorData};
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    /// Of a network as steep as training makes them: weights of 1, over the whole interval.
    fn values(n_nodes: usize, log_integrand: ScaleBound) -> Vec<f64> {
        let device = Device::default();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let config = IntegralNetworkConfig::new().with_n_signals(1).with_d_hidden(vec![8, 8]);
        let config = config.with_n_nodes(n_nodes).with_log_integrand(log_integrand);
        let map = cast(config.init(&device, &mut rng), FloatDType::F64);
        let map = perturb(map, 0.7, &mut rng);
        let tensor = |values: Vec<f64>, shape| {
            Tensor::<3>::from_data(TensorData::new(values, shape), (&device, DType::F64))
        };
        let x = tensor((0..81).map(|i| 0.25 * f64::from(i) - 10.0).collect(), [81, 1, 1]);
        let (z, _) = map.inverse(x.squeeze_dim(1), tensor(vec![0.3; 162], [81, 2, 1]));
        z.into_data().iter::<f64>().collect()
    }

    /// The largest error relative to the range, with so many nodes.
    fn error(n_nodes: usize, log_integrand: ScaleBound) -> f64 {
        let exact = values(256, log_integrand);
        let range = exact[80] - exact[0];
        let found = values(n_nodes, log_integrand);
        found.iter().zip(exact).map(|(a, b)| (a - b).abs() / range).fold(0.0, f64::max)
    }

    /// Five times what they are for the smooth bound: 2e-5, 7e-9 and roundings. The soft clip's kink makes them fall
    /// by powers of the number alone: 4e-5, 4e-6, 5e-7.
    #[test]
    fn the_quadrature_converges_fast_where_the_integrand_is_smooth() {
        let errors = |bound| [16, 32, 64].map(|n| error(n, bound));
        let smooth = errors(ScaleBound::Tanh { bound: 7.0 });
        assert!(smooth[0] < 1e-4 && smooth[1] < 4e-8 && smooth[2] < 1e-14, "{smooth:?}");
        let clipped = errors(ScaleBound::SoftClip { bound: 7.0 });
        assert!(clipped[0] < 2e-4 && clipped[2] < 3e-6, "{clipped:?}");
    }
}

//! [`NormalMixture`]: a mixture of normals, perhaps of a context.

use std::f64::consts::{SQRT_2, TAU};

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData, activation, assert_shape};
use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, StandardNormal};

use super::interface::Distribution;
use super::logsumexp::logsumexp;
use super::noise::Noise;
use crate::conditioner::{Conditioner, ConditionerShape, Network, NetworkConfig};
use crate::error::{Error, ensure, or_panic};
use crate::parameters::full;
use crate::univariate::ScaleBound;

/// Configuration of a [`NormalMixture`].
#[derive(Config, Debug)]
pub struct NormalMixtureConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of components, at least 1.
    pub n_components: usize,
    /// The number of context features that weights, means and scales depend on; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The network of that dependence.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
    /// The standard deviation of the means at the start, which are drawn: components that began alike would stay
    /// alike.
    #[config(default = 1.0)]
    pub spread: f64,
}

impl NormalMixtureConfig {
    /// Builds the distribution on a device: of equal weights, scales of 1 and means that are drawn from `rng`; its
    /// network starts at 0.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> NormalMixture {
        or_panic(self.validate());
        let (d, k) = (self.d_features, self.n_components);
        let n_parameters = 1 + 2 * d;
        let mut start = vec![0.0; n_parameters * k];
        start[k..(1 + d) * k].iter_mut().for_each(|mean| {
            let noise: f64 = StandardNormal.sample(rng);
            *mean = self.spread * noise;
        });
        let shape =
            ConditionerShape { d_input: self.d_context, d_context: 0, d_output: k, n_parameters };
        let conditioner = (self.d_context > 0).then(|| self.conditioner.init(shape, device, rng));
        let start = TensorData::new(start, [n_parameters, k]);
        NormalMixture {
            parameters: Param::from_data(start, device),
            d_context: self.d_context,
            conditioner,
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no feature or component, if `spread` is not finite and above 0, or if the
    /// network is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { d_features, n_components, d_context, spread, .. } = self;
        ensure!(
            *d_features > 0 && *n_components > 0,
            "`d_features` and `n_components` must be at least 1, got {d_features} and {n_components}"
        );
        ensure!(
            spread.is_finite() && *spread > 0.0,
            "`spread` must be above 0 and finite, got {spread}"
        );
        if *d_context > 0 {
            self.conditioner.validate()?;
            self.conditioner.validate_inputs(*d_context)?;
        }
        Ok(())
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        self.d_features
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        self.d_context
    }
}

/// A mixture of normals with a scale for each feature, all learnable; given a context, a network's outputs are
/// added to the logarithms of the weights, the means and, softly bounded by a factor of 1000, the logarithms of the
/// scales (a mixture density network).
///
/// ```text
/// log p(x) = log Σ_k w_k Π_i N(x_i; μ_ki, σ_ki)
/// ```
///
/// As a base it has modes for those of the data, so that a flow need not stretch one.
///
/// It is reparameterized, by the implicit function theorem on the distribution function of each feature given
/// those before it: gradients reach the weights too. The drawn rows themselves come from a component that is
/// drawn.
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, NormalMixtureConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let mixture = NormalMixtureConfig::new(2, 5).with_d_context(3).init(&device, &mut rng);
/// let context = Tensor::ones([4, 3], &device);
/// assert_eq!(mixture.given(&context).sample(10, &mut rng).dims(), [40, 2]);
/// ```
///
/// # References
///
/// Bishop: *Mixture Density Networks*, 1994; Figurnov, Mohamed, Mnih: *Implicit Reparameterization Gradients*,
/// 2018, arXiv:1805.08498.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct NormalMixture {
    /// The logarithms of the weights up to a constant, then the means, then the logarithms of the scales:
    /// `[1 + 2 d_features, n_components]`.
    pub parameters: Param<Tensor<2>>,
    #[module(skip)]
    d_context: usize,
    conditioner: Option<Network>,
}

/// For each row, or one for all: `[rows, n_components]`, and the others `[rows, d_features, n_components]`.
struct Components {
    log_weights: Tensor<2>,
    means: Tensor<3>,
    log_scales: Tensor<3>,
}

impl Components {
    /// The log-density of a feature under each component, `[rows, n_components]`; `x` is `[rows, 1]`.
    fn log_density(&self, feature: usize, x: Tensor<2>) -> Tensor<2> {
        let log_scale = of_feature(&self.log_scales, feature);
        let z = self.standardised(feature, x);
        z.square() * -0.5 - log_scale - 0.5 * TAU.ln()
    }

    fn standardised(&self, feature: usize, x: Tensor<2>) -> Tensor<2> {
        let scale = of_feature(&self.log_scales, feature).neg().exp();
        (x - of_feature(&self.means, feature)) * scale
    }
}

/// `[rows, n_components]` of `[rows, d_features, n_components]`.
fn of_feature(values: &Tensor<3>, feature: usize) -> Tensor<2> {
    values.clone().narrow(1, feature, 1).squeeze_dim(1)
}

impl NormalMixture {
    /// The number of components.
    pub fn n_components(&self) -> usize {
        self.parameters.dims()[1]
    }

    fn components(&self, context: Option<&Tensor<2>>) -> Components {
        let [n_parameters, k] = self.parameters.dims();
        let d = (n_parameters - 1) / 2;
        let mut values = full(&self.parameters).unsqueeze::<3>();
        if let (Some(network), Some(context)) = (&self.conditioner, context) {
            let outputs = network.forward(context.clone(), None);
            let [rows, _] = outputs.dims();
            let outputs: Tensor<3> = outputs.reshape([rows, n_parameters, k]);
            // Whatever the context, scales stay finite.
            let places = outputs.clone().narrow(1, 0, 1 + d);
            let scales = ScaleBound::default().log_scale(outputs.narrow(1, 1 + d, d));
            values = values + Tensor::cat(vec![places, scales], 1);
        }
        let logits = values.clone().narrow(1, 0, 1).squeeze_dim(1);
        Components {
            log_weights: activation::log_softmax(logits, 1),
            means: values.clone().narrow(1, 1, d),
            log_scales: values.narrow(1, 1 + d, d),
        }
    }
}

impl Distribution for NormalMixture {
    fn d_features(&self) -> usize {
        (self.parameters.dims()[0] - 1) / 2
    }

    fn d_context(&self) -> usize {
        self.d_context
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        if x.dims()[0] == 0 {
            return x.sum_dim(1).squeeze_dim(1);
        }
        let components = self.components(context);
        let feature = |i: usize| components.log_density(i, x.clone().narrow(1, i, 1));
        let terms = (1..d_features).fold(feature(0), |sum, i| sum + feature(i));
        logsumexp(terms + components.log_weights)
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let (d, k) = (self.d_features(), self.n_components());
        if n == 0 {
            return noise.tensor(Vec::new(), [0, d]);
        }
        let components = self.components(context);
        let weights: Vec<f64> =
            components.log_weights.to_data().iter::<f64>().map(f64::exp).collect();
        let means: Vec<f64> = components.means.to_data().iter().collect();
        let log_scales: Vec<f64> = components.log_scales.to_data().iter().collect();
        // Those of the one row that stands for all, or of this one.
        let start =
            |len: usize, row: usize, width: usize| if len == width { 0 } else { row * width };
        let mut values = Vec::with_capacity(n * d);
        for row in 0..n {
            let weights = &weights[start(weights.len(), row, k)..][..k];
            let mut left: f64 = noise.rng().random();
            if weights.iter().any(|weight| weight.is_nan()) {
                values.extend(vec![f64::NAN; d]);
                continue;
            }
            let chosen = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            // What roundings leave is the last one's.
            let chosen = chosen.unwrap_or(k - 1);
            let first = start(means.len(), row, d * k);
            for feature in 0..d {
                let place = first + feature * k + chosen;
                let noise: f64 = StandardNormal.sample(noise.rng());
                values.push(means[place] + log_scales[place].exp() * noise);
            }
        }
        let x = noise.tensor(values, [n, d]);
        if components.means.is_tracked() { with_gradients(x, &components) } else { x }
    }
}

/// The same rows with the gradients of a differentiable function of the parameters: with the distribution function
/// `F_i` of a feature given those before it, `dx_i = -dF_i / p_i`.
fn with_gradients(x: Tensor<2>, components: &Components) -> Tensor<2> {
    let [_, d] = x.dims();
    let mut log_weights = components.log_weights.clone();
    let mut columns: Vec<Tensor<2>> = Vec::with_capacity(d);
    for i in 0..d {
        let fixed = x.clone().narrow(1, i, 1);
        let weights = activation::softmax(log_weights.clone(), 1);
        let z = components.standardised(i, fixed.clone());
        let below = (z / SQRT_2).erf() * 0.5 + 0.5;
        let function = (weights.clone() * below).sum_dim(1);
        let density =
            (weights * components.log_density(i, fixed.clone()).exp()).sum_dim(1).detach();
        let change = function.clone() - function.detach();
        let column = fixed - change / density;
        log_weights = log_weights + components.log_density(i, column.clone());
        columns.push(column);
    }
    Tensor::cat(columns, 1)
}

impl ModuleDisplay for NormalMixture {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let text = format!("mixture of {} normals", self.n_components());
        content.add_formatted(&text).optional()
    }
}

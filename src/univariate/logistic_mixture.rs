//! [`LogisticMixture`]: the cumulative distribution of a mixture of logistics.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, activation};
use rand::Rng;

use super::interface::Univariate;
use super::numerical::forward_by_root;
use super::scale::ScaleBound;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::Settings;

/// Configuration of a [`LogisticMixture`] map.
#[derive(Config, Debug)]
pub struct LogisticMixtureConfig {
    /// The number of components, from 1 to 1024.
    #[config(default = 8)]
    pub n_components: usize,
    /// What keeps the log-scales of the components in bounds.
    #[config(default = "ScaleBound::default()")]
    pub bound: ScaleBound,
    /// What is added to the slope everywhere, from data to latent; above 0 and below 1.
    #[config(default = 1e-3)]
    pub min_slope: f64,
}

impl Default for LogisticMixtureConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl LogisticMixtureConfig {
    /// Builds the map, which holds no weights.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> LogisticMixture {
        or_panic(self.validate());
        let texts = [
            "logistic mixture".to_string(),
            format!("n_components = {}", self.n_components),
            format!("bound = {:?}", self.bound),
            format!("min_slope = {:?}", self.min_slope),
        ];
        LogisticMixture { config: self.clone(), settings: Settings::new(texts, device) }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(
            (1..=1024).contains(&self.n_components),
            "`n_components` must be at least 1 and at most 1024, got {}",
            self.n_components
        );
        ensure!(
            self.min_slope > 0.0 && self.min_slope < 1.0,
            "`min_slope` must be above 0 and below 1, got {}",
            self.min_slope
        );
        self.bound.validate()
    }

    /// What is added to the means of the components: without, all would have the same gradients, and stay
    /// the same.
    pub fn start(&self) -> Vec<f64> {
        let n = self.n_components as f64;
        (0..self.n_components).map(|k| 2.0 * (2.0 * k as f64 + 1.0 - n) / n).collect()
    }
}

/// The cumulative distribution of a mixture of logistics, and the logit of it, from data to latent: the map of
/// neural autoregressive flows of deep sigmoids, and of Flow++.
///
/// With weights `w` that add up to 1, means `m` and scales `s`, and the logistic function `σ`,
///
/// ```text
/// z = logit Σ_k w_k σ((x - m_k) / s_k) + min_slope x
/// ```
///
/// It takes every number to every number: far out it is as straight as the widest component there. Everything is
/// computed by logarithms, of the distribution and of what is left of 1, so that both tails keep their digits. The
/// last term, which the papers do not have, is for the gaps between components that are narrow and far apart: there
/// the slope would be less than a float can hold, and that of the inverse infinite.
///
/// From latent to data the map is inverted [numerically](super::forward_by_root).
///
/// The parameters of a feature are the raw weights, of which a softmax makes the weights, the means, and the raw
/// log-scales, component by component each; [`ScaleBound`] makes log-scales of the latter. To the means are added the
/// numbers of [`start`](LogisticMixtureConfig::start), evenly between -2 and 2, so that the components differ; with all
/// parameters at zero the map is not far from the identity (of slope 0.76 at 0).
///
/// # Shapes
///
/// As for [`Univariate`], with `3 n_components` parameters per feature.
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{LogisticMixtureConfig, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let map = LogisticMixtureConfig::new().init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let x = Tensor::<2>::from_data([[0.3], [-40.0]], &device);
/// let parameters = Tensor::<3>::ones([2, map.n_parameters(), 1], &device);
/// let (z, log_slope) = map.inverse(x.clone(), parameters.clone());
/// let (back, log_slope_back) = map.forward(z, parameters);
/// assert!(((back - x.clone()) / x).abs().max().into_scalar::<f32>() < 1e-5);
/// assert!((log_slope + log_slope_back).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Huang, Krueger, Lacoste, Courville: *Neural Autoregressive Flows*, 2018, arXiv:1804.00779. Ho, Chen, Srinivas, Duan,
/// Abbeel: *Flow++: Improving Flow-Based Generative Models with Variational Dequantization and Architecture Design*,
/// 2019, arXiv:1902.00275.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct LogisticMixture {
    #[module(skip)]
    config: LogisticMixtureConfig,
    settings: Settings,
}

impl LogisticMixture {
    /// The configuration that it was built from.
    pub fn config(&self) -> &LogisticMixtureConfig {
        &self.config
    }
}

impl Univariate for LogisticMixture {
    fn n_parameters(&self) -> usize {
        3 * self.config.n_components
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        forward_by_root(self, z, parameters)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let n = self.config.n_components;
        let part = |first: usize| parameters.clone().narrow(1, first * n, n);
        let start = self.config.start();
        let start = Tensor::<1>::from_data(start.as_slice(), (&x.device(), x.dtype()));
        let log_weights = activation::log_softmax(part(0), 1);
        let means = part(1) + start.reshape([1, n, 1]);
        let log_scales = self.config.bound.log_scale(part(2));

        let at = (x.clone().unsqueeze_dim::<3>(1) - means) * log_scales.clone().neg().exp();
        let below = activation::log_sigmoid(at.clone());
        let above = below.clone() - at;
        let density = below.clone() + above.clone() - log_scales;
        let sum = |terms: Tensor<3>| logsumexp(terms + log_weights.clone());
        let (below, above, density) = (sum(below), sum(above), sum(density));
        let min_slope = self.config.min_slope;
        let slope = (density - below.clone() - above.clone()).exp() + min_slope;
        (below - above + x * min_slope, slope.log())
    }
}

/// `log Σ exp` over the middle dimension.
fn logsumexp(terms: Tensor<3>) -> Tensor<2> {
    // Any number near the largest will do: no gradient needs to flow through it.
    let largest = terms.clone().detach().max_dim(1);
    let sum = (terms - largest.clone()).exp().sum_dim(1).log() + largest;
    sum.squeeze_dim(1)
}

/// As "logistic mixture of 8".
impl ModuleDisplay for LogisticMixture {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let text = format!("logistic mixture of {}", self.config.n_components);
        content.add_formatted(&text).optional()
    }
}

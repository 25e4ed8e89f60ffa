//! [`Mixture`]: a weighted sum of densities.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};
use rand::Rng;
use rand_distr::{Distribution as _, weighted::WeightedIndex};

use super::flow_config::FlowConfig;
use super::interface::Distribution;
use super::logsumexp::logsumexp;
use super::noise::Noise;
use super::normalizing_flow::NormalizingFlow;
use super::several::{
    calibrate_all, check_alike, combined, d_context_of, d_features_of, draw_assigned, init_all,
    validate_alike,
};
use crate::error::{Error, or_panic};
use crate::parameters::{Place, assert_distinct};

/// Configuration of a [`Mixture`] of models of the crate's own parts, as a [`Base`](super::Base): with a flow over
/// it, or with none.
///
/// # Example
///
/// A mixture of three RealNVPs in one file:
///
/// ```
/// use normalizing_flows::{Distribution, FlowConfig, RealNvpConfig, distribution::MixtureConfig};
/// use normalizing_flows::io::{load_model, save_model};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// # let path = std::env::temp_dir().join(format!("nflow-mixture-{}", std::process::id()));
/// # /*
/// let path = "mixture.nflow";
/// # */
/// let device = Device::default();
/// let components = vec![FlowConfig::from(RealNvpConfig::new(2)); 3];
/// let config = FlowConfig::new(MixtureConfig::new(components).into(), vec![]);
/// let model = config.init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// save_model(&path, &config, &model)?;
/// let (_, loaded) = load_model(&path, &device)?;
/// let x = Tensor::ones([1, 2], &device);
/// assert_eq!(loaded.log_prob(x.clone()).into_data(), model.log_prob(x).into_data());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct MixtureConfig {
    /// The components, at least one, all of the same features and context.
    pub components: Vec<FlowConfig>,
}

impl MixtureConfig {
    /// Builds the mixture on a device, its components one after another, of equal weights.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Mixture<NormalizingFlow> {
        or_panic(self.validate());
        Mixture::new(init_all(&self.components, device, rng))
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no component, if two differ in their features or contexts, and what the
    /// components give.
    pub fn validate(&self) -> Result<(), Error> {
        validate_alike(&self.components)
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        d_features_of(&self.components)
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        d_context_of(&self.components)
    }
}

/// A mixture of distributions with learnt weights: one density with a component for each cluster,
/// say, where a single flow would have to stretch a bridge between them.
///
/// ```text
/// log p(x) = log Σ_k w_k p_k(x)        w = softmax(logits)
/// ```
///
/// Evaluating costs one evaluation of every component. Samples are no differentiable function of
/// the weights, so it is not [reparameterized](Distribution::is_reparameterized).
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// While the weights are not finite, neither are log-densities and samples: every one is NaN.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, RealNvpConfig, distribution::Mixture};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let components = (0..3).map(|_| RealNvpConfig::new(2).init(&device, &mut rng)).collect();
/// let mixture = Mixture::new(components);
/// let (x, log_prob) = mixture.sample_with_log_prob(10, &mut rng);
/// // The components still are standard normals, and so is their mixture.
/// let expected = mixture.components[0].log_prob(x);
/// assert!((log_prob - expected).abs().max().into_scalar::<f32>() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct Mixture<D: Distribution> {
    /// The components.
    pub components: Vec<D>,
    /// The logarithms of the weights, up to a constant: `[n_components]`.
    pub logits: Param<Tensor<1>>,
}

impl<D: Distribution> Mixture<D> {
    /// A mixture of equal weights, to be trained.
    ///
    /// # Panics
    ///
    /// If there is no component, if two differ in their features or contexts, or if two share
    /// parameters, as clones do; see [`with_fresh_ids`](crate::with_fresh_ids).
    pub fn new(components: Vec<D>) -> Self {
        or_panic(check_alike(&components));
        assert_distinct("components of a mixture", &components);
        let n = components.len();
        let place = Place::first(components.iter().map(Distribution::place)).unwrap_or_default();
        let zeros = TensorData::new(vec![0.0_f64; n], [n]);
        let zeros = Tensor::from_data(zeros, (&place.device, place.float_type()));
        Self { components, logits: Param::from_tensor(zeros) }
    }
}

impl<D: Distribution> Distribution for Mixture<D> {
    fn d_features(&self) -> usize {
        self.components[0].d_features()
    }

    fn d_context(&self) -> usize {
        self.components.iter().map(Distribution::d_context).max().unwrap_or(0)
    }

    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        let log_weights = activation::log_softmax(self.logits.val(), 0).unsqueeze::<2>();
        combined(&self.components, x, context, |log_densities| {
            logsumexp(log_densities + log_weights)
        })
    }

    fn is_calibrated(&self) -> bool {
        self.components.iter().all(Distribution::is_calibrated)
    }

    fn calibrated(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        let components = self.components.into_iter();
        Self { components: calibrate_all(components, &x, context), ..self }
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let weights = activation::softmax(self.logits.val(), 0).into_data();
        let Ok(choice) = WeightedIndex::new(weights.iter::<f64>()) else {
            let d_features = self.d_features();
            return noise.tensor(vec![f64::NAN; n * d_features], [n, d_features]);
        };
        let assignment: Vec<usize> = choice.sample_iter(noise.rng()).take(n).collect();
        draw_assigned(&self.components, &assignment, context, noise)
    }
}

//! [`Ensemble`]: several models scored as one.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

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
use crate::parameters::{Settings, assert_distinct};

/// How the log-densities of the models of an [`Ensemble`] become one.
#[derive(Config, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Score {
    /// `log (1/n Σ_k p_k(x))`: the density of a mixture of equal weights.
    MeanDensity,
    /// `1/n Σ_k log p_k(x)`: a row is as unlikely as most models find it. A score and no density:
    /// it does not integrate to one.
    MeanLogDensity,
}

/// Configuration of an [`Ensemble`] of models of the crate's own parts, as a [`Base`](super::Base): with it an
/// ensemble is saved in one file, as a [`MixtureConfig`](super::MixtureConfig).
#[derive(Config, Debug)]
pub struct EnsembleConfig {
    /// The models, at least one, all of the same features and context.
    pub models: Vec<FlowConfig>,
    /// How their log-densities become one.
    #[config(default = "Score::MeanDensity")]
    pub score: Score,
}

impl EnsembleConfig {
    /// Builds the ensemble on a device, its models one after another.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Ensemble<NormalizingFlow> {
        or_panic(self.validate());
        Ensemble::new(init_all(&self.models, device, rng)).with_score(self.score)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no model, if two differ in their features or contexts, and what the
    /// models give.
    pub fn validate(&self) -> Result<(), Error> {
        validate_alike(&self.models)
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        d_features_of(&self.models)
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        d_context_of(&self.models)
    }
}

/// Several models of the same data, such as one for each seed, scored by the mean of their
/// densities or of their log-densities, and sampled in turn.
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, RealNvpConfig, distribution::Ensemble};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let seeded = |seed| RealNvpConfig::new(2).init(&device, &mut ChaCha8Rng::seed_from_u64(seed));
/// let ensemble = Ensemble::new((0..3).map(seeded).collect());
/// assert_eq!(ensemble.log_prob(Tensor::zeros([5, 2], &device)).dims(), [5]);
/// ```
///
/// # References
///
/// Lakshminarayanan, Pritzel, Blundell: *Simple and Scalable Predictive Uncertainty Estimation
/// using Deep Ensembles*, 2017, arXiv:1612.01474.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Ensemble<D: Distribution> {
    /// The models.
    pub models: Vec<D>,
    #[module(skip)]
    score: Score,
    settings: Settings,
}

impl<D: Distribution> Ensemble<D> {
    /// An ensemble that is scored by [`Score::MeanDensity`].
    ///
    /// # Panics
    ///
    /// If there is no model, if two differ in their features or contexts, or if two share
    /// parameters, as clones do; see [`with_fresh_ids`](crate::with_fresh_ids).
    pub fn new(models: Vec<D>) -> Self {
        or_panic(check_alike(&models));
        assert_distinct("models of an ensemble", &models);
        let device = models[0].place().unwrap_or_default().device;
        let settings = settings(Score::MeanDensity, &device);
        Self { models, score: Score::MeanDensity, settings }
    }

    /// The same models with another score.
    #[must_use]
    pub fn with_score(mut self, score: Score) -> Self {
        let device = self.settings.devices().swap_remove(0);
        self.settings = settings(score, &device);
        self.score = score;
        self
    }

    /// How the log-densities of the models become one.
    pub fn score(&self) -> Score {
        self.score
    }
}

fn settings(score: Score, device: &Device) -> Settings {
    Settings::new([format!("score = {score:?}")], device)
}

impl<D: Distribution> Distribution for Ensemble<D> {
    fn d_features(&self) -> usize {
        self.models[0].d_features()
    }

    fn d_context(&self) -> usize {
        self.models.iter().map(Distribution::d_context).max().unwrap_or(0)
    }

    fn is_reparameterized(&self) -> bool {
        self.models.iter().all(Distribution::is_reparameterized)
    }

    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        let n = self.models.len() as f64;
        combined(&self.models, x, context, |log_densities| match self.score {
            Score::MeanDensity => logsumexp(log_densities) - n.ln(),
            Score::MeanLogDensity => log_densities.mean_dim(1).squeeze_dim(1),
        })
    }

    fn is_calibrated(&self) -> bool {
        self.models.iter().all(Distribution::is_calibrated)
    }

    fn calibrated(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        let models = self.models.into_iter();
        Self { models: calibrate_all(models, &x, context), ..self }
    }

    /// Row `i` comes from model `i` modulo their number.
    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let in_turn: Vec<usize> = (0..n).map(|row| row % self.models.len()).collect();
        draw_assigned(&self.models, &in_turn, context, noise)
    }
}

impl<D: Distribution> ModuleDisplay for Ensemble<D> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_debug_attribute("score", &self.score).add("models", &self.models).optional()
    }
}

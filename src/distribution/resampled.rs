//! [`Resampled`]: a normal whose samples a network accepts or rejects.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, TensorData, activation, assert_shape};
use rand::{Rng, RngExt};
use statrs::function::erf::erfc_inv;

use super::interface::Distribution;
use super::logsumexp::logsumexp;
use super::noise::Noise;
use super::standard_normal::StandardNormal;
use crate::conditioner::{Conditioner, ConditionerShape, Network, NetworkConfig};
use crate::error::{Error, ensure, or_panic};
use crate::parameters::Settings;

/// Configuration of a [`Resampled`] distribution.
#[derive(Config, Debug)]
pub struct ResampledConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The network of the logit of the probability of acceptance.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
    /// The draws after which the last one is taken whatever it is, at least 2.
    #[config(default = 100)]
    pub max_draws: usize,
    /// The points over which the mean acceptance is taken, at least 1.
    #[config(default = 4096)]
    pub n_points: usize,
}

impl ResampledConfig {
    /// Builds the distribution on a device, as a standard normal: its network starts at 0, which accepts half of
    /// all.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Resampled {
        or_panic(self.validate());
        let Self { d_features, max_draws, n_points, .. } = *self;
        let shape =
            ConditionerShape { d_input: d_features, d_context: 0, d_output: 1, n_parameters: 1 };
        let texts = [
            "resampled".to_owned(),
            format!("max_draws = {max_draws}"),
            format!("n_points = {n_points}"),
        ];
        Resampled {
            proposal: StandardNormal::new(d_features, device),
            acceptance: self.conditioner.init(shape, device, rng),
            max_draws,
            points: points(n_points, d_features),
            settings: Settings::new(texts, device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a number is 0, `max_draws` below 2, or the network out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { d_features, max_draws, n_points, .. } = *self;
        for (name, value) in [("d_features", d_features), ("n_points", n_points)] {
            ensure!(value > 0, "`{name}` must be at least 1, got 0");
        }
        ensure!(max_draws > 1, "`max_draws` must be at least 2, got {max_draws}");
        self.conditioner.validate()?;
        self.conditioner.validate_inputs(d_features)
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        self.d_features
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// A standard normal of which a learnt network accepts or rejects each sample, at most `max_draws` times: a base that
/// can have holes and several modes, by rejection with learnt acceptance (LARS).
///
/// ```text
/// p(x) = N(x) ((1 - r) a(x) / Z + r)        Z = E_N[a]        r = (1 - Z)^(max_draws - 1)
/// ```
///
/// with the probability `a` of acceptance. `Z` is the mean over fixed points that fill the normal evenly (a
/// quasi-random sequence): a deterministic and differentiable number, whose error, some `1 / n_points` times a power
/// of its logarithm in few features, is that of the normalisation. Each evaluation costs a pass of `n_points` rows
/// through the network besides that of its rows.
///
/// Samples are no differentiable function of the parameters, so it is not
/// [reparameterized](Distribution::is_reparameterized).
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, ResampledConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let base = ResampledConfig::new(2).init(&device, &mut rng);
/// let (x, log_prob) = base.sample_with_log_prob(100, &mut rng);
/// assert_eq!((x.dims(), log_prob.dims()), ([100, 2], [100]));
/// ```
///
/// # References
///
/// Bauer, Mnih: *Resampled Priors for Variational Autoencoders*, 2019, arXiv:1810.11428; Stimper, Schölkopf,
/// Hernández-Lobato: *Resampling Base Distributions of Normalizing Flows*, 2022, arXiv:2110.15828.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Resampled {
    proposal: StandardNormal,
    /// The network of the logit of the probability of acceptance.
    pub acceptance: Network,
    max_draws: usize,
    /// Row after row.
    #[module(skip)]
    points: Vec<f64>,
    settings: Settings,
}

/// Points that fill a standard normal evenly: multiples of powers of the root of `x^(d + 1) = x + 1` fill the cube
/// (Roberts, *The Unreasonable Effectiveness of Quasirandom Sequences*, 2018), and quantiles take them to the normal.
fn points(n: usize, d: usize) -> Vec<f64> {
    let mut root: f64 = 2.0;
    for _ in 0..60 {
        root = (1.0 + root).powf(1.0 / (d as f64 + 1.0));
    }
    let point = |row: usize, feature: usize| {
        let step = root.powi(-(feature as i32 + 1));
        let place = (0.5 + (row as f64 + 1.0) * step).fract();
        -std::f64::consts::SQRT_2 * erfc_inv(2.0 * place.clamp(1e-12, 1.0 - 1e-12))
    };
    (0..n)
        .flat_map(|row| (0..d).map(move |feature| (row, feature)))
        .map(|(row, feature)| point(row, feature))
        .collect()
}

impl Resampled {
    /// The logit of the probability that each row is accepted, `[batch, 1]`.
    fn logits(&self, x: Tensor<2>) -> Tensor<2> {
        self.acceptance.forward(x, None)
    }

    /// The logarithms of `Z` and of `1 - Z`, `[1]` each.
    fn log_means(&self, like: &Tensor<2>) -> [Tensor<1>; 2] {
        let d = self.proposal.d_features();
        let data = TensorData::new(self.points.clone(), [self.points.len() / d, d]);
        let points = Tensor::from_data(data, (&like.device(), like.dtype()));
        let logits = self.logits(points);
        // Each from its own side: neither is 1 less something near 1.
        [logits.clone(), -logits].map(|logits| activation::sigmoid(logits).mean().log())
    }
}

impl Distribution for Resampled {
    fn d_features(&self) -> usize {
        self.proposal.d_features()
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        let of_proposal = self.proposal.log_density(x.clone(), None);
        if x.dims()[0] == 0 {
            return of_proposal;
        }
        let [log_accepted, log_rejected] = self.log_means(&x);
        // What is left after so many rejections.
        let log_rest = log_rejected * (self.max_draws - 1) as f64;
        let log_factor = (-log_rest.clone().exp()).log1p() - log_accepted;
        let accepted = activation::log_sigmoid(self.logits(x)) + log_factor.unsqueeze();
        let rest = accepted.zeros_like() + log_rest.unsqueeze();
        of_proposal + logsumexp(Tensor::cat(vec![accepted, rest], 1))
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let d = self.d_features();
        let mut values = vec![0.0; n * d];
        let mut open: Vec<usize> = (0..n).collect();
        for draw in 1..=self.max_draws {
            if open.is_empty() {
                break;
            }
            let x = noise.standard_normal([open.len(), d]);
            let probabilities = activation::sigmoid(self.logits(x.clone())).into_data();
            let rows: Vec<f64> = x.into_data().iter().collect();
            let mut still_open = Vec::new();
            for ((&row, x), probability) in
                open.iter().zip(rows.chunks_exact(d)).zip(probabilities.iter::<f64>())
            {
                let is_accepted = noise.rng().random::<f64>() < probability;
                if is_accepted || draw == self.max_draws {
                    values[row * d..(row + 1) * d].copy_from_slice(x);
                } else {
                    still_open.push(row);
                }
            }
            open = still_open;
        }
        noise.tensor(values, [n, d])
    }
}

impl ModuleDisplay for Resampled {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add_formatted(&format!("normal, resampled at most {} times", self.max_draws))
            .add("acceptance", &self.acceptance)
            .optional()
    }
}

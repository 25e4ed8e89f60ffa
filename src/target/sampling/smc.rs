//! [`Smc`]: sequential Monte Carlo.

use burn::config::Config;
use burn::tensor::{Tensor, TensorData};
use rand::Rng;

use super::check::host;
use super::hamiltonian::HamiltonianConfig;
use super::path::{Path, State};
use crate::distribution::Distribution;
use crate::error::{Error, ensure, or_panic};
use crate::target::interface::Target;
use crate::target::weights::{
    Estimate, WeightedSample, effective_sample_size, normalized, systematic,
};

/// Configuration of [`Smc`].
#[derive(Config, Debug)]
pub struct SmcConfig {
    /// Rows.
    pub n: usize,
    /// The effective sample size at which a step along the path ends, as a share of the rows, between 0 and 1.
    #[config(default = 0.5)]
    pub threshold: f64,
    /// Moves after each step.
    #[config(default = 3)]
    pub n_moves: usize,
    /// How to move; step sizes are in units of the standard deviation of each feature.
    #[config(default = "HamiltonianConfig::new()")]
    pub moves: HamiltonianConfig,
    /// Steps at most.
    #[config(default = 1000)]
    pub max_steps: usize,
}

impl SmcConfig {
    /// A run from a base to a target; see [`Smc`].
    ///
    /// # Errors
    ///
    /// As [`Smc::run`], and [`Error::Config`] if a value is out of its range.
    pub fn run<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
        &self,
        base: &D,
        target: &T,
        rng: &mut R,
    ) -> Result<WeightedSample, Error> {
        self.validate()?;
        self.init().run(base, target, rng)
    }

    /// A sampler.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init(&self) -> Smc {
        or_panic(self.validate());
        Smc { config: self.clone(), step_size: self.moves.step_size, temperatures: Vec::new() }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(self.n > 1, "`n` must be at least 2, got {}", self.n);
        ensure!(self.max_steps > 0, "`max_steps` must be at least 1, got 0");
        let threshold = self.threshold;
        ensure!(
            threshold > 0.0 && threshold < 1.0,
            "`threshold` must be between 0 and 1, got {threshold}"
        );
        self.moves.validate()
    }
}

/// Sequential Monte Carlo: rows of a base go along the geometric path to the target in steps that leave a given share
/// of the effective sample size; after each, rows are drawn anew by their weights and moved.
///
/// The steps, the step size of the moves and the unit of each feature follow the rows, so a run needs no tuning. The
/// result is of equal weights. The standard error of its normalising constant is from the weight that each of the first
/// rows has left behind, as if rows were drawn anew independently of each other. In latent space: give it the base of a flow and the
/// [`Pullback`](crate::target::Pullback) of the target.
///
/// # Example
///
/// ```
/// use normalizing_flows::StandardNormal;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::target::{SmcConfig, target_fn};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let base = StandardNormal::new(1, &Device::default());
/// let target = target_fn(1, |x: Tensor<2>| ((x - 4.0).square() * -2.0).squeeze_dim(1));
/// let sample = SmcConfig::new(2000).run(&base, &target, &mut rng)?;
/// let log_z = sample.log_normalizer(); // ½ log(π / 2) = 0.2258
/// assert!((log_z.value - 0.2258).abs() < 5.0 * log_z.error);
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
///
/// # References
///
/// Del Moral, Doucet, Jasra: *Sequential Monte Carlo samplers*, 2006; Jasra, Stephens, Doucet, Tsagaris: *Inference
/// for Lévy-Driven Stochastic Volatility Models via Adaptive Sequential Monte Carlo*, 2011; Chan, Lai: *A general
/// theory of particle filters in hidden Markov models and some applications*, 2013, arXiv:1312.5114 (the standard
/// error).
#[derive(Debug, Clone)]
pub struct Smc {
    config: SmcConfig,
    step_size: f64,
    temperatures: Vec<f64>,
}

impl Smc {
    /// Rows of equal weight for the target.
    ///
    /// # Errors
    ///
    /// As [`importance_sample`](crate::target::importance_sample), and [`Error::Data`] if the target is not reached
    /// in `max_steps`.
    pub fn run<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
        &mut self,
        base: &D,
        target: &T,
        rng: &mut R,
    ) -> Result<WeightedSample, Error> {
        let config = &self.config;
        let n = config.n;
        let path = Path::new(base, target)?;
        let mut state = path.start(n, rng)?;
        let mut ancestors: Vec<usize> = (0..n).collect();
        let (mut beta, mut log_normalizer, mut error) = (0.0, 0.0, 0.0);
        self.temperatures.clear();
        while beta < 1.0 {
            let n_steps = self.temperatures.len();
            ensure!(
                as Data, n_steps < config.max_steps,
                "after {n_steps} steps the samples are at {beta:.3e} of the way to the target: begin nearer to it, or \
                 raise `max_steps`"
            );
            let next = next_temperature(&state, beta, config.threshold * n as f64);
            let log_weights = state.log_increments(beta, next);
            let step = WeightedSample::new(state.x.clone(), log_weights.clone())?;
            log_normalizer += step.log_normalizer().value;
            beta = next;
            self.temperatures.push(beta);
            let weights = normalized(&log_weights);
            error = relative_error(&ancestors, &weights);
            let indices = systematic(&weights, n, rng);
            ancestors = indices.iter().map(|index| ancestors[*index]).collect();
            state = state.select(&indices);
            let scale = standard_deviations(&state);
            for _ in 0..config.n_moves {
                let step = (self.step_size, &scale);
                let acceptance = config.moves.advance(&path, &mut state, beta, step, rng);
                self.step_size = config.moves.adapted(self.step_size, acceptance);
            }
        }
        Ok(WeightedSample::equal(state.x, Estimate { value: log_normalizer, error }))
    }

    /// The places on the path at which the last run stopped, from 0 to 1, without the first.
    pub fn temperatures(&self) -> &[f64] {
        &self.temperatures
    }
}

/// The place on the path to which the effective sample size falls to a number, by bisection.
fn next_temperature(state: &State, beta: f64, least: f64) -> f64 {
    let size = |next: f64| effective_sample_size(&state.log_increments(beta, next));
    if size(1.0) >= least {
        return 1.0;
    }
    let (mut low, mut high) = (beta, 1.0);
    // As long as the middle is a number between both.
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return high;
        }
        if size(middle) < least {
            high = middle
        } else {
            low = middle
        }
        if high - low < 1e-6 * (high - beta) {
            return high;
        }
    }
}

/// The standard error of the normalising constant over its value: how unequal the weight is that each of the first rows
/// has left behind. The last resampling comes after it.
fn relative_error(ancestors: &[usize], weights: &[f64]) -> f64 {
    let n = ancestors.len() as f64;
    let mut left = vec![0.0; ancestors.len()];
    for (ancestor, weight) in ancestors.iter().zip(weights) {
        left[*ancestor] += n * weight;
    }
    left.iter().map(|left| (left - 1.0).powi(2)).sum::<f64>().sqrt() / n
}

/// Of each feature, `[1, d_features]`; 1 where all rows are equal.
fn standard_deviations(state: &State) -> Tensor<2> {
    let [n, d] = state.x.dims();
    let rows = host(state.x.clone());
    let deviations = (0..d).map(|column| {
        let values = || rows.iter().skip(column).step_by(d);
        let mean = values().sum::<f64>() / n as f64;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64;
        // Of equal numbers the mean may be off by a rounding.
        if values().any(|value| *value != rows[column]) { variance.sqrt() } else { 1.0 }
    });
    let deviations = TensorData::new(deviations.collect::<Vec<f64>>(), [1, d]);
    Tensor::from_data(deviations, (&state.x.device(), state.x.dtype()))
}

//! [`NutsConfig`]: a chain in one call.

use std::sync::atomic::Ordering;
use std::time::Instant;

use burn::config::Config;
use nuts_rs::{
    Chain, CpuMath, DiagNutsSettings, FlowNutsSettings, KineticEnergyKind, Settings, WalnutsOptions,
};
use rand::Rng;

use super::density::TransformedDensity;
use super::sample::NutsSample;
use super::transformation::TransformationConfig;
use crate::error::{Error, ensure};
use crate::target::PointTarget;

/// Configuration of a chain of the no-U-turn sampler.
///
/// # Example
///
/// ```
/// use normalizing_flows::data::target::Banana;
/// use normalizing_flows::nuts::NutsConfig;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let config = NutsConfig::new();
/// # let config = config.with_n_warm_up(50).with_n_draws(20);
/// let sample = config.run(&Banana::new(2), &[0.1, 0.1], &mut ChaCha8Rng::seed_from_u64(0))?;
/// assert_eq!(sample.rows.len(), 2 * config.n_draws);
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
///
/// # References
///
/// Hoffman, Gelman: *The No-U-Turn Sampler: Adaptively Setting Path Lengths in Hamiltonian Monte Carlo*, 2014,
/// arXiv:1111.4246; Hoffman, Sountsov, Dillon, Langmore, Tran, Vasudevan: *NeuTra-lizing Bad Geometry in Hamiltonian
/// Monte Carlo Using Neural Transport*, 2019, arXiv:1903.03704; Seyboldt, Carlson, Carpenter: *Preconditioning
/// Hamiltonian Monte Carlo by Minimizing Fisher Divergence*, 2026, arXiv:2603.18845.
#[derive(Config, Debug)]
pub struct NutsConfig {
    /// Draws of the warm-up, which adapts step size and transformation, and which are thrown away.
    #[config(default = 1500)]
    pub n_warm_up: usize,
    /// Draws after it.
    #[config(default = 1000)]
    pub n_draws: usize,
    /// The flow that is learnt; `None` for a scale of every feature alone, as in plain samplers.
    #[config(default = "Some(TransformationConfig::new())")]
    pub transformation: Option<TransformationConfig>,
    /// The acceptance rate that the step size aims at, between 0 and 1.
    #[config(default = 0.9)]
    pub target_acceptance: f64,
    /// Whether a step of a trajectory is divided where its energy error is large, in place of one step size that fits the
    /// narrowest place.
    #[config(default = true)]
    pub micro_steps: bool,
    /// The most doublings of a trajectory.
    #[config(default = 10)]
    pub max_depth: usize,
}

impl Default for NutsConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl NutsConfig {
    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        for (name, value) in [("n_draws", self.n_draws), ("max_depth", self.max_depth)] {
            ensure!(value > 0, "`{name}` must be at least 1, got 0");
        }
        let rate = self.target_acceptance;
        ensure!(
            rate > 0.0 && rate < 1.0,
            "`target_acceptance` must be between 0 and 1, got {rate}"
        );
        self.transformation.as_ref().map_or(Ok(()), TransformationConfig::validate)
    }

    /// Draws from a target, from a point on.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a value is out of its range or the point has other features than the target, and
    /// [`Error::Data`] if the target has no finite log-density there, or a gradient that is not finite or 0 in a feature:
    /// at a mode there is no scale to begin with.
    pub fn run<T: PointTarget, R: Rng + ?Sized>(
        &self,
        target: &T,
        start: &[f64],
        rng: &mut R,
    ) -> Result<NutsSample, Error> {
        self.validate()?;
        let (d, d_start) = (target.d_features(), start.len());
        ensure!(d > 0, "a target must have at least 1 feature, got 0");
        ensure!(
            d == d_start,
            "the chain must start at a point of {d} features, as the target has, got {d_start}"
        );
        check_start(target, start)?;
        match &self.transformation {
            Some(config) => {
                let mut settings = FlowNutsSettings {
                    num_tune: self.n_warm_up as u64,
                    num_draws: self.n_draws as u64,
                    maxdepth: self.max_depth as u64,
                    ..Default::default()
                };
                settings.max_energy_error = MAX_ENERGY_ERROR;
                settings.trajectory_kind = KineticEnergyKind::ExactNormal;
                settings.adapt_options.transform_update_freq = UPDATES;
                settings.walnuts = self.micro_steps.then(micro_steps);
                settings.adapt_options.step_size_settings.target_accept = self.target_acceptance;
                self.draw(settings, TransformedDensity::new(target, config.clone()), start, rng)
            }
            None => {
                let mut settings = DiagNutsSettings {
                    num_tune: self.n_warm_up as u64,
                    num_draws: self.n_draws as u64,
                    maxdepth: self.max_depth as u64,
                    ..Default::default()
                };
                settings.adapt_options.step_size_settings.target_accept = self.target_acceptance;
                settings.walnuts = self.micro_steps.then(micro_steps);
                let config = TransformationConfig::new();
                self.draw(settings, TransformedDensity::new(target, config), start, rng)
            }
        }
    }

    fn draw<S: Settings, T: PointTarget, R: Rng + ?Sized>(
        &self,
        settings: S,
        density: TransformedDensity<T>,
        start: &[f64],
        rng: &mut R,
    ) -> Result<NutsSample, Error> {
        let cannot = |error| {
            // What follows is where in the sampler it was.
            let text = format!("{error:#}");
            let sentence = text.lines().next().unwrap_or_default();
            Error::Data(format!("the chain cannot go on: {sentence}"))
        };
        let (counter, flow) = (density.gradient_counter(), density.flow());
        let refused = density.refused();
        let mut chain = settings.new_chain(0, CpuMath::new(density), rng).map_err(cannot)?;
        let begin = Instant::now();
        chain.set_position(start).map_err(cannot)?;
        for _ in 0..self.n_warm_up {
            chain.draw().map_err(cannot)?;
        }
        let warm = (begin.elapsed().as_secs_f64(), counter.load(Ordering::Relaxed));
        let mut sample = NutsSample {
            rows: Vec::with_capacity(self.n_draws * start.len()),
            d_features: start.len(),
            n_divergences: 0,
            warnings: Vec::new(),
            n_gradients: 0,
            n_gradients_after_warm_up: 0,
            seconds: [warm.0, 0.0],
            step_size: 0.0,
            flow: flow.lock().expect("nothing panics while it holds this").clone(),
        };
        for _ in 0..self.n_draws {
            let (draw, progress) = chain.draw().map_err(cannot)?;
            sample.rows.extend(&draw);
            sample.n_divergences += usize::from(progress.diverging);
            sample.step_size = progress.step_size;
        }
        sample.n_gradients = counter.load(Ordering::Relaxed);
        sample.n_gradients_after_warm_up = sample.n_gradients - warm.1;
        let refused = refused.lock().expect("nothing panics while it holds this");
        sample.warnings.extend(refused.first.as_ref().map(|first| {
            let (n, of) = (refused.n, sample.n_gradients);
            format!("at {n} of {of} points the target has no finite value, and trajectories ended: first, {first}")
        }));
        sample.seconds[1] = begin.elapsed().as_secs_f64() - warm.0;
        Ok(sample)
    }
}

/// Steps may be divided more often than by default: where it is steep it is steep.
fn micro_steps() -> WalnutsOptions {
    WalnutsOptions { max_step_halvings: 12, ..WalnutsOptions::default() }
}

/// From here on a trajectory counts as diverged, as in Stan and in `nuts-rs` without a flow; with divided steps one whose
/// steps cannot be divided further.
const MAX_ENERGY_ERROR: f64 = 1000.0;
/// Draws between two updates, after the first hundred.
const UPDATES: u64 = 128;

fn check_start<T: PointTarget>(target: &T, start: &[f64]) -> Result<(), Error> {
    let mut gradient = vec![0.0; start.len()];
    let log_density = target.evaluate(start, &mut gradient);
    ensure!(
        as Data, log_density.is_finite(),
        "the log-density of the target is {log_density} at {start:?}, where the chain starts: start elsewhere"
    );
    let unusable = gradient.iter().position(|slope| !slope.is_finite() || *slope == 0.0);
    if let Some(feature) = unusable {
        return Err(Error::Data(format!(
            "the gradient of the target is {} in feature {feature} at {start:?}, where the chain starts: start elsewhere",
            gradient[feature]
        )));
    }
    Ok(())
}

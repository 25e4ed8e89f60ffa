//! [`fit_target`] and [`TargetFitter`]: training towards a target in one call.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Instant;

use burn::module::Module;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::config::{Objective, TargetFitConfig};
use super::guarded::Guarded;
use super::report::{TargetEpoch, TargetReport};
use super::steps::Steps;
use crate::distribution::Distribution;
use crate::error::Error;
use crate::optim::AdamConfig;
use crate::target::{Estimate, Target, WeightedSample, check_pair};
use crate::train::fit::{FitError, Fitted};
use crate::train::report::StopReason;
use crate::train::step::descend;
use crate::train::training::{is_trainable, snapshot};

/// Trains a model towards a target that is known up to a constant: Adam with warm-up and cosine decay, a bound on the
/// global norm of the gradients, evaluations by importance weights on the way. [`TargetFitter`] has a callback.
///
/// The model may be any [`Distribution`] without a context, yours too, in training or not. Samples at which the
/// log-density of the target is not finite are left out, counted and named in the report. Under a reverse
/// Kullback-Leibler divergence the last weights are given back whose bound is not lower than the best by more than its
/// standard error, under other objectives the last finite ones.
///
/// The same seed, target and model give the same bits on one machine and backend.
///
/// # Errors
///
/// [`FitError::Error`] if the configuration is out of range, model and target do not fit, the objective needs samples
/// that are [reparameterized](Distribution::is_reparameterized), or the target has no mass where the model starts;
/// [`FitError::Diverged`] with the last finite weights.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::target::target_fn;
/// use normalizing_flows::train::{TargetFitConfig, fit_target};
/// use normalizing_flows::{Distribution, RealNvpConfig};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let target = target_fn(2, |x: Tensor<2>| (x - 3.0).square().sum_dim(1).squeeze_dim(1) * -0.5);
/// let model = RealNvpConfig::new(2).init(&Device::default(), &mut rng);
/// let config = TargetFitConfig::new();
/// # let config = config.with_n_steps(2).with_batch_size(16).with_n_evaluated(32);
/// let fitted = fit_target(model, &target, &config)?;
/// println!("{}", fitted.report);
/// let samples = fitted.model.sample(100, &mut rng);
/// # let _ = samples;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fit_target<D: Distribution, T: Target + ?Sized>(
    model: D,
    target: &T,
    config: &TargetFitConfig,
) -> Result<Fitted<D, TargetReport>, FitError<D, TargetReport>> {
    TargetFitter::new(config.clone()).fit(model, target)
}

type Callback<'a, D> = Box<dyn FnMut(&TargetEpoch, &D) -> ControlFlow<()> + 'a>;

/// [`fit_target`] with a callback.
///
/// # Example
///
/// ```
/// use std::ops::ControlFlow;
/// use normalizing_flows::RealNvpConfig;
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::data::target::Banana;
/// use normalizing_flows::train::{TargetFitConfig, TargetFitter};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let model = RealNvpConfig::new(2).init(&Device::default(), &mut ChaCha8Rng::seed_from_u64(0));
/// let config = TargetFitConfig::new().with_n_steps(4).with_n_evaluations(2);
/// # let config = config.with_batch_size(16).with_n_evaluated(32);
/// let mut bounds = Vec::new();
/// let fitted = TargetFitter::new(config)
///     .on_evaluation(|epoch, _model| {
///         bounds.push(epoch.bound.value);
///         ControlFlow::Continue(())
///     })
///     .fit(model, &Banana::new(2))?;
/// assert_eq!(fitted.report.history.len(), 3); // one of them before the first step
/// # assert_eq!(bounds.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct TargetFitter<'a, D> {
    config: TargetFitConfig,
    on_evaluation: Option<Callback<'a, D>>,
}

impl<D> fmt::Debug for TargetFitter<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetFitter").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<'a, D: Distribution> TargetFitter<'a, D> {
    /// A fit of this configuration.
    pub fn new(config: TargetFitConfig) -> Self {
        Self { config, on_evaluation: None }
    }

    /// Calls a function after every evaluation, also that before the first step, with the model as it is, without
    /// autodiff; it can end the training by `ControlFlow::Break(())`.
    pub fn on_evaluation(
        self,
        callback: impl FnMut(&TargetEpoch, &D) -> ControlFlow<()> + 'a,
    ) -> Self {
        Self { on_evaluation: Some(Box::new(callback)), ..self }
    }

    /// Trains a model; see [`fit_target`].
    ///
    /// # Errors
    ///
    /// As [`fit_target`].
    pub fn fit<T: Target + ?Sized>(
        mut self,
        model: D,
        target: &T,
    ) -> Result<Fitted<D, TargetReport>, FitError<D, TargetReport>> {
        let config = &self.config;
        config.validate()?;
        check_pair(&model, target)?;
        let mut steps = Steps::new(config);
        if steps.needs_reparameterization() && !model.is_reparameterized() {
            return Err(Error::NotReparameterized.into());
        }
        if !is_trainable(&model) {
            return Err(Error::Data("the model has no parameter that is trained".to_owned()).into());
        }
        let start = Instant::now();
        let guarded = Guarded::new(target);
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let mut progress = Progress::start(model.valid(), &guarded, config)?;
        let mut model = model.train();
        let mut stop_reason = self.call(&progress, &model);
        let config = &self.config;
        let mut optimizer = AdamConfig::new().init();
        let schedule = config.schedule();
        let mut step = 0;
        while stop_reason.is_none() {
            guarded.enter(step);
            let rate = schedule.at(step);
            let loss = match steps.loss(step, &model, &guarded, &mut rng)? {
                Some(loss) => {
                    let done =
                        descend(model, &mut optimizer, loss, rate, self.config.max_gradient_norm);
                    model = done.model;
                    (!done.skipped).then_some(done.loss)
                }
                None => None,
            };
            progress.count(step, loss);
            step += 1;
            let diverged = progress.skipped >= self.config.max_skipped_steps;
            if diverged || self.config.evaluates_after(step) {
                // Without any weight there is nothing to tell.
                if progress.evaluate(step, rate, &model.valid(), &guarded, &self.config) {
                    stop_reason = self.call(&progress, &model);
                }
            }
            if diverged {
                stop_reason = Some(StopReason::Diverged { first_step: progress.first_skipped });
            } else if step == self.config.n_steps {
                stop_reason = stop_reason.or(Some(StopReason::MaxEpochs));
            }
        }
        let report = TargetReport {
            stop_reason: stop_reason.unwrap_or(StopReason::MaxEpochs),
            n_target_evaluations: guarded.n_evaluated(),
            n_parameters: Module::num_params(&progress.best),
            seconds: start.elapsed().as_secs_f64(),
            warnings: guarded.warnings(),
            history: progress.history,
            best: progress.best_epoch,
        };
        let diverged = matches!(report.stop_reason, StopReason::Diverged { .. });
        let fitted = Fitted { model: progress.best, report };
        if diverged { Err(FitError::Diverged(Box::new(fitted))) } else { Ok(fitted) }
    }

    fn call(&mut self, progress: &Progress<D>, model: &D) -> Option<StopReason> {
        let (callback, epoch) = (self.on_evaluation.as_mut()?, progress.history.last()?);
        callback(epoch, &model.valid()).is_break().then_some(StopReason::Callback)
    }
}

/// What is known between two steps.
struct Progress<D> {
    best: D,
    best_epoch: TargetEpoch,
    history: Vec<TargetEpoch>,
    /// Whether weights whose bound is lower by more than its standard error are worse than earlier ones.
    by_bound: bool,
    highest_bound: f64,
    /// The steps that were skipped, less those after them that were not, and the first of them.
    skipped: usize,
    first_skipped: usize,
    losses: Losses,
}

/// Since the last evaluation.
#[derive(Default)]
struct Losses {
    sum: f64,
    count: usize,
    skipped: usize,
}

impl<D: Distribution> Progress<D> {
    fn start<T: Target + ?Sized>(
        model: D,
        target: &Guarded<'_, T>,
        config: &TargetFitConfig,
    ) -> Result<Self, Error> {
        let losses = Losses::default();
        let first = evaluate(&model, target, config, 0, 0.0, &losses);
        let best_epoch = first.ok_or_else(|| target.without_mass())?;
        Ok(Self {
            best: snapshot(&model),
            history: vec![best_epoch.clone()],
            highest_bound: best_epoch.bound.value,
            best_epoch,
            by_bound: matches!(config.objective, Objective::ReverseKl | Objective::ReverseKlPath),
            skipped: 0,
            first_skipped: 0,
            losses,
        })
    }

    /// The loss of a step, none if it was skipped.
    fn count(&mut self, step: usize, loss: Option<f64>) {
        if let Some(loss) = loss {
            self.losses.sum += loss;
            self.losses.count += 1;
            self.skipped = self.skipped.saturating_sub(1);
            return;
        }
        if self.skipped == 0 {
            self.first_skipped = step;
        }
        self.skipped += 1;
        self.losses.skipped += 1;
    }

    fn evaluate<T: Target + ?Sized>(
        &mut self,
        step: usize,
        learning_rate: f64,
        model: &D,
        target: &Guarded<'_, T>,
        config: &TargetFitConfig,
    ) -> bool {
        // Without any weight the model is no better than before.
        let Some(epoch) = evaluate(model, target, config, step, learning_rate, &self.losses) else {
            return false;
        };
        self.losses = Losses::default();
        // Later weights are better as far as the evaluation can tell.
        let Estimate { value: bound, error } = epoch.bound;
        if !self.by_bound || bound + error >= self.highest_bound {
            self.best = snapshot(model);
            self.best_epoch = epoch.clone();
        }
        self.highest_bound = self.highest_bound.max(bound);
        self.history.push(epoch);
        true
    }
}

/// None if no sample of the model has any weight.
fn evaluate<D: Distribution, T: Target + ?Sized>(
    model: &D,
    target: &Guarded<'_, T>,
    config: &TargetFitConfig,
    step: usize,
    learning_rate: f64,
    losses: &Losses,
) -> Option<TargetEpoch> {
    // A generator of its own, so that evaluations do not change the training.
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(1 + step as u64);
    let (x, log_model) = model.sample_with_log_prob(config.n_evaluated, &mut rng);
    let log_target: Vec<f64> = target.log_density(x.clone()).into_data().iter().collect();
    let log_model = log_model.into_data();
    let log_weights = log_target.iter().zip(log_model.iter::<f64>()).map(|(p, q)| p - q);
    // What is not finite in the model has no weight.
    let log_weights: Vec<f64> = log_weights
        .map(|log_weight| if log_weight.is_finite() { log_weight } else { f64::NEG_INFINITY })
        .collect();
    let finite: Vec<f64> = log_weights.iter().copied().filter(|log| log.is_finite()).collect();
    let sample = WeightedSample::new(x, log_weights).ok()?;
    Some(TargetEpoch {
        step,
        loss: (losses.count > 0).then(|| losses.sum / losses.count as f64),
        bound: bound(&finite, config.n_evaluated),
        efficiency: sample.effective_sample_size() / config.n_evaluated as f64,
        log_normalizer: sample.log_normalizer(),
        learning_rate,
        skipped_steps: losses.skipped,
    })
}

/// The evidence lower bound of the model where the target is, by its samples there and the share that they are of all.
fn bound(finite: &[f64], n_evaluated: usize) -> Estimate {
    let (n, all) = (finite.len() as f64, n_evaluated as f64);
    let mean = finite.iter().sum::<f64>() / n;
    let squares: f64 = finite.iter().map(|x| (x - mean).powi(2)).sum();
    // Of the logarithm of the share, by the delta method.
    let of_share = (1.0 - n / all) / n;
    let error = (squares / n / (n - 1.0) + of_share).sqrt();
    let error = if finite.len() > 1 { error } else { f64::MAX };
    Estimate { value: mean + (n / all).ln(), error }
}

impl<D> fmt::Display for FitError<D, TargetReport> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Diverged(fitted) => write!(
                f,
                "the training {}; the weights of step {} before are in the error: lower `learning_rate`, or look for \
                 places where the gradient of the target is huge",
                fitted.report.stop_reason, fitted.report.best.step
            ),
        }
    }
}

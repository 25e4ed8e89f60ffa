//! [`fit`] and [`Fitter`]: maximum likelihood training in one call.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use burn::module::Module;

use super::checkpoint;
use super::config::{FitConfig, Plan};
use super::copula::copula_nll;
use super::gaussian::gaussian_nll;
use super::report::{Epoch, FitReport, StopReason};
use super::rows::{Rows, device_of};
use super::training::{Progress, Training};
use crate::data::Dataset;
use crate::distribution::Distribution;
use crate::error::Error;

/// A trained model and the report of its training.
#[derive(Debug, Clone)]
pub struct Fitted<D, R = FitReport> {
    /// The model with the best weights, without autodiff.
    pub model: D,
    /// What the training did.
    pub report: R,
}

/// Why there is no trained model.
#[derive(Debug)]
#[non_exhaustive]
pub enum FitError<D, R = FitReport> {
    /// The configuration, the data or the checkpoint are not what they should be. Nothing was
    /// trained, or what was is in the checkpoint.
    Error(Error),
    /// The training diverged. Here are the best finite weights, and the report with the step where
    /// it began.
    Diverged(Box<Fitted<D, R>>),
}

impl<D, R> From<Error> for FitError<D, R> {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl<D> fmt::Display for FitError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Diverged(fitted) => write!(
                f,
                "the training {}; the best weights before, of epoch {}, are in the error: lower \
                 `learning_rate`, or look for extreme values in the data",
                fitted.report.stop_reason, fitted.report.best_epoch
            ),
        }
    }
}

impl<D: fmt::Debug, R: fmt::Debug> std::error::Error for FitError<D, R> where Self: fmt::Display {}

/// Fits a model to data by maximum likelihood: a validation split, mini-batches, AdamW with warm-up
/// and cosine decay, a bound on the global norm of the gradients, early stopping, and the best
/// weights at the end. [`Fitter`] has more options.
///
/// The model may be any [`Distribution`], yours too, in training or not; layers that set themselves
/// by data are calibrated on the first batch. Steps with a loss or gradients that are not finite
/// are skipped and counted; too many end the training with the best weights.
///
/// The same seed, data and model give the same bits on one machine and backend.
///
/// # Errors
///
/// [`FitError::Error`] if the configuration is out of range, the data do not fit the model, or a
/// row is not finite; [`FitError::Diverged`] with the best weights.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::data::Dataset;
/// use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
/// use normalizing_flows::train::{FitConfig, fit};
/// use normalizing_flows::{Distribution, NsfConfig};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let data = Dataset::new(TwoMoons::new(0.1).sample(500, &device, &mut rng));
/// let model = NsfConfig::new(2).init(&device, &mut rng);
/// let config = FitConfig::new();
/// # let config = config.with_max_epochs(Some(2));
/// let fitted = fit(model, &data, &config)?;
/// println!("{}", fitted.report);
/// let samples = fitted.model.sample(100, &mut rng);
/// # let _ = samples;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Loshchilov, Hutter: *Decoupled Weight Decay Regularization*, 2019, arXiv:1711.05101 (AdamW).
pub fn fit<D: Distribution>(
    model: D,
    data: &Dataset,
    config: &FitConfig,
) -> Result<Fitted<D>, FitError<D>> {
    Fitter::new(config.clone()).fit(model, data)
}

/// The rows of an epoch, counted from 1.
type Redraw<'a> = dyn Fn(usize) -> Result<Dataset, Error> + 'a;
type Callback<'a, D> = Box<dyn FnMut(&Epoch, &D) -> ControlFlow<()> + 'a>;

/// [`fit`] with validation data of your own, a callback, and checkpoints.
///
/// # Example
///
/// A progress bar is one line:
///
/// ```
/// use std::ops::ControlFlow;
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::data::Dataset;
/// use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
/// use normalizing_flows::train::{FitConfig, Fitter};
/// use normalizing_flows::NsfConfig;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let data = Dataset::new(TwoMoons::new(0.1).sample(500, &device, &mut rng));
/// let model = NsfConfig::new(2).init(&device, &mut rng);
/// # let mut epochs = 0;
/// let fitted = Fitter::new(FitConfig::new().with_max_epochs(Some(3)))
///     .on_epoch(|epoch, _model| {
///         // bar.set_position(epoch.epoch as u64);
/// #       epochs = epoch.epoch;
///         ControlFlow::Continue(())
///     })
///     .fit(model, &data)?;
/// assert_eq!(fitted.report.history.len(), 3);
/// # assert_eq!(epochs, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Fitter<'a, D> {
    config: FitConfig,
    validation: Option<&'a Dataset>,
    redraw: Option<&'a Redraw<'a>>,
    on_epoch: Option<Callback<'a, D>>,
    checkpoint: Option<PathBuf>,
}

impl<D> fmt::Debug for Fitter<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, checkpoint, .. } = self;
        f.debug_struct("Fitter")
            .field("config", config)
            .field("checkpoint", checkpoint)
            .finish_non_exhaustive()
    }
}

impl<'a, D: Distribution> Fitter<'a, D> {
    /// A fit of this configuration.
    pub fn new(config: FitConfig) -> Self {
        Self { config, validation: None, redraw: None, on_epoch: None, checkpoint: None }
    }

    /// Holds out these rows and none of the others.
    pub fn validation(self, validation: &'a Dataset) -> Self {
        Self { validation: Some(validation), ..self }
    }

    /// Draws the rows to train on anew for each epoch, from 1, as dequantisation and augmentation
    /// do. The function must give as many rows as the data, of the same shapes, and for the same
    /// epoch always the same; validation data must be given too. Its error ends the training.
    pub fn redraw(self, redraw: &'a Redraw<'a>) -> Self {
        Self { redraw: Some(redraw), ..self }
    }

    /// Calls a function after every epoch with the best model so far, without autodiff; it can end
    /// the training by `ControlFlow::Break(())`.
    pub fn on_epoch(self, callback: impl FnMut(&Epoch, &D) -> ControlFlow<()> + 'a) -> Self {
        Self { on_epoch: Some(Box::new(callback)), ..self }
    }

    /// Writes the state of the training to a file after every epoch, atomically; and if the file is
    /// there already, goes on from it, to the same bits as if the training had never stopped.
    ///
    /// The model, the data and the configuration must be those that the file was written for; what
    /// the model's weights are does not matter then. Remove the file to start anew.
    pub fn checkpoint(self, path: impl Into<PathBuf>) -> Self {
        Self { checkpoint: Some(path.into()), ..self }
    }

    /// Fits a model to data; see [`fit`].
    ///
    /// # Errors
    ///
    /// As [`fit`], and [`Error::File`] about the checkpoint.
    pub fn fit(mut self, model: D, data: &Dataset) -> Result<Fitted<D>, FitError<D>> {
        let config = &self.config;
        config.validate()?;
        if self.redraw.is_some() && self.validation.is_none() {
            let sentence = "rows that are drawn anew need validation data of their own: give some \
                            by `validation`";
            return Err(Error::Config(sentence.to_owned()).into());
        }
        let device = device_of(&model);
        let mut rows = Rows::new(data, self.validation, config, &device)?;
        let plan = config.plan(rows.train.n_rows());
        let fingerprint = match &self.checkpoint {
            Some(_) => checkpoint::fingerprint(&rows),
            None => String::new(),
        };
        let gaussian_nll = gaussian_nll(&rows.train, &rows.validation);
        let given = rows.train.clone();
        let mut start = Instant::now();
        let resumed = match &self.checkpoint {
            Some(path) => checkpoint::load(path, &model, &fingerprint, config)?,
            None => None,
        };
        let mut training = match resumed {
            Some(training) => training,
            None => Training::start(model, &rows, config, &plan)?,
        };
        let tenth = plan.max_epochs.div_ceil(10);
        let stop_reason = loop {
            if let Some(reason) = training.progress.stop_reason(config, &plan) {
                break reason;
            }
            if let Some(redraw) = self.redraw {
                let data = redraw(training.progress.history.len() + 1)?;
                rows.redraw(&data, config, &device)?;
            }
            training = training.run_epoch(&rows, config, &plan)?;
            if training.progress.history.len() == tenth {
                warn(&mut training.progress, &plan, gaussian_nll);
            }
            training.progress.seconds += start.elapsed().as_secs_f64();
            start = Instant::now();
            if let Some(path) = &self.checkpoint {
                checkpoint::save(path, &training, &fingerprint, config)?;
            }
            let epoch = &training.progress.history[training.progress.history.len() - 1];
            if let Some(callback) = &mut self.on_epoch
                && callback(epoch, &training.best).is_break()
            {
                break StopReason::Callback;
            }
        };
        if training.progress.history.len() < tenth && stop_reason != StopReason::Callback {
            warn(&mut training.progress, &plan, gaussian_nll);
        }
        // The report compares with what fits the rows that were given.
        rows.train = given;
        let report = report(&training, &rows, &plan, stop_reason, gaussian_nll);
        let diverged = matches!(report.stop_reason, StopReason::Diverged { .. });
        let fitted = Fitted { model: training.best, report };
        if diverged { Err(FitError::Diverged(Box::new(fitted))) } else { Ok(fitted) }
    }
}

/// Warns about a training that has learnt nothing, called after a tenth of the budget, or where it ends
/// before that.
fn warn(progress: &mut Progress, plan: &Plan, gaussian_nll: Option<f64>) {
    let Some(gaussian) = gaussian_nll else { return };
    let epoch = progress.history.len();
    if progress.best.nll <= gaussian {
        return;
    }
    let skipped: usize = progress.history.iter().map(|epoch| epoch.skipped_steps).sum();
    let worse_than_at_first = progress.best_epoch == 0;
    let reason = if skipped > 0 {
        "steps were skipped because they were not finite: lower `learning_rate`"
    } else if worse_than_at_first {
        "no epoch was better than the model was before: lower `learning_rate`"
    } else {
        "are the columns on a scale of about 1, and the contexts? standardise them"
    };
    progress.warning = Some(format!(
        "after {epoch} of {} epochs the held-out NLL is {:.4} nats per row, above the {gaussian:.4} \
         of a fitted Gaussian; {reason}",
        plan.max_epochs, progress.best.nll
    ));
}

fn report<D: Distribution>(
    training: &Training<D>,
    rows: &Rows,
    plan: &Plan,
    stop_reason: StopReason,
    gaussian_nll: Option<f64>,
) -> FitReport {
    let progress = &training.progress;
    let n_rows = progress.history.len() * plan.steps_per_epoch * plan.batch_size;
    FitReport {
        history: progress.history.clone(),
        stop_reason,
        best_epoch: progress.best_epoch,
        validation_nll: progress.best.nll,
        validation_nll_error: progress.best.error,
        gaussian_nll,
        copula_nll: copula_nll(&rows.train, &rows.validation),
        d_features: rows.train.d_features(),
        n_parameters: Module::num_params(&training.best),
        n_train: rows.train.n_rows(),
        n_validation: rows.validation.n_rows(),
        n_dropped: rows.n_dropped,
        skipped_steps: progress.history.iter().map(|epoch| epoch.skipped_steps).sum(),
        rows_per_second: n_rows as f64 / progress.seconds.max(f64::MIN_POSITIVE),
        seconds: progress.seconds,
        warnings: match (gaussian_nll, &progress.warning) {
            // What recovered is no longer worth a word.
            (Some(gaussian), Some(warning)) if progress.best.nll > gaussian => {
                vec![warning.clone()]
            }
            _ => Vec::new(),
        },
    }
}

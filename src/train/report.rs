//! [`FitReport`]: what a training did, and how good its model is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happened in an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Epoch {
    /// The number of the epoch, from 1.
    pub epoch: usize,
    /// The mean loss over its batches, in nats per row; `None` if every step was skipped.
    pub train_nll: Option<f64>,
    /// The mean negative log-likelihood of the held-out rows after it; `None` if it is not finite.
    pub validation_nll: Option<f64>,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// The largest norm of the gradients before clipping, of the steps that were not skipped.
    pub max_gradient_norm: f64,
    /// The steps that were skipped because their loss or gradients were not finite.
    pub skipped_steps: usize,
}

/// Why a training ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StopReason {
    /// The last of the epochs is done.
    MaxEpochs,
    /// So many epochs in a row brought nothing better.
    Patience {
        /// Their number.
        epochs: usize,
    },
    /// The callback said so.
    Callback,
    /// Too many steps had a loss or gradients that were not finite.
    Diverged {
        /// The first of them, from 0, counted over all epochs.
        first_step: usize,
    },
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxEpochs => f.write_str("all epochs are done"),
            Self::Patience { epochs } => write!(f, "no better for {epochs} epochs"),
            Self::Callback => f.write_str("stopped by the callback"),
            Self::Diverged { first_step } => {
                write!(f, "diverged: no finite loss or gradient from step {first_step} on")
            }
        }
    }
}

/// What a training did, and how good the model is that it gave: prints as a summary and survives
/// JSON.
///
/// Negative log-likelihoods (NLL) are in nats per row, lower is better. A density may exceed 1, so
/// they may be negative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FitReport {
    /// Every epoch.
    pub history: Vec<Epoch>,
    /// Why the training ended.
    pub stop_reason: StopReason,
    /// The epoch whose weights the model has; 0 for those that it came with.
    pub best_epoch: usize,
    /// The mean NLL of the held-out rows under the model.
    pub validation_nll: f64,
    /// The standard error of that mean; `None` if one row is held out.
    pub validation_nll_error: Option<f64>,
    /// The mean NLL of the same rows under a normal that was fitted to the training rows (with
    /// contexts: a linear regression on them); `None` where no such density exists.
    pub gaussian_nll: Option<f64>,
    /// The mean NLL of the same rows under a Gaussian copula over smoothed marginals; `None` where no
    /// such density exists, or the rows are too few to fit it.
    pub copula_nll: Option<f64>,
    /// The number of features.
    pub d_features: usize,
    /// The number of parameters.
    pub n_parameters: usize,
    /// The rows that were trained on.
    pub n_train: usize,
    /// The rows that were held out.
    pub n_validation: usize,
    /// The rows that were left out because a value was not finite.
    pub n_dropped: usize,
    /// The steps that were skipped because their loss or gradients were not finite.
    pub skipped_steps: usize,
    /// Training rows per second, evaluations included.
    pub rows_per_second: f64,
    /// The time in seconds.
    pub seconds: f64,
    /// What looks wrong.
    pub warnings: Vec<String>,
}

impl FitReport {
    /// The mean NLL of the held-out rows, in nats per feature.
    pub fn validation_nll_per_feature(&self) -> f64 {
        self.validation_nll / self.d_features as f64
    }
}

impl fmt::Display for FitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_train, n_validation, n_parameters, .. } = self;
        write!(f, "{n_train} rows trained on, {n_validation} held out")?;
        if self.n_dropped > 0 {
            write!(f, ", {} left out (not finite)", self.n_dropped)?;
        }
        writeln!(f, "; {n_parameters} parameters")?;
        writeln!(
            f,
            "{} epochs in {:.1} s, {:.0} rows/s: {}; the weights are those of epoch {}",
            self.history.len(),
            self.seconds,
            self.rows_per_second,
            self.stop_reason,
            self.best_epoch
        )?;
        write!(f, "held-out NLL {:.4}", self.validation_nll)?;
        if let Some(error) = self.validation_nll_error {
            write!(f, " ± {error:.4}")?;
        }
        write!(f, " nats per row, {:.4} per feature", self.validation_nll_per_feature())?;
        if let Some(gaussian) = self.gaussian_nll {
            let gain = gaussian - self.validation_nll;
            write!(f, "\na fitted Gaussian has {gaussian:.4}, {gain:+.4} beside the model")?;
        }
        if let Some(copula) = self.copula_nll {
            let gain = copula - self.validation_nll;
            write!(f, "\na Gaussian copula has {copula:.4}, {gain:+.4} beside the model")?;
        }
        if self.skipped_steps > 0 {
            write!(f, "\n{} steps were skipped: not finite", self.skipped_steps)?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}

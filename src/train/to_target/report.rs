//! [`TargetReport`]: what a training towards a target did, and how near it came.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::target::Estimate;
use crate::train::report::StopReason;

/// An evaluation of a model beside its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetEpoch {
    /// The number of training steps before it.
    pub step: usize,
    /// The mean loss since the evaluation before; `None` if there was none.
    pub loss: Option<f64>,
    /// The evidence lower bound, in nats: the mean of `log p̃(x) - log q(x)` over samples of the model where it is
    /// finite, and the logarithm of the share that these are of all samples. It is at most `log Z`.
    pub bound: Estimate,
    /// The effective sample size of the importance weights over their number, from 0 to 1. It knows nothing of modes
    /// that the model has not found.
    pub efficiency: f64,
    /// The logarithm of the normalising constant by the importance weights, in nats.
    pub log_normalizer: Estimate,
    /// The learning rate of the last step before it.
    pub learning_rate: f64,
    /// The steps since the evaluation before that were skipped.
    pub skipped_steps: usize,
}

/// What a training towards a target did, and how near the model came: prints as a summary and survives JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetReport {
    /// Every evaluation, the first before any step.
    pub history: Vec<TargetEpoch>,
    /// Why the training ended.
    pub stop_reason: StopReason,
    /// The evaluation of the weights that were given back.
    pub best: TargetEpoch,
    /// Samples at which the target was evaluated, gradients included.
    pub n_target_evaluations: usize,
    /// The number of parameters.
    pub n_parameters: usize,
    /// Seconds that the training took.
    pub seconds: f64,
    /// What may be wrong with the target or the training.
    pub warnings: Vec<String>,
}

impl fmt::Display for TargetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TargetEpoch { step, bound, efficiency, log_normalizer, .. } = &self.best;
        let last = self.history.last().map_or(0, |epoch| epoch.step);
        write!(
            f,
            "{last} steps in {:.1} s, {} parameters, {} evaluations of the target: {}\nweights of step {step}: bound \
             {bound} nats, log normalising constant {log_normalizer}, effective sample size {:.1} %",
            self.seconds,
            self.n_parameters,
            self.n_target_evaluations,
            self.stop_reason,
            100.0 * efficiency
        )?;
        let skipped: usize = self.history.iter().map(|epoch| epoch.skipped_steps).sum();
        if skipped > 0 {
            write!(f, "\n{skipped} steps were skipped: not finite")?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}

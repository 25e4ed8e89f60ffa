//! [`FitConfig`]: how a model is trained, and the numbers that follow from the size of the data.

use burn::config::Config;

use super::schedule::Schedule;
use crate::error::{Error, ensure};

/// What to do with rows that hold NaN or an infinity.
#[derive(Config, Debug, PartialEq, Eq, Copy)]
#[non_exhaustive]
pub enum NonFiniteRows {
    /// End with an error that names the first of them.
    Refuse,
    /// Leave them out and count them in the report.
    Drop,
}

/// Configuration of [`fit`](super::fit()).
///
/// What is `None` follows from the number of rows: small tables are trained for more epochs of
/// smaller batches.
///
/// # Example
///
/// ```
/// use normalizing_flows::train::FitConfig;
///
/// let config = FitConfig::new().with_seed(7).with_max_epochs(Some(50));
/// assert!(config.validate().is_ok());
/// let error = config.with_validation_fraction(1.5).validate().unwrap_err();
/// assert_eq!(error.to_string(), "`validation_fraction` must be between 0 and 1, got 1.5");
/// ```
#[derive(Config, Debug)]
pub struct FitConfig {
    /// Rows per step. By default a sixteenth of the training rows, as a power of two from 32 to
    /// 512.
    pub batch_size: Option<usize>,
    /// Passes over the training rows, at most. By default as many as make 8,000 steps, from 10 to
    /// 400.
    pub max_epochs: Option<usize>,
    /// Epochs without a better validation loss after which training ends. By default a quarter
    /// of `max_epochs`, at least 20: the decaying learning rate brings gains late.
    pub patience: Option<usize>,
    /// The learning rate of AdamW after the warm-up; it then decays to 0 by a cosine.
    #[config(default = 1e-3)]
    pub learning_rate: f64,
    /// AdamW's weight decay.
    #[config(default = 1e-4)]
    pub weight_decay: f64,
    /// The share of all steps in which the learning rate grows from 0.
    #[config(default = 0.02)]
    pub warm_up: f64,
    /// The bound on the Euclidean norm of all gradients together; longer ones are scaled down to it.
    #[config(default = 5.0)]
    pub max_gradient_norm: f64,
    /// The share of the rows that is held out for validation, at least one row, where no validation
    /// data are given.
    #[config(default = 0.1)]
    pub validation_fraction: f64,
    /// Steps with a loss or gradients that are not finite are skipped; so many more of them than of
    /// others end the training. (Each counts one, and each other step after it takes one back.)
    #[config(default = 20)]
    pub max_skipped_steps: usize,
    /// What to do with rows that are not finite.
    #[config(default = "NonFiniteRows::Refuse")]
    pub non_finite_rows: NonFiniteRows,
    /// The seed of the split and of the order of the rows.
    #[config(default = 0)]
    pub seed: u64,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl FitConfig {
    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        let counts = [
            ("batch_size", self.batch_size),
            ("max_epochs", self.max_epochs),
            ("patience", self.patience),
            ("max_skipped_steps", Some(self.max_skipped_steps)),
        ];
        for (name, value) in counts {
            ensure!(value != Some(0), "`{name}` must be at least 1, got 0");
        }
        for (name, value) in
            [("learning_rate", self.learning_rate), ("max_gradient_norm", self.max_gradient_norm)]
        {
            ensure!(
                value.is_finite() && value > 0.0,
                "`{name}` must be finite and above 0, got {value}"
            );
        }
        let weight_decay = self.weight_decay;
        ensure!(
            weight_decay.is_finite() && weight_decay >= 0.0,
            "`weight_decay` must be finite and at least 0, got {weight_decay}"
        );
        let warm_up = self.warm_up;
        ensure!(
            (0.0..1.0).contains(&warm_up),
            "`warm_up` must be at least 0 and below 1, got {warm_up}"
        );
        let fraction = self.validation_fraction;
        ensure!(
            fraction > 0.0 && fraction < 1.0,
            "`validation_fraction` must be between 0 and 1, got {fraction}"
        );
        Ok(())
    }

    /// The configuration for epochs of so many of the rows each: if it says nothing of their number,
    /// at least one pass.
    pub(crate) fn for_epochs_of(&self, n_epoch: usize, n_rows: usize) -> Self {
        let by_steps = self.plan(n_epoch).max_epochs;
        let max_epochs = self.max_epochs.unwrap_or(by_steps.max(n_rows.div_ceil(n_epoch)));
        self.clone().with_max_epochs(Some(max_epochs))
    }

    pub(super) fn schedule(&self, n_steps: usize) -> Schedule {
        Schedule { learning_rate: self.learning_rate, warm_up: self.warm_up, n_steps }
    }

    /// The numbers for so many training rows.
    pub(super) fn plan(&self, n_train: usize) -> Plan {
        let by_rows = (n_train / 16).next_power_of_two().clamp(32, 512);
        let batch_size = self.batch_size.unwrap_or(by_rows).min(n_train);
        // What is left over is in other epochs' batches, since every epoch has an order of its own.
        let steps_per_epoch = n_train / batch_size;
        let by_steps = DEFAULT_STEPS.div_ceil(steps_per_epoch).clamp(10, 400);
        let max_epochs = self.max_epochs.unwrap_or(by_steps);
        let patience = self.patience.unwrap_or((max_epochs / 4).max(20));
        Plan { batch_size, steps_per_epoch, max_epochs, patience }
    }
}

const DEFAULT_STEPS: usize = 8000;

/// What a [`FitConfig`] comes to for a number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub batch_size: usize,
    pub steps_per_epoch: usize,
    pub max_epochs: usize,
    pub patience: usize,
}

impl Plan {
    pub fn n_steps(&self) -> usize {
        self.steps_per_epoch * self.max_epochs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_tables_have_more_epochs_of_smaller_batches() {
        let config = FitConfig::new();
        let plan = config.plan(245);
        assert_eq!((plan.batch_size, plan.steps_per_epoch, plan.max_epochs), (32, 7, 400));
        let plan = config.plan(1_000_000);
        assert_eq!((plan.batch_size, plan.steps_per_epoch, plan.max_epochs), (512, 1953, 10));
        let plan = config.plan(1);
        assert_eq!((plan.batch_size, plan.steps_per_epoch, plan.patience), (1, 1, 100));
    }
}

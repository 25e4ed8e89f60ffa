//! The state of a training between two epochs, and what an epoch does to it.

use burn::module::{ModuleVisitor, Param};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::config::{FitConfig, Plan};
use super::evaluation::{Evaluation, evaluate};
use super::report::{Epoch, StopReason};
use super::rows::{Rows, epoch_rng};
use super::step::step;
use crate::data::Dataset;
use crate::distribution::{Checked, Distribution};
use crate::error::Error;
use crate::optim::AdamWConfig;

/// All that the next epoch depends on.
pub(super) struct Training<D> {
    /// In training, with autodiff.
    pub model: D,
    pub optimizer: ModuleOptimizer,
    /// The best model so far, without autodiff.
    pub best: D,
    pub progress: Progress,
}

/// What of it is numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Progress {
    pub best: Evaluation,
    pub best_epoch: usize,
    pub history: Vec<Epoch>,
    /// The number of steps that were skipped, less those after them that were not, and the first of them.
    #[serde(alias = "skipped_in_a_row")]
    pub skipped: usize,
    pub first_skipped: usize,
    /// That the training learnt nothing in its first tenth.
    pub warning: Option<String>,
    pub seconds: f64,
}

impl Progress {
    /// Why to end now, if there is a reason.
    pub fn stop_reason(&self, config: &FitConfig, plan: &Plan) -> Option<StopReason> {
        let epochs = self.history.len() - self.best_epoch;
        if self.skipped >= config.max_skipped_steps {
            Some(StopReason::Diverged { first_step: self.first_skipped })
        } else if self.history.len() >= plan.max_epochs {
            Some(StopReason::MaxEpochs)
        } else if epochs >= plan.patience {
            Some(StopReason::Patience { epochs })
        } else {
            None
        }
    }
}

pub(super) fn optimizer(config: &FitConfig) -> ModuleOptimizer {
    let weight_decay = config.weight_decay as f32;
    AdamWConfig::new().with_weight_decay(weight_decay).init()
}

/// Whether there is a float parameter that is not frozen.
pub(super) fn is_trainable<D: Distribution>(model: &D) -> bool {
    struct Finder(bool);
    impl ModuleVisitor for Finder {
        fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
            self.0 |= param.val().is_require_grad();
        }
    }
    let mut finder = Finder(false);
    model.clone().train().visit(&mut finder);
    finder.0
}

/// A copy that later steps do not reach: what a module holds beside its parameters may be shared
/// between clones.
pub(super) fn snapshot<D: Distribution>(model: &D) -> D {
    let plain = model.valid();
    plain.clone().load_record(plain.into_record())
}

impl<D: Distribution> Training<D> {
    /// Before the first epoch. The model is calibrated on the first batch.
    pub fn start(model: D, rows: &Rows, config: &FitConfig, plan: &Plan) -> Result<Self, Error> {
        let model = model.valid();
        // Shapes and float types, before anything is computed.
        for rows in [&rows.validation, &rows.train] {
            let first = rows.select(&[0]);
            Checked::new(&model, first.context()).context_of(first.x())?;
        }
        if !is_trainable(&model) {
            return Err(Error::Data("the model has no parameter that is trained".to_owned()));
        }
        let first = rows.train.select(&(0..plan.batch_size).collect::<Vec<_>>());
        let model = model.calibrated(first.x().clone(), first.context());
        let best = evaluate(&model, &rows.validation)?.ok_or_else(|| {
            Error::Data(
                "the log-density of a held-out row is not finite before training: is it outside \
                 of the support of the model?"
                    .to_owned(),
            )
        })?;
        let progress = Progress {
            best,
            best_epoch: 0,
            history: Vec::new(),
            skipped: 0,
            first_skipped: 0,
            warning: None,
            seconds: 0.0,
        };
        let best = snapshot(&model);
        Ok(Self { model: model.train(), optimizer: optimizer(config), best, progress })
    }

    /// One pass over the training rows, then an evaluation on those that are held out.
    pub fn run_epoch(
        mut self,
        rows: &Rows,
        config: &FitConfig,
        plan: &Plan,
    ) -> Result<Self, Error> {
        let epoch = self.progress.history.len() + 1;
        let mut order: Vec<usize> = (0..rows.train.n_rows()).collect();
        order.shuffle(&mut epoch_rng(config.seed, epoch));
        let mut sums = Sums::default();
        let first_step = (epoch - 1) * plan.steps_per_epoch;
        let batches = order.chunks_exact(plan.batch_size).take(plan.steps_per_epoch);
        let schedule = config.schedule(plan.n_steps());
        let mut learning_rate = 0.0;
        for (index, batch) in batches.enumerate() {
            let number = first_step + index;
            learning_rate = schedule.at(number);
            let batch = with_autodiff(&rows.train.select(batch));
            let done = step(
                self.model,
                &mut self.optimizer,
                &batch,
                learning_rate,
                config.max_gradient_norm,
            );
            self.model = done.model;
            if !done.skipped {
                sums.add(done.loss, done.gradient_norm);
                self.progress.skipped = self.progress.skipped.saturating_sub(1);
                continue;
            }
            sums.skipped += 1;
            if self.progress.skipped == 0 {
                self.progress.first_skipped = number;
            }
            self.progress.skipped += 1;
            if self.progress.skipped >= config.max_skipped_steps {
                break;
            }
        }
        let plain = self.model.valid();
        let evaluation = evaluate(&plain, &rows.validation)?;
        self.progress.history.push(Epoch {
            epoch,
            train_nll: sums.mean_loss(),
            validation_nll: evaluation.map(|evaluation| evaluation.nll),
            learning_rate,
            max_gradient_norm: sums.max_gradient_norm,
            skipped_steps: sums.skipped,
        });
        if let Some(evaluation) = evaluation
            && evaluation.nll < self.progress.best.nll
        {
            self.progress.best = evaluation;
            self.progress.best_epoch = epoch;
            self.best = snapshot(&plain);
        }
        Ok(self)
    }
}

/// Rows as inputs of a model in training.
fn with_autodiff(batch: &Dataset) -> Dataset {
    batch.to_device(&batch.x().device().autodiff())
}

#[derive(Default)]
struct Sums {
    loss: f64,
    n_steps: usize,
    max_gradient_norm: f64,
    skipped: usize,
}

impl Sums {
    fn add(&mut self, loss: f64, gradient_norm: f64) {
        self.loss += loss;
        self.n_steps += 1;
        self.max_gradient_norm = self.max_gradient_norm.max(gradient_norm);
    }

    fn mean_loss(&self) -> Option<f64> {
        (self.n_steps > 0).then(|| self.loss / self.n_steps as f64)
    }
}

//! [`Steps`]: the loss of each step of an objective.

use burn::tensor::Tensor;
use rand::Rng;

use super::config::{FabConfig, Objective, TargetFitConfig};
use super::guarded::{Guarded, Moved};
use crate::distribution::Distribution;
use crate::error::Error;
use crate::target::{Ais, Draws, ReplayBuffer, Target, alpha_of, dreg_of, reverse_kl_of};

/// An objective, and what it keeps from one step to the next.
pub(super) struct Steps {
    objective: Objective,
    batch_size: usize,
    annealed: Option<Annealed>,
}

/// What flow annealed importance sampling bootstrap keeps.
struct Annealed {
    ais: Ais,
    buffer: ReplayBuffer,
}

impl Steps {
    pub fn new(config: &TargetFitConfig) -> Self {
        let batch_size = config.batch_size;
        let annealed = match &config.objective {
            Objective::Fab(fab) => Some(Annealed {
                ais: fab.ais(batch_size).init(),
                buffer: ReplayBuffer::new(fab.n_batches * batch_size),
            }),
            _ => None,
        };
        Self { objective: config.objective.clone(), batch_size, annealed }
    }

    /// Whether gradients must flow through the samples of the model.
    pub fn needs_reparameterization(&self) -> bool {
        self.annealed.is_none()
    }

    /// The loss of a step, from 0, `[1]`; none if no sample has any weight.
    pub fn loss<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
        &mut self,
        step: usize,
        model: &D,
        target: &Guarded<'_, T>,
        rng: &mut R,
    ) -> Result<Option<Tensor<1>>, Error> {
        let n = self.batch_size;
        let draws = match (&self.objective, &mut self.annealed) {
            (Objective::Fab(fab), Some(annealed)) => {
                annealed.refill(step, fab, model, &Moved(target), rng)?;
                return Ok(Some(annealed.buffer.loss(model, n, rng)));
            }
            (Objective::ReverseKl | Objective::Alpha(_), _) => Draws::plain(model, target, n, rng),
            _ => Draws::path(model, target, n, rng),
        };
        let finite = draws.finite();
        // What is left out has no share, whatever the sign of the exponent.
        let log_weights = |alpha: f64| {
            let none = -f64::INFINITY * alpha.signum();
            draws.log_weights().mask_fill(finite.clone().bool_not(), none)
        };
        let loss = match self.objective {
            Objective::Alpha(alpha) => alpha_of(alpha, log_weights(alpha)),
            Objective::AlphaDreg(alpha) => dreg_of(alpha, log_weights(alpha)),
            _ => reverse_kl_of(&draws, &finite),
        };
        let has_weight = finite.any().into_scalar::<bool>();
        // A graph that is never run backward stays in memory.
        if !has_weight {
            let _ = loss.backward();
        }
        Ok(has_weight.then_some(loss))
    }
}

impl Annealed {
    /// Annealed samples of the model as it is, every so many steps.
    fn refill<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
        &mut self,
        step: usize,
        fab: &FabConfig,
        model: &D,
        target: &T,
        rng: &mut R,
    ) -> Result<(), Error> {
        if !step.is_multiple_of(fab.n_updates) {
            return Ok(());
        }
        let model = model.valid();
        let n_batches = if self.buffer.is_empty() { fab.n_first_batches } else { 1 };
        let mut result = Ok(());
        for _ in 0..n_batches {
            match self.ais.run(&model, target, rng) {
                Ok(sample) => self.buffer.add(&sample, &model),
                // A batch without any weight adds nothing.
                Err(error) => result = Err(error),
            }
        }
        if self.buffer.is_empty() { result } else { Ok(()) }
    }
}

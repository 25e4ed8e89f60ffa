//! [`TargetFitConfig`]: how a model is trained towards a target, and by which [`Objective`].

use burn::config::Config;

use crate::error::{Error, ensure};
use crate::target::{AisConfig, HamiltonianConfig, validate_alpha};
use crate::train::schedule::Schedule;

/// What is minimised.
#[derive(Config, Debug)]
#[non_exhaustive]
pub enum Objective {
    /// The reverse Kullback-Leibler divergence, see [`reverse_kl`](crate::target::reverse_kl).
    ReverseKl,
    /// The same with the path gradient, see [`reverse_kl_path`](crate::target::reverse_kl_path).
    ReverseKlPath,
    /// An alpha-divergence of this exponent, see [`alpha_divergence`](crate::target::alpha_divergence).
    Alpha(f64),
    /// The same with the doubly reparameterised gradient, see
    /// [`alpha_divergence_dreg`](crate::target::alpha_divergence_dreg).
    AlphaDreg(f64),
    /// Flow annealed importance sampling bootstrap: the alpha-divergence of 2 by annealed samples from a
    /// [`ReplayBuffer`](crate::target::ReplayBuffer). It finds modes that the others miss, and needs no
    /// reparameterised base.
    Fab(FabConfig),
}

/// Configuration of [`Objective::Fab`]. The defaults are those of the paper in the plane.
#[derive(Config, Debug)]
pub struct FabConfig {
    /// Densities between the model and `p̃² / q`, at each of which samples are moved.
    #[config(default = 1)]
    pub n_intermediate: usize,
    /// Moves at each of them.
    #[config(default = 1)]
    pub n_moves: usize,
    /// How samples are moved, in the space of the data.
    #[config(default = "HamiltonianConfig::new()")]
    pub moves: HamiltonianConfig,
    /// Training steps for every batch of annealed samples.
    #[config(default = 4)]
    pub n_updates: usize,
    /// The number of samples that the buffer keeps, in batches.
    #[config(default = 100)]
    pub n_batches: usize,
    /// The number of batches before the first training step.
    #[config(default = 10)]
    pub n_first_batches: usize,
}

impl Default for FabConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl FabConfig {
    pub(super) fn ais(&self, batch_size: usize) -> AisConfig {
        AisConfig::new(batch_size)
            .with_n_intermediate(self.n_intermediate)
            .with_n_moves(self.n_moves)
            .with_moves(self.moves.clone())
            .with_power(2.0)
    }

    fn validate(&self) -> Result<(), Error> {
        let counts = [
            ("n_updates", self.n_updates),
            ("n_batches", self.n_batches),
            ("n_first_batches", self.n_first_batches),
        ];
        for (name, value) in counts {
            ensure!(value > 0, "`{name}` must be at least 1, got 0");
        }
        self.moves.validate()
    }
}

/// Configuration of [`fit_target`](super::fit_target).
///
/// # Example
///
/// ```
/// use normalizing_flows::train::{Objective, TargetFitConfig};
///
/// let config = TargetFitConfig::new().with_objective(Objective::Alpha(1.0));
/// let error = config.validate().unwrap_err();
/// assert!(error.to_string().starts_with("`alpha` must be finite and neither 0"));
/// ```
#[derive(Config, Debug)]
pub struct TargetFitConfig {
    /// What is minimised.
    #[config(default = "Objective::ReverseKlPath")]
    pub objective: Objective,
    /// Training steps.
    #[config(default = 4000)]
    pub n_steps: usize,
    /// Samples per step.
    #[config(default = 512)]
    pub batch_size: usize,
    /// The learning rate of Adam after the warm-up; it then decays to 0 by a cosine.
    #[config(default = 1e-3)]
    pub learning_rate: f64,
    /// The share of all steps in which the learning rate grows from 0.
    #[config(default = 0.02)]
    pub warm_up: f64,
    /// The bound on the Euclidean norm of all gradients together; longer ones are scaled down to it.
    #[config(default = 5.0)]
    pub max_gradient_norm: f64,
    /// Steps with a loss or gradients that are not finite are skipped; so many more of them than of others end the
    /// training.
    #[config(default = 20)]
    pub max_skipped_steps: usize,
    /// Evaluations, at equal distances.
    #[config(default = 20)]
    pub n_evaluations: usize,
    /// Samples per evaluation.
    #[config(default = 4000)]
    pub n_evaluated: usize,
    /// The seed of all samples.
    #[config(default = 0)]
    pub seed: u64,
}

impl Default for TargetFitConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl TargetFitConfig {
    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        let counts = [
            ("n_steps", self.n_steps),
            ("batch_size", self.batch_size),
            ("max_skipped_steps", self.max_skipped_steps),
            ("n_evaluations", self.n_evaluations),
        ];
        for (name, value) in counts {
            ensure!(value > 0, "`{name}` must be at least 1, got 0");
        }
        let n_evaluated = self.n_evaluated;
        ensure!(n_evaluated > 1, "`n_evaluated` must be at least 2, got {n_evaluated}");
        for (name, value) in
            [("learning_rate", self.learning_rate), ("max_gradient_norm", self.max_gradient_norm)]
        {
            ensure!(
                value.is_finite() && value > 0.0,
                "`{name}` must be finite and above 0, got {value}"
            );
        }
        let warm_up = self.warm_up;
        ensure!(
            (0.0..1.0).contains(&warm_up),
            "`warm_up` must be at least 0 and below 1, got {warm_up}"
        );
        match &self.objective {
            Objective::ReverseKl | Objective::ReverseKlPath => Ok(()),
            Objective::Alpha(alpha) | Objective::AlphaDreg(alpha) => validate_alpha(*alpha),
            Objective::Fab(fab) => fab.validate(),
        }
    }

    pub(super) fn schedule(&self) -> Schedule {
        Schedule { learning_rate: self.learning_rate, warm_up: self.warm_up, n_steps: self.n_steps }
    }

    /// Whether the model is evaluated after a step, counted from 1.
    pub(super) fn evaluates_after(&self, step: usize) -> bool {
        let n_evaluations = self.n_evaluations.min(self.n_steps) as u128;
        let evaluations = |step: usize| step as u128 * n_evaluations / self.n_steps as u128;
        evaluations(step) > evaluations(step - 1) || step == self.n_steps
    }
}

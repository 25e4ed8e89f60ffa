//! [`HamiltonianConfig`]: moves that leave a density as it is.

use burn::config::Config;
use burn::tensor::Tensor;
use rand::{Rng, RngExt};

use super::check::host;
use super::path::{Path, State};
use crate::distribution::Distribution;
use crate::error::{Error, ensure};
use crate::target::interface::Target;

/// Hamiltonian Monte Carlo moves: a random momentum, leapfrog steps along the gradient, acceptance by Metropolis. One
/// leapfrog step is the Langevin algorithm (MALA).
///
/// # References
///
/// Neal: *MCMC using Hamiltonian dynamics*, 2011, arXiv:1206.1901; Roberts, Tweedie: *Exponential convergence of
/// Langevin distributions and their discrete approximations*, 1996.
#[derive(Config, Debug, PartialEq)]
pub struct HamiltonianConfig {
    /// Leapfrog steps of a move, at least 1; each costs a gradient of both densities.
    #[config(default = 5)]
    pub n_leapfrog: usize,
    /// The step size at the start, in units of the features; it adapts to the acceptance rate.
    #[config(default = 0.2)]
    pub step_size: f64,
    /// The acceptance rate that the step size aims at, between 0 and 1.
    #[config(default = 0.7)]
    pub target_acceptance: f64,
}

impl Default for HamiltonianConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl HamiltonianConfig {
    /// The Langevin algorithm: one leapfrog step, and the acceptance rate at which it is most efficient.
    ///
    /// Roberts, Rosenthal: *Optimal scaling of discrete approximations to Langevin diffusions*, 1998.
    pub fn langevin() -> Self {
        Self::new().with_n_leapfrog(1).with_target_acceptance(0.574)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(self.n_leapfrog > 0, "`n_leapfrog` must be at least 1, got 0");
        let step_size = self.step_size;
        ensure!(
            step_size.is_finite() && step_size > 0.0,
            "`step_size` must be finite and above 0, got {step_size}"
        );
        let rate = self.target_acceptance;
        ensure!(
            rate > 0.0 && rate < 1.0,
            "`target_acceptance` must be between 0 and 1, got {rate}"
        );
        Ok(())
    }

    /// The step size after a move with an acceptance rate.
    pub(super) fn adapted(&self, step_size: f64, acceptance: f64) -> f64 {
        step_size * (ADAPTATION * (acceptance - self.target_acceptance)).exp()
    }

    /// Moves all rows once at a place on the path and gives the share that was accepted. `scale` is the unit of each
    /// feature, `[1, d_features]`.
    pub(super) fn advance<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
        &self,
        path: &Path<'_, D, T>,
        state: &mut State,
        beta: f64,
        (step_size, scale): (f64, &Tensor<2>),
        rng: &mut R,
    ) -> f64 {
        let n = state.n_rows();
        let step = scale.clone() * step_size;
        let mut momentum = path.noise(rng).standard_normal(state.x.dims());
        let before = energies(state, beta, &momentum);
        let mut proposal = state.clone();
        for _ in 0..self.n_leapfrog {
            let half = momentum + proposal.gradient(beta) * step.clone() * 0.5;
            proposal = path.evaluate(proposal.x + half.clone() * step.clone());
            momentum = half + proposal.gradient(beta) * step.clone() * 0.5;
        }
        let after = energies(&proposal, beta, &momentum);
        // A proposal that is not finite is refused, and one outside of the base, from which no row has come.
        let inside = proposal.log_base.iter().map(|log_base| log_base.is_finite());
        let accepted: Vec<bool> = (before.iter().zip(&after).zip(inside))
            .map(|((before, after), inside)| {
                let uniform: f64 = rng.random();
                inside && after.is_finite() && uniform.ln() < before - after
            })
            .collect();
        state.accept(proposal, &accepted);
        accepted.iter().filter(|accepted| **accepted).count() as f64 / n.max(1) as f64
    }
}

/// How fast step sizes adapt: a move with an acceptance that is off by 0.1 changes them by 2 %.
const ADAPTATION: f64 = 0.2;

/// Minus the logarithm of the joint density of row and momentum.
fn energies(state: &State, beta: f64, momentum: &Tensor<2>) -> Vec<f64> {
    let kinetic = host(momentum.clone().square().sum_dim(1)).into_iter();
    kinetic.zip(state.log_density(beta)).map(|(square, log)| 0.5 * square - log).collect()
}

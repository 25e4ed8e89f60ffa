//! [`Path`]: the densities between a base and a target, and [`State`]: rows with all that a move along them needs.

use burn::tensor::{Bool, Tensor, TensorData};
use rand::Rng;

use super::check::{check_log_densities, check_pair, host, place_of};
use crate::distribution::{Distribution, Noise};
use crate::error::Error;
use crate::target::interface::{Target, gradient_by_autodiff};
use crate::target::weights::select_rows;

/// The geometric path `log γ_β(x) = (1 - β) log q(x) + β log p̃(x)` from a base `q` at `β = 0` to a target at 1; beyond
/// it lies `p̃² / q` at 2, whose samples are where the weights of the target are large.
pub(super) struct Path<'a, D, T: ?Sized> {
    base: D,
    target: &'a T,
}

impl<'a, D: Distribution, T: Target + ?Sized> Path<'a, D, T> {
    /// The parameters of the base are constants here.
    pub fn new(base: &D, target: &'a T) -> Result<Self, Error> {
        check_pair(base, target)?;
        Ok(Self { base: base.valid(), target })
    }

    /// Samples of the base.
    pub fn start<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Result<State, Error> {
        let x = self.base.draw(n, None, &mut self.noise(rng));
        let state = self.evaluate(x);
        check_log_densities(&state.x, &state.log_target)?;
        Ok(state)
    }

    pub fn evaluate(&self, x: Tensor<2>) -> State {
        let (log_base, base_gradient) = gradient_by_autodiff(x.clone(), |x| self.base.log_prob(x));
        let (log_target, target_gradient) = self.target.log_density_and_gradient(x.clone());
        State {
            x,
            log_base: host(log_base),
            log_target: host(log_target),
            base_gradient,
            target_gradient,
        }
    }

    pub fn noise<'r, R: Rng + ?Sized>(&self, rng: &'r mut R) -> Noise<'r, R> {
        Noise::new(&place_of(&self.base, self.target), rng)
    }
}

/// Rows, both log-densities, and their gradients.
#[derive(Clone)]
pub(super) struct State {
    pub x: Tensor<2>,
    pub log_base: Vec<f64>,
    pub log_target: Vec<f64>,
    base_gradient: Tensor<2>,
    target_gradient: Tensor<2>,
}

impl State {
    pub fn n_rows(&self) -> usize {
        self.log_base.len()
    }

    /// `log γ_β` of each row.
    pub fn log_density(&self, beta: f64) -> Vec<f64> {
        let both = self.log_base.iter().zip(&self.log_target);
        both.map(|(base, target)| times(1.0 - beta, *base) + times(beta, *target)).collect()
    }

    /// What each log-weight grows by from one place on the path to another.
    pub fn log_increments(&self, from: f64, to: f64) -> Vec<f64> {
        let both = self.log_base.iter().zip(&self.log_target);
        both.map(|(base, target)| (to - from) * (target - base)).collect()
    }

    /// The gradient of `log γ_β` by each row.
    pub fn gradient(&self, beta: f64) -> Tensor<2> {
        self.base_gradient.clone() * (1.0 - beta) + self.target_gradient.clone() * beta
    }

    /// These rows where they were not accepted, and the others where they were.
    pub fn accept(&mut self, proposal: State, accepted: &[bool]) {
        let [n, d] = self.x.dims();
        let mask = TensorData::new(accepted.to_vec(), [n, 1]);
        let mask = Tensor::<2, Bool>::from_data(mask, &self.x.device()).expand([n, d]);
        let choose = |old: &mut Tensor<2>, new: Tensor<2>| {
            *old = old.clone().mask_where(mask.clone(), new);
        };
        choose(&mut self.x, proposal.x);
        choose(&mut self.base_gradient, proposal.base_gradient);
        choose(&mut self.target_gradient, proposal.target_gradient);
        for (row, _) in accepted.iter().enumerate().filter(|(_, accepted)| **accepted) {
            self.log_base[row] = proposal.log_base[row];
            self.log_target[row] = proposal.log_target[row];
        }
    }

    /// The rows of these indices.
    pub fn select(&self, indices: &[usize]) -> Self {
        let pick = |values: &[f64]| indices.iter().map(|index| values[*index]).collect();
        Self {
            x: select_rows(&self.x, indices),
            log_base: pick(&self.log_base),
            log_target: pick(&self.log_target),
            base_gradient: select_rows(&self.base_gradient, indices),
            target_gradient: select_rows(&self.target_gradient, indices),
        }
    }
}

/// A product in which zero times infinity is zero.
fn times(factor: f64, value: f64) -> f64 {
    if factor == 0.0 { 0.0 } else { factor * value }
}

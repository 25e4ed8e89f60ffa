//! [`Draws`]: samples of a model in training, with their log-densities under the model and the target.

use burn::tensor::{Bool, Tensor};
use rand::Rng;

use crate::distribution::Distribution;
use crate::target::interface::Target;
use crate::target::point::with_gradient;

/// Samples of a model in training, and both log-densities, through which gradients flow to the parameters.
pub(crate) struct Draws {
    /// Under the model: `[n]`.
    pub log_model: Tensor<1>,
    /// Under the target, with its gradient at the samples: `[n]`.
    pub log_target: Tensor<1>,
}

impl Draws {
    /// Gradients flow to the parameters through the samples, and from the log-density of the model directly.
    pub fn plain<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
        model: &D,
        target: &T,
        n: usize,
        rng: &mut R,
    ) -> Self {
        let (x, log_model) = model.rsample_with_log_prob(n, rng);
        Self::new(x, log_model, target)
    }

    /// Gradients flow to the parameters through the samples alone: those of the log-density of the model are
    /// stopped.
    pub fn path<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
        model: &D,
        target: &T,
        n: usize,
        rng: &mut R,
    ) -> Self {
        let x = model.rsample(n, rng);
        let log_model = model.valid().log_prob(x.clone());
        Self::new(x, log_model, target)
    }

    fn new<T: Target + ?Sized>(x: Tensor<2>, log_model: Tensor<1>, target: &T) -> Self {
        // The target is differentiated by itself: a row whose gradient is not finite then spoils no other.
        let (log_target, gradient) = target.log_density_and_gradient(x.clone().without_autodiff());
        let log_target = with_gradient(log_target, gradient, &x);
        Self { log_model, log_target }
    }

    /// `log p̃(x) - log q(x)`: `[n]`.
    pub fn log_weights(&self) -> Tensor<1> {
        self.log_target.clone() - self.log_model.clone()
    }

    /// Where both log-densities are finite: `[n]`.
    pub fn finite(&self) -> Tensor<1, Bool> {
        self.log_weights().without_autodiff().is_finite()
    }
}

/// The mean of the values that a mask picks, 0 if there is none; the others reach neither value nor gradient.
pub(super) fn mean_of(values: Tensor<1>, picked: &Tensor<1, Bool>) -> Tensor<1> {
    let n = picked.clone().float().sum().cast(values.dtype()).clamp_min(1.0);
    values.mask_fill(picked.clone().bool_not(), 0.0).sum() / n
}

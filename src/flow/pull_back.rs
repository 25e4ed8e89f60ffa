//! [`PulledBack`]: what a flow makes of a log-density and its gradient.

use burn::tensor::{Tensor, assert_shape};

use super::interface::zero_log_det;
use crate::univariate::Univariate;

/// A log-density over data and its gradient as the latent space sees them: with `x = f(z)`, the gradient of
/// `log p(f(z)) + log |det ∂f/∂z|` by `z`.
#[derive(Debug, Clone)]
pub struct PulledBack {
    /// The latents, `[batch, d_features]`.
    pub z: Tensor<2>,
    /// `Jᵀ ∂ log p/∂x + ∂/∂z log |det J|` with `J = ∂x/∂z`, `[batch, d_features]`.
    pub gradient: Tensor<2>,
    /// `log |det ∂x/∂z|`, `[batch]`.
    pub log_det: Tensor<1>,
}

impl PulledBack {
    /// Of no rows: some backends divide by their number in a matrix product.
    pub(crate) fn of_no_rows(x: Tensor<2>, gradient: Tensor<2>) -> Self {
        let log_det = zero_log_det(&x);
        Self { z: x, gradient, log_det }
    }
}

/// Both `[batch, d_features]`.
pub(crate) fn check_shapes(x: &Tensor<2>, gradient: &Tensor<2>, d_features: usize) {
    assert_shape!(x, [_, d_features]);
    let [batch, _] = x.dims();
    assert_shape!(gradient, [batch, d_features]);
}

/// By a map of every feature, and the gradient by its parameters, `[batch, n_parameters, d]`, as both are given.
pub(crate) fn pulled_back<U: Univariate>(
    univariate: &U,
    x: Tensor<2>,
    parameters: Tensor<3>,
    gradient: Tensor<2>,
) -> Option<(PulledBack, Tensor<3>)> {
    let (z, log_slope) = univariate.inverse(x, parameters.clone());
    let (gradient, of_parameters) = univariate.pull_back(z.clone(), parameters, gradient)?;
    let log_det = -log_slope.sum_dim(1).squeeze_dim(1);
    Some((PulledBack { z, gradient, log_det }, of_parameters))
}

//! Numbers above -1: what keeps `x = z + g(z)` increasing.

use burn::tensor::Tensor;

use crate::univariate::softplus;

/// How far from -1 the least one is: the slope of a layer is at least that.
pub(super) const MIN_SLOPE: f64 = 1e-3;

/// A smooth increasing function to the numbers above `-1 + MIN_SLOPE`, with 0 at 0.
pub(super) fn above_minus_one(raw: Tensor<2>) -> Tensor<2> {
    let least = 1.0 - MIN_SLOPE;
    let offset = least.exp_m1().ln();
    softplus(raw + offset) - least
}

/// The logarithm of the hyperbolic tangent's slope times a number above -1, plus 1.
pub(super) fn log_slope(factor: Tensor<2>, tanh: Tensor<2>) -> Tensor<2> {
    (factor * (tanh.square().neg() + 1.0)).log1p()
}

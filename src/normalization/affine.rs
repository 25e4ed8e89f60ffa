//! A shift and a scale of each feature, by tensor operations.

use burn::tensor::{Tensor, assert_shape};

use crate::direction::Direction;
use crate::flow::zero_log_det;

/// `x_i = z_i exp(s_i) + b_i`, where `b` and `s` are the rows of `affine`, `[2, d_features]`.
pub(super) fn apply(
    affine: Tensor<2>,
    direction: Direction,
    input: Tensor<2>,
) -> (Tensor<2>, Tensor<1>) {
    let [_, d_features] = affine.dims();
    assert_shape!(input, [_, d_features]);
    let [batch, _] = input.dims();
    if batch == 0 {
        let log_det = zero_log_det(&input);
        return (input, log_det);
    }
    let [shift, log_scale] = halves(affine);
    let log_det = log_scale.clone().sum();
    let (output, log_det) = match direction {
        Direction::Forward => (input * log_scale.exp() + shift, log_det),
        Direction::Inverse => ((input - shift) * log_scale.neg().exp(), log_det.neg()),
    };
    (output, log_det.expand([batch]))
}

/// The two rows of a tensor, `[1, d]` each.
pub(super) fn halves(both: Tensor<2>) -> [Tensor<2>; 2] {
    [both.clone().narrow(0, 0, 1), both.narrow(0, 1, 1)]
}

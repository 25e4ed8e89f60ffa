//! [`softplus`], and the absolute value, with gradients of one side where burn has those of neither.

use burn::tensor::Tensor;

/// The absolute value, whose gradient at 0 is that from above: burn's is 0 there.
pub(super) fn absolute<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let negative = x.clone().lower_elem(0.0);
    x.clone().mask_where(negative, x.neg())
}

/// `log(1 + exp(x))`, without overflow, and exact to roundings far below 0 too, where burn's is 0.
pub(crate) fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let negative = x.clone().lower_elem(0.0);
    absolute(x.clone()).neg().exp().log1p() + x.mask_fill(negative, 0.0)
}

//! Without a backend that has kernels, every flow is computed by tensor operations.

use burn::tensor::Tensor;

use crate::flow::Flow;

pub(crate) fn forward<F: Flow>(
    _: &F,
    _: &Tensor<2>,
    _: Option<&Tensor<2>>,
) -> Option<(Tensor<2>, Tensor<1>)> {
    None
}

pub(crate) fn inverse<F: Flow>(
    _: &F,
    _: &Tensor<2>,
    _: Option<&Tensor<2>>,
) -> Option<(Tensor<2>, Tensor<1>)> {
    None
}

pub(crate) fn standard_normal_log_prob<F: Flow>(
    _: &F,
    _: &Tensor<2>,
    _: Option<&Tensor<2>>,
) -> Option<Tensor<1>> {
    None
}

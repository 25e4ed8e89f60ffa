//! What optimisers do with tensors, where these are the Flex backend's.

use burn::backend::tensor::FloatTensor;
use burn::backend::{
    BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex,
};
use burn::tensor::{DType, Tensor};

use super::{AdamRates, flex};

/// Whether [`adam`] takes a parameter and what goes with it.
pub(crate) fn takes_adam<'a, const D: usize>(
    parameter: &'a Tensor<D>,
    mut others: impl Iterator<Item = &'a Tensor<D>>,
) -> bool {
    let (dtype, shape) = (parameter.dtype(), parameter.dims());
    takes(parameter)
        && others.all(|other| other.dtype() == dtype && other.dims() == shape && takes(other))
}

/// Whether a tensor is the Flex backend's, without autodiff, and of a float type of the kernels.
fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.dtype(), DType::F32 | DType::F64)
        && matches!(tensor.clone().into_dispatch().kind, DispatchTensorKind::Flex(_))
}

/// The sum of the squares of all numbers, if the kernels take the tensor.
pub(crate) fn sum_of_squares<const D: usize>(tensor: &Tensor<D>) -> Option<f64> {
    takes(tensor).then(|| flex::sum_of_squares(&of_flex(tensor.clone())))
}

fn of_flex<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Flex> {
    match tensor.into_dispatch().kind {
        DispatchTensorKind::Flex(tensor) => tensor.float(),
        _ => unreachable!("`takes` was asked"),
    }
}

/// A parameter and its moments after a step along its gradient.
pub(crate) fn adam<const D: usize>(
    rates: &AdamRates,
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> [Tensor<D>; 3] {
    flex::adam(rates, of_flex(parameter), &of_flex(gradient), moments.map(of_flex)).map(|tensor| {
        Tensor::from_dispatch(DispatchTensor {
            kind: DispatchTensorKind::Flex(BackendTensor::Float(tensor)),
            autodiff: DispatchAutodiffContext::Disabled,
        })
    })
}

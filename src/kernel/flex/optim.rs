//! Adam on the tensors of the Flex backend, in place where nobody else holds them, and sums of squares.

use super::super::AdamRates;
use super::super::row::adam::adam as step;
use super::super::row::squares::sum_of_squares as sum;
use super::super::threads::share;
use super::{FlexTensor, Stored};

/// The numbers that one thread takes at a time. Fewer would not be worth waking it; sums are made of this many
/// on any number of threads.
const CHUNK: usize = 1 << 13;

/// The parameter and its moments after a step along the gradient. All have one shape and float type.
pub(in super::super) fn adam(
    rates: &AdamRates,
    parameter: FlexTensor,
    gradient: &FlexTensor,
    moments: [FlexTensor; 2],
) -> [FlexTensor; 3] {
    super::with_float!(gradient, R => in_type::<R>(rates, parameter, gradient, moments))
}

fn in_type<R: Stored>(
    rates: &AdamRates,
    parameter: FlexTensor,
    gradient: &FlexTensor,
    [mean, square]: [FlexTensor; 2],
) -> [FlexTensor; 3] {
    let mut written = [parameter, mean, square].map(row_after_row);
    let gradient = gradient.to_contiguous();
    let [parameters, means, squares] = written.each_mut().map(R::storage_mut);
    let moments = means.chunks_mut(CHUNK).zip(squares.chunks_mut(CHUNK));
    let gradients = R::storage(&gradient).chunks(CHUNK);
    let chunks = parameters.chunks_mut(CHUNK).zip(gradients).zip(moments).collect();
    share(chunks, |_, ((parameters, gradients), (means, squares))| {
        step(rates, parameters, gradients, [means, squares]);
    });
    written
}

/// The tensor, and no view of a larger one, without a second handle on it.
fn row_after_row(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// The sum of the squares of all numbers, in f64.
pub(in super::super) fn sum_of_squares(tensor: &FlexTensor) -> f64 {
    fn in_type<R: Stored>(tensor: &FlexTensor) -> f64 {
        let tensor = tensor.to_contiguous();
        let chunks = R::storage(&tensor).chunks(CHUNK).collect();
        share(chunks, |_, values| sum(values)).into_iter().sum()
    }
    super::with_float!(tensor, R => in_type::<R>(tensor))
}

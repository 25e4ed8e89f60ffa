//! Large calls in bounded memory.

use burn::tensor::Tensor;

use crate::solver;

/// The rows that go through a model at once. Larger calls are cut into chunks of this size, so that
/// the memory of activations does not grow with the batch. No chunk has a single row, of which a layer
/// that goes by the batch could make nothing.
pub(super) const CHUNK_ROWS: usize = 1 << 14;

/// Runs `f` over chunks of rows and puts the results together.
pub(super) fn in_chunks(
    x: Tensor<2>,
    context: Option<&Tensor<2>>,
    f: impl Fn(Tensor<2>, Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>),
) -> (Tensor<2>, Tensor<1>) {
    let [batch, _] = x.dims();
    if batch <= CHUNK_ROWS {
        return f(x, context);
    }
    let (mut outputs, mut log_dets) = (Vec::new(), Vec::new());
    let mut start = 0;
    while start < batch {
        let left = batch - start;
        let rows = if left == CHUNK_ROWS + 1 { CHUNK_ROWS - 1 } else { left.min(CHUNK_ROWS) };
        let context = context.map(|context| context.clone().narrow(0, start, rows));
        let chunk = x.clone().narrow(0, start, rows);
        let ((output, log_det), unsolved) = solver::watched(|| f(chunk, context.as_ref()));
        solver::report(unsolved.into_iter().map(|of_row| of_row.at(of_row.row + start)));
        outputs.push(output);
        log_dets.push(log_det);
        start += rows;
    }
    (Tensor::cat(outputs, 0), Tensor::cat(log_dets, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use std::cell::RefCell;

    #[test]
    fn no_chunk_is_larger_than_the_bound_and_contexts_stay_beside_their_rows() {
        for (rest, last) in [(5, [CHUNK_ROWS, 5]), (1, [CHUNK_ROWS - 1, 2])] {
            let n = 2 * CHUNK_ROWS + rest;
            let rows = Tensor::<1, burn::tensor::Int>::arange(0..n as i64, &Device::default());
            let x = rows.float().reshape([n, 1]);
            let sizes = RefCell::new(Vec::new());
            let (y, log_det) = in_chunks(x.clone(), Some(&x), |x, context| {
                sizes.borrow_mut().push(x.dims()[0]);
                let difference = x.clone() - context.expect("there is a context").clone();
                (x, difference.squeeze_dim(1))
            });
            assert_eq!(*sizes.borrow(), [CHUNK_ROWS, last[0], last[1]]);
            assert_eq!(y.into_data(), x.into_data());
            assert_eq!(log_det.abs().max().into_scalar::<f32>(), 0.0);
        }
    }
}

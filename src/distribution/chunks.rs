//! Large calls in bounded memory.

use burn::tensor::Tensor;

/// The rows that go through a model at once. Larger calls are cut into chunks of this size, so that
/// the memory of activations does not grow with the batch.
const CHUNK_ROWS: usize = 1 << 14;

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
    for start in (0..batch).step_by(CHUNK_ROWS) {
        let rows = CHUNK_ROWS.min(batch - start);
        let context = context.map(|context| context.clone().narrow(0, start, rows));
        let (output, log_det) = f(x.clone().narrow(0, start, rows), context.as_ref());
        outputs.push(output);
        log_dets.push(log_det);
    }
    (Tensor::cat(outputs, 0), Tensor::cat(log_dets, 0))
}

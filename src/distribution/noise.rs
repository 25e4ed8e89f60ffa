//! Standard normal noise, drawn on the host.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// Standard normal noise of shape `[n, d]`, drawn row after row.
pub(super) fn standard_normal<R: Rng + ?Sized>(
    [n, d]: [usize; 2],
    (device, dtype): (&Device, DType),
    rng: &mut R,
) -> Tensor<2> {
    // Both arms draw the same numbers: rand_distr draws in f64 and rounds.
    let data = if dtype == DType::F64 {
        let values: Vec<f64> = StandardNormal.sample_iter(rng).take(n * d).collect();
        TensorData::new(values, [n, d])
    } else {
        let values: Vec<f32> = StandardNormal.sample_iter(rng).take(n * d).collect();
        TensorData::new(values, [n, d])
    };
    Tensor::from_data(data, (device, dtype))
}

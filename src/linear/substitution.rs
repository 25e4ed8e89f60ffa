//! Triangular matrices by tensor operations.

use burn::tensor::{Tensor, TensorData};

use crate::univariate::ScaleBound;

/// The identity of the float type and device of `like`.
pub(super) fn identity(d: usize, like: &Tensor<2>) -> Tensor<2> {
    Tensor::<2>::eye(d, &like.device()).cast(like.dtype())
}

/// An upper triangular matrix `U` with `exp(s_i)` on its diagonal.
pub(super) struct Upper {
    /// Without the diagonal.
    above: Tensor<2>,
    /// `s`, `[1, d]`.
    log_diagonal: Tensor<2>,
}

impl Upper {
    /// Of a matrix whose diagonal has the raw `s`; what is below it has no effect.
    pub fn new(raw: Tensor<2>, bound: ScaleBound) -> Self {
        let [d, _] = raw.dims();
        let diagonal = raw.clone() * identity(d, &raw);
        let log_diagonal = bound.log_scale(diagonal.sum_dim(0));
        Self { above: raw.triu(1), log_diagonal }
    }

    fn one(&self) -> Tensor<2> {
        identity(self.above.dims()[0], &self.above)
    }

    /// `U`
    pub fn matrix(&self) -> Tensor<2> {
        self.above.clone() + self.one() * self.log_diagonal.clone().exp()
    }

    /// `log |det U|`, `[1]`
    pub fn log_det(&self) -> Tensor<1> {
        self.log_diagonal.clone().sum()
    }

    /// `U⁻ᵀ`: with `U = D (I + N)` it is `D⁻¹ (I + N)⁻ᵀ`.
    pub fn inverse_transposed(&self) -> Tensor<2> {
        let reciprocal = self.log_diagonal.clone().neg().exp();
        let scaled = self.above.clone().transpose() * reciprocal.clone() + self.one();
        inverse_of_unit_lower(scaled) * reciprocal.transpose()
    }
}

/// Ones where `C` of [`inverse_of_unit_lower`] is, for blocks of a size.
fn below_blocks(d: usize, size: usize, like: &Tensor<2>) -> Tensor<2> {
    let is_below =
        |row: usize, column: usize| (row / size) % 2 == 1 && column / size + 1 == row / size;
    let entries = (0..d * d).map(|entry| u8::from(is_below(entry / d, entry % d)));
    let entries: Vec<f32> = entries.map(f32::from).collect();
    Tensor::from_data(TensorData::new(entries, [d, d]), (&like.device(), like.dtype()))
}

/// The inverse of a lower triangular matrix with ones on the diagonal, by substitution of blocks: of
/// the two blocks on the diagonal of
///
/// ```text
/// | A  0 |⁻¹   |    A⁻¹       0  |
/// | C  B |   = | -B⁻¹ C A⁻¹  B⁻¹ |
/// ```
///
/// the inverses are known, from blocks of one row on; all blocks of a size are done at once. So
/// there are `2 log₂ d` products instead of `d` steps.
pub(super) fn inverse_of_unit_lower(matrix: Tensor<2>) -> Tensor<2> {
    let [d, _] = matrix.dims();
    let mut inverse = identity(d, &matrix);
    let mut size = 1;
    while size < d {
        let below = matrix.clone() * below_blocks(d, size, &matrix);
        inverse = inverse.clone() - inverse.clone().matmul(below).matmul(inverse);
        size *= 2;
    }
    inverse
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device};
    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let device = Device::default();
        for d in [1, 2, 3, 7, 8, 20] {
            let mut entry = |row: usize, column: usize| match row.cmp(&column) {
                std::cmp::Ordering::Less => 0.0,
                std::cmp::Ordering::Equal => 1.0,
                std::cmp::Ordering::Greater => rng.random_range(-1.0..1.0),
            };
            let entries: Vec<f64> = (0..d * d).map(|i| entry(i / d, i % d)).collect();
            let data = TensorData::new(entries, [d, d]);
            let matrix = Tensor::<2>::from_data(data, (&device, DType::F64));
            let inverse = inverse_of_unit_lower(matrix.clone());
            // No entry of the inverse exceeds 2^19; there are at most 20 terms of 2^-53 of it.
            let one = identity(d, &matrix);
            let error = (matrix.matmul(inverse) - one).abs().max().into_scalar::<f64>();
            assert!(error < 1e-9, "{d}: {error}");
        }
    }
}

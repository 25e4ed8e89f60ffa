//! [`Reflections`]: an orthogonal matrix that is learnt.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::substitution::{identity, inverse_of_unit_lower};
use crate::error::{Error, ensure};
use crate::parameters::full;

/// The product of Householder reflections `H_1 H_2 … H_n`, where `H = I - 2 v vᵀ / vᵀv`.
#[derive(Module, Debug)]
pub(super) struct Reflections {
    /// The `v`, `[n_reflections, d_features]`; their lengths have no effect.
    pub vectors: Param<Tensor<2>>,
}

impl Reflections {
    /// The identity: each reflection comes twice.
    pub fn new(d_features: usize, n_reflections: Option<usize>, device: &Device) -> Self {
        let n = n_reflections.unwrap_or(default_number(d_features));
        let mut vectors = vec![0.0_f32; n * d_features];
        for (i, vector) in vectors.chunks_exact_mut(d_features).enumerate() {
            vector[i / 2 % d_features] = 1.0;
        }
        Self { vectors: Param::from_data(TensorData::new(vectors, [n, d_features]), device) }
    }

    /// # Panics
    ///
    /// If the vectors are of another number of features, or one of them is of zeros or not finite: there is no
    /// reflection by it.
    #[track_caller]
    pub fn with_vectors(self, vectors: Param<Tensor<2>>) -> Self {
        let (d, found) = (self.d_features(), vectors.dims());
        assert_eq!(found[1], d, "the vectors must have a number for each of {d} features");
        let values: Vec<f64> = vectors.val().into_data().iter::<f64>().collect();
        for (i, vector) in values.chunks_exact(d).enumerate() {
            let is_direction =
                vector.iter().all(|x| x.is_finite()) && vector.iter().any(|&x| x != 0.0);
            assert!(
                is_direction,
                "each vector of a reflection must be finite and not zero, got {vector:?} as number {i}"
            );
        }
        Self { vectors }
    }

    pub fn d_features(&self) -> usize {
        self.vectors.dims()[1]
    }

    /// `H_1 H_2 … H_n`, by the triangular matrix of the compact form.
    ///
    /// With unit vectors as the rows of `V` it is `I - 2 Vᵀ (I + 2 N)⁻¹ V`, where `N` is `V Vᵀ` above its
    /// diagonal.
    pub fn matrix(&self) -> Tensor<2> {
        let vectors = full(&self.vectors);
        let lengths = (vectors.clone() * vectors.clone()).sum_dim(1).sqrt();
        let vectors = vectors / lengths;
        let [n, d] = vectors.dims();
        let products = vectors.clone().matmul(vectors.clone().transpose());
        let lower = products.tril(-1) * 2.0 + identity(n, &vectors);
        let inner = inverse_of_unit_lower(lower).transpose();
        let one = identity(d, &vectors);
        one - vectors.clone().transpose().matmul(inner).matmul(vectors) * 2.0
    }
}

/// As many as reach every rotation.
fn default_number(d_features: usize) -> usize {
    (d_features / 2 * 2).max(2)
}

/// Whether the numbers of a layer with reflections are in their ranges.
pub(super) fn validate(d_features: usize, n_reflections: Option<usize>) -> Result<(), Error> {
    ensure!(d_features > 0, "`d_features` must be at least 1, got 0");
    if let Some(n) = n_reflections {
        ensure!(
            n > 0 && n.is_multiple_of(2),
            "`n_reflections` must be even and above 0, so that the layer starts as the identity, got {n}"
        );
    }
    Ok(())
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;

    fn with(vectors: [[f32; 2]; 2]) -> Reflections {
        let device = Device::default();
        let vectors = Param::from_data(vectors, &device);
        Reflections::new(2, None, &device).with_vectors(vectors)
    }

    #[test]
    #[should_panic(expected = "finite and not zero, got [0.0, 0.0] as number 1")]
    fn a_vector_of_zeros_is_refused() {
        with([[1.0, 0.0], [0.0, 0.0]]);
    }

    #[test]
    #[should_panic(expected = "finite and not zero, got [NaN, 1.0] as number 0")]
    fn a_vector_that_is_not_finite_is_refused() {
        with([[f32::NAN, 1.0], [0.0, 1.0]]);
    }
}

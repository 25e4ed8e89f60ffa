//! [`Reflections`]: an orthogonal matrix that is learnt.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::triangular::{identity, inverse_of_unit_lower};
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

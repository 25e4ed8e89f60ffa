//! [`logsumexp`].

use burn::tensor::Tensor;

/// `log Σ_k exp(x_k)` of each row, without overflow: `[batch, k]` to `[batch]`.
///
/// A row of minus infinities gives minus infinity (and a gradient that is NaN), a row with an
/// infinity gives infinity.
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::logsumexp;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<2>::from_data([[1000.0, 1000.0]], &Device::default());
/// let sum = logsumexp(x).into_scalar::<f32>();
/// assert!((sum - 1000.0 - 2f32.ln()).abs() < 1e-3);
/// ```
pub fn logsumexp(x: Tensor<2>) -> Tensor<1> {
    // Any number near the largest will do: no gradient needs to flow through it.
    let largest = x.clone().detach().max_dim(1);
    let infinite = largest.clone().is_inf();
    let largest = largest.mask_fill(infinite, 0.0);
    let sum = (x - largest.clone()).exp().sum_dim(1).log() + largest;
    sum.squeeze_dim(1)
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn rows_without_mass_have_none_and_large_numbers_do_not_overflow() {
        let low = f32::NEG_INFINITY;
        let x = Tensor::<2>::from_data(
            [[low, low], [low, 3.0], [-1e30, 1e30], [-low, 1.0], [0.0, 0.0]],
            &Device::default(),
        );
        let found: Vec<f32> = logsumexp(x).into_data().try_into_vec().unwrap();
        assert_eq!(found[..4], [low, 3.0, 1e30, -low]);
        // One rounding.
        assert!((found[4] - 2f32.ln()).abs() < 1e-7);
    }
}

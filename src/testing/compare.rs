//! Comparing numbers, NaN included.

use std::panic::{AssertUnwindSafe, catch_unwind};

use approx::relative_eq;
use burn::tensor::Tensor;

/// Panics unless both tensors have the same shape, are finite and agree: each pair of values
/// differs by at most `tolerance`, or by at most `tolerance` times the larger of the two.
///
/// # Panics
///
/// If they differ, or if a value is not finite.
#[track_caller]
pub fn assert_close<const D: usize>(
    what: &str,
    found: &Tensor<D>,
    expected: &Tensor<D>,
    tolerance: f64,
) {
    assert_eq!(found.dims(), expected.dims(), "{what}: the shapes differ");
    assert_values_close(what, &host(found), &host(expected), tolerance);
}

/// [`assert_close`] for values on the host.
#[track_caller]
pub(super) fn assert_values_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: the lengths differ");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            found.is_finite() && expected.is_finite(),
            "{what}: value {i} must be finite, found {found}, expected {expected}"
        );
        assert!(
            relative_eq!(found, expected, epsilon = tolerance, max_relative = tolerance),
            "{what}: value {i} is {found}, expected {expected} within {tolerance:e}"
        );
    }
}

/// Checks that what was built without a context gives the same with one as `plain`, or panics.
pub(super) fn assert_context_ignored_or_refused<const D: usize>(
    plain: &Tensor<D>,
    given: impl FnOnce() -> Tensor<D>,
) {
    if let Ok(given) = catch_unwind(AssertUnwindSafe(given)) {
        let message = "what takes no context must ignore one, or panic";
        assert!(host(plain) == host(&given), "{message}");
    }
}

/// The values of a tensor, row by row.
pub(super) fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

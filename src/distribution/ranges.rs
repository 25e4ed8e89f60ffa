//! The rules that the numbers of base distributions share, one number for each feature.

use burn::tensor::{Bool, Tensor, TensorData};

use crate::error::{Error, ensure};

/// Whether there is at least one, and as many of the one as of the other.
pub(super) fn check_lengths(
    [(one, first), (other, second)]: [(&str, &[f64]); 2],
) -> Result<(), Error> {
    let (n, m) = (first.len(), second.len());
    ensure!(
        n > 0 && n == m,
        "`{one}` and `{other}` must have the same length of at least 1, got {n} and {m}"
    );
    Ok(())
}

pub(super) fn check_finite(name: &str, values: &[f64]) -> Result<(), Error> {
    ensure!(
        values.iter().all(|value| value.is_finite()),
        "every `{name}` must be finite, got {values:?}"
    );
    Ok(())
}

pub(super) fn check_positive(name: &str, values: &[f64]) -> Result<(), Error> {
    ensure!(
        values.iter().all(|value| value.is_finite() && *value > 0.0),
        "every `{name}` must be above 0 and finite, got {values:?}"
    );
    Ok(())
}

/// Whether each lower end is below its upper end.
pub(super) fn check_ends(low: &[f64], high: &[f64]) -> Result<(), Error> {
    check_lengths([("low", low), ("high", high)])?;
    ensure!(
        low.iter().zip(high).all(|(low, high)| low < high && (high - low).is_finite()),
        "every `low` must be below its `high`, and both finite, got {low:?} and {high:?}"
    );
    Ok(())
}

/// Which values of rows lie between the ends of their feature; what is no number does not.
pub(super) fn is_inside(x: &Tensor<2>, low: &[f64], high: &[f64]) -> Tensor<2, Bool> {
    let row = |values: &[f64]| {
        let data = TensorData::new(values.to_vec(), [1, values.len()]);
        Tensor::<2>::from_data(data, (&x.device(), x.dtype()))
    };
    x.clone().greater_equal(row(low)).bool_and(x.clone().lower_equal(row(high)))
}

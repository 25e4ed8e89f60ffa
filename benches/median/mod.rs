//! The median of some measurements.

/// Half of the values are above it. Of an even number, the mean of the two in the middle.
///
/// # Panics
///
/// If there are none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

/// The same, to a tenth of a thousandth.
pub fn rounded_median(values: Vec<f64>) -> f64 {
    (median(values) * 1e4).round() / 1e4
}

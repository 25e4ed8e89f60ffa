//! [`effective_sample_size`].

/// The effective sample size of weights given by their logarithms, `(Σ w)² / Σ w²`: so many rows of
/// equal weight say as much. From 1 to their number, and 0 if all weights are 0.
///
/// # References
///
/// Kong: *A note on importance sampling using standardized weights*, 1992.
///
/// # Example
///
/// ```
/// use normalizing_flows::target::effective_sample_size;
///
/// assert!((effective_sample_size(&[-1000.0; 4]) - 4.0).abs() < 1e-9);
/// assert!((effective_sample_size(&[0.0, f64::NEG_INFINITY]) - 1.0).abs() < 1e-9);
/// ```
pub fn effective_sample_size(log_weights: &[f64]) -> f64 {
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return 0.0;
    }
    let weights = log_weights.iter().map(|log| (log - largest).exp());
    let sum: f64 = weights.clone().sum();
    sum * sum / weights.map(|weight| weight * weight).sum::<f64>()
}

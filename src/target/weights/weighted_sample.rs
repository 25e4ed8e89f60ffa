//! [`WeightedSample`]: rows with importance weights.

use burn::tensor::{Int, Tensor, TensorData};
use rand::{Rng, RngExt};

use super::effective::effective_sample_size;
use super::estimate::Estimate;
use super::pareto::pareto_smoothed;
use crate::error::{Error, ensure};

/// Rows that stand for a target `p̃` by their weights: `E_p[f] ≈ Σ w̄_i f(x_i)` with `w̄_i = w_i / Σ_j w_j`, and the
/// mean of the weights estimates the normalising constant `Z`.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::target::WeightedSample;
///
/// let x = Tensor::from_data([[0.0], [10.0]], &Device::default());
/// let sample = WeightedSample::new(x, vec![0.0, 3f64.ln()])?;
/// assert!((sample.mean()[0] - 7.5).abs() < 1e-12);
/// assert!((sample.log_normalizer().value - 2f64.ln()).abs() < 1e-12);
/// assert!((sample.effective_sample_size() - 1.6).abs() < 1e-12);
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WeightedSample {
    x: Tensor<2>,
    log_weights: Vec<f64>,
    log_normalizer: Estimate,
}

impl WeightedSample {
    /// Rows, `[n, d_features]`, with the logarithms of independent weights `p̃(x) / q(x)`.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is not one weight per row, if a log-weight is NaN or infinity, or if no row has any
    /// weight.
    pub fn new(x: Tensor<2>, log_weights: Vec<f64>) -> Result<Self, Error> {
        let n = x.dims()[0];
        ensure!(as Data, log_weights.len() == n, "there must be a log-weight per row, {n}, got {}", log_weights.len());
        if let Some(row) = log_weights.iter().position(|log| log.is_nan() || *log == f64::INFINITY)
        {
            let point: Vec<f64> = x.narrow(0, row, 1).into_data().iter().collect();
            let log_weight = log_weights[row];
            return Err(Error::Data(format!(
                "the log-weight of row {row}, {point:?}, is {log_weight}"
            )));
        }
        let has_weight = log_weights.iter().any(|log| *log > f64::NEG_INFINITY);
        ensure!(
            as Data, has_weight,
            "none of the {n} rows has any weight: the target has no mass where they are; move or widen what they are \
             drawn from"
        );
        let log_normalizer = log_mean(&log_weights);
        Ok(Self { x: x.without_autodiff(), log_weights, log_normalizer })
    }

    /// Rows of equal weight, and an estimate of the log normalising constant from elsewhere.
    pub(crate) fn equal(x: Tensor<2>, log_normalizer: Estimate) -> Self {
        let log_weights = vec![log_normalizer.value; x.dims()[0]];
        Self { x: x.without_autodiff(), log_weights, log_normalizer }
    }

    /// The rows, `[n, d_features]`.
    pub fn x(&self) -> &Tensor<2> {
        &self.x
    }

    /// The logarithm of the weight of each row.
    pub fn log_weights(&self) -> &[f64] {
        &self.log_weights
    }

    /// The weights, normalised to a sum of 1.
    pub fn normalized_weights(&self) -> Vec<f64> {
        normalized(&self.log_weights)
    }

    /// The logarithm of the normalising constant of the target, in nats, with its standard error. That of importance
    /// weights is by the delta method, and to be trusted where their [shape](Self::pareto_smoothed) is below 0.7.
    pub fn log_normalizer(&self) -> Estimate {
        self.log_normalizer
    }

    /// See [`effective_sample_size`].
    pub fn effective_sample_size(&self) -> f64 {
        effective_sample_size(&self.log_weights)
    }

    /// The same rows with [Pareto-smoothed](pareto_smoothed) weights, and the shape of their tail, from which on it
    /// is known how far they can be trusted.
    pub fn pareto_smoothed(&self) -> (Self, Option<f64>) {
        let smoothed = pareto_smoothed(&self.log_weights);
        // Equal weights stay, and with them where their constant is from.
        let log_normalizer = match smoothed.shape {
            Some(_) => log_mean(&smoothed.log_weights),
            None => self.log_normalizer,
        };
        (
            Self { x: self.x.clone(), log_weights: smoothed.log_weights, log_normalizer },
            smoothed.shape,
        )
    }

    /// The weighted mean of each feature.
    pub fn mean(&self) -> Vec<f64> {
        self.weighted_sums(|value, _| value)
    }

    /// The weighted standard deviation of each feature.
    pub fn standard_deviation(&self) -> Vec<f64> {
        let mean = self.mean();
        let variance = self.weighted_sums(|value, column| (value - mean[column]).powi(2));
        variance.into_iter().map(f64::sqrt).collect()
    }

    /// The expectation of a function under the target, given its value for each row, with its standard error for
    /// independent rows (those of sequential Monte Carlo share ancestors).
    ///
    /// # Panics
    ///
    /// If there is not one value per row.
    pub fn expectation(&self, values: &[f64]) -> Estimate {
        let n = self.log_weights.len();
        assert!(values.len() == n, "there must be a value per row, {n}, got {}", values.len());
        let weights = self.normalized_weights();
        // A row without weight may have any value.
        let terms = || weights.iter().zip(values).filter(|(weight, _)| **weight > 0.0);
        let value: f64 = terms().map(|(weight, value)| weight * value).sum();
        let terms = terms().map(|(weight, v)| (weight * (v - value)).powi(2));
        Estimate { value, error: terms.sum::<f64>().sqrt() }
    }

    /// Draws `n` of the rows with replacement, each as often as its weight says (systematic resampling): rows of
    /// equal weight, `[n, d_features]`.
    ///
    /// # References
    ///
    /// Kitagawa: *Monte Carlo Filter and Smoother for Non-Gaussian Nonlinear State Space Models*, 1996.
    pub fn resample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2> {
        select_rows(&self.x, &systematic(&self.normalized_weights(), n, rng))
    }

    fn weighted_sums(&self, value: impl Fn(f64, usize) -> f64) -> Vec<f64> {
        let d = self.x.dims()[1];
        let rows: Vec<f64> = self.x.clone().into_data().iter::<f64>().collect();
        let mut sums = vec![0.0; d];
        for (row, weight) in rows.chunks_exact(d).zip(self.normalized_weights()) {
            // A row without weight may hold anything.
            if weight > 0.0 {
                for (column, sum) in sums.iter_mut().enumerate() {
                    *sum += weight * value(row[column], column);
                }
            }
        }
        sums
    }
}

/// Weights that are given by their logarithms, normalised to a sum of 1.
pub(crate) fn normalized(log_weights: &[f64]) -> Vec<f64> {
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_weights.iter().map(|log| (log - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// The logarithm of the mean of independent weights, its standard error by the delta method.
fn log_mean(log_weights: &[f64]) -> Estimate {
    let n = log_weights.len() as f64;
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = log_weights.iter().map(|log| (log - largest).exp()).sum();
    let value = largest + (sum / n).ln();
    let squares: f64 =
        normalized(log_weights).iter().map(|weight| (n * weight - 1.0).powi(2)).sum();
    // Of one weight nothing is known.
    let error = if n > 1.0 { (squares / (n * (n - 1.0))).sqrt() } else { f64::MAX };
    Estimate { value, error }
}

/// So many indices, each as often as its weight says, by one random number.
pub(crate) fn systematic<R: Rng + ?Sized>(weights: &[f64], n: usize, rng: &mut R) -> Vec<usize> {
    let start: f64 = rng.random();
    let total: f64 = weights.iter().sum();
    let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
    let (mut index, mut cumulative) = (0, weights[0]);
    (0..n)
        .map(|i| {
            let place = (i as f64 + start) / n as f64 * total;
            while cumulative <= place && index < last {
                index += 1;
                cumulative += weights[index];
            }
            index
        })
        .collect()
}

/// Rows of a tensor by their indices.
pub(crate) fn select_rows(x: &Tensor<2>, indices: &[usize]) -> Tensor<2> {
    let indices: Vec<i64> = indices.iter().map(|index| *index as i64).collect();
    let n = indices.len();
    x.clone().select(0, Tensor::<1, Int>::from_data(TensorData::new(indices, [n]), &x.device()))
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    fn sample(log_weights: &[f64]) -> Result<WeightedSample, Error> {
        let n = log_weights.len();
        let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let x = Tensor::from_data(TensorData::new(x, [n, 1]), &Device::default());
        WeightedSample::new(x, log_weights.to_vec())
    }

    #[test]
    fn systematic_resampling_takes_rows_as_often_as_their_weights_say() {
        let weights = [0.0, 0.5, 0.0, 0.2, 0.3, 0.0];
        for seed in 0..20 {
            let mut counts = [0; 6];
            for index in systematic(&weights, 100, &mut ChaCha8Rng::seed_from_u64(seed)) {
                counts[index] += 1;
            }
            for (count, weight) in counts.into_iter().zip(weights) {
                assert!((f64::from(count) - 100.0 * weight).abs() <= 1.0, "{counts:?}");
                assert!(weight > 0.0 || count == 0, "{counts:?}");
            }
        }
    }

    #[test]
    fn weights_are_taken_relative_to_the_largest() {
        let sample = sample(&[5000.0, 5000.0 + 3f64.ln()]).unwrap();
        assert!((sample.mean()[0] - 0.75).abs() < 1e-12);
        assert!((sample.log_normalizer().value - 5000.0 - 2f64.ln()).abs() < 1e-9);
        let deviation = sample.standard_deviation()[0];
        assert!((deviation - (0.75f64 * 0.25).sqrt()).abs() < 1e-12);
    }

    /// The standard error of the logarithm of a mean is the relative error of the mean.
    #[test]
    fn the_error_of_the_normalizer_is_that_of_a_mean() {
        let weights = [1.0f64, 2.0, 4.0, 1.0];
        let sample = sample(&weights.map(f64::ln)).unwrap();
        let variance = weights.iter().map(|weight| (weight - 2.0).powi(2)).sum::<f64>() / 3.0;
        let expected = (variance / 4.0).sqrt() / 2.0;
        assert!((sample.log_normalizer().error - expected).abs() < 1e-12);
        assert_eq!(self::sample(&[1.0; 5]).unwrap().log_normalizer().error, 0.0);
    }

    #[test]
    fn wrong_weights_are_errors_that_say_where() {
        let sentence = |weights: &[f64]| sample(weights).unwrap_err().to_string();
        assert_eq!(sentence(&[0.0, f64::NAN]), "the log-weight of row 1, [1.0], is NaN");
        assert_eq!(sentence(&[f64::INFINITY, 0.0]), "the log-weight of row 0, [0.0], is inf");
        assert!(sentence(&[f64::NEG_INFINITY; 3]).starts_with("none of the 3 rows has any weight"));
    }
}

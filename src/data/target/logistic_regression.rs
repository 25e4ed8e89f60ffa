//! [`LogisticRegression`].

use std::f64::consts::TAU;

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Tensor, TensorData};
use rand::Rng;

use super::known::{KnownTarget, Moments, row_sums};
use crate::error::{Error, ensure};
use crate::target::{PointTarget, Target};

/// Bayesian logistic regression: the posterior of an intercept and of the coefficients of standardised columns, under
/// independent normal priors, with its evidence as the normalising constant.
///
/// ```text
/// log p̃(w) = Σ_i log σ(s_i (w_0 + w · x_i)) + log N(w; 0, scale² I)        s_i = ±1
/// ```
///
/// # Example
///
/// ```
/// use normalizing_flows::data::target::LogisticRegression;
/// use normalizing_flows::target::PointTarget;
///
/// // One column, three rows: the label is likelier where it is large.
/// let posterior = LogisticRegression::new(&[0.1, 0.5, 0.9], &[false, false, true], 2.5)?;
/// let mut gradient = [0.0; 2];
/// posterior.evaluate(&[0.0, 0.0], &mut gradient);
/// assert!(gradient[1] > 0.0);
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
///
/// # References
///
/// Gelman, Jakulin, Pittau, Su: *A weakly informative default prior distribution for logistic and other regression
/// models*, 2008, arXiv:0901.4011 (the scale 2.5).
#[derive(Debug, Clone)]
pub struct LogisticRegression {
    /// A one and the standardised columns, times the sign of the label, row by row.
    signed_rows: Vec<f64>,
    d_features: usize,
    prior_scale: f64,
    known: Option<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    log_normalizer: f64,
    moments: Moments,
}

impl LogisticRegression {
    /// The posterior given rows of columns, row by row, and the label of each row. The columns are standardised.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there are no rows, if the numbers are not as many for each row, or if a column is constant
    /// or not finite; [`Error::Config`] if `prior_scale` is not finite and above 0.
    pub fn new(rows: &[f64], labels: &[bool], prior_scale: f64) -> Result<Self, Error> {
        let n = labels.len();
        ensure!(as Data, n > 0, "there must be at least one row, got none");
        ensure!(
            as Data, !rows.is_empty() && rows.len().is_multiple_of(n),
            "there must be as many numbers for each of the {n} rows, got {} in all", rows.len()
        );
        ensure!(
            prior_scale.is_finite() && prior_scale > 0.0,
            "`prior_scale` must be finite and above 0, got {prior_scale}"
        );
        let d = rows.len() / n;
        let mut signed_rows = vec![0.0; n * (d + 1)];
        for (row, label) in labels.iter().enumerate() {
            signed_rows[row * (d + 1)] = if *label { 1.0 } else { -1.0 };
        }
        for column in 0..d {
            let values = || rows.iter().skip(column).step_by(d);
            let mean = values().sum::<f64>() / n as f64;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64;
            ensure!(
                as Data, variance.is_finite() && values().any(|value| *value != rows[column]),
                "column {column} is constant or not finite, so it cannot be standardised"
            );
            for (row, value) in values().enumerate() {
                let sign = signed_rows[row * (d + 1)];
                signed_rows[row * (d + 1) + column + 1] = sign * (value - mean) / variance.sqrt();
            }
        }
        Ok(Self { signed_rows, d_features: d + 1, prior_scale, known: None })
    }

    /// Fisher's irises: *virginica* against *versicolor* by the lengths and widths of their leaves, 100 rows and four
    /// columns, with a prior scale of 2.5. Evidence and moments are of 4 million importance samples of a multivariate
    /// Student distribution at the mode, and good to a thousandth of a standard deviation.
    ///
    /// Fisher: *The use of multiple measurements in taxonomic problems*, 1936.
    pub fn iris() -> Self {
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for line in include_str!("iris.csv").lines().skip(1) {
            let mut numbers = line.split(',').filter_map(|cell| cell.parse::<f64>().ok());
            rows.extend(numbers.by_ref().take(4));
            labels.extend(numbers.map(|label| label == 1.0));
        }
        let known = Known {
            log_normalizer: -15.4107,
            moments: Moments::new(
                vec![0.0683, -0.9585, -1.1637, 4.5488, 4.3364],
                vec![0.5756, 0.9166, 0.6926, 1.4136, 1.3286],
            ),
        };
        let posterior = Self::new(&rows, &labels, 2.5).expect("the bundled table is one");
        Self { known: Some(known), ..posterior }
    }

    fn log_prior_scale(&self) -> f64 {
        self.d_features as f64 * (0.5 * TAU.ln() + self.prior_scale.ln())
    }
}

impl Target for LogisticRegression {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        let d = self.d_features;
        let rows = TensorData::new(self.signed_rows.clone(), [self.signed_rows.len() / d, d]);
        let rows = Tensor::<2>::from_data(rows, (&x.device(), x.dtype()));
        let prior = row_sums((x.clone() * (1.0 / self.prior_scale)).square()) * -0.5;
        row_sums(log_sigmoid(x.matmul(rows.transpose()))) + prior - self.log_prior_scale()
    }
}

impl PointTarget for LogisticRegression {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let precision = self.prior_scale.powi(-2);
        let mut value = -self.log_prior_scale();
        for (x, gradient) in x.iter().zip(&mut *gradient) {
            value -= 0.5 * precision * x * x;
            *gradient = -precision * x;
        }
        for row in self.signed_rows.chunks_exact(self.d_features) {
            let logit: f64 = row.iter().zip(x).map(|(row, x)| row * x).sum();
            // From the side on which the exponential is below one.
            let small = (-logit.abs()).exp();
            value += logit.min(0.0) - small.ln_1p();
            let wrong = if logit > 0.0 { small } else { 1.0 } / (1.0 + small);
            for (row, gradient) in row.iter().zip(&mut *gradient) {
                *gradient += wrong * row;
            }
        }
        value
    }
}

impl KnownTarget for LogisticRegression {
    fn log_normalizer(&self) -> Option<f64> {
        self.known.as_ref().map(|known| known.log_normalizer)
    }

    fn moments(&self) -> Option<Moments> {
        self.known.as_ref().map(|known| known.moments.clone())
    }

    /// None: there is no simple way.
    fn point(&self, _: &mut dyn Rng) -> Option<Vec<f64>> {
        None
    }
}

//! The mean negative log-likelihood of rows, with its standard error.

use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::distribution::{Checked, Distribution};
use crate::error::Error;

/// A mean negative log-likelihood in nats per row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    pub nll: f64,
    /// The standard error of the mean; `None` of one row, which says nothing of the spread.
    pub error: Option<f64>,
}

impl Evaluation {
    /// The mean of losses, each by its weight if there are weights.
    pub fn of(losses: &[f64], weights: Option<&[f64]>) -> Self {
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let total: f64 = (0..losses.len()).map(weight).sum();
        let weighted = |f: &dyn Fn(usize, f64) -> f64| -> f64 {
            losses.iter().enumerate().map(|(row, &loss)| f(row, loss)).sum()
        };
        let nll = weighted(&|row, loss| weight(row) * loss) / total;
        let squares = weighted(&|row, loss| (weight(row) * (loss - nll)).powi(2));
        let n = losses.len() as f64;
        let error = (losses.len() > 1).then(|| (squares * n / (n - 1.0)).sqrt() / total);
        Self { nll, error }
    }
}

/// Evaluates a model without autodiff, each row by its weight; `None` if the log-density of a row
/// is not finite.
pub(super) fn evaluate<D: Distribution>(
    model: &D,
    data: &Dataset,
) -> Result<Option<Evaluation>, Error> {
    let log_prob = Checked::plain(model, data.context()).log_prob(data.x().clone())?;
    let losses: Vec<f64> = log_prob.into_data().iter::<f64>().map(|value| -value).collect();
    if losses.iter().any(|loss| !loss.is_finite()) {
        return Ok(None);
    }
    Ok(Some(Evaluation::of(&losses, data.weights())))
}

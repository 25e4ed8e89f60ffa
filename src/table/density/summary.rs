//! [`Summary`]: means and quantiles of the columns of a table.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ensure};
use crate::table::source::{Table, Values};

/// Means and quantiles by column, of data or of samples. Prints as a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// The probabilities of the quantiles.
    pub probabilities: Vec<f64>,
    /// The columns of numbers.
    pub columns: Vec<ColumnSummary>,
}

/// The mean and quantiles of the values of a column that are there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ColumnSummary {
    /// The name of the column.
    pub name: String,
    /// The mean; NaN if no value is there.
    pub mean: f64,
    /// The standard deviation.
    pub deviation: f64,
    /// A quantile for each of the probabilities, linear between the values.
    pub quantiles: Vec<f64>,
}

impl Table {
    /// Means and quantiles of the columns of numbers; missing values do not count.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a probability is not from 0 to 1.
    ///
    /// # Example
    ///
    /// ```
    /// use normalizing_flows::table::Table;
    ///
    /// let table = Table::from_rows(["x"], (0..=100).map(|i| vec![f64::from(i)]).collect())?;
    /// let summary = table.summary(&[0.05, 0.5, 0.95])?;
    /// println!("{summary}");
    /// assert_eq!(summary.columns[0].mean, 50.0);
    /// assert_eq!(summary.columns[0].quantiles, [5.0, 50.0, 95.0]);
    /// # Ok::<(), normalizing_flows::Error>(())
    /// ```
    pub fn summary(&self, probabilities: &[f64]) -> Result<Summary, Error> {
        for &p in probabilities {
            ensure!((0.0..=1.0).contains(&p), "a probability must be from 0 to 1, got {p}");
        }
        let columns = self.columns().iter().filter_map(|column| {
            let Values::Numbers(values) = &column.values else { return None };
            let mut sorted: Vec<f64> = values.iter().copied().filter(|x| !x.is_nan()).collect();
            sorted.sort_by(f64::total_cmp);
            let n = sorted.len() as f64;
            // NaN where there is none.
            let mean = sorted.iter().sum::<f64>() / n;
            let variance = sorted.iter().map(|x| (x - mean).powi(2) / n).sum::<f64>();
            Some(ColumnSummary {
                name: column.name.clone(),
                mean,
                deviation: variance.sqrt(),
                quantiles: probabilities.iter().map(|&p| quantile(&sorted, p)).collect(),
            })
        });
        Ok(Summary { probabilities: probabilities.to_vec(), columns: columns.collect() })
    }
}

/// A quantile of sorted values, linear between them; NaN of none.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = p * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    let between = place - below as f64;
    // Not infinity minus infinity.
    if between == 0.0 || low == high { low } else { low + between * (high - low) }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.columns.iter().map(|column| column.name.chars().count()).max();
        let width = width.unwrap_or_default();
        write!(f, "{:width$}  {:>12}  {:>12}", "", "mean", "deviation")?;
        for p in &self.probabilities {
            write!(f, "  {:>12}", format!("{} %", 100.0 * p))?;
        }
        for column in &self.columns {
            write!(f, "\n{:<width$}", column.name)?;
            for value in [column.mean, column.deviation].iter().chain(&column.quantiles) {
                write!(f, "  {:>12}", short(*value))?;
            }
        }
        Ok(())
    }
}

/// A number with five digits that count.
fn short(x: f64) -> String {
    if x == 0.0 || (1e-3..1e6).contains(&x.abs()) {
        let digits = if x == 0.0 { 0 } else { (4 - x.abs().log10().floor() as i32).max(0) };
        format!("{x:.*}", digits as usize)
    } else {
        format!("{x:.4e}")
    }
}

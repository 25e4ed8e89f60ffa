//! [`TableModel::explain`]: how likely rows are, and which of their columns make them unlikely.

use serde::Serialize;

use super::conditional::Grid;
use super::model::TableModel;
use crate::error::Error;
use crate::table::columns::Jitter;
use crate::table::source::Table;

/// How likely a row is, and each of its columns given the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The log-density of the row, in nats; minus infinity outside of the supports.
    pub log_prob: f64,
    /// Its modelled columns, the least likely first. Columns outside of their support are first of
    /// all, with constant ones that are another value and determined ones that are.
    pub columns: Vec<ColumnLikelihood>,
}

/// How likely a value is given the other columns of its row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ColumnLikelihood {
    /// The name of the column.
    pub name: String,
    /// The log-density of the value given the other columns, in nats and in the units of the column.
    pub log_prob: f64,
    /// The probability, given the other columns, of a value that is at most as likely (by its density
    /// on the standardised scale, where a column above a bound is a logarithm), from 0 to 1: below
    /// 0.01 for one that only a hundredth of such rows would have. It has no unit, so columns can be
    /// compared.
    pub tail: f64,
}

impl TableModel {
    /// How likely each row is, and each of its columns given the others: what makes an anomaly one.
    /// Integers stand for the middle of the numbers that they are dequantised to, and a value outside
    /// of its support for the mean of its column when the others are judged.
    ///
    /// The density of a column given the others is the joint density along a grid of 202 values, so
    /// a row costs 202 densities per column: explain the rows that [`log_prob`](Self::log_prob)
    /// finds unlikely, not all. A value thousands of standard deviations off comes first, and leaves no
    /// digits of an `f32` for the other columns of its row: what is said of those means nothing. Densities of several columns given others need integrals over more
    /// than a line: fit another model with those others as contexts.
    ///
    /// # Errors
    ///
    /// As [`log_prob`](Self::log_prob).
    ///
    /// # Example
    ///
    /// ```
    /// use normalizing_flows::burn::tensor::Device;
    /// use normalizing_flows::rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
    /// use normalizing_flows::table::{Schema, Table, TableConfig, fit_table};
    ///
    /// let mut rng = ChaCha8Rng::seed_from_u64(0);
    /// let rows = (0..500).map(|_| {
    ///     let height = 1.7 + 0.3 * (rng.random::<f64>() - 0.5);
    ///     vec![height, 22.0 * height * height + 8.0 * (rng.random::<f64>() - 0.5)]
    /// });
    /// let table = Table::from_rows(["height", "weight"], rows.collect())?;
    /// # let config = TableConfig::new();
    /// # let fit = normalizing_flows::train::FitConfig::new().with_max_epochs(Some(20));
    /// # let config = config.with_fit(fit);
    /// let model = fit_table(&table, &Schema::infer(&table)?, &config, &Device::default())?.model;
    ///
    /// let odd = Table::from_rows(["height", "weight"], vec![vec![1.7, 90.0]])?;
    /// let explanation = &model.explain(&odd)?[0];
    /// assert!(explanation.columns[0].tail < 0.01);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(&self, table: &Table) -> Result<Vec<Explanation>, Error> {
        let log_prob = self.log_prob(table)?;
        let encoded = self.encoder().encode(table, Jitter::<rand::rngs::ChaCha8Rng>::Midpoint)?;
        let log_joint = self.log_joint(encoded.features.clone(), encoded.contexts.clone());
        let rows: Vec<usize> = (0..table.n_rows()).collect();
        let mut explanations: Vec<Explanation> = log_prob
            .into_iter()
            .map(|log_prob| Explanation { log_prob, columns: Vec::new() })
            .collect();
        for (feature, (name, map)) in self.encoder().features().enumerate() {
            let grid = Grid::new(self, &encoded, &rows, feature);
            for (row, &x) in table.numbers(name)?.iter().enumerate() {
                let is_inside = map.support().contains(x);
                let (log_prob, tail) = if is_inside && !log_joint[row].is_nan() {
                    let slope = map.standardised(map.midpoint(x)).log_slope;
                    let given_others = log_joint[row] - grid.log_integral(row);
                    (given_others + slope, grid.tail(row, log_joint[row]))
                } else {
                    (f64::NEG_INFINITY, 0.0)
                };
                let name = name.to_owned();
                explanations[row].columns.push(ColumnLikelihood { name, log_prob, tail });
            }
        }
        for (row, name) in self.encoder().violations(table)? {
            let (log_prob, tail) = (f64::NEG_INFINITY, 0.0);
            let name = name.to_owned();
            explanations[row].columns.push(ColumnLikelihood { name, log_prob, tail });
        }
        for explanation in &mut explanations {
            let by_tail = |a: &ColumnLikelihood, b: &ColumnLikelihood| {
                a.tail.total_cmp(&b.tail).then(a.log_prob.total_cmp(&b.log_prob))
            };
            explanation.columns.sort_by(by_tail);
        }
        Ok(explanations)
    }
}

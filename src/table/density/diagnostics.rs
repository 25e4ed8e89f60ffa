//! [`Diagnostics`]: whether samples are like rows that the model has not seen.

use std::fmt;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use serde::Serialize;

use super::calibration::ColumnCalibration;
use super::energy::{EnergyTest, energy_test};
use super::model::TableModel;
use crate::error::{Error, ensure};
use crate::table::columns::{Jitter, Role};
use crate::table::source::Table;
use crate::target::effective_sample_size;
use crate::train::Evaluation;

/// The rows of each side that energy distances are of: their number grows with the square.
const MAX_ROWS: usize = 500;
/// The samples given the context of a row, and the rows that have some.
const N_DRAWS: usize = 99;
const MAX_RANKED: usize = 2_000;
/// A diagnosis of fewer rows would say nothing.
const MIN_ROWS: usize = 10;

/// What [`TableModel::diagnose`] found. Prints as a table.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Diagnostics {
    /// The mean negative log-likelihood of the rows inside of the supports, in nats.
    pub nll: f64,
    /// Its standard error; `None` for one row.
    pub nll_error: Option<f64>,
    /// The number of rows, and of those that are outside of the supports.
    pub n_rows: usize,
    /// Rows outside of the supports, whose log-density is minus infinity.
    pub n_outside: usize,
    /// The [effective sample size](effective_sample_size()) of the weights of the others: their number, if
    /// they have none.
    pub n_effective: f64,
    /// The calibration of each modelled column.
    pub columns: Vec<ColumnCalibration>,
    /// How far samples are from the rows.
    pub energy: EnergyTest,
}

impl TableModel {
    /// Compares samples with rows that the model was not trained on, as
    /// [`FittedTable::held_out`](crate::table::FittedTable::held_out): a model with contexts draws samples
    /// given those of each row, 99 for the calibration of columns (of 2,000 rows at most), another one as
    /// many samples as there are rows. Rows outside of the
    /// supports are counted and left out. Of rows with weights some are kept, by their weight beside the
    /// largest.
    ///
    /// # Errors
    ///
    /// As [`log_prob`](Self::log_prob), and [`Error::Data`] for fewer than 10 rows inside of the
    /// supports.
    ///
    /// # References
    ///
    /// Székely, Rizzo: *Energy statistics: a class of statistics based on distances*, 2013. Dawid:
    /// *Present position and potential developments: the prequential approach*, 1984 (PIT).
    ///
    /// # Example
    ///
    /// ```
    /// use normalizing_flows::burn::tensor::Device;
    /// use normalizing_flows::rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
    /// use normalizing_flows::table::{Schema, Table, TableConfig, fit_table};
    ///
    /// let mut rng = ChaCha8Rng::seed_from_u64(0);
    /// let rows = (0..500).map(|_| vec![rng.random::<f64>(), rng.random::<f64>()]).collect();
    /// let table = Table::from_rows(["x", "y"], rows)?;
    /// # let fit = normalizing_flows::train::FitConfig::new().with_max_epochs(Some(3));
    /// # let config = TableConfig::new().with_fit(fit);
    /// let fitted = fit_table(&table, &Schema::infer(&table)?, &config, &Device::default())?;
    /// let diagnostics = fitted.model.diagnose(&fitted.held_out, &mut rng)?;
    /// println!("{diagnostics}");
    /// assert_eq!(diagnostics.columns.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn diagnose<R: Rng + ?Sized>(
        &self,
        rows: &Table,
        rng: &mut R,
    ) -> Result<Diagnostics, Error> {
        let log_prob = self.log_prob(rows)?;
        let mut inside: Vec<usize> =
            (0..rows.n_rows()).filter(|&row| log_prob[row].is_finite()).collect();
        let n_outside = rows.n_rows() - inside.len();
        let weights = self.weights(rows)?;
        let losses: Vec<f64> = inside.iter().map(|&row| -log_prob[row]).collect();
        let of_inside: Option<Vec<f64>> =
            weights.map(|weights| inside.iter().map(|&row| weights[row]).collect());
        let Evaluation { nll, error } = Evaluation::of(&losses, of_inside.as_deref());
        let log_weights = of_inside.as_ref().map_or_else(
            || vec![0.0; inside.len()],
            |weights| weights.iter().map(|weight| weight.ln()).collect(),
        );
        let n_effective = effective_sample_size(&log_weights);
        // As many as stand for the weights without being drawn twice.
        if let Some(weights) = of_inside {
            let largest = weights.iter().copied().fold(0.0, f64::max);
            let kept = inside.iter().zip(weights);
            let kept = kept.filter(|(_, weight)| rng.random::<f64>() * largest < *weight);
            inside = kept.map(|(&row, _)| row).collect();
        }
        // Tables are often sorted, and some tests are of the first rows.
        inside.shuffle(rng);
        let n = inside.len();
        ensure!(
            as Data,
            n >= MIN_ROWS,
            "a diagnosis needs at least {MIN_ROWS} rows inside of the supports, got {n}"
        );
        let held_out = self.encoder().encode(&rows.select(&inside), Jitter::Drawn(rng))?;
        let samples = self.sample_features(n, &held_out.contexts, rng);
        let [d, d_context] = self.sizes();
        let of_feature = |features: &[f64], feature: usize| -> Vec<f64> {
            features.iter().skip(feature).step_by(d).copied().collect()
        };
        let names = self.encoder().features().map(|(name, _)| name).enumerate();
        let columns: Vec<ColumnCalibration> = if d_context == 0 {
            names
                .map(|(feature, name)| {
                    let [values, samples] = [&held_out.features, &samples]
                        .map(|features| of_feature(features, feature));
                    ColumnCalibration::among(name, values, samples)
                })
                .collect()
        } else {
            let n_ranked = n.min(MAX_RANKED);
            let contexts = held_out.contexts.chunks_exact(d_context).take(n_ranked);
            let repeated: Vec<f64> = contexts.flat_map(|context| context.repeat(N_DRAWS)).collect();
            let draws = self.sample_features(n_ranked * N_DRAWS, &repeated, rng);
            names
                .map(|(feature, name)| {
                    let values = of_feature(&held_out.features[..n_ranked * d], feature);
                    ColumnCalibration::among_own(name, &values, &of_feature(&draws, feature), rng)
                })
                .collect()
        };
        let periodic: Vec<bool> =
            self.encoder().features().map(|(_, map)| map.is_periodic()).collect();
        let points = |features: &[f64]| -> Vec<Vec<f64>> {
            let contexts =
                (0..n).map(|row| &held_out.contexts[row * d_context..(row + 1) * d_context]);
            let rows = features.chunks_exact(d).zip(contexts).take(MAX_ROWS);
            rows.map(|(row, context)| point(row, &periodic, context)).collect()
        };
        Ok(Diagnostics {
            nll,
            nll_error: error,
            n_rows: rows.n_rows(),
            n_outside,
            n_effective,
            columns,
            energy: energy_test(points(&held_out.features), points(&samples), rng),
        })
    }

    /// The weights of rows, if the model was trained with some.
    fn weights<'t>(&self, rows: &'t Table) -> Result<Option<&'t [f64]>, Error> {
        let mut columns = self.schema().columns().iter();
        let column = columns.find(|column| column.role == Role::Weight);
        column.map(|column| rows.numbers(&column.name)).transpose()
    }
}

/// A row where distances are measured: angles as points of a circle.
fn point(row: &[f64], periodic: &[bool], context: &[f64]) -> Vec<f64> {
    let mut point = context.to_vec();
    for (&value, &is_periodic) in row.iter().zip(periodic) {
        if is_periodic {
            point.extend([value.cos(), value.sin()]);
        } else {
            point.push(value);
        }
    }
    point
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.n_rows)?;
        if self.n_outside > 0 {
            write!(f, ", {} outside of the supports", self.n_outside)?;
        }
        let n_inside = (self.n_rows - self.n_outside) as f64;
        if self.n_effective < 0.999 * n_inside {
            write!(f, ", by their weights as many as {:.0}", self.n_effective)?;
        }
        write!(f, ": NLL {:.4}", self.nll)?;
        if let Some(error) = self.nll_error {
            write!(f, " ± {error:.4}")?;
        }
        let EnergyTest { distance, p_value } = self.energy;
        write!(
            f,
            " nats\nsamples against rows: energy distance {distance:.4} (p = {p_value:.3}), and by \
             column"
        )?;
        let width = self.columns.iter().map(|column| column.name.chars().count()).max();
        let width = width.unwrap_or_default();
        for ColumnCalibration { name, pit, distance, p_value } in &self.columns {
            write!(f, "\n{name:<width$}  distance {distance:.3} (p = {p_value:.3}), PIT")?;
            for share in pit {
                write!(f, " {:.0}", 100.0 * share)?;
            }
            f.write_str(" %")?;
        }
        Ok(())
    }
}

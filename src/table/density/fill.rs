//! [`TableModel::fill`]: missing cells filled by draws.

use rand::Rng;

use super::conditional::Grid;
use super::model::TableModel;
use crate::error::{Error, ensure};
use crate::table::columns::{EncodedRows, Jitter};
use crate::table::source::{Column, Table, Values};

/// How often rows are filled again in which a determined column is outside of its support.
const MAX_REDRAWS: usize = 20;
/// The most that a standardised value may be where others are drawn given it: a log-density in f32 has
/// then some 0.03 nats left for them.
const MAX_GIVEN: f64 = 1e3;
/// Rows from which the missing cells of a row start.
const N_STARTS: usize = 64;

impl TableModel {
    /// The table with its missing cells filled by draws given the other cells of their row; cells
    /// that are there stay as they are. Fill again with the same generator for other draws, as
    /// multiple imputation does.
    ///
    /// A single missing cell of a row is drawn from its density given the others on a grid of 202
    /// values. Several start from the likeliest of 64 samples and are then drawn in turns, each given
    /// all others, in `n_sweeps` rounds: Gibbs sampling, which is exact in the limit, and needs more
    /// rounds where the missing columns depend on each other closely. Ten are enough for most tables.
    /// Constant and determined columns follow from their value and their formula; rows in which that
    /// is outside of the support are filled again, up to 20 times.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if a column is not there, a context is missing, a value is outside of its
    /// support or more than 1,000 standard deviations from the others, a determined column is there while several are missing that determine it, or no draw
    /// puts a determined column inside of its support;
    /// [`Error::Config`] for no round.
    ///
    /// # References
    ///
    /// Geman, Geman: *Stochastic Relaxation, Gibbs Distributions, and the Bayesian Restoration of
    /// Images*, 1984.
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
    ///     let x = rng.random::<f64>() * 10.0;
    ///     vec![x, x + rng.random::<f64>()]
    /// });
    /// let table = Table::from_rows(["x", "y"], rows.collect())?;
    /// # let fit = normalizing_flows::train::FitConfig::new().with_max_epochs(Some(30));
    /// # let config = TableConfig::new().with_fit(fit);
    /// let model = fit_table(&table, &Schema::infer(&table)?, &config, &Device::default())?.model;
    ///
    /// let gaps = Table::from_rows(["x", "y"], vec![vec![4.0, f64::NAN], vec![f64::NAN; 2]])?;
    /// let filled = model.fill(&gaps, 10, &mut rng)?;
    /// assert!((filled.numbers("y")?[0] - 4.5).abs() < 2.0);
    /// assert!(filled.numbers("x")?.iter().all(|x| x.is_finite()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fill<R: Rng + ?Sized>(
        &self,
        table: &Table,
        n_sweeps: usize,
        rng: &mut R,
    ) -> Result<Table, Error> {
        ensure!(n_sweeps > 0, "`n_sweeps` must be at least 1, got 0");
        let mut filled = self.filled(table, n_sweeps, rng)?;
        for n_redraws in 0.. {
            let outside = self.encoder().outside(&filled);
            let Some(&first) = outside.first() else { break };
            if n_redraws == MAX_REDRAWS {
                return Err(Error::Data(format!(
                    "{}: in {MAX_REDRAWS} draws of the missing cells a column that they determine was \
                     outside of its support; leave it out of the model, or fill the row by hand",
                    table.place_of(first)
                )));
            }
            let again = self.filled(&table.select(&outside), n_sweeps, rng)?;
            filled = filled.with_rows(&outside, &again)?;
        }
        Ok(filled)
    }

    /// The table filled once, whether or not determined columns are inside of their supports.
    fn filled<R: Rng + ?Sized>(
        &self,
        table: &Table,
        n_sweeps: usize,
        rng: &mut R,
    ) -> Result<Table, Error> {
        let d = self.sizes()[0];
        // What is missing, by feature: its rows.
        let mut missing: Vec<Vec<usize>> = Vec::with_capacity(d);
        let mut columns = table.columns().to_vec();
        self.encoder().solve_formulas(&mut columns);
        if let Some((row, total)) = self.encoder().underdetermined(&columns) {
            return Err(Error::Data(format!(
                "{}: column `{total}` is there and several columns that determine it are not: leave it \
                 empty too, or fill all but one of those",
                table.place_of(row)
            )));
        }
        for (name, map) in self.encoder().features() {
            let column = columns.iter_mut().find(|column| column.name == name);
            let Some(Column { values: Values::Numbers(values), .. }) = column else {
                table.numbers(name)?;
                continue;
            };
            if let Some(row) =
                values.iter().position(|x| !x.is_nan() && !map.support().contains(*x))
            {
                return Err(Error::Data(format!(
                    "{}, column `{name}`: {} is outside of the support, {}, and nothing can be drawn \
                     given it",
                    table.place_of(row),
                    values[row],
                    map.support()
                )));
            }
            let rows: Vec<usize> = (0..values.len()).filter(|&row| values[row].is_nan()).collect();
            // Any value of the support: it is drawn anew below.
            rows.iter().for_each(|&row| values[row] = map.original(0.0));
            missing.push(rows);
        }
        self.encoder().fill_dependent(&mut columns, table)?;
        // An error tells the line.
        let whole = Table::new(columns)?.with_places(table.places().collect());
        let mut encoded = self.encoder().encode(&whole, Jitter::Drawn(rng))?;
        let mut n_missing = vec![0; table.n_rows()];
        missing.iter().flatten().for_each(|&row| n_missing[row] += 1);
        for (feature, (name, _)) in self.encoder().features().enumerate() {
            let is_too_far = |&row: &usize| {
                n_missing[row] > 0 && encoded.features[row * d + feature].abs() > MAX_GIVEN
            };
            if let Some(row) = (0..table.n_rows()).find(is_too_far) {
                return Err(Error::Data(format!(
                    "{}, column `{name}`: {} is too far from the values that the model was fitted to, \
                     and nothing can be drawn given it",
                    table.place_of(row),
                    whole.numbers(name)?[row]
                )));
            }
        }
        self.start(&mut encoded, &missing, &n_missing, rng)?;
        for sweep in 0..n_sweeps {
            for (feature, rows) in missing.iter().enumerate() {
                // A single missing cell does not change the others.
                let rows: Vec<usize> =
                    rows.iter().copied().filter(|&row| sweep == 0 || n_missing[row] > 1).collect();
                if rows.is_empty() {
                    continue;
                }
                let grid = Grid::new(self, &encoded, &rows, feature);
                for (index, &row) in rows.iter().enumerate() {
                    if let Some(drawn) = grid.draw(index, rng) {
                        encoded.features[row * d + feature] = drawn;
                    }
                }
            }
        }
        let mut columns = whole.columns().to_vec();
        for (feature, ((name, map), rows)) in self.encoder().features().zip(&missing).enumerate() {
            let column = columns.iter_mut().find(|column| column.name == name);
            if let Some(Column { values: Values::Numbers(values), .. }) = column {
                for &row in rows {
                    values[row] = map.original(encoded.features[row * d + feature]);
                }
            }
        }
        self.encoder().fill_dependent(&mut columns, table)?;
        Table::new(columns)
    }

    /// Puts the missing features of rows that have several at those of the likeliest of some
    /// samples.
    fn start<R: Rng + ?Sized>(
        &self,
        encoded: &mut EncodedRows,
        missing: &[Vec<usize>],
        n_missing: &[usize],
        rng: &mut R,
    ) -> Result<(), Error> {
        let [d, d_context] = self.sizes();
        let rows = (0..n_missing.len()).filter(|&row| n_missing[row] > 1);
        let is_missing = |row: usize, feature: usize| missing[feature].binary_search(&row).is_ok();
        for row in rows {
            let context = &encoded.contexts[row * d_context..(row + 1) * d_context];
            let contexts = context.repeat(N_STARTS);
            let mut starts = self.sample_features(N_STARTS, &contexts, rng);
            if n_missing[row] < d {
                for start in starts.chunks_exact_mut(d) {
                    for (feature, value) in start.iter_mut().enumerate() {
                        if !is_missing(row, feature) {
                            *value = encoded.features[row * d + feature];
                        }
                    }
                }
            }
            // With nothing known the first sample is as good as any.
            let best = if n_missing[row] == d {
                0
            } else {
                let log_joint = self.log_joint(starts.clone(), contexts);
                let finite = log_joint.iter().map(|log| if log.is_nan() { f64::MIN } else { *log });
                let best = finite.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
                best.map_or(0, |(index, _)| index)
            };
            encoded.features[row * d..(row + 1) * d]
                .copy_from_slice(&starts[best * d..(best + 1) * d]);
        }
        Ok(())
    }
}

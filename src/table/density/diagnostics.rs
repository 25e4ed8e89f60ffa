//! [`Diagnostics`]: whether samples are like rows that the model has not seen.

use std::fmt;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use serde::Serialize;

use super::model::TableModel;
use crate::error::{Error, ensure};
use crate::table::columns::{Jitter, Role};
use crate::table::source::Table;
use crate::train::Evaluation;

/// The rows of each side that energy distances are of: their number grows with the square.
const MAX_ROWS: usize = 500;
/// The relabellings that the energy distance is compared with.
const N_PERMUTATIONS: usize = 199;
/// The bins of a probability integral transform.
const N_BINS: usize = 10;

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
    /// The calibration of each modelled column.
    pub columns: Vec<ColumnCalibration>,
    /// How far samples are from the rows.
    pub energy: EnergyTest,
}

/// Where the values of a column are among samples of it: their probability integral transform (PIT),
/// which is uniform if the model has the right distribution of the column.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ColumnCalibration {
    /// The name of the column.
    pub name: String,
    /// The share of the rows in each tenth of the samples: 0.1 each if the model is right. A hump in
    /// the middle means that the model is too wide, full ends that it is too narrow.
    pub pit: Vec<f64>,
    /// Kolmogorov and Smirnov's distance between rows and samples, from 0 to 1.
    pub distance: f64,
    /// The probability of such a distance or a larger one if the model is right. Of many columns
    /// some are low by chance.
    pub p_value: f64,
}

/// The two-sample test by the energy distance, over all columns at once.
#[derive(Debug, Clone, Copy, Serialize)]
#[non_exhaustive]
pub struct EnergyTest {
    /// The energy distance of the standardised columns, at least about 0; 0 for equal distributions.
    pub distance: f64,
    /// The probability of such a distance or a larger one if rows and samples have the same
    /// distribution, by 199 relabellings: at least 0.005.
    pub p_value: f64,
}

impl TableModel {
    /// Compares samples with rows that the model was not trained on, as
    /// [`FittedTable::held_out`](crate::table::FittedTable::held_out): a model with contexts draws a sample
    /// given those of each row, another one as many samples as there are rows. Rows outside of the
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
            n >= N_BINS,
            "a diagnosis needs at least {N_BINS} rows inside of the supports, got {n}"
        );
        let held_out = self.encoder().encode(&rows.select(&inside), Jitter::Drawn(rng))?;
        let samples = self.sample_features(n, &held_out.contexts, rng);
        let [d, d_context] = self.sizes();
        let columns = self.encoder().features().enumerate().map(|(feature, (name, _))| {
            let of = |features: &[f64]| -> Vec<f64> {
                features.iter().skip(feature).step_by(d).copied().collect()
            };
            calibration(name, of(&held_out.features), of(&samples))
        });
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
            columns: columns.collect(),
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

fn calibration(name: &str, mut values: Vec<f64>, mut samples: Vec<f64>) -> ColumnCalibration {
    values.sort_by(f64::total_cmp);
    samples.sort_by(f64::total_cmp);
    let (n, m) = (values.len() as f64, samples.len() as f64);
    let mut pit = vec![0.0; N_BINS];
    for &value in &values {
        let below = samples.partition_point(|&sample| sample < value) as f64 / m;
        pit[((below * N_BINS as f64) as usize).min(N_BINS - 1)] += 1.0 / n;
    }
    // The distribution functions differ most at a value of either.
    let share = |sorted: &[f64], x: f64| {
        sorted.partition_point(|&value| value <= x) as f64 / sorted.len() as f64
    };
    let differences =
        values.iter().chain(&samples).map(|&x| (share(&values, x) - share(&samples, x)).abs());
    let distance = differences.fold(0.0, f64::max);
    let p_value = kolmogorov((n * m / (n + m)).sqrt() * distance);
    ColumnCalibration { name: name.to_owned(), pit, distance, p_value }
}

/// The probability that Kolmogorov's limiting distribution is above `t`.
fn kolmogorov(t: f64) -> f64 {
    if t < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 0 { -1.0 } else { 1.0 };
        sign * (-2.0 * f64::from(k * k) * t * t).exp()
    };
    (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

fn energy_test<R: Rng + ?Sized>(a: Vec<Vec<f64>>, b: Vec<Vec<f64>>, rng: &mut R) -> EnergyTest {
    let n_a = a.len();
    let points: Vec<Vec<f64>> = a.into_iter().chain(b).collect();
    let n = points.len();
    let mut distances = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..i {
            let squares = points[i].iter().zip(&points[j]).map(|(x, y)| (x - y).powi(2));
            let distance = squares.sum::<f64>().sqrt();
            (distances[i * n + j], distances[j * n + i]) = (distance, distance);
        }
    }
    let mut in_a: Vec<bool> = (0..n).map(|index| index < n_a).collect();
    let found = energy_distance(&distances, &in_a);
    let mut n_larger = 0;
    for _ in 0..N_PERMUTATIONS {
        in_a.shuffle(rng);
        n_larger += usize::from(energy_distance(&distances, &in_a) >= found);
    }
    let p_value = (n_larger + 1) as f64 / (N_PERMUTATIONS + 1) as f64;
    EnergyTest { distance: found, p_value }
}

/// `2 E|X - Y| - E|X - X'| - E|Y - Y'|`, without the distances of points from themselves.
fn energy_distance(distances: &[f64], in_a: &[bool]) -> f64 {
    let n = in_a.len();
    let n_a = in_a.iter().filter(|&&in_a| in_a).count();
    let (mut across, mut within) = (0.0, [0.0; 2]);
    for (row, &a) in distances.chunks_exact(n).zip(in_a) {
        let mut sums = [0.0; 2];
        for (&distance, &b) in row.iter().zip(in_a) {
            sums[usize::from(b)] += distance;
        }
        within[usize::from(a)] += sums[usize::from(a)];
        if a {
            across += sums[0];
        }
    }
    let pairs = |n: usize| (n * (n - 1)) as f64;
    2.0 * across / (n_a * (n - n_a)) as f64 - within[1] / pairs(n_a) - within[0] / pairs(n - n_a)
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.n_rows)?;
        if self.n_outside > 0 {
            write!(f, ", {} outside of the supports", self.n_outside)?;
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
/// use normalizing_flows::table::effective_sample_size;
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    use rand_distr::{Distribution, StandardNormal};

    fn normals(n: usize, seed: u64) -> Vec<f64> {
        StandardNormal.sample_iter(ChaCha8Rng::seed_from_u64(seed)).take(n).collect()
    }

    #[test]
    fn kolmogorovs_distribution_has_its_known_quantiles() {
        for (t, p) in [(1.2238, 0.1), (1.3581, 0.05), (1.6276, 0.01), (1.9495, 0.001)] {
            assert!((kolmogorov(t) - p).abs() < 2e-4 * p.sqrt(), "{t}: {}", kolmogorov(t));
        }
    }

    #[test]
    fn p_values_are_uniform_under_the_right_model_and_small_under_a_wrong_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let rows = |values: Vec<f64>| -> Vec<Vec<f64>> {
            values.chunks_exact(2).map(<[f64]>::to_vec).collect()
        };
        let (mut columns, mut energies) = (Vec::new(), Vec::new());
        for seed in 0..100 {
            let (a, b) = (normals(200, 2 * seed), normals(200, 2 * seed + 1));
            columns.push(calibration("x", a.clone(), b.clone()).p_value);
            energies.push(
                energy_test(rows(a[..100].to_vec()), rows(b[..100].to_vec()), &mut rng).p_value,
            );
        }
        for p_values in [columns, energies] {
            // Half of them below one half: 50, with a deviation of 5; the limiting distribution is a
            // little wide for 200 rows.
            let below = p_values.iter().filter(|&&p| p <= 0.5).count();
            assert!((25..=75).contains(&below), "{below}");
            assert!(p_values.iter().filter(|&&p| p <= 0.01).count() <= 6, "{p_values:?}");
        }
        let shifted: Vec<f64> = normals(400, 7).iter().map(|x| x + 0.7).collect();
        let wrong = calibration("x", shifted.clone(), normals(400, 8));
        assert!(wrong.p_value < 1e-6 && wrong.pit[9] > 0.2, "{wrong:?}");
        // A circle has the marginals of independent numbers.
        let angles: Vec<Vec<f64>> = normals(300, 9)
            .iter()
            .map(|angle| vec![1.5 * (9.0 * angle).cos(), 1.5 * (9.0 * angle).sin()])
            .collect();
        assert!(energy_test(angles, rows(normals(600, 10)), &mut rng).p_value < 0.02);
    }
}

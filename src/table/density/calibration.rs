//! [`ColumnCalibration`]: where the values of a column are among samples of it.

use rand::{Rng, RngExt};
use serde::Serialize;

/// The bins of a probability integral transform.
const N_BINS: usize = 10;

/// Where the values of a column are among samples of it: their probability integral transform (PIT),
/// which is uniform if the model has the right distribution of the column. With contexts the samples are
/// those given the contexts of the row.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ColumnCalibration {
    /// The name of the column.
    pub name: String,
    /// The share of the rows in each tenth of the samples: 0.1 each if the model is right. A hump in
    /// the middle means that the model is too wide, full ends that it is too narrow.
    pub pit: Vec<f64>,
    /// Kolmogorov and Smirnov's distance, from 0 to 1: between rows and samples, or with contexts between
    /// the transform and a uniform one.
    pub distance: f64,
    /// The probability of such a distance or a larger one if the model is right. Of many columns
    /// some are low by chance.
    pub p_value: f64,
}

impl ColumnCalibration {
    /// Of values among samples that are all of the same distribution.
    pub(super) fn among(name: &str, mut values: Vec<f64>, mut samples: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        samples.sort_by(f64::total_cmp);
        let (n, m) = (values.len() as f64, samples.len() as f64);
        let below = |&value: &f64| samples.partition_point(|&sample| sample < value) as f64 / m;
        let pit = shares(values.iter().map(below));
        // The distribution functions differ most at a value of either.
        let share = |sorted: &[f64], x: f64| {
            sorted.partition_point(|&value| value <= x) as f64 / sorted.len() as f64
        };
        let differences =
            values.iter().chain(&samples).map(|&x| (share(&values, x) - share(&samples, x)).abs());
        let distance = differences.fold(0.0, f64::max);
        let p_value = kolmogorov((n * m / (n + m)).sqrt() * distance);
        Self { name: name.to_owned(), pit, distance, p_value }
    }

    /// Of values each among samples of its own, as many for each: ranks, spread over their width, which
    /// makes them uniform for any number of samples.
    pub(super) fn among_own<R: Rng + ?Sized>(
        name: &str,
        values: &[f64],
        samples: &[f64],
        rng: &mut R,
    ) -> Self {
        let m = samples.len() / values.len();
        let mut transform: Vec<f64> = values
            .iter()
            .zip(samples.chunks_exact(m))
            .map(|(value, samples)| {
                let below = samples.iter().filter(|sample| *sample < value).count();
                (below as f64 + rng.random::<f64>()) / (m + 1) as f64
            })
            .collect();
        transform.sort_by(f64::total_cmp);
        let n = transform.len() as f64;
        let differences = transform.iter().enumerate().map(|(index, u)| {
            let (before, after) = (index as f64 / n, (index + 1) as f64 / n);
            (u - before).abs().max((after - u).abs())
        });
        let distance = differences.fold(0.0, f64::max);
        let p_value = kolmogorov(n.sqrt() * distance);
        Self { name: name.to_owned(), pit: shares(transform.into_iter()), distance, p_value }
    }
}

/// The share of numbers from 0 to 1 in each bin.
fn shares(transform: impl ExactSizeIterator<Item = f64>) -> Vec<f64> {
    let n = transform.len() as f64;
    let mut shares = vec![0.0; N_BINS];
    for u in transform {
        shares[((u * N_BINS as f64) as usize).min(N_BINS - 1)] += 1.0 / n;
    }
    shares
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
        let (mut pooled, mut own) = (Vec::new(), Vec::new());
        for seed in 0..100 {
            let (a, b) = (normals(200, 2 * seed), normals(200, 2 * seed + 1));
            own.push(ColumnCalibration::among_own("x", &a[..40], &b, &mut rng).p_value);
            pooled.push(ColumnCalibration::among("x", a, b).p_value);
        }
        for p_values in [pooled, own] {
            // Half of them below one half: 50, with a deviation of 5; the limiting distribution is a
            // little wide for 200 rows.
            let below = p_values.iter().filter(|&&p| p <= 0.5).count();
            assert!((25..=75).contains(&below), "{below}");
            assert!(p_values.iter().filter(|&&p| p <= 0.01).count() <= 6, "{p_values:?}");
        }
        let shifted: Vec<f64> = normals(400, 7).iter().map(|x| x + 0.7).collect();
        let wrong = ColumnCalibration::among("x", shifted, normals(400, 8));
        assert!(wrong.p_value < 1e-6 && wrong.pit[9] > 0.2, "{wrong:?}");
    }

    /// Around contexts that are far apart all together look right, and each by itself does not.
    #[test]
    fn a_model_that_is_too_wide_given_each_context_is_found_out() {
        let contexts: Vec<f64> = normals(400, 1).iter().map(|c| 20.0 * c).collect();
        let values: Vec<f64> = contexts.iter().zip(normals(400, 2)).map(|(c, z)| c + z).collect();
        let draws: Vec<f64> = normals(400 * 99, 3)
            .iter()
            .enumerate()
            .map(|(index, z)| contexts[index / 99] + 2.5 * z)
            .collect();
        let one_each: Vec<f64> = draws.iter().copied().step_by(99).collect();
        assert!(ColumnCalibration::among("x", values.clone(), one_each).p_value > 0.5);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let found = ColumnCalibration::among_own("x", &values, &draws, &mut rng);
        assert!(found.p_value < 1e-6, "{found:?}");
        assert!(found.pit[4] > 0.14 && found.pit[0] < 0.02, "{found:?}");
    }
}

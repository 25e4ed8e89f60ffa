//! The likelihood of a Gaussian copula over smoothed marginals: what can be said of columns without a
//! flow when each may have any shape but they depend on each other as normals do.

use statrs::function::erf::{erfc, erfc_inv};

use super::gaussian::{Cholesky, HostRows, cholesky, host_pair, whitened};
use crate::data::Dataset;

/// The centres of the kernels of a marginal, at most.
const MAX_CENTRES: usize = 500;
/// Evaluations of kernels, at most about: they bound the rows.
const MAX_EVALUATIONS: usize = 50_000_000;
const MAX_ROWS: usize = 5_000;
/// Of `n` centres the kernels reach to the neighbour number `0.35 n^0.8` on either side: on a normal
/// column of 500 that is a quarter of its standard deviation, as Silverman's rule has it.
const NEIGHBOURS: f64 = 0.35;
/// The least bandwidth, in standard deviations of the column.
const MIN_BANDWIDTH: f64 = 1e-3;

/// The mean negative log-likelihood of the `held_out` rows, in nats per row, under a Gaussian copula
/// that fits the `train` rows; given the contexts, if there are any. `None` where no such density
/// exists, or the columns are so many that the rows do not determine it.
///
/// ```text
/// log p(x) = Σ_j log f_j(x_j) - ½ log |R| - ½ zᵀ (R⁻¹ - I) z        z_j = Φ⁻¹(F_j(x_j))
/// ```
///
/// Each marginal `f_j` is a sum of normal kernels, each as wide as its neighbourhood, and one that is
/// as wide as the column, for what lies outside.
pub(super) fn copula_nll(train: &Dataset, held_out: &Dataset) -> Option<f64> {
    let d = train.d_features() + train.context().map_or(0, |context| context.dims()[1]);
    let n_rows = (MAX_EVALUATIONS / MAX_CENTRES / d.max(1) / 2).min(MAX_ROWS);
    let (train, held_out) = host_pair(train, held_out, n_rows);
    let d = train.d();
    if train.len() < 5 * d {
        return None;
    }
    let marginals: Vec<Marginal> =
        (0..d).map(|column| Marginal::fit(train.column(column))).collect::<Option<_>>()?;
    let scores = |rows: &HostRows| -> Vec<Vec<f64>> {
        rows.iter(0).map(|(row, _)| normal_scores(&marginals, row)).collect()
    };
    let train_scores = scores(&train);
    let joint = Copula::fit(&train, &train_scores, 0)?;
    let of_contexts = match train.d_context() {
        0 => None,
        _ => Some(Copula::fit(&train, &train_scores, train.d_features())?),
    };
    let (mut sum, mut total) = (0.0, 0.0);
    for ((row, weight), scores) in held_out.iter(0).zip(scores(&held_out)) {
        let marginal: f64 = marginals[..train.d_features()]
            .iter()
            .zip(row)
            .map(|(marginal, &x)| marginal.log_density(x))
            .sum();
        let given = of_contexts.as_ref().map_or(0.0, |copula| copula.log_density(&scores));
        sum -= weight * (marginal + joint.log_density(&scores) - given);
        total += weight;
    }
    Some(sum / total).filter(|nll| nll.is_finite())
}

fn normal_scores(marginals: &[Marginal], row: &[f64]) -> Vec<f64> {
    marginals.iter().zip(row).map(|(marginal, &x)| marginal.normal_score(x)).collect()
}

/// The dependence of the columns from `first` on.
struct Copula {
    first: usize,
    factor: Cholesky,
}

impl Copula {
    fn fit(rows: &HostRows, scores: &[Vec<f64>], first: usize) -> Option<Self> {
        let d = rows.d() - first;
        let mut moments: Cholesky = (0..d).map(|i| vec![0.0; i + 1]).collect();
        for ((_, weight), scores) in rows.iter(0).zip(scores) {
            let scores = &scores[first..];
            for (line, a) in moments.iter_mut().zip(scores) {
                line.iter_mut().zip(scores).for_each(|(sum, b)| *sum += weight * a * b);
            }
        }
        let scales: Vec<f64> = moments.iter().map(|line| line[line.len() - 1].sqrt()).collect();
        for (i, line) in moments.iter_mut().enumerate() {
            line.iter_mut().zip(&scales).for_each(|(moment, scale)| *moment /= scale * scales[i]);
        }
        Some(Self { first, factor: cholesky(moments)? })
    }

    /// `-½ log |R| - ½ zᵀ (R⁻¹ - I) z`.
    fn log_density(&self, scores: &[f64]) -> f64 {
        let scores = &scores[self.first..];
        let solved = whitened(&self.factor, scores.iter().copied());
        let terms = self.factor.iter().zip(scores).zip(solved);
        terms.map(|((line, z), w)| 0.5 * (z * z - w * w) - line[line.len() - 1].ln()).sum()
    }
}

/// The density of one column.
struct Marginal {
    /// The centre and the bandwidth of each kernel; the last is as wide as the column.
    kernels: Vec<(f64, f64)>,
}

impl Marginal {
    /// `None` for a constant column.
    fn fit(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let scale = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        // At even quantiles, so that the distance to the k-th neighbour is the local spread.
        let n_centres = values.len().min(MAX_CENTRES);
        let quantile = |p: f64| values[((n - 1.0) * p).round() as usize];
        let centres: Vec<f64> =
            (0..n_centres).map(|i| quantile((i as f64 + 0.5) / n_centres as f64)).collect();
        let k = (NEIGHBOURS * (n_centres as f64).powf(0.8)).round() as usize;
        let bandwidth = |i: usize| {
            let (low, high) = (i.saturating_sub(k), (i + k).min(n_centres - 1));
            let spread = (centres[high] - centres[low]) / (high - low).max(1) as f64 * k as f64;
            // A lump of equal values would have none.
            spread.max(MIN_BANDWIDTH * scale)
        };
        let mut kernels: Vec<_> = (0..n_centres).map(|i| (centres[i], bandwidth(i))).collect();
        kernels.push((mean, scale));
        (scale > 0.0).then_some(Self { kernels })
    }

    fn log_density(&self, x: f64) -> f64 {
        let logs = self.kernels.iter().map(|(centre, bandwidth)| {
            let z = (x - centre) / bandwidth;
            -0.5 * z * z - bandwidth.ln()
        });
        // Far outside the exponentials underflow, but not their largest by itself.
        let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.map(|log| (log - largest).exp()).sum();
        let n = self.kernels.len() as f64;
        largest + (sum / n).ln() - 0.5 * std::f64::consts::TAU.ln()
    }

    /// `Φ⁻¹(F(x))`, by whichever tail is the smaller.
    fn normal_score(&self, x: f64) -> f64 {
        let probability = |sign: f64| {
            let terms = self.kernels.iter().map(|(centre, bandwidth)| {
                erfc(sign * (centre - x) / bandwidth * std::f64::consts::FRAC_1_SQRT_2)
            });
            terms.sum::<f64>() / self.kernels.len() as f64 / 2.0
        };
        let (lower, upper) = (probability(1.0), probability(-1.0));
        let quantile = |p: f64| -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p.max(1e-300));
        if lower <= upper { quantile(lower) } else { -quantile(upper) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::gaussian::gaussian_nll;
    use super::*;
    use burn::tensor::{Device, Tensor, TensorData};
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    use rand_distr::{Distribution, StandardNormal};

    fn data(seed: u64, n: usize, f: impl Fn([f64; 2]) -> Vec<f64>) -> Dataset {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let values: Vec<f64> = (0..n).flat_map(|_| f([normal(), normal()])).collect();
        let d = values.len() / n;
        Dataset::new(Tensor::from_data(TensorData::new(values, [n, d]), &Device::default()))
    }

    /// Exponentials of correlated normals: the Gaussian misses the shape, the copula has it but for
    /// the smoothing of its marginals.
    #[test]
    fn columns_of_any_shape_that_depend_as_normals_do_are_its_own() {
        let log_normal = |[a, b]: [f64; 2]| vec![a.exp(), (0.8 * a + 0.6 * b).exp()];
        let (train, held_out) = (data(0, 3000, log_normal), data(1, 3000, log_normal));
        // Two standard normals of correlation 0.8, and the slopes of the exponentials, of mean 0.
        let entropy = (std::f64::consts::TAU * std::f64::consts::E).ln() + 0.5 * 0.36_f64.ln();
        let copula = copula_nll(&train, &held_out).expect("the columns vary");
        let gaussian = gaussian_nll(&train, &held_out).expect("likewise");
        assert!(copula > entropy - 0.1 && copula < entropy + 0.35, "{copula} {entropy}");
        assert!(gaussian > copula + 0.5, "{gaussian} {copula}");
    }

    #[test]
    fn far_outside_it_is_finite() {
        let normal = |[a, _]: [f64; 2]| vec![a];
        let marginal = Marginal::fit(data(0, 500, normal).x().to_data().iter::<f64>().collect());
        let marginal = marginal.expect("the column varies");
        for x in [-1e6, -60.0, 60.0, 1e6] {
            assert!(marginal.log_density(x).is_finite(), "{x}");
            assert!(marginal.normal_score(x).is_finite(), "{x}");
            assert_eq!(marginal.normal_score(x).is_sign_positive(), x > 0.0);
        }
        assert!(marginal.normal_score(-1.0) < marginal.normal_score(1.0));
    }

    #[test]
    fn constant_columns_and_copies_have_no_density() {
        let constant = data(0, 100, |_| vec![2.0]);
        assert_eq!(copula_nll(&constant, &constant), None);
        let copies = data(0, 100, |[a, _]| vec![a, a]);
        assert_eq!(copula_nll(&copies, &copies), None);
    }
}

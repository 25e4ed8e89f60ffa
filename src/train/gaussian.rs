//! The likelihood of a fitted Gaussian, with which that of a model is compared.

use crate::data::Dataset;

/// More rows than these do not change the estimate by what anybody would see.
const MAX_ROWS: usize = 20_000;
/// Products of a covariance, at most about: they bound the rows of wide tables.
const MAX_PRODUCTS: usize = 1_000_000_000;

/// The mean negative log-likelihood of the `held_out` rows, in nats per row, under the normal that
/// fits the `train` rows; given the contexts, if there are any, under the linear regression on them
/// with normal residuals. `None` where no such density exists, as when columns depend on each
/// other.
pub(crate) fn gaussian_nll(train: &Dataset, held_out: &Dataset) -> Option<f64> {
    let d = train.d_features() + train.context().map_or(0, |context| context.dims()[1]);
    let max_rows = MAX_ROWS.min(MAX_PRODUCTS / (d * d).max(1));
    let (train, held_out) = host_pair(train, held_out, max_rows);
    if train.len() <= d {
        return None;
    }
    let joint = Gaussian::fit(&train, 0)?.nll(&held_out);
    // p(x | c) = p(x, c) / p(c)
    let of_contexts = match train.d_context() {
        0 => 0.0,
        _ => Gaussian::fit(&train, train.d_features)?.nll(&held_out),
    };
    Some(joint - of_contexts).filter(|nll| nll.is_finite())
}

/// The first rows of both on the host, without contexts that the others determine.
pub(super) fn host_pair(
    train: &Dataset,
    held_out: &Dataset,
    max_rows: usize,
) -> (HostRows, HostRows) {
    let train = HostRows::new(train, max_rows);
    let contexts = train.independent_contexts();
    let held_out = HostRows::new(held_out, max_rows).with_contexts(&contexts);
    (train.with_contexts(&contexts), held_out)
}

/// Features and contexts side by side on the host.
pub(super) struct HostRows {
    values: Vec<f64>,
    d_features: usize,
    d: usize,
    weights: Option<Vec<f64>>,
}

impl HostRows {
    /// The first rows, at most so many.
    pub fn new(data: &Dataset, max_rows: usize) -> Self {
        let n = data.n_rows().min(max_rows);
        let d_features = data.d_features();
        let host = |tensor: &burn::tensor::Tensor<2>| {
            tensor.clone().narrow(0, 0, n).into_data().iter::<f64>().collect::<Vec<_>>()
        };
        let x = host(data.x());
        let values = match data.context() {
            None => x,
            Some(context) => {
                let d_context = context.dims()[1];
                let contexts = host(context);
                let pairs = x.chunks(d_features).zip(contexts.chunks(d_context));
                pairs.flat_map(|(x, context)| x.iter().chain(context)).copied().collect()
            }
        };
        let d = values.len() / n;
        Self { values, d_features, d, weights: data.weights().map(|w| w[..n].to_vec()) }
    }

    /// The contexts that those before them do not determine, by their columns: of the categories of
    /// one column all but one.
    fn independent_contexts(&self) -> Vec<usize> {
        let (_, covariance) = self.moments(self.d_features);
        let mut kept: Vec<usize> = Vec::new();
        let mut factor: Cholesky = Vec::new();
        for (index, line) in covariance.iter().enumerate() {
            let variance = line[index];
            let mut solved = whitened(&factor, kept.iter().map(|&other| line[other]));
            let pivot = variance - solved.iter().map(|a| a * a).sum::<f64>();
            // What is left of the variance is roundings.
            if pivot > 1e-9 * variance {
                solved.push(pivot.sqrt());
                factor.push(solved);
                kept.push(index);
            }
        }
        kept.iter().map(|index| self.d_features + index).collect()
    }

    /// With these of the contexts.
    fn with_contexts(self, contexts: &[usize]) -> Self {
        let (d, d_features) = (self.d, self.d_features);
        if contexts.len() == d - d_features {
            return self;
        }
        let columns: Vec<usize> = (0..d_features).chain(contexts.iter().copied()).collect();
        let rows = self.values.chunks(d);
        let values = rows.flat_map(|row| columns.iter().map(|&column| row[column])).collect();
        Self { values, d: columns.len(), ..self }
    }

    /// The means and the covariance of the columns from `first` on.
    fn moments(&self, first: usize) -> (Vec<f64>, Cholesky) {
        let d = self.d - first;
        let total: f64 = self.iter(first).map(|(_, weight)| weight).sum();
        let mut mean = vec![0.0; d];
        for (row, weight) in self.iter(first) {
            mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x / total);
        }
        let mut covariance: Cholesky = (0..d).map(|i| vec![0.0; i + 1]).collect();
        for (row, weight) in self.iter(first) {
            let centred: Vec<f64> = row.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
            for (line, &a) in covariance.iter_mut().zip(&centred) {
                let scaled = weight * a / total;
                line.iter_mut().zip(&centred).for_each(|(sum, b)| *sum += scaled * b);
            }
        }
        (mean, covariance)
    }

    pub fn len(&self) -> usize {
        self.values.len() / self.d
    }

    /// The number of columns, contexts included.
    pub fn d(&self) -> usize {
        self.d
    }

    pub fn d_features(&self) -> usize {
        self.d_features
    }

    pub fn d_context(&self) -> usize {
        self.d - self.d_features
    }

    pub fn column(&self, column: usize) -> Vec<f64> {
        self.values.iter().skip(column).step_by(self.d).copied().collect()
    }

    /// The columns from `first` on, with the weight of each row.
    pub fn iter(&self, first: usize) -> impl Iterator<Item = (&[f64], f64)> {
        let rows = self.values.chunks(self.d).map(move |row| &row[first..]);
        rows.enumerate()
            .map(|(index, row)| (row, self.weights.as_ref().map_or(1.0, |weights| weights[index])))
    }
}

/// A normal over the columns from `first` on.
struct Gaussian {
    first: usize,
    mean: Vec<f64>,
    /// Of the covariance.
    factor: Cholesky,
}

impl Gaussian {
    fn fit(rows: &HostRows, first: usize) -> Option<Self> {
        let (mean, covariance) = rows.moments(first);
        Some(Self { first, mean, factor: cholesky(covariance)? })
    }

    /// The mean negative log-likelihood: `½ |L⁻¹ (x - μ)|² + Σ log L_ii + ½ d log 2π`.
    fn nll(&self, rows: &HostRows) -> f64 {
        let log_det: f64 = self.factor.iter().map(|line| line[line.len() - 1].ln()).sum();
        let constant = log_det + 0.5 * self.mean.len() as f64 * std::f64::consts::TAU.ln();
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, weight) in rows.iter(self.first) {
            let centred = row.iter().zip(&self.mean).map(|(x, mean)| x - mean);
            let solved = whitened(&self.factor, centred);
            sum += weight * (0.5 * solved.iter().map(|z| z * z).sum::<f64>() + constant);
            total += weight;
        }
        sum / total
    }
}

/// The lower triangle of a matrix, row after row.
pub(super) type Cholesky = Vec<Vec<f64>>;

/// `L⁻¹ x` for the Cholesky factor `L`.
pub(super) fn whitened(factor: &Cholesky, x: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut solved: Vec<f64> = Vec::with_capacity(factor.len());
    for (line, x) in factor.iter().zip(x) {
        let (pivot, others) = line.split_last().expect("a line holds its diagonal");
        let known: f64 = others.iter().zip(&solved).map(|(l, z)| l * z).sum();
        solved.push((x - known) / pivot);
    }
    solved
}

/// The Cholesky factor of a symmetric matrix, given by its lower triangle; `None` if it is not
/// positive definite to working precision.
pub(super) fn cholesky(mut lines: Cholesky) -> Option<Cholesky> {
    for i in 0..lines.len() {
        let (done, rest) = lines.split_at_mut(i);
        let line = &mut rest[0];
        let variance = line[i];
        for j in 0..i {
            let known: f64 = line[..j].iter().zip(&done[j]).map(|(a, b)| a * b).sum();
            line[j] = (line[j] - known) / done[j][j];
        }
        let pivot = variance - line[..i].iter().map(|a| a * a).sum::<f64>();
        // What is left of the variance is roundings.
        if pivot.is_nan() || pivot <= 1e-12 * variance {
            return None;
        }
        line[i] = pivot.sqrt();
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tensor, TensorData};
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    use rand_distr::{Distribution, StandardNormal};

    fn tensor(values: Vec<f64>, columns: usize) -> Tensor<2> {
        let rows = values.len() / columns;
        Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::default())
    }

    /// `x ~ N(1, 4)`, `y = x + c + N(0, 0.25)`, `c ~ N(0, 9)`.
    fn data(seed: u64) -> (Dataset, Dataset) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let (mut xs, mut contexts) = (Vec::new(), Vec::new());
        for _ in 0..20_000 {
            let (x, c) = (1.0 + 2.0 * normal(), 3.0 * normal());
            xs.extend([x, x + c + 0.5 * normal()]);
            contexts.push(c);
        }
        let plain = Dataset::new(tensor(xs, 2));
        let conditional = plain.clone().with_context(tensor(contexts, 1));
        (plain, conditional)
    }

    /// Entropies in closed form; the standard error of a mean over 20,000 rows is
    /// `sqrt(d / 2 / 20,000)`, 0.007, of which four.
    #[test]
    fn it_is_the_entropy_of_data_that_are_normal() {
        let log = (std::f64::consts::TAU * std::f64::consts::E).ln();
        let ((plain, conditional), (held_out, held_out_conditional)) = (data(0), data(1));
        let nll = gaussian_nll(&plain, &held_out).expect("the columns are independent");
        // The determinant of the covariance: 4 · (9 + 0.25).
        let expected = log + 0.5 * (4.0 * 9.25_f64).ln();
        assert!((nll - expected).abs() < 0.028, "{nll} {expected}");

        let nll = gaussian_nll(&conditional, &held_out_conditional).expect("likewise");
        let expected = log + (2.0 * 0.5_f64).ln();
        assert!((nll - expected).abs() < 0.028, "{nll} {expected}");
    }

    /// One number per category adds up to one: all but the last of them say as much.
    #[test]
    fn contexts_that_others_determine_change_nothing() {
        let (plain, conditional) = data(0);
        let context: Vec<f64> =
            conditional.context().expect("it has one").clone().into_data().iter().collect();
        let categories: Vec<f64> =
            context.iter().flat_map(|&c| [f64::from(c > 0.0), f64::from(c <= 0.0), 3.0]).collect();
        let one: Vec<f64> = context.iter().map(|&c| f64::from(c > 0.0)).collect();
        let with = |values: Vec<f64>, d: usize| plain.clone().with_context(tensor(values, d));
        let (all, one) = (with(categories, 3), with(one, 1));
        let (all, one) = (gaussian_nll(&all, &all), gaussian_nll(&one, &one));
        assert!((all.expect("a density") - one.expect("a density")).abs() < 1e-9);
    }

    #[test]
    fn a_row_of_weight_two_counts_as_two_rows() {
        let once = Dataset::new(tensor(vec![0.0, 1.0, 5.0], 1)).with_weights(vec![1.0, 2.0, 1.0]);
        let twice = Dataset::new(tensor(vec![0.0, 1.0, 1.0, 5.0], 1));
        let nll = |data: &Dataset| gaussian_nll(data, data).expect("the column varies");
        assert!((nll(&once) - nll(&twice)).abs() < 1e-12);
    }

    #[test]
    fn columns_that_depend_on_each_other_have_no_density() {
        let copies = Dataset::new(tensor(vec![0.1, 0.1, 1.3, 1.3, 5.7, 5.7, 2.0, 2.0], 2));
        assert_eq!(gaussian_nll(&copies, &copies), None);
        let constant = Dataset::new(tensor(vec![3.0, 3.0, 3.0], 1));
        assert_eq!(gaussian_nll(&constant, &constant), None);
    }
}

//! [`pareto_smoothed`]: importance weights whose tail is that of a generalised Pareto distribution.
//!
//! Method:
//!
//! 1. The tail is the largest `M = min(n / 5, 3 √n)` weights, as what they exceed the next smaller one.
//! 2. A generalised Pareto distribution is fitted to it by Zhang and Stephens' estimate: a posterior mean over a grid
//!    of one parameter under their prior, then the other in closed form.
//! 3. The shape is drawn towards ½ as if by ten more weights.
//! 4. The weights of the tail become the quantiles at `(j - ½) / M`, none above the largest raw weight.

use super::effective::effective_sample_size;

/// Smoothed weights and the shape of their tail.
#[derive(Debug, Clone, PartialEq)]
pub struct ParetoSmoothed {
    /// The logarithms of the smoothed weights, in the order and on the scale of the raw ones.
    pub log_weights: Vec<f64>,
    /// The shape `k` of the tail; `None` where there is none, as where all weights are equal, or of fewer than six
    /// weights; infinity where so few weights count that none can be fitted. Moments of the weights exist up to the order `1 / k`. Below 0.5 estimates converge as usual; up to 0.7
    /// they are good in practice; above it the weights say little, whatever the number of samples.
    pub shape: Option<f64>,
}

impl ParetoSmoothed {
    /// The effective sample size of the smoothed weights.
    pub fn effective_sample_size(&self) -> f64 {
        effective_sample_size(&self.log_weights)
    }
}

/// Pareto-smoothed importance sampling: replaces the largest weights, given by their logarithms, by the quantiles of
/// the distribution that fits them, which takes most of their variance, and says by its shape how far they can be
/// trusted.
///
/// Log-weights of minus infinity stay; none may be NaN or infinity.
///
/// # Example
///
/// ```
/// use normalizing_flows::target::pareto_smoothed;
///
/// // Weights 1 / u^k of uniform u have a tail of shape k.
/// let log_weights: Vec<f64> = (1..=4000).map(|i| -0.6 * (i as f64 / 4001.0).ln()).collect();
/// let shape = pareto_smoothed(&log_weights).shape.unwrap();
/// assert!((shape - 0.6).abs() < 0.05);
/// ```
///
/// # References
///
/// Vehtari, Simpson, Gelman, Yao, Gabry: *Pareto Smoothed Importance Sampling*, 2024, arXiv:1507.02646; Zhang,
/// Stephens: *A New and Efficient Estimation Method for the Generalized Pareto Distribution*, 2009.
pub fn pareto_smoothed(log_weights: &[f64]) -> ParetoSmoothed {
    let mut smoothed = ParetoSmoothed { log_weights: log_weights.to_vec(), shape: None };
    let n = log_weights.len();
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let n_tail = (0.2 * n as f64).min(3.0 * (n as f64).sqrt()).ceil() as usize;
    if n_tail >= n || largest == f64::NEG_INFINITY {
        return smoothed;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| log_weights[*a].total_cmp(&log_weights[*b]));
    let relative = |index: usize| log_weights[index] - largest;
    let cutoff = relative(order[n - n_tail - 1]).max(f64::MIN_POSITIVE.ln());
    let first = order.partition_point(|index| relative(*index) <= cutoff);
    let tail = &order[first..];
    let exceedances: Vec<f64> =
        tail.iter().map(|index| relative(*index).exp() - cutoff.exp()).collect();
    let Some((shape, scale)) = fit(&exceedances) else {
        // Of too few weights that count no tail can be fitted, and they say nothing.
        smoothed.shape = (!exceedances.is_empty()).then_some(f64::INFINITY);
        return smoothed;
    };
    smoothed.shape = Some(shape);
    let size = tail.len() as f64;
    for (rank, index) in tail.iter().enumerate() {
        let quantile = quantile((rank as f64 + 0.5) / size, shape, scale);
        smoothed.log_weights[*index] = (quantile + cutoff.exp()).ln().min(0.0) + largest;
    }
    smoothed
}

const LEAST_TAIL: usize = 5;

/// Shape and scale of the generalised Pareto distribution that fits numbers above 0, in ascending order.
fn fit(x: &[f64]) -> Option<(f64, f64)> {
    let n = x.len();
    if n < LEAST_TAIL {
        return None;
    }
    let size = n as f64;
    let (largest, quartile) = (x[n - 1], x[(size / 4.0 + 0.5) as usize - 1]);
    let mean_log = |b: f64| x.iter().map(|x| (-b * x).ln_1p()).sum::<f64>() / size;
    // The profile likelihood on a grid of b, where shape is `mean_log(b)` and scale `-shape / b`.
    let n_grid = 30 + size.sqrt() as usize;
    let grid: Vec<f64> = (1..=n_grid)
        .map(|j| {
            1.0 / largest + (1.0 - (n_grid as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quartile)
        })
        .collect();
    let log_likelihood = |b: f64| {
        let k = mean_log(b);
        size * ((-b / k).ln() - k - 1.0)
    };
    let log_likelihoods: Vec<f64> = grid.iter().map(|b| log_likelihood(*b)).collect();
    let best = log_likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_likelihoods.iter().map(|log| (log - best).exp()).collect();
    let total: f64 = weights.iter().sum();
    let b = grid.iter().zip(&weights).map(|(b, weight)| b * weight).sum::<f64>() / total;
    let k = mean_log(b);
    let scale = -k / b;
    let shape = (size * k + PRIOR_SHAPE * PRIOR_SIZE) / (size + PRIOR_SIZE);
    (shape.is_finite() && scale.is_finite()).then_some((shape, scale))
}

const PRIOR_SHAPE: f64 = 0.5;
const PRIOR_SIZE: f64 = 10.0;

fn quantile(p: f64, shape: f64, scale: f64) -> f64 {
    if shape.abs() < f64::EPSILON {
        -scale * (-p).ln_1p()
    } else {
        scale * (-shape * (-p).ln_1p()).exp_m1() / shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_have_no_tail_and_stay() {
        let smoothed = pareto_smoothed(&[-3.0; 100]);
        assert_eq!(smoothed, ParetoSmoothed { log_weights: vec![-3.0; 100], shape: None });
        assert!((smoothed.effective_sample_size() - 100.0).abs() < 1e-9);
        assert_eq!(pareto_smoothed(&[]).log_weights, [0.0; 0]);
    }

    #[test]
    fn the_scale_of_the_weights_does_not_matter() {
        let raw: Vec<f64> = (1..=1000).map(|i| -0.9 * (f64::from(i) / 1001.0).ln()).collect();
        let shifted: Vec<f64> = raw.iter().map(|log| log - 2000.0).collect();
        let (raw, shifted) = (pareto_smoothed(&raw), pareto_smoothed(&shifted));
        assert!((raw.shape.unwrap() - shifted.shape.unwrap()).abs() < 1e-9);
        for (a, b) in raw.log_weights.iter().zip(&shifted.log_weights) {
            assert!((a - b - 2000.0).abs() < 1e-9);
        }
    }

    #[test]
    fn rows_without_weight_keep_none() {
        let mut raw = vec![f64::NEG_INFINITY; 50];
        raw.extend((1..=50).map(|i| f64::from(i) / 10.0));
        let smoothed = pareto_smoothed(&raw);
        assert_eq!(smoothed.log_weights[..50], raw[..50]);
        assert!(smoothed.log_weights.iter().all(|log| *log <= 5.0));
    }
}

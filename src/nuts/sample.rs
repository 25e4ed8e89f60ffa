//! [`NutsSample`]: the draws of a chain.

use burn::tensor::{Device, Tensor, TensorData};

use crate::flow::{Layer, Sequential};

/// The draws of a chain after its warm-up, and what they cost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NutsSample {
    /// The draws, row after row.
    pub rows: Vec<f64>,
    /// The number of features of a row.
    pub d_features: usize,
    /// The trajectories after the warm-up that ended since their energy diverged: some are a sign that a part of the
    /// target is missed.
    pub n_divergences: usize,
    /// What a chain met that its user should know: points at which the target has no finite value, where trajectories
    /// end.
    pub warnings: Vec<String>,
    /// Gradients of the target, those of the warm-up included.
    pub n_gradients: u64,
    /// Those after the warm-up.
    pub n_gradients_after_warm_up: u64,
    /// Seconds of the warm-up, and after it.
    pub seconds: [f64; 2],
    /// The step size at the end.
    pub step_size: f64,
    /// The flow as the warm-up left it, from a standard normal (nearly) to the target, in f64; `None` where none was
    /// asked for.
    pub flow: Option<Sequential<Layer>>,
}

impl NutsSample {
    /// The draws as a tensor, `[n_draws, d_features]`, in the float type of the device.
    pub fn x(&self, device: &Device) -> Tensor<2> {
        let shape = [self.rows.len() / self.d_features, self.d_features];
        Tensor::from_data(TensorData::new(self.rows.clone(), shape), device)
    }

    /// How many independent draws would give the mean of each feature with the same error, at most the number of draws:
    /// `n / τ` with the autocorrelation time `τ` by the initial positive sequence; 0 for a feature that does not move.
    ///
    /// Geyer: *Practical Markov Chain Monte Carlo*, Statistical Science 7, 1992.
    pub fn effective_sample_size(&self) -> Vec<f64> {
        let feature = |index: usize| self.rows.iter().skip(index).step_by(self.d_features);
        (0..self.d_features).map(|index| effective(feature(index).copied().collect())).collect()
    }
}

fn effective(mut values: Vec<f64>) -> f64 {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    values.iter_mut().for_each(|value| *value -= mean);
    let covariance =
        |lag: usize| values[lag..].iter().zip(&values).map(|(a, b)| a * b).sum::<f64>() / n as f64;
    let pairs = (0..n / 2).map(|pair| covariance(2 * pair) + covariance(2 * pair + 1));
    let sum: f64 = pairs.take_while(|both| *both > 0.0).sum();
    let variance = covariance(0);
    // Of draws that alternate the time may come out below one, or below zero.
    if variance > 0.0 { n as f64 / (2.0 * sum / variance - 1.0).max(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

    /// Of an autoregression `x' = a x + e` it is `n (1 - a) / (1 + a)`; that of an estimate from 100,000 draws errs by
    /// a few percent.
    #[test]
    fn effective_samples_are_those_of_an_autoregression() {
        let rng = &mut ChaCha8Rng::seed_from_u64(0);
        let n = 100_000;
        let chain = |a: f64, rng: &mut ChaCha8Rng| {
            let mut x = 0.0;
            let step = |_| {
                x = a * x + rng.random::<f64>() - 0.5;
                x
            };
            (0..n).map(step).collect::<Vec<f64>>()
        };
        for a in [0.0, 0.5, 0.9] {
            let found = effective(chain(a, rng));
            let expected = n as f64 * (1.0 - a) / (1.0 + a);
            assert!((found / expected - 1.0).abs() < 0.15, "{a}: {found}, not {expected}");
        }
        assert_eq!(effective(chain(-0.9, rng)[..1000].to_vec()), 1000.0);
        assert_eq!(effective(vec![3.0; 10]), 0.0);
    }
}

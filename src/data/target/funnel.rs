//! [`Funnel`].

use std::f64::consts::TAU;

use burn::tensor::Tensor;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::known::{KnownTarget, Moments, column, row_sums};
use crate::target::{PointTarget, Target};

/// Neal's funnel: a feature that is the log-variance of all others.
///
/// ```text
/// x_1 ~ N(0, 3²),   x_i | x_1 ~ N(0, exp(x_1))        i = 2 .. d_features
/// ```
///
/// Its normalising constant is 1. No step size fits neck and mouth: a sampler that goes by one misses the neck.
///
/// # Example
///
/// ```
/// use normalizing_flows::data::target::Funnel;
/// use normalizing_flows::target::PointTarget;
///
/// let mut gradient = [0.0; 3];
/// Funnel::new(3).evaluate(&[0.0, 1.0, 0.0], &mut gradient);
/// assert_eq!(gradient, [-0.5, -1.0, 0.0]);
/// ```
///
/// # References
///
/// Neal: *Slice sampling*, 2003, arXiv:physics/0009028.
#[derive(Debug, Clone, Copy)]
pub struct Funnel {
    d_features: usize,
}

const WIDTH: f64 = 3.0;

impl Funnel {
    /// A funnel of so many features, at least 2.
    ///
    /// # Panics
    ///
    /// If `d_features` is below 2.
    pub fn new(d_features: usize) -> Self {
        assert!(d_features > 1, "`d_features` must be at least 2, got {d_features}");
        Self { d_features }
    }

    fn log_scale(self) -> f64 {
        0.5 * self.d_features as f64 * TAU.ln() + WIDTH.ln()
    }
}

impl Target for Funnel {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        let n_others = self.d_features - 1;
        let log_variance = column(&x, 0);
        let squares = x.narrow(1, 1, n_others).square() * log_variance.clone().neg().exp();
        let first =
            (log_variance.clone() * (1.0 / WIDTH)).square() + log_variance * n_others as f64;
        (row_sums(squares) + first.squeeze_dim(1)) * -0.5 - self.log_scale()
    }
}

impl PointTarget for Funnel {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let (log_variance, others) = (x[0], &x[1..]);
        let precision = (-log_variance).exp();
        let mut squares = 0.0;
        for (x, gradient) in others.iter().zip(&mut gradient[1..]) {
            squares += precision * x * x;
            *gradient = -precision * x;
        }
        let n_others = others.len() as f64;
        let first = log_variance / WIDTH;
        gradient[0] = 0.5 * (squares - n_others) - first / WIDTH;
        -0.5 * (squares + first * first + n_others * log_variance) - self.log_scale()
    }
}

impl KnownTarget for Funnel {
    fn log_normalizer(&self) -> Option<f64> {
        Some(0.0)
    }

    fn moments(&self) -> Option<Moments> {
        // The mean of a log-normal.
        let others = (0.25 * WIDTH * WIDTH).exp();
        let mut deviations = vec![others; self.d_features];
        deviations[0] = WIDTH;
        Some(Moments::new(vec![0.0; self.d_features], deviations))
    }

    fn point(&self, rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let log_variance = WIDTH * normal();
        let others = (1..self.d_features).map(|_| (0.5 * log_variance).exp() * normal());
        Some([log_variance].into_iter().chain(others).collect())
    }
}

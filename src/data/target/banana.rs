//! [`Banana`].

use std::f64::consts::TAU;

use burn::tensor::Tensor;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::known::{KnownTarget, Moments, row_sums};
use crate::target::{PointTarget, Target};

/// Bananas, one for every two features: normals bent along a parabola.
///
/// ```text
/// x_1 ~ N(0, s²),   x_2 | x_1 ~ N(b (x_1² - s²), 1)        s = 2, b = ½
/// ```
///
/// Its normalising constant is 1, its means are 0, and its standard deviations `s` and `√(1 + 2 b² s⁴)`.
///
/// # Example
///
/// See [`KnownTarget`].
///
/// # References
///
/// Haario, Saksman, Tamminen: *Adaptive proposal distribution for random walk Metropolis algorithm*, 1999.
#[derive(Debug, Clone, Copy)]
pub struct Banana {
    d_features: usize,
}

const WIDTH: f64 = 2.0;
const BEND: f64 = 0.5;

impl Banana {
    /// Bananas in an even number of features.
    ///
    /// # Panics
    ///
    /// If `d_features` is 0 or odd.
    pub fn new(d_features: usize) -> Self {
        assert!(
            d_features > 0 && d_features.is_multiple_of(2),
            "`d_features` must be even and at least 2, got {d_features}"
        );
        Self { d_features }
    }

    fn log_scale(self) -> f64 {
        self.d_features as f64 / 2.0 * (TAU.ln() + WIDTH.ln())
    }
}

impl Target for Banana {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        let pairs = x.reshape([-1, self.d_features as i32 / 2, 2]);
        let along = pairs.clone().narrow(2, 0, 1).squeeze_dim::<2>(2);
        let across = pairs.narrow(2, 1, 1).squeeze_dim::<2>(2);
        let across = across - (along.clone().square() - WIDTH * WIDTH) * BEND;
        row_sums((along * (1.0 / WIDTH)).square() + across.square()) * -0.5 - self.log_scale()
    }
}

impl PointTarget for Banana {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let mut squares = 0.0;
        for (pair, gradient) in x.chunks_exact(2).zip(gradient.chunks_exact_mut(2)) {
            let along = pair[0] / WIDTH;
            let across = pair[1] - BEND * (pair[0] * pair[0] - WIDTH * WIDTH);
            squares += along * along + across * across;
            gradient[0] = 2.0 * BEND * pair[0] * across - along / WIDTH;
            gradient[1] = -across;
        }
        -0.5 * squares - self.log_scale()
    }
}

impl KnownTarget for Banana {
    fn log_normalizer(&self) -> Option<f64> {
        Some(0.0)
    }

    fn moments(&self) -> Option<Moments> {
        let across = (1.0 + 2.0 * BEND * BEND * WIDTH.powi(4)).sqrt();
        let deviations = [WIDTH, across].repeat(self.d_features / 2);
        Some(Moments::new(vec![0.0; self.d_features], deviations))
    }

    fn point(&self, rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let pairs = (0..self.d_features / 2).flat_map(|_| {
            let along = WIDTH * normal();
            [along, BEND * (along * along - WIDTH * WIDTH) + normal()]
        });
        Some(pairs.collect())
    }
}

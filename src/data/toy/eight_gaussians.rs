//! [`EightGaussians`].

use std::f64::consts::{PI, SQRT_2};

use rand::{Rng, RngExt};

use super::blurred::{Node, blur, entropy, log_prob, validate_noise};
use super::density::ToyDensity;

/// Eight Gaussian blobs of equal weight on a circle of radius `2√2`, as FFJORD draws them.
///
/// With `k` uniform in `0..8` and `ε ~ N(0, noise² I)`: `x = 2√2 (cos kπ/4, sin kπ/4) + ε`. Its
/// entropy is computed by quadrature.
///
/// # References
///
/// Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud: *FFJORD: Free-form Continuous Dynamics for
/// Scalable Reversible Generative Models*, 2019, arXiv:1810.01367; the noise there is 0.354.
#[derive(Debug, Clone, Copy)]
pub struct EightGaussians {
    noise: f64,
}

impl EightGaussians {
    /// Blobs of this standard deviation, at least 0.
    ///
    /// # Panics
    ///
    /// If `noise` is negative or not finite.
    pub fn new(noise: f64) -> Self {
        validate_noise(noise);
        Self { noise }
    }
}

fn centre(k: usize) -> [f64; 2] {
    let (sin, cos) = (k as f64 * PI / 4.0).sin_cos();
    [2.0 * SQRT_2 * cos, 2.0 * SQRT_2 * sin]
}

fn nodes() -> Vec<Node> {
    (0..8).map(|k| Node { centre: centre(k), weight: 0.125 }).collect()
}

impl ToyDensity for EightGaussians {
    fn point<R: Rng + ?Sized>(&self, rng: &mut R) -> [f64; 2] {
        blur(centre(rng.random_range(0..8)), self.noise, rng)
    }

    fn log_prob(&self, point: [f64; 2]) -> Option<f64> {
        log_prob(point, self.noise, nodes)
    }

    fn entropy(&self) -> Option<f64> {
        entropy(self.noise, nodes)
    }
}

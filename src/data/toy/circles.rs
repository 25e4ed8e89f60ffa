//! [`Circles`] and [`Rings`]: concentric circles.

use std::f64::consts::TAU;

use rand::{Rng, RngExt};

use super::blurred::{Node, blur, circle, entropy, log_prob, validate_noise};
use super::density::ToyDensity;

/// Two concentric circles with Gaussian noise, as scikit-learn's `make_circles` draws them.
///
/// With `t` uniform in `[0, 2π]`, `r` either 1 or `factor` with probability ½ each, and
/// `ε ~ N(0, noise² I)`: `x = r (cos t, sin t) + ε`. Its entropy is computed by quadrature.
#[derive(Debug, Clone, Copy)]
pub struct Circles {
    radii: [f64; 2],
    noise: f64,
}

impl Circles {
    /// Circles of radius 1 and `factor`, blurred by noise of this standard deviation, at least 0.
    ///
    /// # Panics
    ///
    /// If `factor` is not between 0 and 1, or `noise` is negative or not finite.
    pub fn new(factor: f64, noise: f64) -> Self {
        assert!(factor > 0.0 && factor < 1.0, "`factor` must be between 0 and 1, got {factor}");
        validate_noise(noise);
        Self { radii: [1.0, factor], noise }
    }
}

/// Four concentric circles with Gaussian noise, as FFJORD draws them.
///
/// With `t` uniform in `[0, 2π]`, `r` one of 0.75, 1.5, 2.25 and 3 with equal probability, and
/// `ε ~ N(0, noise² I)`: `x = r (cos t, sin t) + ε`. Its entropy is computed by quadrature.
///
/// # References
///
/// Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud: *FFJORD: Free-form Continuous Dynamics for
/// Scalable Reversible Generative Models*, 2019, arXiv:1810.01367; the noise there is 0.08.
#[derive(Debug, Clone, Copy)]
pub struct Rings {
    noise: f64,
}

impl Rings {
    const RADII: [f64; 4] = [0.75, 1.5, 2.25, 3.0];

    /// Rings blurred by noise of this standard deviation, at least 0.
    ///
    /// # Panics
    ///
    /// If `noise` is negative or not finite.
    pub fn new(noise: f64) -> Self {
        validate_noise(noise);
        Self { noise }
    }
}

fn point_on<R: Rng + ?Sized>(radii: &[f64], noise: f64, rng: &mut R) -> [f64; 2] {
    let radius = radii[rng.random_range(0..radii.len())];
    let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
    blur([radius * cos, radius * sin], noise, rng)
}

fn nodes(radii: &[f64], noise: f64) -> Vec<Node> {
    let mass = 1.0 / radii.len() as f64;
    radii.iter().flat_map(|&radius| circle(radius, noise, mass)).collect()
}

impl ToyDensity for Circles {
    fn point<R: Rng + ?Sized>(&self, rng: &mut R) -> [f64; 2] {
        point_on(&self.radii, self.noise, rng)
    }

    fn log_prob(&self, point: [f64; 2]) -> Option<f64> {
        log_prob(point, self.noise, || nodes(&self.radii, self.noise))
    }

    fn entropy(&self) -> Option<f64> {
        entropy(self.noise, || nodes(&self.radii, self.noise))
    }
}

impl ToyDensity for Rings {
    fn point<R: Rng + ?Sized>(&self, rng: &mut R) -> [f64; 2] {
        point_on(&Self::RADII, self.noise, rng)
    }

    fn log_prob(&self, point: [f64; 2]) -> Option<f64> {
        log_prob(point, self.noise, || nodes(&Self::RADII, self.noise))
    }

    fn entropy(&self) -> Option<f64> {
        entropy(self.noise, || nodes(&Self::RADII, self.noise))
    }
}

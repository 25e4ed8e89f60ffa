//! [`Pinwheel`].

use std::f64::consts::TAU;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::density::ToyDensity;

/// Five blades that bend with their distance from the centre, as FFJORD draws them.
///
/// With `ε ~ N(0, I)`, `k` uniform in `0..5`, a point of a blade `(a, b) = (1 + 0.3 ε_1, 0.1 ε_2)` is
/// turned by the angle `φ = 2πk / 5 + ¼ exp(a)` and doubled:
///
/// ```text
/// x = 2 (a cos φ + b sin φ, b cos φ - a sin φ)
/// ```
///
/// The turn depends on the point, so the map folds where `b exp(a) = 4`, and several points may land on
/// one: neither density nor entropy is given.
///
/// # References
///
/// Johnson, Duvenaud, Wiltschko, Datta, Adams: *Composing graphical models with neural networks for
/// structured representations and fast inference*, 2016, arXiv:1603.06277; in FFJORD's scale.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pinwheel;

impl Pinwheel {
    const N_BLADES: usize = 5;
    const RADIAL_STD: f64 = 0.3;
    const TANGENTIAL_STD: f64 = 0.1;
    const RATE: f64 = 0.25;
}

impl ToyDensity for Pinwheel {
    fn point<R: Rng + ?Sized>(&self, rng: &mut R) -> [f64; 2] {
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let (a, b) = (1.0 + Self::RADIAL_STD * normal(), Self::TANGENTIAL_STD * normal());
        let blade = rng.random_range(0..Self::N_BLADES) as f64 / Self::N_BLADES as f64;
        let (sin, cos) = (TAU * blade + Self::RATE * a.exp()).sin_cos();
        [2.0 * (a * cos + b * sin), 2.0 * (b * cos - a * sin)]
    }

    fn log_prob(&self, _point: [f64; 2]) -> Option<f64> {
        None
    }

    fn entropy(&self) -> Option<f64> {
        None
    }
}

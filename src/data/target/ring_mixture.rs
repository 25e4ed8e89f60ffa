//! [`RingMixture`].

use std::f64::consts::{FRAC_PI_2, SQRT_2, TAU};

use burn::tensor::Tensor;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use statrs::function::erf::erf;

use super::known::{KnownTarget, Moments, row_sums};
use crate::distribution::logsumexp;
use crate::target::Target;

/// Concentric rings in the plane.
///
/// ```text
/// log p̃(x) = log Σ_k exp(-½ (|x| - r_k)² / s²)        r_k = 1, 2 .. n,  s = 0.1
/// ```
///
/// # Example
///
/// ```
/// use normalizing_flows::data::target::{KnownTarget, RingMixture};
///
/// // A thin ring of radius r has nearly the area 2π r √(2π) s.
/// let log_z = RingMixture::new(1).log_normalizer().unwrap();
/// assert!((log_z - (0.1 * std::f64::consts::TAU.powf(1.5)).ln()).abs() < 1e-6);
/// ```
///
/// # References
///
/// Stimper, Liu, Campbell, Berenz, Ryll, Schölkopf, Hernández-Lobato: *normflows: A PyTorch Package for Normalizing
/// Flows*, 2023, arXiv:2302.12014, which has the like.
#[derive(Debug, Clone, Copy)]
pub struct RingMixture {
    n_rings: usize,
}

const WIDTH: f64 = 0.1;

impl RingMixture {
    /// So many rings, at least 1.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn new(n_rings: usize) -> Self {
        assert!(n_rings > 0, "`n_rings` must be at least 1, got 0");
        Self { n_rings }
    }

    fn radii(self) -> impl Iterator<Item = f64> {
        (1..=self.n_rings).map(|ring| ring as f64)
    }

    /// `∫ rᵏ exp(-½ (r - radius)² / s²) dr` from 0, for `k` of 1 and 3.
    fn radial_moments(radius: f64) -> [f64; 2] {
        let variance = WIDTH * WIDTH;
        let edge = (-0.5 * radius * radius / variance).exp();
        let mass = WIDTH * FRAC_PI_2.sqrt() * (1.0 + erf(radius / (WIDTH * SQRT_2)));
        let first = variance * edge + radius * mass;
        // By parts: each moment follows from the two before.
        let second = radius * first + variance * mass;
        let third = radius * second + 2.0 * variance * first;
        [first, third]
    }
}

impl Target for RingMixture {
    fn d_features(&self) -> usize {
        2
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        // The root has no gradient at 0, where nothing is.
        let radius = row_sums(x.square()).clamp_min(1e-12).sqrt().unsqueeze_dim::<2>(1);
        let rings = self.radii().map(|r| ((radius.clone() - r) * (1.0 / WIDTH)).square() * -0.5);
        logsumexp(Tensor::cat(rings.collect(), 1))
    }
}

impl KnownTarget for RingMixture {
    fn log_normalizer(&self) -> Option<f64> {
        Some((TAU * self.radii().map(|r| Self::radial_moments(r)[0]).sum::<f64>()).ln())
    }

    fn moments(&self) -> Option<Moments> {
        let [mass, square] = self
            .radii()
            .map(Self::radial_moments)
            .fold([0.0; 2], |sums, ring| [sums[0] + ring[0], sums[1] + ring[1]]);
        Some(Moments::new(vec![0.0; 2], vec![(0.5 * square / mass).sqrt(); 2]))
    }

    /// A radius by rejection: of a ring that is chosen by its radius, taken in proportion to how much further out it
    /// is than the ring.
    fn point(&self, rng: &mut dyn Rng) -> Option<Vec<f64>> {
        // The density of the radius is that of a normal times the radius.
        let highest = self.n_rings as f64 + 10.0 * WIDTH;
        loop {
            let ring = rng.random_range(1..=self.n_rings) as f64;
            let normal: f64 = StandardNormal.sample(rng);
            let radius = ring + WIDTH * normal;
            if rng.random::<f64>() * highest < radius {
                let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
                return Some(vec![radius * cos, radius * sin]);
            }
        }
    }
}

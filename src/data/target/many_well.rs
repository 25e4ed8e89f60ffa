//! [`ManyWell`].

use burn::tensor::Tensor;
use rand::Rng;

use super::known::{KnownTarget, Moments, row_sums};
use crate::target::Target;

/// Many wells: a Boltzmann density with two wells for every two features, so `2^(d_features / 2)` modes.
///
/// ```text
/// log p̃(x) = Σ_pairs -x_1⁴ + 6 x_1² + ½ x_1 - ½ x_2²
/// ```
///
/// With two features it is the double well. Constants and moments are by quadrature to twelve digits.
///
/// # Example
///
/// ```
/// use normalizing_flows::data::target::{KnownTarget, ManyWell};
///
/// // Midgley et al. give 164.69567532 for 32 features.
/// let log_z = ManyWell::new(32).log_normalizer().unwrap();
/// assert!((log_z - 164.69567532).abs() < 1e-7);
/// ```
///
/// # References
///
/// Noé, Olsson, Köhler, Wu: *Boltzmann generators*, 2019, arXiv:1812.01729; Midgley, Stimper, Simm, Schölkopf,
/// Hernández-Lobato: *Flow Annealed Importance Sampling Bootstrap*, 2023, arXiv:2208.01893.
#[derive(Debug, Clone, Copy)]
pub struct ManyWell {
    d_features: usize,
}

impl ManyWell {
    /// Wells in an even number of features.
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

    /// Moments of the first feature of a pair: mass, mean, mean of squares. The trapezoidal rule converges
    /// exponentially for a function that vanishes with all derivatives at both ends.
    fn well() -> [f64; 3] {
        let step: f64 = 1e-3;
        let mut sums = [0.0; 3];
        for i in -5000..=5000 {
            let x = step * f64::from(i);
            let density = step * (-x.powi(4) + 6.0 * x * x + 0.5 * x).exp();
            for (power, sum) in sums.iter_mut().enumerate() {
                *sum += density * x.powi(power as i32);
            }
        }
        [sums[0], sums[1] / sums[0], sums[2] / sums[0]]
    }
}

impl Target for ManyWell {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        let pairs = x.reshape([-1, self.d_features as i32 / 2, 2]);
        let well = pairs.clone().narrow(2, 0, 1).squeeze_dim::<2>(2);
        let other = pairs.narrow(2, 1, 1).squeeze_dim::<2>(2);
        let square = well.clone().square();
        row_sums(square.clone() * (square * -1.0 + 6.0) + well * 0.5 - other.square() * 0.5)
    }
}

impl KnownTarget for ManyWell {
    fn log_normalizer(&self) -> Option<f64> {
        let [mass, ..] = Self::well();
        let pair = mass.ln() + 0.5 * std::f64::consts::TAU.ln();
        Some(pair * self.d_features as f64 / 2.0)
    }

    fn moments(&self) -> Option<Moments> {
        let [_, mean, square] = Self::well();
        let n_pairs = self.d_features / 2;
        let deviation = (square - mean * mean).sqrt();
        Some(Moments::new([mean, 0.0].repeat(n_pairs), [deviation, 1.0].repeat(n_pairs)))
    }

    /// None: there is no simple way.
    fn point(&self, _: &mut dyn Rng) -> Option<Vec<f64>> {
        None
    }
}

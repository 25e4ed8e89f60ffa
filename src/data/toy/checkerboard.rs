//! [`Checkerboard`].

use rand::{Rng, RngExt};

use super::density::ToyDensity;

/// Uniform over the eight squares of side 2 in `[-4, 4]²` whose row and column add to an even
/// number.
///
/// The density is 1/32 on the squares and 0 elsewhere, so the entropy is `ln 32`. No flow without
/// discontinuities reaches it.
///
/// # References
///
/// Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud: *FFJORD: Free-form Continuous Dynamics for
/// Scalable Reversible Generative Models*, 2019, arXiv:1810.01367.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checkerboard;

impl ToyDensity for Checkerboard {
    fn point<R: Rng + ?Sized>(&self, rng: &mut R) -> [f64; 2] {
        let column = rng.random_range(0..4usize);
        let row = 2 * rng.random_range(0..2usize) + column % 2;
        [column, row].map(|corner| 2.0 * (corner as f64 + rng.random::<f64>()) - 4.0)
    }

    fn log_prob(&self, point: [f64; 2]) -> Option<f64> {
        let [column, row] = point.map(|coordinate| ((coordinate + 4.0) / 2.0).floor());
        let on_board = (0.0..4.0).contains(&column) && (0.0..4.0).contains(&row);
        let black = (column + row) % 2.0 == 0.0;
        Some(if on_board && black { -32f64.ln() } else { f64::NEG_INFINITY })
    }

    fn entropy(&self) -> Option<f64> {
        Some(32f64.ln())
    }
}

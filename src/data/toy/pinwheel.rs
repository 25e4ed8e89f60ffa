//! [`Pinwheel`].

use std::f64::consts::TAU;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::density::ToyDensity;

/// Five blades that bend with their distance from the centre, as FFJORD draws them.
///
/// With `ε ~ N(0, I)`, `k` uniform in `0..5`, a point of a blade `(a, b) = (1 + 0.3 ε_1, 0.1 ε_2)`
/// is turned by the angle `φ = 2πk / 5 + ¼ exp(a)` and doubled:
///
/// ```text
/// x = 2 (a cos φ + b sin φ, b cos φ - a sin φ)
/// ```
///
/// The density adds up, over the blades, all `(a, b)` that land on a point, each divided by the
/// volume factor `4 |1 + ¼ b exp(a)|`; the entropy is a quadrature of its logarithm.
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
        Self::turned(a, b, rng.random_range(0..Self::N_BLADES))
    }

    fn log_prob(&self, point: [f64; 2]) -> Option<f64> {
        let density: f64 = (0..Self::N_BLADES).map(|blade| Self::mass_at(point, blade)).sum();
        Some((density / Self::N_BLADES as f64).ln())
    }

    /// The blades are turned images of each other, so the points of one suffice.
    fn entropy(&self) -> Option<f64> {
        // Trapezoidal rule in units of the standard deviations, exponentially convergent.
        let (reach, step) = (8.0, 0.25);
        let n = (reach / step) as i32;
        let nodes = || (-n..=n).map(|i| f64::from(i) * step);
        let weight = |t: f64| step * (-0.5 * t * t).exp() / TAU.sqrt();
        let surprise = |s: f64, t: f64| {
            let (a, b) = (1.0 + Self::RADIAL_STD * s, Self::TANGENTIAL_STD * t);
            -self.log_prob(Self::turned(a, b, 0)).expect("the density is known")
        };
        let row = |s: f64| nodes().map(|t| weight(t) * surprise(s, t)).sum::<f64>();
        Some(nodes().map(|s| weight(s) * row(s)).sum())
    }
}

impl Pinwheel {
    /// The angle by which a point of a blade is turned.
    fn angle(a: f64, blade: usize) -> f64 {
        TAU * blade as f64 / Self::N_BLADES as f64 + Self::RATE * a.exp()
    }

    fn turned(a: f64, b: f64, blade: usize) -> [f64; 2] {
        let (sin, cos) = Self::angle(a, blade).sin_cos();
        [2.0 * (a * cos + b * sin), 2.0 * (b * cos - a * sin)]
    }

    /// The density that one blade alone would have at a point.
    ///
    /// A turn keeps the radius `r = |x| / 2`, so the `(a, b)` that land on `x` are
    /// `r (cos, sin)(arg x + angle(a))`: the roots of `a = r cos(arg x + angle(a))`, found by a
    /// scan for changes of sign and bisection. Beyond nine standard deviations of `a` there is no
    /// mass to find.
    fn mass_at([x, y]: [f64; 2], blade: usize) -> f64 {
        const SCAN: usize = 200;
        let (r, argument) = (0.5 * x.hypot(y), y.atan2(x));
        let error = |a: f64| a - r * (argument + Self::angle(a, blade)).cos();
        let low = (1.0 - 9.0 * Self::RADIAL_STD).max(-1.0001 * r);
        let high = (1.0 + 9.0 * Self::RADIAL_STD).min(1.0001 * r);
        if low >= high {
            return 0.0;
        }
        let at = |i: usize| low + (high - low) * i as f64 / SCAN as f64;
        let mut mass = 0.0;
        let mut before = error(low);
        for i in 0..SCAN {
            let after = error(at(i + 1));
            if (before < 0.0) != (after < 0.0) {
                let a = bisect(error, at(i), at(i + 1));
                let b = r * (argument + Self::angle(a, blade)).sin();
                let exponent =
                    ((a - 1.0) / Self::RADIAL_STD).powi(2) + (b / Self::TANGENTIAL_STD).powi(2);
                let normal = TAU * Self::RADIAL_STD * Self::TANGENTIAL_STD;
                let volume = 4.0 * (1.0 + Self::RATE * b * a.exp()).abs();
                mass += (-0.5 * exponent).exp() / (normal * volume);
            }
            before = after;
        }
        mass
    }
}

/// The root of a function that changes its sign between `low` and `high`.
fn bisect(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let negative = f(low) < 0.0;
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if (f(middle) < 0.0) == negative { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn the_density_integrates_to_one() {
        // Blades reach to 2 (1 + 8 · 0.3) at most; the narrowest is 0.2 wide.
        let (limit, step) = (7.0, 0.04);
        let n = (limit / step) as i32;
        let at = |i: i32| f64::from(i) * step;
        let row = |i: i32| -> f64 {
            (-n..=n).map(|j| Pinwheel.log_prob([at(i), at(j)]).unwrap().exp()).sum()
        };
        let integral = (-n..=n).map(row).sum::<f64>() * step * step;
        assert_abs_diff_eq!(integral, 1.0, epsilon = 1e-4);
    }
}

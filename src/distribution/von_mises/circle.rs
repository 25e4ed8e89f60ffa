//! The von Mises distribution on the host, in f64, at location 0.
//!
//! Method outline:
//!
//! 1. `I₀(κ) e^-κ` and `I₁(κ) e^-κ` are integrals of a periodic function over a turn: sums over equally spaced
//!    points, whose error falls faster than any power of their number. Above [`LARGE`] by the asymptotic series.
//! 2. The distribution function is an integral from the mode, by the quadrature of Gauss and Legendre over the
//!    part that holds the mass.
//! 3. A quantile is its inverse, by Newton's steps that fall back to halving an interval.
//! 4. How a quantile changes with κ follows from the implicit function theorem (Figurnov, Mohamed, Mnih:
//!    *Implicit Reparameterization Gradients*, 2018, arXiv:1805.08498).

use std::f64::consts::{PI, TAU};
use std::sync::OnceLock;

const LARGE: f64 = 500.0;

/// `ln I₀(κ) - κ`, and its slope, `I₁(κ) / I₀(κ) - 1`.
pub(super) fn log_i0(concentration: f64) -> (f64, f64) {
    let [i0, i1] = scaled_bessel(concentration);
    (i0.ln(), (i1 - i0) / i0)
}

/// `I₀(κ) e^-κ` and `I₁(κ) e^-κ`.
fn scaled_bessel(concentration: f64) -> [f64; 2] {
    /// Points of a turn: the error is about `I_512(κ) / I₀(κ)`, below e^-240 up to `LARGE`.
    const POINTS: u32 = 512;
    if concentration > LARGE {
        // Abramowitz and Stegun, 9.7.1.
        let series = |order: f64| {
            let (mut term, mut sum) = (1.0, 1.0);
            for k in 1..=12 {
                let odd = f64::from(2 * k - 1);
                term *= -(4.0 * order * order - odd * odd) / (f64::from(k) * 8.0 * concentration);
                sum += term;
            }
            sum / (TAU * concentration).sqrt()
        };
        return [series(0.0), series(1.0)];
    }
    let mut sums = [0.0; 2];
    for point in 0..POINTS {
        let cosine = (TAU * f64::from(point) / f64::from(POINTS)).cos();
        let density = (concentration * (cosine - 1.0)).exp();
        sums[0] += density;
        sums[1] += density * cosine;
    }
    sums.map(|sum| sum / f64::from(POINTS))
}

/// The von Mises distribution of a concentration.
pub(super) struct Circle {
    concentration: f64,
    i0: f64,
    mean_cosine: f64,
    /// Beyond this angle is nothing that a number of f64 would notice.
    reach: f64,
}

impl Circle {
    pub fn new(concentration: f64) -> Self {
        let [i0, i1] = scaled_bessel(concentration);
        // e^-40 of the density at the mode: `κ (1 - cos y) = 40`.
        let reach = if concentration > 20.0 { (1.0 - 40.0 / concentration).acos() } else { PI };
        Self { concentration, i0, mean_cosine: i1 / i0, reach }
    }

    fn density(&self, y: f64) -> f64 {
        // `cos y - 1`, by the half, which keeps the digits of small angles.
        (-2.0 * self.concentration * (0.5 * y).sin().powi(2)).exp() / (TAU * self.i0)
    }

    /// The probability between 0 and an angle, and its slope by the concentration.
    fn mass_to(&self, y: f64) -> (f64, f64) {
        let end = y.abs().min(self.reach);
        let (mut probability, mut slope) = (0.0, 0.0);
        for &(node, weight) in nodes() {
            let t = 0.5 * end * (1.0 + node);
            let part = 0.5 * end * weight * self.density(t);
            probability += part;
            slope += part * (t.cos() - self.mean_cosine);
        }
        (probability, slope)
    }

    /// The angle from -π to π below which is a probability of `p`, and its slope by the concentration.
    pub fn quantile(&self, p: f64) -> (f64, f64) {
        let side = (p - 0.5).abs();
        let (mut low, mut high) = (0.0, self.reach);
        let mut y = 0.5 * high;
        for _ in 0..100 {
            let error = self.mass_to(y).0 - side;
            if error > 0.0 {
                high = y
            } else {
                low = y
            }
            let newton = y - error / self.density(y);
            let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
            if (next - y).abs() <= 1e-15 * y {
                break;
            }
            y = next;
        }
        let slope = -self.mass_to(y).1 / self.density(y);
        if p < 0.5 { (-y, -slope) } else { (y, slope) }
    }
}

/// The nodes and weights of Gauss and Legendre on -1 to 1.
fn nodes() -> &'static [(f64, f64)] {
    const N: u32 = 48;
    static NODES: OnceLock<Vec<(f64, f64)>> = OnceLock::new();
    NODES.get_or_init(|| (0..N).map(|i| node(N, i)).collect())
}

/// A root of the Legendre polynomial of degree `n` by Newton's method, and its weight.
fn node(n: u32, index: u32) -> (f64, f64) {
    let mut x = (PI * (f64::from(index) + 0.75) / (f64::from(n) + 0.5)).cos();
    let mut slope = 0.0;
    for _ in 0..20 {
        let (mut before, mut value) = (1.0, x);
        for k in 2..=n {
            let k = f64::from(k);
            (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
        }
        slope = f64::from(n) * (x * value - before) / (x * x - 1.0);
        let step = value / slope;
        x -= step;
        if step.abs() < 1e-16 {
            break;
        }
    }
    (x, 2.0 / ((1.0 - x * x) * slope * slope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_functions_are_those_of_the_series_and_meet_at_the_border() {
        for concentration in [1e-6, 0.3, 2.0, 15.0] {
            let (mut term, mut i0, mut i1) = (1.0, 0.0, 0.0);
            for k in 0..200 {
                let k = f64::from(k);
                i0 += term;
                i1 += term * 0.5 * concentration / (k + 1.0);
                term *= (0.5 * concentration / (k + 1.0)).powi(2);
            }
            let (log, slope) = log_i0(concentration);
            let (expected, mean) = (f64::ln(i0) - concentration, i1 / i0 - 1.0);
            assert!((log - expected).abs() < 1e-13 * (1.0 + log.abs()), "{concentration}: {log}");
            assert!((slope - mean).abs() < 1e-13, "{concentration}: {slope}");
        }
        let (below, above) = (log_i0(LARGE), log_i0(LARGE * (1.0 + 1e-12)));
        assert!((below.0 - above.0).abs() < 1e-11 && (below.1 - above.1).abs() < 1e-13);
    }

    #[test]
    fn quantiles_have_their_probabilities_and_slopes() {
        for concentration in [1e-3, 0.5, 4.0, 60.0, 3e3] {
            let circle = Circle::new(concentration);
            assert!((circle.mass_to(PI).0 - 0.5).abs() < 1e-13, "{concentration}");
            for p in [1e-9, 0.03, 0.3, 0.5, 0.8, 1.0 - 1e-6] {
                let (y, slope) = circle.quantile(p);
                let found = 0.5 + circle.mass_to(y).0.copysign(y);
                assert!((found - p).abs() < 1e-13, "{concentration} {p}: {y} has {found}");
                let h = 1e-5 * concentration;
                let at = |change: f64| Circle::new(concentration + change).quantile(p).0;
                let difference = (at(h) - at(-h)) / (2.0 * h);
                // The roundings of the probability, a sum of 48 numbers, over the density, in the difference.
                let roundings = 5e-15 / (circle.density(y) * h);
                let tolerance = 1e-5 * slope.abs() + roundings;
                assert!(
                    (slope - difference).abs() < tolerance,
                    "{concentration} {p}: {slope} {difference}"
                );
            }
        }
    }
}

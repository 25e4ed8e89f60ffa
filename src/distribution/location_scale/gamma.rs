//! The gamma distribution on the host, in f64: the logarithm of its quantile, and how that changes with the shape.
//!
//! Method outline:
//!
//! 1. For shapes above [`LARGE`] the approximation of Wilson and Hilferty, a cube of a normal quantile, whose
//!    probability is off by less than 1e-6 there.
//! 2. Where the quantile is below `e^-40`, the first term of the series of `P(a, x)`, which is exact to an f64.
//! 3. Elsewhere steps of Halley's method on `P(a, x) - p`, near 1 on `Q(a, x)`, which keeps its digits there (Press
//!    et al., *Numerical Recipes*, 3rd edition, 6.2.1).
//! 4. By the implicit function theorem `dx/da = -(∂P/∂a) / p(x)` (Figurnov, Mohamed, Mnih: *Implicit
//!    Reparameterization Gradients*, 2018, arXiv:1805.08498). `∂P/∂a` is a central difference of fourth order over a
//!    small part of the width over which `P` changes.

use statrs::function::erf::erfc_inv;
use statrs::function::gamma::{digamma, gamma_lr, gamma_ur, ln_gamma};

const LARGE: f64 = 1e4;
/// The most steps; a few are enough.
const MAX_STEPS: usize = 60;

/// `ln x` with `P(a, x) = p`, for a shape `a > 0` and `0 < p < 1`, and its slope by `a`.
pub(super) fn log_quantile(a: f64, p: f64) -> (f64, f64) {
    if a > LARGE {
        let z = -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p);
        let root = a.sqrt();
        let inner = 1.0 - 1.0 / (9.0 * a) + z / (3.0 * root);
        let slope = 1.0 / (9.0 * a * a) - z / (6.0 * a * root);
        return (a.ln() + 3.0 * inner.ln(), 1.0 / a + 3.0 * slope / inner);
    }
    let ln_gamma_a = ln_gamma(a);
    let of_series = (p.ln() + ln_gamma_a + a.ln()) / a;
    if of_series < -40.0 {
        return (of_series, (digamma(a) + 1.0 / a - of_series) / a);
    }
    let x = quantile(a, p, ln_gamma_a);
    (x.ln(), quantile_by_shape(a, x, ln_gamma_a) / x)
}

fn log_density(a: f64, x: f64, ln_gamma_a: f64) -> f64 {
    -x + (a - 1.0) * x.ln() - ln_gamma_a
}

fn quantile(a: f64, p: f64, ln_gamma_a: f64) -> f64 {
    let mut x = start(a, p, ln_gamma_a);
    for _ in 0..MAX_STEPS {
        let error = if p < 0.5 { gamma_lr(a, x) - p } else { (1.0 - p) - gamma_ur(a, x) };
        let newton = error / log_density(a, x, ln_gamma_a).exp();
        let bend = (newton * ((a - 1.0) / x - 1.0)).min(1.0);
        let next = x - newton / (1.0 - 0.5 * bend);
        // Half of the way to an end that was passed.
        let next = if next <= 0.0 { 0.5 * x } else { next };
        // The next step would be as the cube of this one.
        if (next - x).abs() <= 1e-9 * x {
            return next;
        }
        x = next;
    }
    x
}

fn start(a: f64, p: f64, ln_gamma_a: f64) -> f64 {
    if a > 1.0 {
        let tail = p.min(1.0 - p);
        let t = (-2.0 * tail.ln()).sqrt();
        let z = (2.30753 + t * 0.27061) / (1.0 + t * (0.99229 + t * 0.04481)) - t;
        let z = if p < 0.5 { -z } else { z };
        (a * (1.0 - 1.0 / (9.0 * a) - z / (3.0 * a.sqrt())).powi(3)).max(1e-3)
    } else {
        // `P(a, x)` is about `x^a / Γ(a + 1)` near 0.
        let small = ((p.ln() + ln_gamma_a + a.ln()) / a).exp();
        if small < 0.6 { small } else { 1.0 - (1.0 - p).max(f64::MIN_POSITIVE).ln() }
    }
}

/// How a quantile `x` changes with the shape.
fn quantile_by_shape(a: f64, x: f64, ln_gamma_a: f64) -> f64 {
    let h = 3e-3 * a.min(a.sqrt());
    // From the end that is nearer, for its digits.
    let (function, sign): (fn(f64, f64) -> f64, f64) =
        if x < a { (gamma_lr, 1.0) } else { (gamma_ur, -1.0) };
    let at = |steps: f64| function(a + steps * h, x);
    let by_shape = sign * (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h);
    -by_shape / log_density(a, x, ln_gamma_a).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [f64; 11] = [0.003, 0.05, 0.3, 0.5, 1.0, 1.7, 5.0, 40.0, 1e3, 9e3, 2e4];

    #[test]
    fn quantiles_have_their_probabilities() {
        for a in SHAPES {
            for p in [1e-12, 1e-4, 0.02, 0.3, 0.5, 0.7, 0.98, 1.0 - 1e-6] {
                let (log, _) = log_quantile(a, p);
                if log < -700.0 {
                    assert!(gamma_lr(a, f64::MIN_POSITIVE) >= p * 0.999, "{a} {p}: {log}");
                    continue;
                }
                let x = log.exp();
                let (error, of) = match p < 0.5 {
                    true => (gamma_lr(a, x) - p, p),
                    false => (gamma_ur(a, x) - (1.0 - p), 1.0 - p),
                };
                // An error of one part in 1e16 of `x` is one of `√a` times as much of the probability or more.
                let tolerance = if a > LARGE { 1e-6 } else { 1e-9 * of };
                assert!(error.abs() < tolerance, "{a} {p}: {x}, off by {error}");
            }
        }
    }

    #[test]
    fn the_slope_by_the_shape_is_that_of_the_quantile() {
        for a in SHAPES {
            for p in [1e-4, 0.01, 0.4, 0.6, 0.99] {
                let h = 1e-4 * a.min(a.sqrt());
                let at = |change: f64| log_quantile(a + change, p).0;
                let difference = (at(h) - at(-h)) / (2.0 * h);
                let (_, slope) = log_quantile(a, p);
                // Roundings of the quantile, in the difference.
                let tolerance = 1e-6 * slope.abs() + 1e-11 / h;
                assert!((slope - difference).abs() < tolerance, "{a} {p}: {slope} {difference}");
            }
        }
    }
}

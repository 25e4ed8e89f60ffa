//! The nodes and weights of Gauss and Legendre.

/// Above so many nodes the starting points of Newton's iteration are still good; nobody needs more.
const MAX_NODES: usize = 256;

/// `n` nodes in (0, 1), in ascending order, and their weights: `Σ w f(t)` is the integral of a polynomial of degree up
/// to `2n - 1` over the interval, up to roundings.
///
/// The nodes are roots of the Legendre polynomial of degree `n`, by Newton's iteration from
/// `cos(π (i + 3/4) / (n + 1/2))`.
///
/// # Panics
///
/// If `n` is 0 or more than 256.
pub(crate) fn gauss_legendre(n: usize) -> Vec<[f64; 2]> {
    assert!((1..=MAX_NODES).contains(&n), "quadrature takes 1 to {MAX_NODES} nodes, got {n}");
    let node = |i: usize| {
        let mut at = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 0.0;
        // Quadratic convergence from 1e-3 or less; the last one or two change nothing.
        for _ in 0..6 {
            let [value, derivative] = legendre(n, at);
            (at, slope) = (at - value / derivative, derivative);
        }
        let weight = 1.0 / ((1.0 - at * at) * slope * slope);
        [0.5 * (1.0 - at), weight]
    };
    (0..n).map(node).collect()
}

/// The Legendre polynomial of degree `n`, at least 1, and its derivative.
fn legendre(n: usize, x: f64) -> [f64; 2] {
    let (mut before, mut value) = (1.0, x);
    for k in 1..n {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0));
    }
    [value, n as f64 * (x * value - before) / (x * x - 1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_integrated_exactly() {
        for n in [1, 2, 3, 8, 16, 33, 100, 256] {
            let nodes = gauss_legendre(n);
            assert!(nodes.windows(2).all(|pair| pair[0][0] < pair[1][0]), "{n}");
            for degree in [0, 1, n, 2 * n - 1] {
                let integral: f64 =
                    nodes.iter().map(|[at, weight]| weight * at.powi(degree as i32)).sum();
                let expected = 1.0 / (degree as f64 + 1.0);
                // A few roundings for each of the nodes.
                let error = (integral - expected).abs();
                assert!(error < 4e-16 * (n as f64 + 4.0), "{n} nodes, degree {degree}: {error:e}");
            }
        }
    }
}

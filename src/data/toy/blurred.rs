//! Curves (or points) blurred by isotropic Gaussian noise: what most toy densities are.
//!
//! With the centres `c` spread along the curves by a measure `μ` of total mass 1, the density is
//! `p(x) = ∫ N(x; c, s² I) dμ(c)`. Method of the entropy `-∫ p log p`:
//!
//! 1. The curves become nodes with weights: Gauss-Legendre panels no longer than the noise, or
//!    equal steps on a closed curve. Both are exact to rounding for a Gaussian of that width.
//! 2. The plane becomes a grid of spacing `s / 4`. On it the trapezoidal rule converges
//!    exponentially for functions as smooth as `p log p`.
//! 3. The Gaussian factorises, so each node adds an outer product to the grid points within `9 s`;
//!    what is farther holds less than 3e-18 of its mass. One grid row is in memory at a time.

use std::f64::consts::TAU;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// A centre and its share of the mass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub centre: [f64; 2],
    pub weight: f64,
}

/// Grid points per standard deviation.
const RESOLUTION: f64 = 4.0;
/// Standard deviations after which a Gaussian counts as zero.
const CUTOFF: f64 = 9.0;

/// Positive abscissae of the 8-point Gauss-Legendre rule on `[-1, 1]`, with their weights.
const GAUSS_LEGENDRE: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_5),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// Panics unless the noise is a usable standard deviation.
pub(super) fn validate_noise(noise: f64) {
    assert!(
        noise.is_finite() && noise >= 0.0,
        "`noise` must be a finite standard deviation of at least 0, got {noise}"
    );
}

/// A point near `centre`.
pub(super) fn blur<R: Rng + ?Sized>(centre: [f64; 2], noise: f64, rng: &mut R) -> [f64; 2] {
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    [centre[0] + noise * normal(), centre[1] + noise * normal()]
}

/// Nodes of an open curve `centre(u)`, `u` uniform in `[0, 1]`, of at most the given length.
pub(super) fn open_curve(
    centre: impl Fn(f64) -> [f64; 2],
    length: f64,
    noise: f64,
    mass: f64,
) -> Vec<Node> {
    let n_panels = (length / noise).ceil().max(1.0) as usize;
    let half = 0.5 / n_panels as f64;
    let panel = |i: usize| {
        let middle = (2 * i + 1) as f64 * half;
        GAUSS_LEGENDRE.into_iter().flat_map(move |(abscissa, weight)| {
            [-abscissa, abscissa].map(|abscissa| (middle + half * abscissa, half * weight))
        })
    };
    (0..n_panels)
        .flat_map(panel)
        .map(|(u, weight)| Node { centre: centre(u), weight: mass * weight })
        .collect()
}

/// Nodes of a circle around the origin.
pub(super) fn circle(radius: f64, noise: f64, mass: f64) -> Vec<Node> {
    let n = (RESOLUTION * TAU * radius / noise).ceil().max(16.0) as usize;
    (0..n)
        .map(|i| {
            let (sin, cos) = (TAU * i as f64 / n as f64).sin_cos();
            Node { centre: [radius * cos, radius * sin], weight: mass / n as f64 }
        })
        .collect()
}

/// The log-density in nats of the nodes blurred by `noise`; `None` for noise 0, where there is no
/// density.
pub(super) fn log_prob(
    point: [f64; 2],
    noise: f64,
    nodes: impl FnOnce() -> Vec<Node>,
) -> Option<f64> {
    if noise == 0.0 {
        return None;
    }
    let exponents: Vec<(f64, f64)> = nodes()
        .iter()
        .map(|node| {
            let [dx, dy] = [0, 1].map(|i| (point[i] - node.centre[i]) / noise);
            (node.weight, -0.5 * (dx * dx + dy * dy))
        })
        .collect();
    // The largest exponent is taken out, so that far points do not underflow.
    let largest = exponents.iter().fold(f64::NEG_INFINITY, |max, &(_, exponent)| exponent.max(max));
    let sum: f64 = exponents.iter().map(|(weight, e)| weight * (e - largest).exp()).sum();
    Some(largest + sum.ln() - (TAU * noise * noise).ln())
}

/// The differential entropy in nats of the nodes blurred by `noise`; `None` for noise 0, where
/// there is no density.
pub(super) fn entropy(noise: f64, nodes: impl FnOnce() -> Vec<Node>) -> Option<f64> {
    if noise == 0.0 {
        return None;
    }
    let mut nodes = nodes();
    let step = noise / RESOLUTION;
    let cutoff = CUTOFF * noise;
    nodes.sort_by(|a, b| a.centre[1].total_cmp(&b.centre[1]));
    let (left, right) = extent(nodes.iter().map(|node| node.centre[0]));
    let (bottom, top) = extent(nodes.iter().map(|node| node.centre[1]));
    let (left, bottom) = (left - cutoff, bottom - cutoff);
    let n_columns = ((right + cutoff - left) / step).ceil() as usize + 1;
    let n_rows = ((top + cutoff - bottom) / step).ceil() as usize + 1;
    let gaussian = |distance: f64| (-0.5 * (distance / noise).powi(2)).exp() / (noise * TAU.sqrt());

    let mut row = vec![0.0; n_columns];
    let mut total = 0.0;
    for i in 0..n_rows {
        let y = bottom + step * i as f64;
        row.fill(0.0);
        let first = nodes.partition_point(|node| node.centre[1] < y - cutoff);
        for node in nodes[first..].iter().take_while(|node| node.centre[1] <= y + cutoff) {
            let weight = node.weight * gaussian(y - node.centre[1]);
            let from = ((node.centre[0] - cutoff - left) / step).ceil().max(0.0) as usize;
            let to = ((node.centre[0] + cutoff - left) / step).floor() as usize;
            for (j, density) in (from..).zip(&mut row[from..=to.min(n_columns - 1)]) {
                *density += weight * gaussian(left + step * j as f64 - node.centre[0]);
            }
        }
        total -= row.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    }
    Some(total * step * step)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{
        Checkerboard, Circles, EightGaussians, Pinwheel, Rings, Spirals, ToyDensity, TwoMoons,
    };
    use super::*;
    use approx::assert_abs_diff_eq;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    #[test]
    fn one_node_has_the_entropy_of_a_gaussian() {
        for noise in [0.01, 1.0, 30.0] {
            let node = Node { centre: [0.3, -7.0], weight: 1.0 };
            let exact = 1.0 + (TAU * noise * noise).ln();
            assert_abs_diff_eq!(entropy(noise, || vec![node]).unwrap(), exact, epsilon = 1e-12);
        }
    }

    #[test]
    fn two_distant_nodes_add_the_entropy_of_their_choice() {
        let node = |x| Node { centre: [x, 0.0], weight: 0.5 };
        let exact = 1.0 + TAU.ln() + 2f64.ln();
        assert_abs_diff_eq!(
            entropy(1.0, || vec![node(-20.0), node(20.0)]).unwrap(),
            exact,
            epsilon = 1e-12
        );
    }

    #[test]
    fn the_density_far_away_does_not_underflow() {
        let node = Node { centre: [0.0, 0.0], weight: 1.0 };
        let exact = -0.5 * 1e4 - TAU.ln();
        assert_abs_diff_eq!(log_prob([100.0, 0.0], 1.0, || vec![node]).unwrap(), exact);
    }

    /// The mean of -log p over samples estimates the entropy: sampler, density and entropy agree.
    fn agrees_with_itself(toy: &impl ToyDensity) {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let n = 10_000;
        let surprises: Vec<f64> =
            (0..n).map(|_| -toy.log_prob(toy.point(&mut rng)).unwrap()).collect();
        let mean = surprises.iter().sum::<f64>() / n as f64;
        let variance = surprises.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n as f64;
        let five_standard_errors = 5.0 * (variance / n as f64).sqrt();
        let entropy = toy.entropy().unwrap();
        assert!(
            (mean - entropy).abs() <= five_standard_errors.max(1e-12),
            "samples say {mean} ± {five_standard_errors}, quadrature says {entropy}"
        );
    }

    #[test]
    fn samples_densities_and_entropies_agree() {
        agrees_with_itself(&TwoMoons::new(0.1));
        agrees_with_itself(&Circles::new(0.6, 0.08));
        agrees_with_itself(&Rings::new(0.08));
        agrees_with_itself(&Spirals::new(0.1));
        agrees_with_itself(&EightGaussians::new(0.354));
        agrees_with_itself(&Checkerboard);
        agrees_with_itself(&Pinwheel);
    }

    #[test]
    fn nodes_of_a_curve_carry_its_mass() {
        let nodes = open_curve(|u| [u, u * u], 2.0, 0.1, 0.25);
        let mass: f64 = nodes.iter().map(|node| node.weight).sum();
        let mean: f64 = nodes.iter().map(|node| node.weight * node.centre[1]).sum();
        assert_abs_diff_eq!(mass, 0.25, epsilon = 1e-14);
        assert_abs_diff_eq!(mean, 0.25 / 3.0, epsilon = 1e-14);
    }
}

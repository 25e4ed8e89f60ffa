//! [`EnergyTest`]: the two-sample test by the energy distance.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::Serialize;

/// The relabellings that the energy distance is compared with.
const N_PERMUTATIONS: usize = 199;

/// The two-sample test by the energy distance, over all columns at once.
#[derive(Debug, Clone, Copy, Serialize)]
#[non_exhaustive]
pub struct EnergyTest {
    /// The energy distance of the standardised columns, at least about 0; 0 for equal distributions.
    pub distance: f64,
    /// The probability of such a distance or a larger one if rows and samples have the same
    /// distribution, by 199 relabellings: at least 0.005.
    pub p_value: f64,
}

/// Of points of two samples.
pub(super) fn energy_test<R: Rng + ?Sized>(
    a: Vec<Vec<f64>>,
    b: Vec<Vec<f64>>,
    rng: &mut R,
) -> EnergyTest {
    let n_a = a.len();
    let points: Vec<Vec<f64>> = a.into_iter().chain(b).collect();
    let n = points.len();
    let mut distances = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..i {
            let squares = points[i].iter().zip(&points[j]).map(|(x, y)| (x - y).powi(2));
            let distance = squares.sum::<f64>().sqrt();
            (distances[i * n + j], distances[j * n + i]) = (distance, distance);
        }
    }
    let mut in_a: Vec<bool> = (0..n).map(|index| index < n_a).collect();
    let found = energy_distance(&distances, &in_a);
    let mut n_larger = 0;
    for _ in 0..N_PERMUTATIONS {
        in_a.shuffle(rng);
        n_larger += usize::from(energy_distance(&distances, &in_a) >= found);
    }
    let p_value = (n_larger + 1) as f64 / (N_PERMUTATIONS + 1) as f64;
    EnergyTest { distance: found, p_value }
}

/// `2 E|X - Y| - E|X - X'| - E|Y - Y'|`, without the distances of points from themselves.
fn energy_distance(distances: &[f64], in_a: &[bool]) -> f64 {
    let n = in_a.len();
    let n_a = in_a.iter().filter(|&&in_a| in_a).count();
    let (mut across, mut within) = (0.0, [0.0; 2]);
    for (row, &a) in distances.chunks_exact(n).zip(in_a) {
        let mut sums = [0.0; 2];
        for (&distance, &b) in row.iter().zip(in_a) {
            sums[usize::from(b)] += distance;
        }
        within[usize::from(a)] += sums[usize::from(a)];
        if a {
            across += sums[0];
        }
    }
    let pairs = |n: usize| (n * (n - 1)) as f64;
    2.0 * across / (n_a * (n - n_a)) as f64 - within[1] / pairs(n_a) - within[0] / pairs(n - n_a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    use rand_distr::{Distribution, StandardNormal};

    fn normals(n: usize, seed: u64) -> Vec<f64> {
        StandardNormal.sample_iter(ChaCha8Rng::seed_from_u64(seed)).take(n).collect()
    }

    fn points(values: Vec<f64>) -> Vec<Vec<f64>> {
        values.chunks_exact(2).map(<[f64]>::to_vec).collect()
    }

    #[test]
    fn p_values_are_uniform_for_equal_distributions_and_small_for_others() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let p_values: Vec<f64> = (0..100)
            .map(|seed| {
                let (a, b) = (points(normals(100, 2 * seed)), points(normals(100, 2 * seed + 1)));
                energy_test(a, b, &mut rng).p_value
            })
            .collect();
        // Half of them below one half: 50, with a deviation of 5.
        let below = p_values.iter().filter(|&&p| p <= 0.5).count();
        assert!((25..=75).contains(&below), "{below}");
        assert!(p_values.iter().filter(|&&p| p <= 0.01).count() <= 6, "{p_values:?}");
        // A circle has the marginals of independent numbers.
        let angles: Vec<Vec<f64>> = normals(300, 9)
            .iter()
            .map(|angle| vec![1.5 * (9.0 * angle).cos(), 1.5 * (9.0 * angle).sin()])
            .collect();
        assert!(energy_test(angles, points(normals(600, 10)), &mut rng).p_value < 0.02);
    }
}

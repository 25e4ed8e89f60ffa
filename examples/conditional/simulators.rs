//! What the models learn from: rows and their contexts.

use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::data::Dataset;
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use rand::Rng;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Readings of an oscillation.
pub const N_READINGS: usize = 8;
/// Time between two readings, in seconds.
const STEP: f64 = 0.5;
/// Standard deviation of the noise of a reading.
const NOISE: f64 = 0.1;
/// The prior of the logarithms of the damping, in 1/s, and the frequency, in radians/s: means and standard
/// deviations.
const PRIOR: [(f64, f64); 2] = [(-1.2, 0.5), (0.7, 0.3)];
pub const PARAMETERS: [&str; 2] = ["log-damping", "log-frequency"];

/// A tensor of these rows.
pub fn rows<const D: usize>(rows: &[[f64; D]]) -> Tensor<2> {
    let values = TensorData::new(rows.concat(), [rows.len(), D]);
    Tensor::from_data(values, &Device::default())
}

/// The context of an angle.
pub fn of_angle(angle: f64) -> [f64; 2] {
    [angle.cos(), angle.sin()]
}

/// Two moons around their middle, each row turned by an angle of its own between 0 and π.
pub fn turned_moons(n: usize, rng: &mut impl Rng) -> Dataset {
    let moons = TwoMoons::new(0.1).sample(n, &Device::default(), rng);
    let moons: Vec<f64> = moons.into_data().iter::<f64>().collect();
    let turned = moons.chunks_exact(2).map(|point| {
        let context = of_angle(rng.random_range(0.0..std::f64::consts::PI));
        let ([x, y], [cos, sin]) = ([point[0] - 0.5, point[1] - 0.25], context);
        ([x * cos - y * sin, x * sin + y * cos], context)
    });
    let (points, contexts): (Vec<_>, Vec<_>) = turned.unzip();
    Dataset::new(rows(&points)).with_context(rows(&contexts))
}

/// Parameters from the prior and readings of the oscillation that they make:
///
/// ```text
/// y(t) = exp(-damping t) cos(frequency t) + noise
/// ```
pub fn draw(rng: &mut impl Rng) -> ([f64; 2], [f64; N_READINGS]) {
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    let parameters = PRIOR.map(|(mean, deviation)| mean + deviation * normal());
    let [damping, frequency] = parameters.map(f64::exp);
    let readings = std::array::from_fn(|i| {
        let t = STEP * (i + 1) as f64;
        (-damping * t).exp() * (frequency * t).cos() + NOISE * normal()
    });
    (parameters, readings)
}

/// Parameters given readings, from so many simulations.
pub fn oscillations(n: usize, rng: &mut impl Rng) -> Dataset {
    let (parameters, readings): (Vec<_>, Vec<_>) = (0..n).map(|_| draw(rng)).unzip();
    Dataset::new(rows(&parameters)).with_context(rows(&readings))
}

//! [`GaussianMixture`].

use std::f64::consts::TAU;

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::known::{KnownTarget, Moments};
use crate::distribution::logsumexp;
use crate::target::Target;

/// Forty Gaussians of equal weight in the plane, far apart from each other: the benchmark of flow annealed importance
/// sampling bootstrap, with the same centres.
///
/// The centres lie in `[-40, 40]²`, and the standard deviations are 1.3133. Its normalising constant is 1.
///
/// # Example
///
/// ```
/// use normalizing_flows::data::target::{GaussianMixture, KnownTarget};
///
/// let mixture = GaussianMixture::forty();
/// assert_eq!(mixture.centres().len(), 40);
/// assert_eq!(mixture.log_normalizer(), Some(0.0));
/// ```
///
/// # References
///
/// Midgley, Stimper, Simm, Schölkopf, Hernández-Lobato: *Flow Annealed Importance Sampling Bootstrap*, 2023,
/// arXiv:2208.01893.
#[derive(Debug, Clone, Copy)]
pub struct GaussianMixture {
    centres: &'static [[f64; 2]],
}

/// The softplus of 1.
const WIDTH: f64 = 1.313_261_687_518_222_8;

impl GaussianMixture {
    /// The forty of the paper.
    pub fn forty() -> Self {
        Self { centres: &CENTRES }
    }

    /// The centres.
    pub fn centres(&self) -> &[[f64; 2]] {
        self.centres
    }

    /// The standard deviation of every Gaussian.
    pub fn scale(&self) -> f64 {
        WIDTH
    }

    /// The index of the centre that is nearest to a point: its mode.
    pub fn nearest(&self, point: [f64; 2]) -> usize {
        let distance =
            |centre: &[f64; 2]| (centre[0] - point[0]).powi(2) + (centre[1] - point[1]).powi(2);
        let distances = self.centres.iter().map(distance).enumerate();
        distances.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index)
    }
}

impl Target for GaussianMixture {
    fn d_features(&self) -> usize {
        2
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        let [n, _] = x.dims();
        let n_modes = self.centres.len();
        let options = (&x.device(), x.dtype());
        let distances = |axis: usize| {
            let centres: Vec<f64> = self.centres.iter().map(|centre| centre[axis]).collect();
            let centres = Tensor::<2>::from_data(TensorData::new(centres, [1, n_modes]), options);
            ((x.clone().narrow(1, axis, 1).expand([n, n_modes]) - centres) * (1.0 / WIDTH)).square()
        };
        let exponents = (distances(0) + distances(1)) * -0.5;
        logsumexp(exponents) - (n_modes as f64 * TAU * WIDTH * WIDTH).ln()
    }
}

impl KnownTarget for GaussianMixture {
    fn log_normalizer(&self) -> Option<f64> {
        Some(0.0)
    }

    fn moments(&self) -> Option<Moments> {
        let n = self.centres.len() as f64;
        let mean = |axis: usize| self.centres.iter().map(|centre| centre[axis]).sum::<f64>() / n;
        let means = [mean(0), mean(1)];
        let deviation = |axis: usize| {
            let squares = self.centres.iter().map(|centre| (centre[axis] - means[axis]).powi(2));
            (squares.sum::<f64>() / n + WIDTH * WIDTH).sqrt()
        };
        Some(Moments::new(means.to_vec(), vec![deviation(0), deviation(1)]))
    }

    fn point(&self, rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let centre = self.centres[rng.random_range(0..self.centres.len())];
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        Some(centre.map(|centre| centre + WIDTH * normal()).to_vec())
    }
}

/// `(torch.rand((40, 2)) - 0.5) * 80` after `torch.manual_seed(0)`.
const CENTRES: [[f64; 2]; 40] = [
    [-0.29947, 21.45774],
    [-32.92181, -29.43756],
    [-15.40617, 10.72629],
    [-0.79253, 31.71558],
    [-3.54976, 10.58450],
    [-12.08852, -7.86262],
    [-38.21394, -26.49128],
    [-16.48892, 1.48174],
    [15.81341, 24.00091],
    [-27.11764, -17.41851],
    [14.52868, 33.21552],
    [-8.23201, 29.93247],
    [-6.44733, 4.23256],
    [36.21905, -37.10682],
    [-25.18152, -10.12661],
    [-15.59200, 34.56003],
    [-25.92719, -18.41331],
    [-27.94562, -37.46244],
    [-23.34962, 34.38392],
    [17.84874, 19.38690],
    [2.10366, -20.50734],
    [6.76739, -37.34779],
    [-28.90265, -20.62120],
    [25.23752, 23.45285],
    [-17.73980, -1.44330],
    [25.58243, 39.76532],
    [15.87529, 5.40371],
    [26.81945, -23.55209],
    [7.45376, -31.01222],
    [-27.72345, -20.66334],
    [18.09892, 16.08642],
    [-23.69410, 12.08428],
    [21.95888, -5.04869],
    [1.52726, 9.26819],
    [24.81506, 38.40776],
    [-30.82494, -14.65879],
    [15.72040, 33.14198],
    [34.80829, 35.29427],
    [7.96058, -34.78331],
    [3.67970, -25.02421],
];

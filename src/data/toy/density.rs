//! The [`ToyDensity`] trait.

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

/// A density in the plane.
///
/// # Example
///
/// ```
/// use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let moons = TwoMoons::new(0.1);
/// let x = moons.sample(256, &Device::default(), &mut ChaCha8Rng::seed_from_u64(0));
/// assert_eq!(x.dims(), [256, 2]);
/// assert!((moons.entropy().unwrap() - 1.00758).abs() < 1e-5);
/// ```
pub trait ToyDensity {
    /// Draws one point.
    fn point<R: Rng + ?Sized>(&self, rng: &mut R) -> [f64; 2];

    /// The log-density at a point, in nats; `None` where there is no density, as without noise.
    fn log_prob(&self, point: [f64; 2]) -> Option<f64>;

    /// The differential entropy in nats; `None` where there is no density, as without noise. Where
    /// it takes a quadrature, the cost grows as 1/noise²: milliseconds at noise 0.1, seconds at
    /// 0.001.
    fn entropy(&self) -> Option<f64>;

    /// Draws `n` points: `[n, 2]`, in the float type of the device.
    fn sample<R: Rng + ?Sized>(&self, n: usize, device: &Device, rng: &mut R) -> Tensor<2> {
        let values: Vec<f64> = (0..n).flat_map(|_| self.point(rng)).collect();
        Tensor::from_data(TensorData::new(values, [n, 2]), device)
    }
}

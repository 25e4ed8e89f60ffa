//! [`StandardNormal`]: the usual base distribution.

use std::f64::consts::TAU;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};
use rand::Rng;

use super::interface::{Distribution, Reparameterized};
use super::noise::standard_normal;

/// The standard normal distribution `N(0, I)` over `d_features` features.
///
/// ```text
/// log p(x) = -½ Σ_i x_i² - ½ d_features log 2π
/// ```
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, StandardNormal};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let base = StandardNormal::new(2, &Device::default());
/// let x = base.sample(1000, &mut ChaCha8Rng::seed_from_u64(0));
/// assert_eq!(x.dims(), [1000, 2]);
/// let at_zero = base.log_prob(Tensor::zeros([1, 2], &Device::default()));
/// assert!((at_zero.into_scalar::<f32>() + 1.837877).abs() < 1e-5); // -log 2π
/// ```
#[derive(Module, Debug)]
pub struct StandardNormal {
    /// Zeros, one a feature, which are never trained: they carry the device and the float type, so
    /// that samples follow the module when it is moved or cast.
    zeros: Param<Tensor<1>>,
}

impl StandardNormal {
    /// A standard normal over `d_features` features.
    ///
    /// # Panics
    ///
    /// If `d_features` is 0.
    pub fn new(d_features: usize, device: &Device) -> Self {
        assert!(d_features > 0, "`d_features` must be at least 1, got 0");
        let zeros = TensorData::zeros::<f32, _>([d_features]);
        Self { zeros: Param::from_data(zeros, device).set_require_grad(false) }
    }
}

impl Distribution for StandardNormal {
    fn d_features(&self) -> usize {
        self.zeros.dims()[0]
    }

    fn is_standard_normal(&self) -> bool {
        true
    }

    fn log_prob(&self, x: Tensor<2>) -> Tensor<1> {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        let squares = x.square().sum_dim(1).squeeze_dim(1);
        squares * -0.5 - 0.5 * d_features as f64 * TAU.ln()
    }

    fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2> {
        let device = self.zeros.device().without_autodiff();
        standard_normal([n, self.d_features()], (&device, self.zeros.dtype()), rng)
    }
}

impl Reparameterized for StandardNormal {
    fn rsample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2> {
        let device = self.zeros.device();
        standard_normal([n, self.d_features()], (&device, self.zeros.dtype()), rng)
    }
}

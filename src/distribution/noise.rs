//! [`Noise`]: random numbers for samples, drawn on the host.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::parameters::Place;

/// A generator, and the device and float type of the model that draws from it.
///
/// All random numbers come from the host, row after row, so that they are the same on every
/// backend; `f32` and `f64` models draw the same numbers.
///
/// # Example
///
/// [`Distribution::draw`](crate::Distribution::draw) takes it:
///
/// ```
/// use normalizing_flows::Distribution;
/// use normalizing_flows::distribution::Noise;
/// use normalizing_flows::burn;
/// use normalizing_flows::burn::module::{Module, Param};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{Rng, SeedableRng, rngs::ChaCha8Rng};
///
/// /// A normal distribution with a learnt location.
/// #[derive(Module, Debug)]
/// struct Located {
///     loc: Param<Tensor<1>>,
/// }
///
/// impl Distribution for Located {
///     fn d_features(&self) -> usize {
///         self.loc.dims()[0]
///     }
///
///     fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
///         let squares = (x - self.loc.val().unsqueeze()).square().sum_dim(1).squeeze_dim(1);
///         squares * -0.5 - 0.5 * self.d_features() as f64 * std::f64::consts::TAU.ln()
///     }
///
///     fn draw<R: Rng + ?Sized>(
///         &self,
///         n: usize,
///         _: Option<&Tensor<2>>,
///         noise: &mut Noise<'_, R>,
///     ) -> Tensor<2> {
///         noise.standard_normal([n, self.d_features()]) + self.loc.val().unsqueeze()
///     }
/// }
///
/// let located = Located { loc: Param::from_data([3.0, -3.0], &Device::default()) };
/// let x = located.sample(1000, &mut ChaCha8Rng::seed_from_u64(0));
/// let mean = x.mean_dim(0).into_data().try_into_vec::<f32>().unwrap();
/// // Within six standard errors.
/// assert!((mean[0] - 3.0).abs() < 0.19 && (mean[1] + 3.0).abs() < 0.19);
/// ```
pub struct Noise<'r, R: Rng + ?Sized> {
    rng: &'r mut R,
    device: Device,
    dtype: DType,
}

impl<'r, R: Rng + ?Sized> Noise<'r, R> {
    pub(crate) fn new(place: &Place, rng: &'r mut R) -> Self {
        Self { rng, device: place.device.clone(), dtype: place.float_type() }
    }

    /// The generator.
    pub fn rng(&mut self) -> &mut R {
        self.rng
    }

    /// Standard normal noise of shape `[n, d]`, drawn row after row.
    pub fn standard_normal(&mut self, [n, d]: [usize; 2]) -> Tensor<2> {
        let options = (&self.device, self.dtype);
        // Both arms draw the same numbers: rand_distr draws in f64 and rounds.
        if self.dtype == DType::F64 {
            let values: Vec<f64> = StandardNormal.sample_iter(&mut *self.rng).take(n * d).collect();
            Tensor::from_data(TensorData::new(values, [n, d]), options)
        } else {
            let values: Vec<f32> = StandardNormal.sample_iter(&mut *self.rng).take(n * d).collect();
            Tensor::from_data(TensorData::new(values, [n, d]), options)
        }
    }

    /// Numbers that were drawn by other means, as a tensor of shape `[n, d]`.
    ///
    /// # Panics
    ///
    /// If there are not `n * d` of them.
    pub fn tensor(&self, values: Vec<f64>, [n, d]: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values, [n, d]), (&self.device, self.dtype))
    }
}

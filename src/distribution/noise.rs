//! [`Noise`]: random numbers for samples, drawn on the host.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::parameters::Place;

/// A generator, and the device and float type of the model that draws from it.
///
/// All random numbers come from the host, row after row, so that they are the same on every
/// backend; `f32` and `f64` models draw the same numbers.
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

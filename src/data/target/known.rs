//! [`KnownTarget`]: a target of which more is known than its density.

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use crate::target::Target;

/// A target of which more is known than its density.
///
/// # Example
///
/// ```
/// use normalizing_flows::data::target::{Banana, KnownTarget};
///
/// let banana = Banana::new(2);
/// assert_eq!(banana.log_normalizer(), Some(0.0));
/// assert_eq!(banana.moments().unwrap().mean, [0.0, 0.0]);
/// ```
pub trait KnownTarget: Target {
    /// The logarithm of the normalising constant, in nats, where it is known.
    fn log_normalizer(&self) -> Option<f64>;

    /// Mean and standard deviation of each feature, where they are known.
    fn moments(&self) -> Option<Moments>;

    /// An independent sample in `f64`, where there is a way to draw one.
    fn point(&self, rng: &mut dyn Rng) -> Option<Vec<f64>>;

    /// `n` independent samples, `[n, d_features]`, where there is a way to draw them.
    fn sample(&self, n: usize, device: &Device, rng: &mut dyn Rng) -> Option<Tensor<2>> {
        let mut rows = Vec::with_capacity(n * self.d_features());
        for _ in 0..n {
            rows.extend(self.point(rng)?);
        }
        let rows = TensorData::new(rows, [n, self.d_features()]);
        let dtype = device.settings().float_dtype;
        Some(Tensor::from_data(rows, (device, dtype.into())))
    }
}

/// Mean and standard deviation of each feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// The means.
    pub mean: Vec<f64>,
    /// The standard deviations.
    pub standard_deviation: Vec<f64>,
}

impl Moments {
    pub(super) fn new(mean: Vec<f64>, standard_deviation: Vec<f64>) -> Self {
        Self { mean, standard_deviation }
    }
}

// In formulas: burn's gradient of a quotient by a number has the precision of f32, so they multiply by reciprocals.

/// A column of rows, `[batch, 1]`.
pub(super) fn column(x: &Tensor<2>, index: usize) -> Tensor<2> {
    x.clone().narrow(1, index, 1)
}

/// Sums over the features: `[batch, d]` to `[batch]`.
pub(super) fn row_sums(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).squeeze_dim(1)
}

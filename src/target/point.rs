//! [`PointTarget`]: densities of one point in `f64`, with gradients of their own.

use std::fmt;

use burn::tensor::{Tensor, TensorData};

use super::interface::Target;

/// A density known up to a constant, of one point, in `f64`, with a gradient of its own: for existing code, and for
/// samplers that go point by point.
///
/// [`Pointwise`] makes a [`Target`] of it.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::target::{Target, point_target_fn};
///
/// let target = point_target_fn(1, |x: &[f64], gradient: &mut [f64]| {
///     gradient[0] = 3.0 - x[0];
///     -0.5 * (x[0] - 3.0).powi(2)
/// });
/// let x = Tensor::<2>::from_data([[5.0]], &Device::default());
/// let (log_density, gradient) = target.log_density_and_gradient(x);
/// assert_eq!((log_density.into_scalar::<f32>(), gradient.into_scalar::<f32>()), (-2.0, -2.0));
/// ```
pub trait PointTarget {
    /// The number of features of a point.
    fn d_features(&self) -> usize;

    /// The log-density of a point, in nats, up to a constant, and its gradient, which is written over what
    /// `gradient` holds. Both have [`d_features`](PointTarget::d_features) numbers. Outside of the support the
    /// log-density is minus infinity, and the gradient anything.
    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64;
}

impl<T: PointTarget + ?Sized> PointTarget for &T {
    fn d_features(&self) -> usize {
        (**self).d_features()
    }

    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        (**self).evaluate(x, gradient)
    }
}

/// A [`Target`] of a [`PointTarget`]: rows are read to the host and go through it one by one.
#[derive(Debug, Clone, Copy)]
pub struct Pointwise<T>(pub T);

impl<T: PointTarget> Pointwise<T> {
    fn on_host(&self, x: &Tensor<2>) -> (Vec<f64>, Vec<f64>) {
        let d = self.0.d_features();
        let rows: Vec<f64> = x.clone().into_data().iter::<f64>().collect();
        let mut gradients = vec![0.0; rows.len()];
        let values = rows.chunks_exact(d).zip(gradients.chunks_exact_mut(d));
        let values = values.map(|(row, gradient)| self.0.evaluate(row, gradient)).collect();
        (values, gradients)
    }
}

impl<T: PointTarget> Target for Pointwise<T> {
    fn d_features(&self) -> usize {
        self.0.d_features()
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        let (log_density, gradient) = self.log_density_and_gradient(x.clone());
        with_gradient(log_density, gradient, &x)
    }

    fn log_density_and_gradient(&self, x: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        let x = x.without_autodiff();
        let (values, gradients) = self.on_host(&x);
        let [n, d] = x.dims();
        let options = (&x.device(), x.dtype());
        (
            Tensor::from_data(TensorData::new(values, [n]), options),
            Tensor::from_data(TensorData::new(gradients, [n, d]), options),
        )
    }
}

/// Values, and the same with a gradient that was computed elsewhere: `y + (x - x₀) · gradient` at `x₀ = x`. Where
/// value, gradient or row are not finite the gradient is 0, so that such a row spoils no other.
pub(super) fn with_gradient(values: Tensor<1>, gradient: Tensor<2>, x: &Tensor<2>) -> Tensor<1> {
    if !x.is_tracked() {
        return values;
    }
    let gradient = without_non_finite_rows(&values, gradient);
    let step = x.clone() - x.clone().detach();
    let step = step.clone().mask_fill(step.is_finite().bool_not(), 0.0);
    values + (step * gradient).sum_dim(1).squeeze_dim(1)
}

/// Gradients that are 0 in rows where the value or any of them is not finite.
pub(super) fn without_non_finite_rows(values: &Tensor<1>, gradient: Tensor<2>) -> Tensor<2> {
    let [n, d] = gradient.dims();
    let sums = gradient.clone().abs().sum_dim(1).squeeze_dim::<1>(1);
    let finite = sums.is_finite().bool_and(values.clone().is_finite());
    let finite = finite.unsqueeze_dim::<2>(1).expand([n, d]);
    gradient.mask_fill(finite.bool_not(), 0.0)
}

/// A [`Target`] from a function of a point and of the place of its gradient, which gives the log-density.
///
/// # Example
///
/// See [`PointTarget`].
pub fn point_target_fn<F: Fn(&[f64], &mut [f64]) -> f64>(
    d_features: usize,
    log_density_and_gradient: F,
) -> Pointwise<PointFn<F>> {
    Pointwise(PointFn { d_features, log_density_and_gradient })
}

/// What [`point_target_fn`] makes of a function.
#[derive(Clone)]
pub struct PointFn<F> {
    d_features: usize,
    log_density_and_gradient: F,
}

impl<F> fmt::Debug for PointFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PointFn").field("d_features", &self.d_features).finish_non_exhaustive()
    }
}

impl<F: Fn(&[f64], &mut [f64]) -> f64> PointTarget for PointFn<F> {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        (self.log_density_and_gradient)(x, gradient)
    }
}

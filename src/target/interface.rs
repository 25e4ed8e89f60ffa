//! The [`Target`] trait: densities known up to a constant, over tensors.

use std::fmt;

use burn::tensor::Tensor;

use crate::parameters::Place;

/// A density known up to a constant, `p̃(x) = Z p(x)`: a posterior, a Boltzmann density.
///
/// # Shapes
///
/// - `x`: `[batch, d_features]`
/// - log-densities: `[batch]`, in nats
///
/// # Implementing
///
/// [`log_density`](Target::log_density) in tensor operations is enough: burn's autodiff differentiates it. Rows must
/// not depend on each other. A row outside of the support has minus infinity. Tensors that the target holds may lie
/// on a device without autodiff; they count as constants. For code over slices with a gradient of its own there is
/// [`PointTarget`](super::PointTarget).
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::target::{Target, target_fn};
///
/// let target = target_fn(2, |x: Tensor<2>| (x - 3.0).square().sum_dim(1).squeeze_dim(1) * -0.5);
/// let x = Tensor::from_data([[3.0, 3.0], [4.0, 3.0]], &Device::default());
/// let (log_density, gradient) = target.log_density_and_gradient(x);
/// assert_eq!(log_density.into_data().try_into_vec::<f32>().unwrap(), [0.0, -0.5]);
/// assert_eq!(gradient.into_data().try_into_vec::<f32>().unwrap(), [0.0, 0.0, -1.0, 0.0]);
/// ```
pub trait Target {
    /// The number of features of a row.
    fn d_features(&self) -> usize;

    /// The log-density of each row, in nats, up to a constant that is the same for all rows. Gradients flow from it
    /// to `x`.
    fn log_density(&self, x: Tensor<2>) -> Tensor<1>;

    /// The log-density of each row and its gradient by the row, `[batch, d_features]`, both without a graph.
    fn log_density_and_gradient(&self, x: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        gradient_by_autodiff(x, |x| self.log_density(x))
    }

    /// Where its parameters are, if it has any: what is drawn for it is there too.
    #[doc(hidden)]
    fn place(&self) -> Option<Place> {
        None
    }
}

impl<T: Target + ?Sized> Target for &T {
    fn d_features(&self) -> usize {
        (**self).d_features()
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        (**self).log_density(x)
    }

    fn log_density_and_gradient(&self, x: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        (**self).log_density_and_gradient(x)
    }

    fn place(&self) -> Option<Place> {
        (**self).place()
    }
}

/// Values of a function of independent rows and their gradients, without a graph.
pub(super) fn gradient_by_autodiff(
    x: Tensor<2>,
    function: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> (Tensor<1>, Tensor<2>) {
    let x = x.without_autodiff();
    let leaf = x.clone().autodiff().require_grad();
    let values = function(leaf.clone());
    let gradient = match values.is_tracked() {
        true => leaf.grad_remove(&mut values.clone().sum().backward()),
        false => None,
    };
    (values.without_autodiff(), gradient.unwrap_or_else(|| x.zeros_like()))
}

/// A [`Target`] from a function of rows in tensor operations.
///
/// # Example
///
/// See [`Target`].
pub fn target_fn<F: Fn(Tensor<2>) -> Tensor<1>>(d_features: usize, log_density: F) -> TargetFn<F> {
    TargetFn { d_features, log_density }
}

/// What [`target_fn`] makes of a function.
#[derive(Clone)]
pub struct TargetFn<F> {
    d_features: usize,
    log_density: F,
}

impl<F> fmt::Debug for TargetFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetFn").field("d_features", &self.d_features).finish_non_exhaustive()
    }
}

impl<F: Fn(Tensor<2>) -> Tensor<1>> Target for TargetFn<F> {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        (self.log_density)(x)
    }
}

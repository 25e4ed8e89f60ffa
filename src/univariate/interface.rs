//! The [`Univariate`] trait.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Tensor, assert_shape};

use crate::direction::Direction;
use crate::kernel::KernelMap;

/// A strictly monotone, differentiable map of the real line, `x = f(z; θ)`, applied to each feature
/// with its own parameters `θ`.
///
/// `forward` goes from latent to data and `inverse` from data to latent, as in
/// [`Flow`](crate::Flow). Both return the mapped value and the logarithm of the slope of the map
/// that was applied, feature by feature; the layer adds the logarithms up.
///
/// # Shapes
///
/// - `z`, `x`, log-slope: `[batch, d]`
/// - `parameters`: `[batch, n_parameters, d]`: the first parameter of all features, then the second
///
/// # Implementing
///
/// All parameters at zero should be the identity, or close to it: a new conditioner gives zeros.
/// Clamp first, compute, select last, so that no branch of a `mask_where` holds an infinity or a
/// NaN. Check your map with [`testing::UnivariateLaws`](crate::testing::UnivariateLaws).
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{AffineConfig, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let affine = AffineConfig::new().init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let z = Tensor::<2>::from_data([[1.0, 2.0]], &device);
/// // Shifts of the two features, then raw log-scales of zero.
/// let parameters = Tensor::<3>::from_data([[[0.5, -0.5], [0.0, 0.0]]], &device);
/// let (x, log_slope) = affine.forward(z, parameters);
/// assert_eq!(x.into_data().try_into_vec::<f32>().unwrap(), [1.5, 1.5]);
/// assert_eq!(log_slope.into_data().try_into_vec::<f32>().unwrap(), [0.0, 0.0]);
/// ```
pub trait Univariate: Module + ModuleDisplay {
    /// How many parameters the map takes for one feature.
    fn n_parameters(&self) -> usize;

    /// Maps latent to data: `(f(z), log |f'(z)|)`.
    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>);

    /// Maps data to latent: `(f⁻¹(x), log |(f⁻¹)'(x)|)`.
    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>);

    /// The gradients of `Σ gradient · x + Σ log ∂x/∂z` by `z`, `[batch, d]`, and by the parameters,
    /// `[batch, n_parameters, d]`, given that of every `x`, in tensor operations that autodiff can differentiate again;
    /// `None` if the map has no such formula.
    fn pull_back(
        &self,
        z: Tensor<2>,
        parameters: Tensor<3>,
        gradient: Tensor<2>,
    ) -> Option<(Tensor<2>, Tensor<3>)> {
        let _ = (z, parameters, gradient);
        None
    }

    /// What the fused kernels apply in the place of this map, if they know it.
    #[doc(hidden)]
    fn kernel(&self) -> Option<KernelMap> {
        None
    }
}

/// A map of every feature by the parameters that a conditioner gave, `[batch, n_parameters * d]`, and
/// the sum of its log-slopes per row.
pub(crate) fn conditioned<U: Univariate>(
    univariate: &U,
    direction: Direction,
    input: Tensor<2>,
    parameters: Tensor<2>,
) -> (Tensor<2>, Tensor<1>) {
    let ([batch, d_features], n_parameters) = (input.dims(), univariate.n_parameters());
    assert_shape!(parameters, [batch, n_parameters * d_features]);
    let parameters = parameters.reshape([batch, n_parameters, d_features]);
    let (output, log_slope) = match direction {
        Direction::Forward => univariate.forward(input, parameters),
        Direction::Inverse => univariate.inverse(input, parameters),
    };
    (output, log_slope.sum_dim(1).squeeze_dim(1))
}

/// The parameter at `index`, `[batch, d]`.
pub(super) fn parameter(parameters: &Tensor<3>, index: usize) -> Tensor<2> {
    parameters.clone().narrow(1, index, 1).squeeze_dim(1)
}

//! [`forward_by_root`]: the direction of a univariate map that has no formula.

use burn::tensor::Tensor;

use super::interface::Univariate;
use crate::solver::{implicit_root, of_rows};

/// The [`forward`](Univariate::forward) of an increasing map that has a formula for its
/// [`inverse`](Univariate::inverse) only: `(x, log dx/dz)` at `z`, to two roundings of `x`, or of 1
/// where `x` is smaller: scale what is much smaller than 1.
///
/// A map of your own of which you know one direction, data to latent, calls this for the other.
///
/// Each number is found by Newton's iteration inside of a bracket, which grows as far as a float goes; that takes
/// about six evaluations of `inverse`. Gradients, by the implicit function theorem, reach `z`, the parameters and the
/// weights of the map. They are of first order and cost two more evaluations.
///
/// Where there is no root, as of a value that the map never takes, both outputs are NaN; a call through
/// [`Checked`](crate::distribution::Checked) is then an error.
///
/// # Shapes
///
/// - `z`, `x`, log-slope: `[batch, d]`
/// - `parameters`: `[batch, n_parameters, d]`
///
/// # Example
///
/// ```
/// use normalizing_flows::burn;
/// use normalizing_flows::burn::module::Module;
/// use normalizing_flows::burn::tensor::{Device, FloatDType, Tensor};
/// use normalizing_flows::testing::UnivariateLaws;
/// use normalizing_flows::univariate::{Univariate, forward_by_root};
///
/// /// `z = x + x³ exp(θ)`, less the cube with a weight of 1.
/// #[derive(Module, Debug)]
/// struct Cubic;
///
/// impl Univariate for Cubic {
///     fn n_parameters(&self) -> usize {
///         1
///     }
///     fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
///         let weight = parameters.squeeze_dim::<2>(1).exp();
///         let square = x.clone().square() * weight;
///         (x.clone() + x * square.clone(), (square * 3.0 + 1.0).log())
///     }
///     fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
///         forward_by_root(self, z, parameters)
///     }
/// }
///
/// let device = Device::default();
/// let z = Tensor::<2>::from_data([[10.0]], &device);
/// let (x, _) = Cubic.forward(z, Tensor::zeros([1, 1, 1], &device));
/// assert!((x.into_scalar::<f32>() - 2.0).abs() < 1e-6);
/// UnivariateLaws::new(|_, _| Cubic).round_trips(&device);
/// ```
///
/// # References
///
/// Implicit differentiation: Blondel et al.: *Efficient and Modular Implicit Differentiation*, 2022, arXiv:2105.15183.
pub fn forward_by_root<U: Univariate>(
    map: &U,
    z: Tensor<2>,
    parameters: Tensor<3>,
) -> (Tensor<2>, Tensor<2>) {
    let has_graph = z.is_autodiff() || parameters.is_autodiff();
    let plain_map = if has_graph { map.valid() } else { map.clone() };
    let plain_parameters = parameters.clone().without_autodiff();
    let x = implicit_root(
        &z,
        has_graph,
        |x, rows| plain_map.inverse(x, of_rows(&plain_parameters, rows)),
        |x| map.inverse(x, parameters.clone()),
    );
    let (_, log_slope) = map.inverse(x.clone(), parameters);
    // A map may have a slope where there is no number.
    let missing = x.clone().is_nan();
    (x, log_slope.neg().mask_fill(missing, f64::NAN))
}

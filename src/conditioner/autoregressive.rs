//! [`AutoregressiveConditioner`]: networks for autoregressive layers.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use super::network_layers::NetworkLayers;

/// A network that gives the parameters of every feature from the features before it in some order.
///
/// It is no [`Conditioner`](super::Conditioner): that one sees features which its layer does not
/// transform, and gives parameters of others; here all features come in and parameters of all of
/// them come out. The layer that takes it relies on the order, and
/// [`testing::AutoregressiveLaws`](crate::testing::AutoregressiveLaws) checks it.
///
/// # Shapes
///
/// - `input`: `[batch, d_features]`
/// - `context`: `[batch, d_context]`, present if and only if
///   [`d_context`](AutoregressiveConditioner::d_context) is above 0
/// - output: `[batch, n_parameters * d_features]`: the first parameter of all features, then the
///   second parameter of all of them, and so on
///
/// # Example
///
/// ```
/// use normalizing_flows::conditioner::AutoregressiveConditioner;
/// use normalizing_flows::testing::AutoregressiveLaws;
/// use normalizing_flows::burn;
/// use normalizing_flows::burn::module::{Module, Param};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
///
/// /// One parameter per feature, linear in the features before it.
/// #[derive(Module, Debug)]
/// struct Triangular {
///     weight: Param<Tensor<2>>,
/// }
///
/// impl AutoregressiveConditioner for Triangular {
///     fn forward(&self, input: Tensor<2>, _context: Option<&Tensor<2>>) -> Tensor<2> {
///         input.matmul(self.weight.val().triu(1)) // what is above the diagonal
///     }
///
///     fn order(&self) -> Vec<usize> {
///         (0..self.weight.dims()[0]).collect()
///     }
/// }
///
/// let laws = AutoregressiveLaws::new(1, |device, _| Triangular {
///     weight: Param::from_data([[1.0; 3]; 3], device),
/// });
/// laws.check_all(&Device::default());
/// ```
///
/// # References
///
/// Germain, Gregor, Murray, Larochelle: *MADE: Masked Autoencoder for Distribution Estimation*,
/// 2015, arXiv:1502.03509.
pub trait AutoregressiveConditioner: Module + ModuleDisplay {
    /// The parameters of all features for every row of `input`. Those of a feature may depend on
    /// the features of a lower [`order`](AutoregressiveConditioner::order) and on the context
    /// alone.
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2>;

    /// The rank of each feature in the order, from 0. Features of the same rank do not see each
    /// other.
    fn order(&self) -> Vec<usize>;

    /// The number of context features that the network takes; 0 when it takes none.
    fn d_context(&self) -> usize {
        0
    }

    /// The layers of the crate's network that this one is, with their masks: those have fused kernels.
    #[doc(hidden)]
    fn network_layers(&self) -> Option<NetworkLayers<'_>> {
        None
    }
}

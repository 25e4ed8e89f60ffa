//! The [`Conditioner`] trait and the sizes that a layer asks of one.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Tensor, assert_shape};

use super::network_layers::NetworkLayers;
use crate::error::{Error, ensure};

/// A network that gives the parameters of a coupling layer's univariate maps.
///
/// It may be any function: a flow is invertible whatever its conditioners compute.
///
/// # Shapes
///
/// - `input`: `[batch, d_input]`, the kept features
/// - `context`: `[batch, d_context]`, present if and only if [`d_context`](Conditioner::d_context)
///   is above 0
/// - output: `[batch, n_parameters * d_output]`: the first parameter of all `d_output` features,
///   then the second parameter of all of them, and so on
///
/// # Example
///
/// ```
/// use normalizing_flows::{Flow, MaskedCoupling};
/// use normalizing_flows::conditioner::Conditioner;
/// use normalizing_flows::coupling::Mask;
/// use normalizing_flows::univariate::AffineConfig;
/// use normalizing_flows::burn;
/// use normalizing_flows::burn::module::Module;
/// use normalizing_flows::burn::nn::{Linear, LinearConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// /// Shift and log-scale as linear functions of the kept features.
/// #[derive(Module, Debug)]
/// struct LinearConditioner {
///     linear: Linear,
/// }
///
/// impl Conditioner for LinearConditioner {
///     fn forward(&self, input: Tensor<2>, _context: Option<&Tensor<2>>) -> Tensor<2> {
///         self.linear.forward(input)
///     }
/// }
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let mask = Mask::half(4); // 2 features kept, 2 transformed by 2 parameters each
/// let conditioner = LinearConditioner { linear: LinearConfig::new(2, 4).init(&device) };
/// let affine = AffineConfig::new().init(&device, &mut rng);
/// let coupling = MaskedCoupling::new(&mask, conditioner, affine, &device);
/// assert_eq!(coupling.forward(Tensor::ones([3, 4], &device), None).0.dims(), [3, 4]);
/// ```
pub trait Conditioner: Module + ModuleDisplay {
    /// The parameters for every row of `input`.
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2>;

    /// The number of context features that the network takes; 0 when it takes none.
    fn d_context(&self) -> usize {
        0
    }

    /// The gradient of `Σ gradient · forward(input)` by the input, `[batch, d_input]`, given the gradient of every
    /// output, in tensor operations that autodiff can differentiate again; `None` if the network has no such formula.
    fn input_gradient(
        &self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        gradient: Tensor<2>,
    ) -> Option<Tensor<2>> {
        let _ = (input, context, gradient);
        None
    }

    /// The layers of the crate's networks that this one is made of, if it is their outputs one
    /// after another: those have fused kernels.
    #[doc(hidden)]
    fn network_layers(&self) -> Option<Vec<NetworkLayers<'_>>> {
        None
    }
}

/// The numbers of features and parameters of a conditioner: the layer that it serves knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionerShape {
    /// Features that the network sees.
    pub d_input: usize,
    /// Context features that it sees; 0 for none.
    pub d_context: usize,
    /// Features that it gives parameters for.
    pub d_output: usize,
    /// Parameters of one such feature.
    pub n_parameters: usize,
}

impl ConditionerShape {
    /// Whether there is something to see and something to give.
    pub(super) fn validate(&self) -> Result<(), Error> {
        ensure!(
            self.d_input > 0 && self.d_output > 0 && self.n_parameters > 0,
            "`d_input`, `d_output` and `n_parameters` must be at least 1, got {self:?}"
        );
        Ok(())
    }
}

/// The input features and after them the context, for a network that was built with `d_context`.
pub(super) fn with_context(
    input: Tensor<2>,
    context: Option<&Tensor<2>>,
    d_context: usize,
) -> Tensor<2> {
    assert!(
        context.is_some() == (d_context > 0),
        "this network was built with `d_context` {d_context}: it takes a context if and only if \
         that is above 0"
    );
    match context {
        Some(context) => {
            let [batch, _] = input.dims();
            assert_shape!(context, [batch, d_context]);
            Tensor::cat(vec![input, context.clone()], 1)
        }
        None => input,
    }
}

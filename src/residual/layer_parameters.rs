//! [`LayerParameters`]: parameters of a layer that are learnt, and moved by a context.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use crate::conditioner::{Conditioner, ConditionerShape, Network, NetworkConfig};
use crate::flow::required_context;
use crate::parameters::full;

/// The parameters of a layer, the same for all rows, or a network's function of the context added to them.
#[derive(Module, Debug)]
pub struct LayerParameters {
    /// The parameters, `[n]`.
    pub values: Param<Tensor<1>>,
    /// What the context adds, `[batch, d_context]` to `[batch, n]`; starts at zero.
    pub network: Option<Network>,
    d_context: usize,
}

impl LayerParameters {
    pub(super) fn new<R: Rng + ?Sized>(
        values: Vec<f64>,
        d_context: usize,
        conditioner: &NetworkConfig,
        device: &Device,
        rng: &mut R,
    ) -> Self {
        let n = values.len();
        let shape =
            ConditionerShape { d_input: d_context, d_context: 0, d_output: n, n_parameters: 1 };
        let network = (d_context > 0).then(|| conditioner.init(shape, device, rng));
        let values = Param::from_data(TensorData::new(values, [n]), device);
        Self { values, network, d_context }
    }

    pub(super) fn d_context(&self) -> usize {
        self.d_context
    }

    /// The parameters for the rows of an input: `[1, n]`, or `[batch, n]` with a context.
    pub(super) fn of(
        &self,
        layer: &str,
        input: &Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Tensor<2> {
        let values = full(&self.values).unsqueeze::<2>();
        let Some(network) = &self.network else { return values };
        let context = required_context(layer, self.d_context, input, context);
        if input.dims()[0] == 0 {
            // Some backends divide by the number of rows in a matrix product.
            return values;
        }
        network.forward(context.clone(), None) + values
    }
}

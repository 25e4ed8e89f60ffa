//! [`Stack`]: what a flow tells the kernels about itself.

use burn::backend::{DispatchTensor, DispatchTensorKind, TensorMetadata};
use burn::nn::Linear;
use burn::nn::activation;
use burn::tensor::{DType, Int, Tensor};

use super::row::map::{Bound, Direction};
use super::row::{Activation, Map};
use crate::univariate::ScaleBound;

/// The layers of a flow in `forward` order, for the kernels to carry rows through.
///
/// A flow describes itself by [`Flow::describe`](crate::Flow); one that does not, or cannot, is
/// computed by tensor operations.
#[derive(Debug, Default)]
pub struct Stack {
    pub(super) layers: Vec<Layer>,
}

/// One layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub spec: LayerSpec,
    /// Weights and biases, or the shared parameters.
    pub floats: Vec<DispatchTensor>,
    /// The kept and the transformed features of a coupling layer.
    pub ints: Vec<DispatchTensor>,
}

/// One layer without its tensors.
#[derive(Debug, Clone)]
pub(super) struct LayerSpec {
    /// The direction in which `forward` of the whole flow applies the layer.
    pub direction: Direction,
    pub map: Map<f64>,
    pub source: SourceSpec,
}

/// Where the parameters of a layer's map come from.
#[derive(Debug, Clone)]
pub(super) enum SourceSpec {
    /// A mask and networks.
    Networks { takes_context: bool, networks: Vec<Vec<LinearSpec>> },
    /// The same for all rows.
    Shared,
}

/// A linear layer, whose weight and bias are among the floats.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinearSpec {
    pub bias: bool,
    pub activation: Activation<f64>,
}

/// A univariate map that the kernels know.
#[derive(Debug, Clone, Copy)]
pub struct KernelMap(Map<f64>);

impl KernelMap {
    pub(crate) fn affine(bound: ScaleBound) -> Self {
        Self(Map::Affine(match bound {
            ScaleBound::SoftClip { bound } => Bound::SoftClip { bound },
            ScaleBound::Tanh { bound } => Bound::Tanh { bound },
            ScaleBound::Clamp { min, max } => Bound::Clamp { min, max },
            ScaleBound::Sigmoid => Bound::Sigmoid,
            ScaleBound::Exp => Bound::Exp,
        }))
    }

    pub(crate) fn additive() -> Self {
        Self(Map::Additive)
    }
}

/// Networks of linear layers, whose outputs one after another are the parameters of a layer.
#[derive(Debug, Default)]
pub struct KernelNetworks {
    networks: Vec<Vec<(Tensor<2>, Option<Tensor<1>>, Activation<f64>)>>,
}

impl KernelNetworks {
    /// Adds a network; `None` if it has an activation that the kernels do not know.
    #[must_use]
    pub(crate) fn with<'a>(
        mut self,
        layers: impl Iterator<Item = (&'a Linear, Option<&'a activation::Activation>)>,
    ) -> Option<Self> {
        let network = layers.map(|(linear, activation)| {
            let activation = activation.map_or(Some(Activation::Identity), known_activation)?;
            let bias = linear.bias.as_ref().map(|bias| bias.val());
            Some((linear.weight.val(), bias, activation))
        });
        self.networks.push(network.collect::<Option<_>>()?);
        Some(self)
    }
}

/// The activation as the kernels know it; `None` for those that are not elementwise or have weights.
fn known_activation(activation: &activation::Activation) -> Option<Activation<f64>> {
    use activation::Activation as Burn;
    Some(match activation {
        Burn::Identity(_) => Activation::Identity,
        Burn::Relu(_) => Activation::Relu,
        Burn::LeakyRelu(a) => Activation::LeakyRelu { negative_slope: a.negative_slope },
        Burn::Elu(a) => Activation::Elu { alpha: a.alpha },
        Burn::Celu(a) => Activation::Celu { alpha: a.alpha },
        Burn::Selu(_) => Activation::Selu,
        Burn::Sigmoid(_) => Activation::Sigmoid,
        Burn::Tanh(_) => Activation::Tanh,
        Burn::Gelu(a) if a.approximate => Activation::GeluApproximate,
        Burn::Gelu(_) => Activation::Gelu,
        Burn::Softplus(a) => Activation::Softplus { beta: a.beta, threshold: a.threshold },
        Burn::Softsign(_) => Activation::Softsign,
        Burn::HardSigmoid(a) => Activation::HardSigmoid { alpha: a.alpha, beta: a.beta },
        Burn::HardSwish(_) => Activation::HardSwish,
        Burn::ThresholdedRelu(a) => Activation::ThresholdedRelu { alpha: a.alpha },
        Burn::HardShrink(a) => Activation::HardShrink { lambda: a.lambda },
        Burn::SoftShrink(a) => Activation::Shrink { lambda: a.lambda, bias: a.lambda },
        Burn::Shrink(a) => Activation::Shrink { lambda: a.lambda, bias: a.bias },
        _ => return None,
    })
}

impl Stack {
    /// Adds a coupling layer. False if its sizes do not fit together.
    pub(crate) fn push_coupling(
        &mut self,
        kept: Tensor<1, Int>,
        transformed: Tensor<1, Int>,
        KernelMap(map): KernelMap,
        d_context: usize,
        networks: KernelNetworks,
    ) -> bool {
        let d_input = kept.dims()[0] + d_context;
        let mut n_outputs = 0;
        let mut floats = Vec::new();
        let mut specs = Vec::with_capacity(networks.networks.len());
        for network in networks.networks {
            let mut width = d_input;
            let mut layers = Vec::with_capacity(network.len());
            for (weight, bias, activation) in network {
                let [d_in, d_out] = weight.dims();
                if d_in != width || bias.as_ref().is_some_and(|bias| bias.dims() != [d_out]) {
                    return false;
                }
                width = d_out;
                layers.push(LinearSpec { bias: bias.is_some(), activation });
                floats.push(weight.into_dispatch());
                floats.extend(bias.map(Tensor::into_dispatch));
            }
            n_outputs += width;
            specs.push(layers);
        }
        if n_outputs != map.n_parameters() * transformed.dims()[0] {
            return false;
        }
        self.layers.push(Layer {
            spec: LayerSpec {
                direction: Direction::Forward,
                map,
                source: SourceSpec::Networks { takes_context: d_context > 0, networks: specs },
            },
            floats,
            ints: vec![kept.into_dispatch(), transformed.into_dispatch()],
        });
        true
    }

    /// Adds a layer that maps each feature by parameters of its own, `[n_parameters, d_features]`.
    pub(crate) fn push_elementwise(&mut self, parameters: Tensor<2>, map: KernelMap) {
        self.layers.push(Layer {
            spec: LayerSpec {
                direction: Direction::Forward,
                map: map.0,
                source: SourceSpec::Shared,
            },
            floats: vec![parameters.into_dispatch()],
            ints: Vec::new(),
        });
    }

    /// Adds the layers that `describe` adds, with their directions swapped.
    pub(crate) fn push_inverse(&mut self, describe: impl FnOnce(&mut Self) -> bool) -> bool {
        let mut inner = Self::default();
        let known = describe(&mut inner);
        self.layers.extend(inner.layers.into_iter().rev().map(|mut layer| {
            layer.spec.direction = layer.spec.direction.reversed();
            layer
        }));
        known
    }

    /// Whether the kernels can carry rows of so many features, of this type, through all layers:
    /// sizes fit, and all tensors are on Flex and of types that the kernels know.
    pub(super) fn carries(&self, d_features: usize, dtype: DType) -> bool {
        let fits = |layer: &Layer| match &layer.spec.source {
            SourceSpec::Networks { .. } => {
                let sizes = layer.ints.iter().map(|features| features.shape().num_elements());
                sizes.sum::<usize>() == d_features
            }
            SourceSpec::Shared => {
                layer.floats[0].shape().as_slice() == [layer.spec.map.n_parameters(), d_features]
            }
        };
        let known = |layer: &Layer| {
            layer.floats.iter().all(|tensor| on_flex(tensor) && tensor.dtype() == dtype)
                && layer.ints.iter().all(|tensor| {
                    on_flex(tensor) && matches!(tensor.dtype(), DType::I32 | DType::I64)
                })
        };
        matches!(dtype, DType::F32 | DType::F64)
            && !self.layers.is_empty()
            && self.layers.iter().all(|layer| fits(layer) && known(layer))
    }
}

/// Whether a tensor lives on the Flex backend, with or without autodiff.
pub(super) fn on_flex(tensor: &DispatchTensor) -> bool {
    #[allow(unreachable_patterns, reason = "with Flex alone there is no other backend")]
    match &tensor.kind {
        DispatchTensorKind::Flex(_) => true,
        DispatchTensorKind::Autodiff(inner) => matches!(**inner, DispatchTensorKind::Flex(_)),
        _ => false,
    }
}

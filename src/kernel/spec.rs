//! A [`Stack`] as the kernels take it: constants and tensors apart.

use burn::backend::{DispatchTensor, DispatchTensorKind, TensorMetadata};
use burn::nn::Linear;
use burn::nn::activation::Activation as BurnActivation;
use burn::tensor::{DType, Int, Tensor};

use super::row::affine::Bound;
use super::row::spline::Spline;
use super::row::{Activation, Map};
use super::stack::{Description, Parameters, Stack};
use crate::conditioner::{Parts, ResidualBlock};
use crate::direction::Direction;
use crate::univariate::{ScaleBound, UnivariateMap};

/// A flow that the kernels can carry rows through.
#[derive(Debug)]
pub(super) struct Spec {
    dtype: DType,
    /// The layers in `forward` order.
    pub layers: Vec<LayerSpec>,
    /// Weights, biases and shared parameters, in the order of the layers.
    pub floats: Vec<DispatchTensor>,
    /// Kept and transformed features, in the order of the layers.
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
    /// Two of the ints, and a weight and perhaps a bias of the floats for each linear layer.
    Networks { takes_context: bool, networks: Vec<NetworkSpec> },
    /// One of the floats.
    Shared,
}

/// A network without its weights and biases. They come in the order of the hidden layers, then of the
/// blocks (first, second, gate), then of the output layer.
#[derive(Debug, Clone)]
pub(super) struct NetworkSpec {
    pub hidden: Vec<LinearSpec>,
    pub blocks: Vec<BlockSpec>,
    pub output: LinearSpec,
}

/// A residual block without its weights and biases.
#[derive(Debug, Clone)]
pub(super) struct BlockSpec {
    pub activation: Activation<f64>,
    pub first: LinearSpec,
    pub second: LinearSpec,
    pub gate: Option<LinearSpec>,
}

/// A linear layer without its weight and bias.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinearSpec {
    pub bias: bool,
    pub activation: Activation<f64>,
}

impl Spec {
    /// `None` if the kernels cannot carry rows of so many features, of this type, through the stack:
    /// if it has something that they do not know, sizes that do not fit together, or tensors
    /// elsewhere than on Flex or of other types.
    pub(super) fn new(stack: Stack<'_>, d_features: usize, dtype: DType) -> Option<Self> {
        let mut spec = Self { dtype, layers: Vec::new(), floats: Vec::new(), ints: Vec::new() };
        for layer in stack.layers {
            spec.add(layer, d_features)?;
        }
        let float = |tensor: &DispatchTensor| on_flex(tensor) && tensor.dtype() == dtype;
        let int = |tensor: &DispatchTensor| {
            on_flex(tensor) && matches!(tensor.dtype(), DType::I32 | DType::I64)
        };
        let known = matches!(dtype, DType::F32 | DType::F64)
            && !spec.layers.is_empty()
            && spec.floats.iter().all(float)
            && spec.ints.iter().all(int);
        known.then_some(spec)
    }

    fn add(&mut self, layer: Description<'_>, d_features: usize) -> Option<()> {
        let direction = if layer.inverted { Direction::Inverse } else { Direction::Forward };
        let map = known_map(&layer.map);
        let source = match layer.parameters {
            Parameters::Shared(parameters) => {
                (parameters.dims() == [map.n_parameters(), d_features]).then_some(())?;
                self.floats.push(parameters.into_dispatch());
                SourceSpec::Shared
            }
            Parameters::Networks { kept, transformed, networks } => {
                self.add_networks(&map, (kept, transformed), &networks, d_features)?
            }
        };
        self.layers.push(LayerSpec { direction, map, source });
        Some(())
    }

    fn add_networks(
        &mut self,
        map: &Map<f64>,
        (kept, transformed): (Tensor<1, Int>, Tensor<1, Int>),
        networks: &[Parts<'_>],
        d_features: usize,
    ) -> Option<SourceSpec> {
        let ([n_kept], [n_transformed]) = (kept.dims(), transformed.dims());
        (n_kept + n_transformed == d_features).then_some(())?;
        let d_context = networks.first()?.d_context;
        let (mut n_outputs, mut specs) = (0, Vec::with_capacity(networks.len()));
        for network in networks {
            (network.d_context == d_context).then_some(())?;
            let (layers, d_output) = self.add_network(network, n_kept + d_context)?;
            n_outputs += d_output;
            specs.push(layers);
        }
        (n_outputs == map.n_parameters() * n_transformed).then_some(())?;
        self.ints.extend([kept.into_dispatch(), transformed.into_dispatch()]);
        Some(SourceSpec::Networks { takes_context: d_context > 0, networks: specs })
    }

    /// A network, and the number of its outputs.
    fn add_network(&mut self, parts: &Parts<'_>, d_input: usize) -> Option<(NetworkSpec, usize)> {
        let Parts { d_context, hidden, activations, blocks, output } = *parts;
        // What the blocks add to must not pass through an activation first.
        (blocks.is_empty() || (activations.is_empty() && !hidden.is_empty())).then_some(())?;
        let mut width = d_input;
        let mut hidden_specs = Vec::with_capacity(hidden.len());
        for (i, linear) in hidden.iter().enumerate() {
            let spec = self.add_linear(linear, width, activations.get(i))?;
            width = linear.weight.dims()[1];
            hidden_specs.push(spec);
        }
        let mut block_specs = Vec::with_capacity(blocks.len());
        for block in blocks {
            block_specs.push(self.add_block(block, width, d_context)?);
        }
        let output_spec = self.add_linear(output, width, None)?;
        let spec = NetworkSpec { hidden: hidden_specs, blocks: block_specs, output: output_spec };
        Some((spec, output.weight.dims()[1]))
    }

    fn add_block(
        &mut self,
        block: &ResidualBlock,
        width: usize,
        d_context: usize,
    ) -> Option<BlockSpec> {
        let [before_first, before_second] = &block.activations;
        let first = self.add_linear(&block.first, width, Some(before_second))?;
        let d_inner = block.first.weight.dims()[1];
        let second = self.add_linear(&block.second, d_inner, None)?;
        let gate = match &block.gate {
            None => None,
            Some(gate) => {
                let spec = self.add_linear(gate, d_context, None)?;
                Some(LinearSpec { activation: Activation::Sigmoid, ..spec })
            }
        };
        let widths = block.gate.iter().chain([&block.second]).map(|layer| layer.weight.dims()[1]);
        widths.into_iter().all(|d_output| d_output == width).then_some(())?;
        let activation = known_activation(before_first, self.dtype)?;
        Some(BlockSpec { activation, first, second, gate })
    }

    /// A linear layer of so many inputs and the activation after it.
    fn add_linear(
        &mut self,
        linear: &Linear,
        d_input: usize,
        activation: Option<&BurnActivation>,
    ) -> Option<LinearSpec> {
        let activation = match activation {
            Some(activation) => known_activation(activation, self.dtype)?,
            None => Activation::Identity,
        };
        let weight = linear.weight.val();
        let bias = linear.bias.as_ref().map(|bias| bias.val());
        let [d_in, d_out] = weight.dims();
        let fits = d_in == d_input && bias.as_ref().is_none_or(|bias| bias.dims() == [d_out]);
        fits.then_some(())?;
        let spec = LinearSpec { bias: bias.is_some(), activation };
        self.floats.push(weight.into_dispatch());
        self.floats.extend(bias.map(Tensor::into_dispatch));
        Some(spec)
    }
}

fn known_map(map: &UnivariateMap) -> Map<f64> {
    match map {
        UnivariateMap::RationalQuadraticSpline(spline) => Map::Spline(Spline::new(spline.config())),
        UnivariateMap::Additive(_) => Map::Additive,
        UnivariateMap::Affine(affine) => Map::Affine(match affine.bound() {
            ScaleBound::SoftClip { bound } => Bound::SoftClip { bound },
            ScaleBound::Tanh { bound } => Bound::Tanh { bound },
            ScaleBound::Clamp { min, max } => Bound::Clamp { min, max },
            ScaleBound::Sigmoid => Bound::Sigmoid,
            ScaleBound::Exp => Bound::Exp,
        }),
    }
}

/// The activation as the kernels know it; `None` for those that are not elementwise or have weights.
fn known_activation(activation: &BurnActivation, dtype: DType) -> Option<Activation<f64>> {
    Some(match activation {
        BurnActivation::Identity(_) => Activation::Identity,
        BurnActivation::Relu(_) => Activation::Relu,
        BurnActivation::LeakyRelu(a) => Activation::LeakyRelu { negative_slope: a.negative_slope },
        BurnActivation::Elu(a) => Activation::Elu { alpha: a.alpha },
        BurnActivation::Celu(a) => Activation::Celu { alpha: a.alpha },
        BurnActivation::Selu(_) => Activation::Selu,
        BurnActivation::Sigmoid(_) => Activation::Sigmoid,
        BurnActivation::Tanh(_) => Activation::Tanh,
        BurnActivation::Gelu(a) if a.approximate => Activation::GeluApproximate,
        BurnActivation::Gelu(_) => Activation::Gelu,
        BurnActivation::Softplus(a) => {
            // Above it the exponential would overflow; burn draws the same line.
            let most = if dtype == DType::F64 { 709.0 } else { 88.0 };
            Activation::Softplus { beta: a.beta, threshold: a.threshold.min(most) }
        }
        BurnActivation::Softsign(_) => Activation::Softsign,
        BurnActivation::HardSigmoid(a) => Activation::HardSigmoid { alpha: a.alpha, beta: a.beta },
        BurnActivation::HardSwish(_) => Activation::HardSwish,
        BurnActivation::ThresholdedRelu(a) => Activation::ThresholdedRelu { alpha: a.alpha },
        BurnActivation::HardShrink(a) => Activation::HardShrink { lambda: a.lambda },
        BurnActivation::SoftShrink(a) => Activation::Shrink { lambda: a.lambda, bias: a.lambda },
        BurnActivation::Shrink(a) => Activation::Shrink { lambda: a.lambda, bias: a.bias },
        _ => return None,
    })
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

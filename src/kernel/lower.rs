//! From what a layer tells about itself to what the kernels apply: constants and tensors apart.

use std::sync::Arc;

use burn::backend::{DispatchTensor, DispatchTensorKind, TensorMetadata};
use burn::nn::Linear;
use burn::nn::activation::Activation as BurnActivation;
use burn::tensor::{DType, Int, Tensor};

use super::arrangement::{Arrangement, MaskedLayer};
use super::row::affine::Bound;
use super::row::spline::Spline;
use super::row::{Activation, Map};
use super::{KernelMap, Operation, Reason};
use crate::conditioner::{NetworkLayers, NetworkMasks, ResidualBlock};
use crate::direction::Direction;
use crate::univariate::{FixedMap, ScaleBound};

/// A layer that the kernels can apply.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(super) operation: OperationSpec,
    /// Weights, biases and shared parameters, in the order of the operation.
    pub(super) floats: Vec<DispatchTensor>,
    /// How each of them is put before a call, if not as it is.
    pub(super) arrangements: Vec<Option<Arrangement>>,
    /// Kept and transformed features.
    pub(super) ints: Vec<DispatchTensor>,
    /// The number of context features that it takes; 0 for none.
    pub(super) d_context: usize,
}

impl Lowered {
    /// How many weights, biases and shared parameters it has.
    pub(super) fn n_weights(&self) -> usize {
        self.floats.len()
    }
}

/// One layer without its tensors.
#[derive(Debug, Clone)]
pub(super) struct LayerSpec {
    /// The direction in which `forward` of the whole flow applies the layer.
    pub direction: Direction,
    pub operation: OperationSpec,
}

/// An operation without its tensors.
#[derive(Debug, Clone)]
pub(super) enum OperationSpec {
    /// Two of the ints, a third if some kept features are angles, and a weight and perhaps a bias of
    /// the floats for each linear layer.
    Coupling { map: Map<f64>, takes_context: bool, has_angles: bool, networks: Vec<NetworkSpec> },
    /// A weight and perhaps a bias of the floats for each linear layer.
    Autoregressive {
        map: Map<f64>,
        takes_context: bool,
        network: NetworkSpec,
        masks: Arc<NetworkMasks>,
    },
    /// One of the floats.
    Elementwise { map: Map<f64> },
    /// One of the ints.
    FixedMaps { maps: Vec<FixedMap> },
    /// One of the ints.
    Permutation,
    /// Three of the floats: the weight, the bias and the log-determinant.
    Matrix,
}

/// A network without its weights and biases. They come in the order of the hidden layers, then of
/// the blocks (first, second, gate), then of the output layer.
#[derive(Debug, Clone)]
pub(super) struct NetworkSpec {
    pub hidden: Vec<LinearSpec>,
    pub blocks: Vec<BlockSpec>,
    pub output: LinearSpec,
}

impl NetworkSpec {
    /// Those of all weights and biases, in their order.
    fn arrangements(&self, masks: &Arc<NetworkMasks>) -> Vec<Option<Arrangement>> {
        let of_hidden = |(i, spec)| (MaskedLayer::Hidden(i), spec);
        let hidden = self.hidden.iter().enumerate().map(of_hidden);
        let blocks = self.blocks.iter().flat_map(|block| {
            let gate = block.gate.iter().map(|gate| (MaskedLayer::Gate, gate));
            [&block.first, &block.second]
                .map(|spec| (MaskedLayer::Block, spec))
                .into_iter()
                .chain(gate)
        });
        let output = [(MaskedLayer::Output, &self.output)];
        let of_layer = |(layer, spec): (MaskedLayer, &LinearSpec)| {
            let biases = if spec.bias { &[false, true][..] } else { &[false] };
            biases.iter().map(move |&is_bias| (layer, is_bias))
        };
        let all = hidden.chain(blocks).chain(output).flat_map(of_layer);
        all.map(|(layer, is_bias)| Some(Arrangement { masks: masks.clone(), layer, is_bias }))
            .collect()
    }
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

/// An operation on rows of so many features of this type, or the reason why the kernels cannot
/// apply it: it has something that they do not know, shapes that do not fit together, or tensors
/// elsewhere than on Flex or of other types.
pub(crate) fn lower(
    operation: Operation<'_>,
    d_features: usize,
    dtype: DType,
) -> Result<Lowered, Reason> {
    let mut lowering = Lowering {
        dtype,
        floats: Vec::with_capacity(8),
        arrangements: Vec::new(),
        ints: Vec::with_capacity(2),
    };
    let (operation, d_context) = match operation {
        Operation::Coupling { kept, transformed, networks, map } => {
            lowering.coupling([kept, transformed], &networks, &map, d_features)?
        }
        Operation::Autoregressive { network, map } => {
            lowering.autoregressive(&network, &map, d_features)?
        }
        Operation::Elementwise { parameters, map } => {
            let map = lower_map(&map);
            fits(parameters.dims() == [map.n_parameters(), d_features])?;
            lowering.floats.push(parameters.into_dispatch());
            (OperationSpec::Elementwise { map }, 0)
        }
        Operation::FixedMaps { maps, places } => {
            fits(maps.len() == d_features && places.dims() == [d_features])?;
            lowering.ints.push(places.into_dispatch());
            (OperationSpec::FixedMaps { maps }, 0)
        }
        Operation::Permutation { order } => {
            fits(order.dims() == [d_features])?;
            lowering.ints.push(order.into_dispatch());
            (OperationSpec::Permutation, 0)
        }
        Operation::Matrix { weight, bias, log_det } => {
            fits(weight.dims() == [d_features; 2])?;
            fits(bias.dims() == [d_features] && log_det.dims() == [1])?;
            let tensors = [weight.into_dispatch(), bias.into_dispatch(), log_det.into_dispatch()];
            lowering.floats.extend(tensors);
            (OperationSpec::Matrix, 0)
        }
    };
    let Lowering { floats, mut arrangements, ints, .. } = lowering;
    arrangements.resize(floats.len(), None);
    let int = |tensor: &DispatchTensor| matches!(tensor.dtype(), DType::I32 | DType::I64);
    require(floats.iter().chain(&ints).all(on_flex), Reason::Backend)?;
    require(
        matches!(dtype, DType::F32 | DType::F64)
            && floats.iter().all(|tensor| tensor.dtype() == dtype)
            && ints.iter().all(int),
        Reason::FloatType,
    )?;
    require(floats.len() <= super::program::MAX_WEIGHTS, Reason::Weights)?;
    Ok(Lowered { operation, floats, arrangements, ints, d_context })
}

fn require(condition: bool, reason: Reason) -> Result<(), Reason> {
    if condition { Ok(()) } else { Err(reason) }
}

fn fits(condition: bool) -> Result<(), Reason> {
    require(condition, Reason::Shapes)
}

/// The tensors of a layer as they come up.
struct Lowering {
    dtype: DType,
    floats: Vec<DispatchTensor>,
    arrangements: Vec<Option<Arrangement>>,
    ints: Vec<DispatchTensor>,
}

impl Lowering {
    /// The operation, and the number of context features.
    fn coupling(
        &mut self,
        [kept, transformed]: [Tensor<1, Int>; 2],
        networks: &[NetworkLayers<'_>],
        map: &KernelMap,
        d_features: usize,
    ) -> Result<(OperationSpec, usize), Reason> {
        let map = lower_map(map);
        let ([n_kept], [n_transformed]) = (kept.dims(), transformed.dims());
        fits(n_kept + n_transformed == d_features)?;
        let first = networks.first().ok_or(Reason::Conditioner)?;
        let d_context = first.d_context;
        let n_angles = first.angles.map_or(0, |angles| angles.dims()[0]);
        // All networks of a layer have the same input.
        let one_or_plain = networks.len() == 1 || networks.iter().all(|n| n.angles.is_none());
        require(one_or_plain, Reason::Conditioner)?;
        let (mut n_outputs, mut specs) = (0, Vec::with_capacity(networks.len()));
        for network in networks {
            fits(network.d_context == d_context)?;
            let (spec, d_output) = self.network(network, n_kept + n_angles + d_context)?;
            n_outputs += d_output;
            specs.push(spec);
        }
        fits(n_outputs == map.n_parameters() * n_transformed)?;
        self.ints.extend([kept.into_dispatch(), transformed.into_dispatch()]);
        self.ints.extend(first.angles.map(|angles| angles.val().into_dispatch()));
        let (takes_context, has_angles) = (d_context > 0, first.angles.is_some());
        let operation = OperationSpec::Coupling { map, takes_context, has_angles, networks: specs };
        Ok((operation, d_context))
    }

    /// The operation, and the number of context features.
    fn autoregressive(
        &mut self,
        network: &NetworkLayers<'_>,
        map: &KernelMap,
        d_features: usize,
    ) -> Result<(OperationSpec, usize), Reason> {
        let map = lower_map(map);
        let masks = network.masks.ok_or(Reason::Conditioner)?;
        require(network.angles.is_none(), Reason::Conditioner)?;
        let d_context = network.d_context;
        let (spec, n_outputs) = self.network(network, d_features + d_context)?;
        fits(masks.adjacency.d_features() == d_features)?;
        fits(n_outputs == map.n_parameters() * d_features)?;
        fits(spec.hidden.len() == masks.hidden.len())?;
        self.arrangements = spec.arrangements(masks);
        let mut placed = self.floats.iter().zip(&self.arrangements);
        fits(placed.all(|(tensor, arrangement)| {
            arrangement.as_ref().is_none_or(|arrangement| arrangement.fits(&tensor.shape()))
        }))?;
        let (takes_context, masks) = (d_context > 0, masks.clone());
        let operation = OperationSpec::Autoregressive { map, takes_context, network: spec, masks };
        Ok((operation, d_context))
    }

    /// A network, and the number of its outputs.
    fn network(
        &mut self,
        network: &NetworkLayers<'_>,
        d_input: usize,
    ) -> Result<(NetworkSpec, usize), Reason> {
        let NetworkLayers { d_context, hidden, activations, blocks, output, .. } = *network;
        // What the blocks add to must not pass through an activation first.
        fits(blocks.is_empty() || (activations.is_empty() && !hidden.is_empty()))?;
        let mut width = d_input;
        let mut hidden_specs = Vec::with_capacity(hidden.len());
        for (i, linear) in hidden.iter().enumerate() {
            let spec = self.linear(linear, width, activations.get(i))?;
            width = linear.weight.dims()[1];
            hidden_specs.push(spec);
        }
        let mut block_specs = Vec::with_capacity(blocks.len());
        for block in blocks {
            block_specs.push(self.block(block, width, d_context)?);
        }
        let output_spec = self.linear(output, width, None)?;
        let spec = NetworkSpec { hidden: hidden_specs, blocks: block_specs, output: output_spec };
        Ok((spec, output.weight.dims()[1]))
    }

    fn block(
        &mut self,
        block: &ResidualBlock,
        width: usize,
        d_context: usize,
    ) -> Result<BlockSpec, Reason> {
        let [before_first, before_second] = &block.activations;
        let first = self.linear(&block.first, width, Some(before_second))?;
        let d_inner = block.first.weight.dims()[1];
        let second = self.linear(&block.second, d_inner, None)?;
        let gate = match &block.gate {
            None => None,
            Some(gate) => {
                let spec = self.linear(gate, d_context, None)?;
                Some(LinearSpec { activation: Activation::Sigmoid, ..spec })
            }
        };
        let widths = block.gate.iter().chain([&block.second]).map(|layer| layer.weight.dims()[1]);
        fits(widths.into_iter().all(|d_output| d_output == width))?;
        let activation = lower_activation(before_first, self.dtype)?;
        Ok(BlockSpec { activation, first, second, gate })
    }

    /// A linear layer of so many inputs and the activation after it.
    fn linear(
        &mut self,
        linear: &Linear,
        d_input: usize,
        activation: Option<&BurnActivation>,
    ) -> Result<LinearSpec, Reason> {
        let activation = match activation {
            Some(activation) => lower_activation(activation, self.dtype)?,
            None => Activation::Identity,
        };
        let weight = linear.weight.val();
        let bias = linear.bias.as_ref().map(|bias| bias.val());
        let [d_in, d_out] = weight.dims();
        fits(d_in == d_input && bias.as_ref().is_none_or(|bias| bias.dims() == [d_out]))?;
        let spec = LinearSpec { bias: bias.is_some(), activation };
        self.floats.push(weight.into_dispatch());
        self.floats.extend(bias.map(Tensor::into_dispatch));
        Ok(spec)
    }
}

fn lower_map(map: &KernelMap) -> Map<f64> {
    match map {
        KernelMap::RationalQuadraticSpline(config) => Map::Spline(Spline::new(config)),
        KernelMap::Additive => Map::Additive,
        KernelMap::Affine(bound) => Map::Affine(match *bound {
            ScaleBound::SoftClip { bound } => Bound::SoftClip { bound },
            ScaleBound::Tanh { bound } => Bound::Tanh { bound },
            ScaleBound::Clamp { min, max } => Bound::Clamp { min, max },
            ScaleBound::Sigmoid => Bound::Sigmoid,
            ScaleBound::Exp => Bound::Exp,
        }),
    }
}

/// The activation as the kernels know it; not those that are not elementwise or have weights.
fn lower_activation(activation: &BurnActivation, dtype: DType) -> Result<Activation<f64>, Reason> {
    Ok(match activation {
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
        _ => return Err(Reason::Activation),
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

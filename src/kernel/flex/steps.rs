//! The steps of a flow, made of its tensors.

use std::sync::Arc;

use burn::backend::tensor::IntTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::DType;

use super::super::arrangement::parts;
use super::super::lower::{LayerSpec, LinearSpec, NetworkSpec, OperationSpec};
use super::super::ops::FlowTensors;
use super::super::row::{Activation, Linear};
use super::super::tile::{
    Autoregressive, Block, Coupling, Elementwise, Fixed, Matrix, Network, Operation, Permutation,
    Step, Steps, relabelled,
};
use super::weights::{Weight, with_weights};
use super::{BatchRows, Stored};
use crate::conditioner::{NetworkMasks, WeightMask};
use crate::direction::Direction;

/// Runs `f` on the steps of a flow in a direction, for a batch of so many rows in tiles of so many.
pub(super) fn with_steps<R: Stored, T>(
    flow: &FlowTensors<Flex>,
    direction: Direction,
    rows: BatchRows,
    f: impl FnOnce(&Steps<'_, R>) -> T,
) -> T {
    with_weights(flow, rows, |weights| f(&steps(flow, direction, weights)))
}

/// The steps of a flow in a direction, with these weights.
pub(super) fn steps<'a, R: Stored>(
    flow: &FlowTensors<Flex>,
    direction: Direction,
    weights: Vec<Weight<'a, R>>,
) -> Steps<'a, R> {
    let mut weights = weights.into_iter();
    let mut ints = flow.ints.iter().map(indices);
    let layers = flow.layers.iter();
    let mut steps: Vec<_> =
        layers.map(|layer| step(layer, direction, &mut weights, &mut ints)).collect();
    if direction == Direction::Inverse {
        steps.reverse();
    }
    let steps = relabelled(steps);
    let d_features = steps.first().map_or(0, Step::d_features);
    let d_context = flow.context.as_ref().map_or(0, |context| context.shape()[1]);
    Steps { d_features, d_context, steps }
}

fn step<'a, R: Stored>(
    layer: &LayerSpec,
    direction: Direction,
    weights: &mut impl Iterator<Item = Weight<'a, R>>,
    ints: &mut impl Iterator<Item = Vec<usize>>,
) -> Step<'a, R> {
    let mut weight = || weights.next().expect("each layer brings its weights");
    let mut int = || ints.next().expect("each layer brings its ints");
    let direction = match direction {
        Direction::Forward => layer.direction,
        Direction::Inverse => layer.direction.reversed(),
    };
    let operation = match &layer.operation {
        OperationSpec::Autoregressive { map, takes_context, network: spec, masks } => {
            let adjacency = &masks.adjacency;
            let mut features: Vec<usize> = (0..adjacency.d_features()).collect();
            features.sort_by_key(|&feature| adjacency.passes()[feature]);
            Operation::Autoregressive(Autoregressive {
                map: map.cast(R::from_f64),
                masks: masks.clone(),
                features,
                takes_context: *takes_context,
                network: network(spec, Some(masks), &mut weight),
            })
        }
        OperationSpec::Elementwise { map } => {
            let map = map.cast(R::from_f64);
            let Weight { data: parameters, shape, .. } = weight();
            Operation::Elementwise(Elementwise {
                map,
                features: (0..shape[1]).collect(),
                parameters,
            })
        }
        OperationSpec::FixedMaps { maps } => {
            let features = (0..int().len()).collect();
            Operation::Fixed(Fixed { maps: maps.clone(), features })
        }
        OperationSpec::Permutation => Operation::Permutation(Permutation { order: int() }),
        OperationSpec::Matrix => {
            let [Weight { data, shape, columns }, bias, log_det] =
                std::array::from_fn(|_| weight());
            Operation::Matrix(Matrix {
                linear: Linear {
                    weight: data,
                    columns,
                    bias: Some(bias.data),
                    d_input: shape[0],
                    d_output: shape[1],
                    activation: Activation::Identity,
                    parts: Vec::new(),
                },
                log_det: log_det.data[0],
                features: (0..shape[0]).collect(),
            })
        }
        OperationSpec::Coupling { map, takes_context, has_angles, networks } => {
            let map = map.cast(R::from_f64);
            let networks = networks.iter().map(|spec| network(spec, None, &mut weight)).collect();
            let (seen, transformed, takes_context) = (int(), int(), *takes_context);
            let places = if *has_angles { int() } else { Vec::new() };
            let angles = places.iter().map(|&place| seen[place]).collect();
            let is_plain = |place: &usize| !places.contains(place);
            let kept = (0..seen.len()).filter(is_plain).map(|place| seen[place]).collect();
            Operation::Coupling(Coupling {
                map,
                kept,
                angles,
                transformed,
                takes_context,
                networks,
            })
        }
    };
    Step { direction, operation }
}

/// A network, with the weights that come next.
fn network<'a, R: Stored>(
    spec: &NetworkSpec,
    masks: Option<&Arc<NetworkMasks>>,
    weight: &mut impl FnMut() -> Weight<'a, R>,
) -> Network<'a, R> {
    let mut linear = |layer: &LinearSpec, mask: Option<&WeightMask>| {
        let Weight { data, shape, columns } = weight();
        let bias = layer.bias.then(|| weight().data);
        let activation = layer.activation.cast(R::from_f64);
        let (d_input, d_output) = (shape[0], shape[1]);
        let parts = mask.map_or_else(Vec::new, parts);
        Linear { weight: data, columns, bias, d_input, d_output, activation, parts }
    };
    let hidden = spec.hidden.iter().enumerate();
    let hidden = hidden.map(|(i, layer)| linear(layer, masks.map(|masks| &masks.hidden[i])));
    let hidden = hidden.collect();
    let [of_block, of_gate] = [masks.map(|masks| &masks.block), masks.map(|masks| &masks.gate)];
    let blocks = spec.blocks.iter().map(|block| Block {
        activation: block.activation.cast(R::from_f64),
        first: linear(&block.first, of_block),
        second: linear(&block.second, of_block),
        gate: block.gate.as_ref().map(|gate| linear(gate, of_gate)),
    });
    let blocks = blocks.collect();
    Network { hidden, blocks, output: linear(&spec.output, masks.map(|masks| &masks.output)) }
}

/// Feature indices. A negative one is beyond every feature, and reading there panics.
fn indices(tensor: &IntTensor<Flex>) -> Vec<usize> {
    let contiguous = tensor.to_contiguous();
    let start = contiguous.layout().start_offset();
    let n = contiguous.shape().num_elements();
    match contiguous.dtype() {
        DType::I32 => {
            contiguous.storage::<i32>()[start..start + n].iter().map(|&i| i as usize).collect()
        }
        _ => contiguous.storage::<i64>()[start..start + n].iter().map(|&i| i as usize).collect(),
    }
}

//! The steps of a flow, made of its tensors.

use std::sync::Arc;

use burn::backend::tensor::IntTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, Shape};

use super::super::arrangement::{Arrangement, parts};
use super::super::lower::{LayerSpec, LinearSpec, NetworkSpec, OperationSpec};
use super::super::ops::FlowTensors;
use super::super::row::linear::{prefers_columns, transpose};
use super::super::row::{Activation, Linear};
use super::super::threads::share;
use super::super::tile::{
    Autoregressive, Block, Coupling, Elementwise, Fixed, Matrix, Network, Operation, Permutation,
    Step, Steps, relabelled,
};
use super::buffers::{give_back, take_buffer};
use super::{BatchRows, FlexTensor, Stored};
use crate::conditioner::{NetworkMasks, WeightMask};
use crate::direction::Direction;

/// From so many rows on it pays to put a weight of so many numbers column after column first, since
/// it is read faster then.
const COLUMNS_FROM_ROWS: usize = 1024;
const COLUMNS_FROM_LEN: usize = 1 << 17;
/// From so many numbers on it pays to have other threads help with that.
const SHARE_FROM_LEN: usize = 1 << 17;

/// Runs `f` on the steps of a flow in a direction, for a batch of so many rows in tiles of so many.
pub(super) fn with_steps<R: Stored, T>(
    flow: &FlowTensors<Flex>,
    direction: Direction,
    rows: BatchRows,
    f: impl FnOnce(&Steps<'_, R>) -> T,
) -> T {
    // Weights are contiguous unless somebody made them otherwise.
    let contiguous: Vec<FlexTensor> = flow
        .floats
        .iter()
        .map(|x| if x.is_contiguous() { x.clone() } else { x.to_contiguous() })
        .collect();
    let weights: Vec<Weight<'_, R>> = contiguous
        .iter()
        .map(|tensor| Weight { data: numbers(tensor), shape: tensor.shape(), columns: None })
        .collect();
    with_arranged(weights, &flow.arrangements, |weights| {
        with_columns(weights, rows, |weights| run_steps(flow, direction, weights, f))
    })
}

fn run_steps<R: Stored, T>(
    flow: &FlowTensors<Flex>,
    direction: Direction,
    weights: Vec<Weight<'_, R>>,
    f: impl FnOnce(&Steps<'_, R>) -> T,
) -> T {
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
    f(&Steps { d_features, d_context, steps })
}

/// A weight, a bias or shared parameters.
struct Weight<'a, R> {
    data: &'a [R],
    shape: Shape,
    /// The same numbers column after column.
    columns: Option<&'a [R]>,
}

impl<'a, R: Stored> Weight<'a, R> {
    /// Whether it is put column after column first.
    fn wants_columns(&self, BatchRows { batch, tile }: BatchRows) -> bool {
        // Of rank 2 are also shared parameters, which no product reads; they are too few to matter.
        let &[d_input, d_output] = self.shape.as_slice() else { return false };
        let large = batch >= COLUMNS_FROM_ROWS && self.data.len() >= COLUMNS_FROM_LEN;
        large || (batch > tile && prefers_columns::<R>([d_input, d_output], tile))
    }

    fn put_columns(&mut self, place: &'a mut [R]) {
        transpose(self.data, self.shape[0], place);
        self.columns = Some(place);
    }
}

/// Runs `f` on the weights, those of masked networks as their arrangements put them.
fn with_arranged<R: Stored, T>(
    weights: Vec<Weight<'_, R>>,
    arrangements: &[Option<Arrangement>],
    f: impl FnOnce(Vec<Weight<'_, R>>) -> T,
) -> T {
    let pairs = || weights.iter().zip(arrangements);
    let arranged = pairs().filter(|(_, arrangement)| arrangement.is_some());
    let len = arranged.map(|(weight, _)| weight.data.len()).sum();
    if len == 0 {
        return f(weights);
    }
    let mut buffer = take_buffer::<R>(len);
    // Bound again, so that their lifetime may shrink to that of the buffer.
    let mut weights: Vec<Weight<'_, R>> = weights;
    let mut rest = &mut buffer[..];
    let mut places = Vec::new();
    for (weight, arrangement) in weights.iter_mut().zip(arrangements) {
        if let Some(arrangement) = arrangement {
            let (place, others) = std::mem::take(&mut rest).split_at_mut(weight.data.len());
            rest = others;
            places.push((weight, arrangement, place));
        }
    }
    let put = |(weight, arrangement, place): (&mut Weight<'_, R>, &Arrangement, &mut [R])| {
        arrangement.arrange(weight.data, place);
    };
    if len < SHARE_FROM_LEN {
        places.into_iter().for_each(put);
    } else {
        share(places, |_, place| put(place));
    }
    let mut rest = &buffer[..];
    for (weight, _) in weights.iter_mut().zip(arrangements).filter(|(_, a)| a.is_some()) {
        let (place, others) = rest.split_at(weight.data.len());
        rest = others;
        weight.data = place;
    }
    let result = f(weights);
    give_back(vec![buffer]);
    result
}

/// Runs `f` on the weights, with some also column after column where it pays.
fn with_columns<R: Stored, T>(
    weights: Vec<Weight<'_, R>>,
    rows: BatchRows,
    f: impl FnOnce(Vec<Weight<'_, R>>) -> T,
) -> T {
    let wanting = weights.iter().filter(|weight| weight.wants_columns(rows));
    let len = wanting.map(|weight| weight.data.len()).sum();
    if len == 0 {
        return f(weights);
    }
    let mut buffer = take_buffer::<R>(len);
    // Bound again, so that their lifetime may shrink to that of the buffer.
    let mut weights: Vec<Weight<'_, R>> = weights;
    let mut rest = &mut buffer[..];
    let mut places = Vec::new();
    for weight in weights.iter_mut().filter(|weight| weight.wants_columns(rows)) {
        let (place, others) = std::mem::take(&mut rest).split_at_mut(weight.data.len());
        rest = others;
        places.push((weight, place));
    }
    if len < SHARE_FROM_LEN {
        places.into_iter().for_each(|(weight, place)| weight.put_columns(place));
    } else {
        share(places, |_, (weight, place)| weight.put_columns(place));
    }
    let result = f(weights);
    give_back(vec![buffer]);
    result
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

/// The numbers of a contiguous tensor.
fn numbers<R: Stored>(tensor: &FlexTensor) -> &[R] {
    let start = tensor.layout().start_offset();
    &R::storage(tensor)[start..start + tensor.shape().num_elements()]
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

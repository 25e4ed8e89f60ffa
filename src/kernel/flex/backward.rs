//! The gradients of a flow in one pass over the rows.

use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Shape;

use super::super::arrangement::Arrangement;
use super::super::ops::FlowTensors;
use super::super::row::Real;
use super::super::threads::share;
use super::super::tile::{Offsets, Step, Steps};
use super::buffers::{give_back, take_buffer};
use super::phases::{self, Plan};
use super::shard::{BackwardTarget, OwnRows, Pass};
use super::steps::with_steps;
use super::{BatchRows, FlexTensor, Stored, with_float};
use crate::direction::Direction;

/// The least rows of a shard where there are more than two: each shard costs a pass over the
/// gradients of all weights.
const SHARD_ROWS: usize = 256;
/// The same for a small flow, of fewer weights than [`SMALL`], and of two shards.
const SHARD_ROWS_SMALL: usize = 64;
const SMALL: usize = 1 << 18;
/// More shards need more memory for sums.
const MAX_SHARDS: usize = 8;

/// Which gradients somebody wants.
#[derive(Debug, Clone)]
pub(in super::super) struct WantedGradients {
    pub input: bool,
    pub context: bool,
    pub floats: Vec<bool>,
}

impl WantedGradients {
    pub fn any(&self) -> bool {
        self.input || self.context || self.floats.contains(&true)
    }
}

/// Gradients, where they are wanted.
#[derive(Debug, Clone)]
pub(in super::super) struct Gradients {
    pub input: Option<FlexTensor>,
    pub context: Option<FlexTensor>,
    pub floats: Vec<Option<FlexTensor>>,
}

/// All gradients in one pass over the rows: back from the tape that the forward pass left, or
/// forward and back.
pub(in super::super) fn gradients(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    target: &BackwardTarget<'_>,
    tape: Option<FlexTensor>,
    wanted: &WantedGradients,
) -> Gradients {
    with_float!(input, R => pass::<R>(input, flow, target, tape, wanted).1)
}

/// The log-densities under the standard normal and, in the same pass, the gradients of all inputs
/// if every row's log-density has the gradient `weight`.
pub(in super::super) fn log_prob_with_gradients(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    weight: f64,
    wanted: &WantedGradients,
) -> (FlexTensor, Gradients) {
    with_float!(input, R => {
        let target = BackwardTarget::LogProb(weight);
        let (log_prob, gradients) = pass::<R>(input, flow, &target, None, wanted);
        let batch = log_prob.len();
        (R::tensor(log_prob, &[batch]), gradients)
    })
}

/// The gradients, and the log-densities if the target asks for them.
fn pass<R: Stored>(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    target: &BackwardTarget<'_>,
    mut tape: Option<FlexTensor>,
    wanted: &WantedGradients,
) -> (Vec<R>, Gradients) {
    let (batch, d_features) = (input.shape()[0], input.shape()[1]);
    let d_context = flow.context.as_ref().map_or(0, |context| context.shape()[1]);
    let shapes: Vec<_> = flow.floats.iter().map(TensorMetadata::shape).collect();
    let mut n_wanted = 0;
    let offsets: Vec<Option<usize>> = shapes
        .iter()
        .zip(&wanted.floats)
        .map(|(shape, &wanted)| {
            wanted.then(|| {
                n_wanted += shape.num_elements();
                n_wanted - shape.num_elements()
            })
        })
        .collect();

    let shard_rows = shard_rows(batch, weights_len(flow));
    let n_shards = batch.div_ceil(shard_rows);
    let mut log_prob = vec![R::ZERO; batch];
    let mut input_gradient = wanted.input.then(|| vec![R::ZERO; batch * d_features]);
    let mut context_gradient = wanted.context.then(|| vec![R::ZERO; batch * d_context]);
    let tape = tape.as_mut().map(R::storage_mut);
    let rows = BatchRows::in_training(batch);
    let shards = with_steps::<R, _>(flow, target.direction(), rows, |steps| {
        let offsets = steps_offsets(steps, &offsets, target.direction());
        let layout = steps.tape_layout();
        let pass = Pass { rows, steps, layout: &layout, offsets: &offsets, target, input, flow };
        let may_divide = tape.is_none() && steps.keep_bits_in_any_tile();
        let mut own = OwnRows {
            log_prob: &mut log_prob,
            tape,
            input: input_gradient.as_deref_mut(),
            context: context_gradient.as_deref_mut(),
        };
        match Plan::if_it_pays(steps, rows, n_shards, may_divide) {
            Some(plan) => vec![phases::sums(&pass, own, n_wanted, shard_rows, plan)],
            None => {
                let shards = (0..n_shards).map(|_| own.take_front(shard_rows));
                share(shards.collect(), |index, shard| {
                    let mut sums = take_buffer::<R>(n_wanted);
                    pass.shard(index * shard_rows, shard, &mut sums);
                    sums
                })
            }
        }
    });

    let sums = |shape: &Shape, arrangement: &Option<Arrangement>, offset: Option<usize>| {
        let range = offset?..offset? + shape.num_elements();
        let mut sums = sum_in_order(&shards, range);
        if let Some(arrangement) = arrangement {
            let arranged = sums;
            sums = vec![R::ZERO; arranged.len()];
            arrangement.restore(&arranged, &mut sums);
        }
        Some(R::tensor(sums, shape.as_slice()))
    };
    let weights: Vec<_> = shapes.iter().zip(&flow.arrangements).zip(offsets).collect();
    let sums = |((shape, arrangement), offset)| sums(shape, arrangement, offset);
    let floats = if n_wanted < SMALL {
        weights.into_iter().map(sums).collect()
    } else {
        share(weights, |_, weight| sums(weight))
    };
    give_back(shards);
    let gradients = Gradients {
        input: input_gradient.map(|gradient| R::tensor(gradient, &[batch, d_features])),
        context: context_gradient.map(|gradient| R::tensor(gradient, &[batch, d_context])),
        floats,
    };
    (log_prob, gradients)
}

/// The numbers of all weights, biases and shared parameters of a flow.
pub(super) fn weights_len(flow: &FlowTensors<Flex>) -> usize {
    flow.floats.iter().map(|tensor| tensor.shape().num_elements()).sum()
}

/// The rows of a shard: two shards if the batch allows, more where they are worth their cost.
pub(super) fn shard_rows(batch: usize, n_weights: usize) -> usize {
    let least = if n_weights < SMALL { SHARD_ROWS_SMALL } else { SHARD_ROWS };
    let two = 2.min(batch.div_ceil(SHARD_ROWS_SMALL));
    let n_shards = (batch / least).clamp(two, MAX_SHARDS);
    batch.div_ceil(n_shards).next_multiple_of(32)
}

/// The sum of the same range of all shards, the first shard first.
fn sum_in_order<R: Real>(shards: &[Vec<R>], range: std::ops::Range<usize>) -> Vec<R> {
    let (first, rest) = shards.split_first().expect("a batch has at least one shard");
    let mut sums = match rest.first() {
        None => first[range.clone()].to_vec(),
        Some(second) => {
            let pairs = first[range.clone()].iter().zip(&second[range.clone()]);
            pairs.map(|(&a, &b)| a + b).collect()
        }
    };
    for shard in rest.iter().skip(1) {
        sums.iter_mut().zip(&shard[range.clone()]).for_each(|(sum, &term)| *sum += term);
    }
    sums
}

/// The offsets of each step, in the order of the steps.
fn steps_offsets<R: Real>(
    steps: &Steps<'_, R>,
    offsets: &[Option<usize>],
    direction: Direction,
) -> Vec<Offsets> {
    let mut rest = offsets;
    let mut of_step = |step: &Step<'_, R>| {
        let (first, others) = rest.split_at(step.n_weights());
        rest = others;
        first.to_vec()
    };
    match direction {
        Direction::Forward => steps.steps.iter().map(of_step).collect(),
        Direction::Inverse => {
            let mut offsets: Vec<_> = steps.steps.iter().rev().map(&mut of_step).collect();
            offsets.reverse();
            offsets
        }
    }
}

/// All gradients times a factor, in place.
pub(in super::super) fn scale(mut gradients: Gradients, factor: f64) -> Gradients {
    let Gradients { input, context, floats } = &mut gradients;
    let all: Vec<_> = input.iter_mut().chain(context).chain(floats.iter_mut().flatten()).collect();
    share(all, |_, tensor| {
        with_float!(tensor, R => {
            let factor = R::from_f64(factor);
            R::storage_mut(tensor).iter_mut().for_each(|x| *x *= factor);
        });
    });
    gradients
}

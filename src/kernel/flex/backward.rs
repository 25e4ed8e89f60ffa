//! The gradients of a flow in one pass over the rows.

use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Shape;

use super::super::ops::FlowTensors;
use super::super::row::Real;
use super::super::row::map::Direction;
use super::super::threads::share;
use super::super::tile::{Back, Layout, Offsets, Step, Steps, WeightSums};
use super::buffers::{give_back, split, take_buffer};
use super::forward::standard_normal_log_prob;
use super::steps::with_steps;
use super::strided::{Column, Rows, write_rows};
use super::{FlexTensor, Stored, tile_rows, with_float};

/// The least rows of a lane where there are more than two: each lane costs a pass over the gradients
/// of all weights.
const LANE_ROWS: usize = 256;
/// The same for a small flow, of fewer weights than [`SMALL`], and of two lanes.
const LANE_ROWS_SMALL: usize = 64;
const SMALL: usize = 1 << 18;
/// More lanes need more memory for sums.
const MAX_LANES: usize = 8;

/// Where the backward pass starts, and what else it gives.
pub(in super::super) enum Goal<'g> {
    /// From the log-density under the standard normal; every row's has this gradient.
    LogProb(f64),
    /// The same with a gradient for each row, `[batch]`.
    WeightedLogProb(&'g FlexTensor),
    /// From what `transform` gives: the gradients of its two outputs side by side,
    /// `[batch, d_features + 1]`.
    Transform(Direction, &'g FlexTensor),
}

impl Goal<'_> {
    fn direction(&self) -> Direction {
        match self {
            Self::LogProb(_) | Self::WeightedLogProb(_) => Direction::Inverse,
            Self::Transform(direction, _) => *direction,
        }
    }
}

/// Which gradients somebody wants.
#[derive(Debug, Clone)]
pub(in super::super) struct Wanted {
    pub input: bool,
    pub context: bool,
    pub floats: Vec<bool>,
}

impl Wanted {
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

/// All gradients in one pass over the rows.
pub(in super::super) fn gradients(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    goal: &Goal<'_>,
    wanted: &Wanted,
) -> Gradients {
    with_float!(input, R => pass::<R>(input, flow, goal, wanted).1)
}

/// The log-densities under the standard normal and, in the same pass, the gradients of all inputs if
/// every row's log-density has the gradient `weight`.
pub(in super::super) fn log_prob_with_gradients(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    weight: f64,
    wanted: &Wanted,
) -> (FlexTensor, Gradients) {
    with_float!(input, R => {
        let (log_prob, gradients) = pass::<R>(input, flow, &Goal::LogProb(weight), wanted);
        let batch = log_prob.len();
        (R::tensor(log_prob, &[batch]), gradients)
    })
}

/// The gradients, and the log-densities if the goal asks for them.
fn pass<R: Stored>(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    goal: &Goal<'_>,
    wanted: &Wanted,
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

    let n_weights = shapes.iter().map(Shape::num_elements).sum();
    let lane_rows = lane_rows(batch, n_weights);
    let n_lanes = batch.div_ceil(lane_rows);
    let mut log_prob = vec![R::ZERO; batch];
    let mut input_gradient = wanted.input.then(|| vec![R::ZERO; batch * d_features]);
    let mut context_gradient = wanted.context.then(|| vec![R::ZERO; batch * d_context]);
    let lanes = with_steps::<R, _>(flow, goal.direction(), batch, |steps| {
        let offsets = steps_offsets(steps, &offsets, goal.direction());
        let log_probs = log_prob.chunks_mut(lane_rows);
        let inputs = chunks(&mut input_gradient, lane_rows * d_features, n_lanes);
        let contexts = chunks(&mut context_gradient, lane_rows * d_context, n_lanes);
        let places = log_probs.zip(inputs).zip(contexts).collect();
        let layout = steps.tape_layout();
        let pass = Pass { steps, layout: &layout, offsets: &offsets, goal, input, flow };
        share(places, |index, ((log_prob, input), context)| {
            let mut weights = take_buffer::<R>(n_wanted);
            pass.lane(index * lane_rows, log_prob, input, context, &mut weights);
            weights
        })
    });

    let sums = |shape: &Shape, offset: Option<usize>| {
        let range = offset?..offset? + shape.num_elements();
        Some(R::tensor(sum_in_order(&lanes, range), shape.as_slice()))
    };
    let weights: Vec<_> = shapes.iter().zip(offsets).collect();
    let floats = if n_wanted < SMALL {
        weights.into_iter().map(|(shape, offset)| sums(shape, offset)).collect()
    } else {
        share(weights, |_, (shape, offset)| sums(shape, offset))
    };
    give_back(lanes);
    let gradients = Gradients {
        input: input_gradient.map(|gradient| R::tensor(gradient, &[batch, d_features])),
        context: context_gradient.map(|gradient| R::tensor(gradient, &[batch, d_context])),
        floats,
    };
    (log_prob, gradients)
}

/// The rows of a lane: two lanes if the batch allows, more where they are worth their cost.
fn lane_rows(batch: usize, n_weights: usize) -> usize {
    let least = if n_weights < SMALL { LANE_ROWS_SMALL } else { LANE_ROWS };
    let two = 2.min(batch.div_ceil(LANE_ROWS_SMALL));
    let n_lanes = (batch / least).clamp(two, MAX_LANES);
    batch.div_ceil(n_lanes).next_multiple_of(32)
}

/// The sum of the same range of all lanes, the first lane first.
fn sum_in_order<R: Real>(lanes: &[Vec<R>], range: std::ops::Range<usize>) -> Vec<R> {
    let (first, rest) = lanes.split_first().expect("a batch has at least one lane");
    let mut sums = match rest.first() {
        None => first[range.clone()].to_vec(),
        Some(second) => {
            let pairs = first[range.clone()].iter().zip(&second[range.clone()]);
            pairs.map(|(&a, &b)| a + b).collect()
        }
    };
    for lane in rest.iter().skip(1) {
        sums.iter_mut().zip(&lane[range.clone()]).for_each(|(sum, &term)| *sum += term);
    }
    sums
}

/// The chunks of a buffer, if there is one.
fn chunks<R>(buffer: &mut Option<Vec<R>>, len: usize, n: usize) -> Vec<Option<&mut [R]>> {
    match buffer {
        Some(buffer) => buffer.chunks_mut(len).map(Some).collect(),
        None => (0..n).map(|_| None).collect(),
    }
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

/// A backward pass over lanes.
struct Pass<'p, R> {
    steps: &'p Steps<'p, R>,
    layout: &'p Layout,
    offsets: &'p [Offsets],
    goal: &'p Goal<'p>,
    input: &'p FlexTensor,
    flow: &'p FlowTensors<Flex>,
}

impl<R: Stored> Pass<'_, R> {
    /// One lane, whose rows are those of `log_prob`.
    fn lane(
        &self,
        start: usize,
        log_prob: &mut [R],
        mut input_gradient: Option<&mut [R]>,
        mut context_gradient: Option<&mut [R]>,
        weights: &mut [R],
    ) {
        let Steps { d_features, d_context, .. } = *self.steps;
        let tile_rows = tile_rows(self.input.shape()[0]);
        let x = Rows::<R>::new(self.input);
        let context = self.flow.context.as_ref().map(Rows::<R>::new);
        for (index, log_prob) in log_prob.chunks_mut(tile_rows).enumerate() {
            let rows = log_prob.len();
            let (first, in_lane) = (start + index * tile_rows, index * tile_rows);
            let sizes = [
                d_features,
                1,
                d_context,
                if context_gradient.is_some() { d_context } else { 0 },
                self.layout.per_row,
                self.steps.back_per_row(),
            ];
            R::with_scratch(sizes.iter().sum::<usize>() * rows, |scratch| {
                let [state, log_det, context_tile, context_back, tape, scratch] =
                    split(scratch, sizes.map(|size| size * rows));
                x.read(first, rows, state);
                if let Some(context) = &context {
                    context.read(first, rows, context_tile);
                }
                log_det.fill(R::ZERO);
                self.steps.carry(self.layout, tape, state, context_tile, log_det);
                self.seed(first, state, log_det, log_prob);
                let mut back = Back {
                    state,
                    log_det,
                    context: context_gradient.is_some().then_some(&mut *context_back),
                    weights: WeightSums { sums: weights, accumulate: index > 0 },
                    input_wanted: input_gradient.is_some(),
                };
                self.steps.carry_back(self.layout, self.offsets, tape, scratch, &mut back);
                if let Some(gradient) = &mut input_gradient {
                    write_rows(
                        state,
                        rows,
                        &mut gradient[in_lane * d_features..][..rows * d_features],
                    );
                }
                if let Some(gradient) = &mut context_gradient {
                    let to = &mut gradient[in_lane * d_context..][..rows * d_context];
                    write_rows(context_back, rows, to);
                }
            });
        }
    }

    /// Turns the rows that came out and their log-determinants into the gradients of both.
    fn seed(&self, first: usize, state: &mut [R], log_det: &mut [R], log_prob: &mut [R]) {
        let rows = log_det.len();
        let scale_rows = |state: &mut [R], log_det: &[R]| {
            for values in state.chunks_exact_mut(rows) {
                values.iter_mut().zip(log_det).for_each(|(z, &weight)| *z = -(*z * weight));
            }
        };
        match self.goal {
            Goal::LogProb(weight) => {
                standard_normal_log_prob(state, log_det, log_prob);
                log_det.fill(R::from_f64(*weight));
                scale_rows(state, log_det);
            }
            Goal::WeightedLogProb(weights) => {
                let weights = Column::<R>::new(weights);
                log_det.iter_mut().enumerate().for_each(|(i, h)| *h = weights.at(first + i));
                scale_rows(state, log_det);
            }
            Goal::Transform(_, gradient) => {
                let gradient = Rows::<R>::new(gradient);
                gradient.read(first, rows, state);
                gradient.read_column(first, state.len() / rows, log_det);
            }
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
            tensor.storage_mut::<R>().iter_mut().for_each(|x| *x *= factor);
        });
    });
    gradients
}

//! The kernels on the Flex backend: memory, types and threads.
//!
//! Work is split by numbers of rows that depend on the batch alone, and partial sums are added in a
//! fixed order, so any number of threads gives the same bits. Without gradients, tiles are
//! independent. With gradients, a *lane* is a range of rows whose tiles one thread carries one after
//! another, adding up the gradients of the weights; the sums of the lanes are then added in order.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, TensorData};
use rayon::prelude::*;

use super::ops::{FlowTensors, KernelOps};
use super::row::map::Direction;
use super::row::{Linear, Real, feature};
use super::stack::{LayerSpec, SourceSpec};
use super::tile::{Back, Layout, Offsets, Source, Step, Steps};

/// Rows that are carried through all layers at once. Enough of them that reading the weights is
/// nothing beside computing with them, few enough that the activations stay in the cache.
const TILE_ROWS: usize = 128;
/// The least rows of a lane, if the batch has more than one: each lane costs a pass over the
/// gradients of all weights.
const LANE_ROWS: usize = 256;
/// More lanes need more memory for sums.
const MAX_LANES: usize = 8;

type FlexTensor = FloatTensor<Flex>;

/// The float types as Flex stores them.
pub(super) trait Stored: Real {
    /// All numbers of the storage, in whatever order the tensor's layout says.
    fn storage(tensor: &FlexTensor) -> &[Self];
    /// A tensor of these numbers.
    fn tensor(values: Vec<Self>, shape: &[usize]) -> FlexTensor;
}

macro_rules! impl_stored {
    ($($float:ident)+) => {$(
        impl Stored for $float {
            fn storage(tensor: &FlexTensor) -> &[Self] {
                tensor.storage()
            }
            fn tensor(values: Vec<Self>, shape: &[usize]) -> FlexTensor {
                FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
            }
        }
    )+};
}
impl_stored!(f32 f64);

/// Runs an expression with `$R` as the float type of a tensor.
macro_rules! with_float {
    ($tensor:expr, $R:ident => $body:expr) => {
        match $tensor.dtype() {
            DType::F32 => {
                type $R = f32;
                $body
            }
            DType::F64 => {
                type $R = f64;
                $body
            }
            dtype => panic!("the kernels compute in f32 and f64, not in {dtype:?}"),
        }
    };
}

impl KernelOps for Flex {
    fn transform(
        input: FlexTensor,
        flow: FlowTensors<Self>,
        direction: Direction,
    ) -> (FlexTensor, FlexTensor) {
        with_float!(input, R => {
            let (d_features, batch) = (input.shape()[1], input.shape()[0]);
            let mut output = vec![R::ZERO; batch * d_features];
            let mut log_det = vec![R::ZERO; batch];
            Flow::<R>::run(&flow, direction, |steps| {
                let outputs = output.chunks_mut(TILE_ROWS * d_features);
                let tiles: Vec<_> = outputs.zip(log_det.chunks_mut(TILE_ROWS)).collect();
                carry(steps, &input, flow.context.as_ref(), tiles, |state, log_det, (to, log_det_to)| {
                    write_rows(state, log_det.len(), to);
                    log_det_to.copy_from_slice(log_det);
                });
            });
            (R::tensor(output, &[batch, d_features]), R::tensor(log_det, &[batch]))
        })
    }

    fn log_prob(input: FlexTensor, flow: FlowTensors<Self>) -> FlexTensor {
        with_float!(input, R => {
            let batch = input.shape()[0];
            let mut log_prob = vec![R::ZERO; batch];
            Flow::<R>::run(&flow, Direction::Inverse, |steps| {
                let tiles = log_prob.chunks_mut(TILE_ROWS).collect();
                carry(steps, &input, flow.context.as_ref(), tiles, |state, log_det, to: &mut [R]| {
                    standard_normal_log_prob(state, log_det, to);
                });
            });
            R::tensor(log_prob, &[batch])
        })
    }
}

/// Carries all tiles of `input` through the steps; `finish` takes each tile's rows and
/// log-determinants to their place.
fn carry<R: Stored, T: Send>(
    steps: &Steps<'_, R>,
    input: &FlexTensor,
    context: Option<&FlexTensor>,
    places: Vec<T>,
    finish: impl Fn(&[R], &[R], T) + Sync,
) {
    let layout = steps.scratch_layout();
    let batch = input.shape()[0];
    let Steps { d_features, d_context, .. } = *steps;
    let (x, context) = (Rows::<R>::new(input), context.map(Rows::<R>::new));
    let one = |(index, place): (usize, T)| {
        let start = index * TILE_ROWS;
        let rows = TILE_ROWS.min(batch - start);
        let per_row = d_features + 1 + d_context + steps.per_row(&layout);
        R::with_scratch(per_row * rows, |scratch| {
            let (state, scratch) = scratch.split_at_mut(d_features * rows);
            let (log_det, scratch) = scratch.split_at_mut(rows);
            let (context_tile, work) = scratch.split_at_mut(d_context * rows);
            x.read(start, rows, state);
            if let Some(context) = &context {
                context.read(start, rows, context_tile);
            }
            log_det.fill(R::ZERO);
            steps.carry(&layout, work, state, context_tile, log_det);
            finish(state, log_det, place);
        });
    };
    if places.len() == 1 {
        places.into_iter().enumerate().for_each(one);
    } else {
        places.into_par_iter().enumerate().for_each(one);
    }
}

/// `-½ Σ z² - ½ d log 2π + log_det` of each row of a tile.
fn standard_normal_log_prob<R: Real>(state: &[R], log_det: &[R], log_prob: &mut [R]) {
    let rows = log_det.len();
    log_prob.fill(R::ZERO);
    for values in state.chunks_exact(rows) {
        log_prob.iter_mut().zip(values).for_each(|(sum, &z)| *sum += z * z);
    }
    let d_features = (state.len() / rows) as f64;
    let normaliser = R::from_f64(0.5 * d_features * std::f64::consts::TAU.ln());
    let half = R::from_f64(-0.5);
    for (log_prob, &log_det) in log_prob.iter_mut().zip(log_det) {
        *log_prob = *log_prob * half - normaliser + log_det;
    }
}

/// Where the backward pass starts, and what else it gives.
pub(super) enum Goal<'g> {
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
pub(super) struct Wanted {
    pub input: bool,
    pub context: bool,
    pub floats: Vec<bool>,
}

/// Gradients, where they are wanted, and the log-densities.
#[derive(Debug, Clone)]
pub(super) struct Gradients {
    pub log_prob: FlexTensor,
    pub input: Option<FlexTensor>,
    pub context: Option<FlexTensor>,
    pub floats: Vec<Option<FlexTensor>>,
}

/// All gradients in one pass over the rows. (The log-densities mean nothing for a transform.)
pub(super) fn gradients(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    goal: &Goal<'_>,
    wanted: &Wanted,
) -> Gradients {
    with_float!(input, R => gradients_in::<R>(input, flow, goal, wanted))
}

fn gradients_in<R: Stored>(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    goal: &Goal<'_>,
    wanted: &Wanted,
) -> Gradients {
    let (batch, d_features) = (input.shape()[0], input.shape()[1]);
    let d_context = flow.context.as_ref().map_or(0, |context| context.shape()[1]);
    let lens = flow.floats.iter().map(|tensor| tensor.shape().num_elements());
    let mut n_weights = 0;
    let offsets: Vec<Option<usize>> = lens
        .zip(&wanted.floats)
        .map(|(len, &wanted)| {
            wanted.then(|| {
                n_weights += len;
                n_weights - len
            })
        })
        .collect();

    let n_lanes = (batch / LANE_ROWS).clamp(2, MAX_LANES);
    let lane_rows = batch.div_ceil(n_lanes).next_multiple_of(32);
    let mut log_prob = vec![R::ZERO; batch];
    let mut input_gradient = vec![R::ZERO; if wanted.input { batch * d_features } else { 0 }];
    let mut context_gradient = vec![R::ZERO; if wanted.context { batch * d_context } else { 0 }];
    let mut weights = Vec::new();
    Flow::<R>::run(flow, goal.direction(), |steps| {
        let offsets = steps_offsets(steps, &offsets, goal.direction());
        let lanes: Vec<_> = log_prob
            .chunks_mut(lane_rows)
            .zip(optional_chunks(&mut input_gradient, lane_rows * d_features))
            .zip(optional_chunks(&mut context_gradient, lane_rows * d_context))
            .collect();
        let layout = steps.tape_layout();
        let pass = Pass { steps, layout: &layout, offsets: &offsets, goal, input, flow };
        let one = |(index, ((log_prob, input), context)): (usize, ((&mut [R], _), _))| {
            let mut weights = take_buffer::<R>(n_weights);
            pass.lane(index * lane_rows, log_prob, input, context, &mut weights);
            weights
        };
        weights = if lanes.len() == 1 {
            lanes.into_iter().enumerate().map(one).collect()
        } else {
            lanes.into_par_iter().enumerate().map(one).collect()
        };
    });

    let floats = flow.floats.par_iter().zip(&offsets).map(|(tensor, offset)| {
        let shape = tensor.shape();
        let range = (*offset)?..(*offset)? + shape.num_elements();
        let sums = sum_in_order(&weights, range);
        Some(R::tensor(sums, shape.as_slice()))
    });
    let floats = floats.collect();
    R::pool().lock().expect("no panic holds the lock").append(&mut weights);
    Gradients {
        log_prob: R::tensor(log_prob, &[batch]),
        input: wanted.input.then(|| R::tensor(input_gradient, &[batch, d_features])),
        context: wanted.context.then(|| R::tensor(context_gradient, &[batch, d_context])),
        floats,
    }
}

/// A buffer of at least `len` numbers, with whatever it holds.
fn take_buffer<R: Real>(len: usize) -> Vec<R> {
    let mut pool = R::pool().lock().expect("no panic holds the lock");
    let fits = pool.iter().position(|buffer| buffer.len() >= len);
    match fits {
        Some(index) => pool.swap_remove(index),
        None => {
            pool.pop();
            drop(pool);
            vec![R::ZERO; len]
        }
    }
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

/// Chunks of a buffer, or nothing over and over if it is empty.
fn optional_chunks<R>(buffer: &mut [R], len: usize) -> impl Iterator<Item = Option<&mut [R]>> {
    let absent = buffer.is_empty();
    let chunks = buffer.chunks_mut(len.max(1)).map(Some);
    chunks.chain(std::iter::repeat_with(|| None).take(if absent { usize::MAX } else { 0 }))
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
        let x = Rows::<R>::new(self.input);
        let context = self.flow.context.as_ref().map(Rows::<R>::new);
        for (index, log_prob) in log_prob.chunks_mut(TILE_ROWS).enumerate() {
            let rows = log_prob.len();
            let (first, in_lane) = (start + index * TILE_ROWS, index * TILE_ROWS);
            let sizes = [
                d_features,
                1,
                d_context,
                if context_gradient.is_some() { d_context } else { 0 },
                self.steps.per_row(self.layout),
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
                self.steps.carry_recording(self.layout, tape, state, context_tile, log_det);
                self.seed(first, state, log_det, log_prob);
                let mut back = Back {
                    state,
                    log_det,
                    context: context_gradient.is_some().then_some(&mut *context_back),
                    weights,
                    accumulate: index > 0,
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

/// Takes a buffer apart.
fn split<R, const N: usize>(mut buffer: &mut [R], sizes: [usize; N]) -> [&mut [R]; N] {
    sizes.map(|size| {
        let (part, rest) = std::mem::take(&mut buffer).split_at_mut(size);
        buffer = rest;
        part
    })
}

/// A vector with any stride.
struct Column<'t, R> {
    storage: &'t [R],
    start: usize,
    stride: isize,
}

impl<'t, R: Stored> Column<'t, R> {
    fn new(tensor: &'t FlexTensor) -> Self {
        let layout = tensor.layout();
        let stride = layout.strides()[0];
        Self { storage: R::storage(tensor), start: layout.start_offset(), stride }
    }

    fn at(&self, index: usize) -> R {
        self.storage[self.start.wrapping_add_signed(index as isize * self.stride)]
    }
}

/// A matrix with any strides: views need not be copied to be read.
struct Rows<'t, R> {
    storage: &'t [R],
    start: usize,
    row: isize,
    column: isize,
}

impl<'t, R: Stored> Rows<'t, R> {
    fn new(tensor: &'t FlexTensor) -> Self {
        let layout = tensor.layout();
        let (row, column) = (layout.strides()[0], layout.strides()[1]);
        Self { storage: R::storage(tensor), start: layout.start_offset(), row, column }
    }

    /// The rows from `first` on as a tile of as many features as it has room for.
    fn read(&self, first: usize, rows: usize, tile: &mut [R]) {
        for (feature, values) in tile.chunks_exact_mut(rows).enumerate() {
            self.read_column(first, feature, values);
        }
    }

    fn read_column(&self, first: usize, column: usize, values: &mut [R]) {
        let start = self.start as isize + first as isize * self.row + column as isize * self.column;
        for (i, value) in values.iter_mut().enumerate() {
            *value = self.storage[(start + i as isize * self.row) as usize];
        }
    }
}

/// Writes a tile as rows.
fn write_rows<R: Real>(tile: &[R], rows: usize, to: &mut [R]) {
    let d = tile.len() / rows;
    for index in 0..d {
        let values = to[index..].iter_mut().step_by(d);
        values.zip(feature(tile, index, rows)).for_each(|(to, &value)| *to = value);
    }
}

/// The layers of a flow with their weights as slices.
struct Flow<R>(std::marker::PhantomData<R>);

impl<R: Stored> Flow<R> {
    /// Runs `f` on the steps of a flow in a direction.
    fn run<T>(
        flow: &FlowTensors<Flex>,
        direction: Direction,
        f: impl FnOnce(&Steps<'_, R>) -> T,
    ) -> T {
        // Weights are contiguous unless somebody loaded or made them otherwise.
        let contiguous: Vec<FlexTensor> = flow
            .floats
            .iter()
            .map(|x| if x.is_contiguous() { x.clone() } else { x.to_contiguous() })
            .collect();
        let mut floats =
            contiguous.iter().map(|tensor| (contiguous_slice::<R>(tensor), tensor.shape()));
        let mut ints = flow.ints.iter().map(indices);
        let d_context = flow.context.as_ref().map_or(0, |context| context.shape()[1]);
        let mut d_features = 0;
        let mut steps: Vec<_> = flow
            .layers
            .iter()
            .map(|layer| {
                let step = step(layer, direction, &mut floats, &mut ints);
                d_features = step.d_features();
                step
            })
            .collect();
        if direction == Direction::Inverse {
            steps.reverse();
        }
        f(&Steps { d_features, d_context, steps })
    }
}

fn step<'a, R: Stored>(
    layer: &LayerSpec,
    direction: Direction,
    floats: &mut impl Iterator<Item = (&'a [R], burn::tensor::Shape)>,
    ints: &mut impl Iterator<Item = Vec<usize>>,
) -> Step<'a, R> {
    let mut float = || floats.next().expect("each layer brings its floats");
    let mut int = || ints.next().expect("each layer brings its ints");
    let direction = match direction {
        Direction::Forward => layer.direction,
        Direction::Inverse => layer.direction.reversed(),
    };
    let map = layer.map.cast(R::from_f64);
    match &layer.source {
        SourceSpec::Shared => {
            let (values, shape) = float();
            let transformed = (0..shape[1]).collect();
            Step { direction, map, transformed, source: Source::Shared(values) }
        }
        SourceSpec::Networks { takes_context, networks } => {
            let networks = networks.iter().map(|layers| {
                let layers = layers.iter().map(|layer| {
                    let (weight, shape) = float();
                    let bias = layer.bias.then(|| float().0);
                    let activation = layer.activation.cast(R::from_f64);
                    let (d_input, d_output) = (shape[0], shape[1]);
                    Linear { weight, bias, d_input, d_output, activation }
                });
                layers.collect()
            });
            let networks = networks.collect();
            let (kept, transformed, takes_context) = (int(), int(), *takes_context);
            let source = Source::Networks { kept, takes_context, networks };
            Step { direction, map, transformed, source }
        }
    }
}

/// The numbers of a contiguous tensor.
fn contiguous_slice<R: Stored>(tensor: &FlexTensor) -> &[R] {
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

/// The one value of all elements of a vector, if they are equal.
pub(super) fn uniform_value(vector: &FlexTensor) -> Option<f64> {
    fn of<R: Stored + Into<f64>>(vector: &FlexTensor) -> Option<f64> {
        let column = Column::<R>::new(vector);
        let first = column.at(0);
        let equal = column.stride == 0 || (1..vector.shape()[0]).all(|i| column.at(i) == first);
        equal.then(|| first.into())
    }
    with_float!(vector, R => of::<R>(vector))
}

/// All gradients times a factor, in place.
pub(super) fn scale(mut gradients: Gradients, factor: f64) -> Gradients {
    let Gradients { input, context, floats, .. } = &mut gradients;
    let mut all: Vec<_> =
        input.iter_mut().chain(context).chain(floats.iter_mut().flatten()).collect();
    all.par_iter_mut().for_each(|tensor| {
        with_float!(tensor, R => {
            let factor = R::from_f64(factor);
            tensor.storage_mut::<R>().iter_mut().for_each(|x| *x *= factor);
        });
    });
    gradients
}

//! A tile forward and back, and a shard: a range of rows whose tiles one thread takes one after another.

use burn::backend::Flex;

use super::super::ops::FlowTensors;
use super::super::tile::{Backward, Layout, Offsets, Steps, Sums, Tile, Weights};
use super::buffers::{split, take_front};
use super::forward::standard_normal_log_prob;
use super::strided::{Column, Rows, write_rows};
use super::{BatchRows, FlexTensor, Stored};
use crate::direction::Direction;

/// Where the backward pass starts, and what else it gives.
pub(in super::super) enum BackwardTarget<'g> {
    /// From the log-density under the standard normal; every row's has this gradient.
    LogProb(f64),
    /// The same with a gradient for each row, `[batch]`.
    WeightedLogProb(&'g FlexTensor),
    /// From what `transform` gives: the gradients of its two outputs side by side,
    /// `[batch, d_features + 1]`.
    Transform(Direction, &'g FlexTensor),
}

impl BackwardTarget<'_> {
    pub(super) fn direction(&self) -> Direction {
        match self {
            Self::LogProb(_) | Self::WeightedLogProb(_) => Direction::Inverse,
            Self::Transform(direction, _) => *direction,
        }
    }
}

/// A pass over all rows.
pub(super) struct Pass<'p, R> {
    pub rows: BatchRows,
    pub steps: &'p Steps<'p, R>,
    pub layout: &'p Layout,
    pub offsets: &'p [Offsets],
    pub target: &'p BackwardTarget<'p>,
    pub input: &'p FlexTensor,
    pub flow: &'p FlowTensors<Flex>,
}

/// What some rows of a pass read and write of their own.
pub(super) struct OwnRows<'p, R> {
    /// Out, if the target asks for it.
    pub log_prob: &'p mut [R],
    /// In, if the forward pass left it; it is used up.
    pub tape: Option<&'p mut [R]>,
    /// Out: the gradient of the input, where it is wanted.
    pub input: Option<&'p mut [R]>,
    /// Out: the gradient of the context, where it is wanted.
    pub context: Option<&'p mut [R]>,
}

impl<R> OwnRows<'_, R> {
    /// Cuts the first rows off, or all if there are no more.
    pub fn take_front(&mut self, rows: usize) -> Self {
        let all = self.log_prob.len();
        let rows = rows.min(all);
        let front = |values: &mut Option<_>| {
            values.as_mut().map(|values: &mut &mut [R]| {
                let per_row = values.len() / all;
                take_front(values, rows * per_row)
            })
        };
        let [tape, input, context] =
            [&mut self.tape, &mut self.input, &mut self.context].map(front);
        Self { log_prob: take_front(&mut self.log_prob, rows), tape, input, context }
    }
}

impl<R: Stored> Pass<'_, R> {
    /// The rows of a shard, from `start` on, tile by tile; adds up the gradients of the weights.
    pub fn shard(&self, start: usize, mut shard: OwnRows<'_, R>, sums: &mut [R]) {
        let mut first = start;
        while !shard.log_prob.is_empty() {
            let tile = shard.take_front(self.rows.tile);
            let rows = tile.log_prob.len();
            let mut weights = Weights::Summed(Sums { sums, accumulate: first > start });
            self.tile(first, tile, &mut weights);
            first += rows;
        }
    }

    /// A tile whose first row is `first`, forward and back.
    pub fn tile(&self, first: usize, own: OwnRows<'_, R>, weights: &mut Weights<'_, R>) {
        let rows = own.log_prob.len();
        let Steps { d_features, d_context, .. } = *self.steps;
        let sizes = [
            d_features,
            1,
            d_context,
            if own.context.is_some() { d_context } else { 0 },
            if own.tape.is_some() { 0 } else { self.layout.per_row },
            self.steps.backward_per_row(),
        ];
        R::with_scratch(sizes.iter().sum::<usize>() * rows, |scratch| {
            let [state, log_det, context_tile, context_back, tape, scratch] =
                split(scratch, sizes.map(|size| size * rows));
            let tape = match own.tape {
                Some(saved) => saved,
                None => {
                    Rows::<R>::new(self.input).read(first, rows, state);
                    if let Some(context) = &self.flow.context {
                        Rows::<R>::new(context).read(first, rows, context_tile);
                    }
                    log_det.fill(R::ZERO);
                    let mut tile = Tile { state, log_det, context: context_tile, work: &mut *tape };
                    self.steps.forward(self.layout, &mut tile);
                    tape
                }
            };
            self.seed(first, state, log_det, own.log_prob);
            let mut back = Backward {
                state,
                log_det,
                context: own.context.is_some().then_some(&mut *context_back),
                weights,
                input_wanted: own.input.is_some(),
            };
            self.steps.backward(self.layout, self.offsets, tape, scratch, &mut back);
            if let Some(gradient) = own.input {
                write_rows(state, rows, gradient);
            }
            if let Some(gradient) = own.context {
                write_rows(context_back, rows, gradient);
            }
        });
    }

    /// Turns the rows that came out and their log-determinants into the gradients of both.
    fn seed(&self, first: usize, state: &mut [R], log_det: &mut [R], log_prob: &mut [R]) {
        let rows = log_det.len();
        let scale_rows = |state: &mut [R], log_det: &[R]| {
            for values in state.chunks_exact_mut(rows) {
                values.iter_mut().zip(log_det).for_each(|(z, &weight)| *z = -(*z * weight));
            }
        };
        match self.target {
            BackwardTarget::LogProb(weight) => {
                standard_normal_log_prob(state, log_det, log_prob);
                log_det.fill(R::from_f64(*weight));
                scale_rows(state, log_det);
            }
            BackwardTarget::WeightedLogProb(weights) => {
                let weights = Column::<R>::new(weights);
                log_det.iter_mut().enumerate().for_each(|(i, h)| *h = weights.at(first + i));
                scale_rows(state, log_det);
            }
            BackwardTarget::Transform(_, gradient) => {
                let gradient = Rows::<R>::new(gradient);
                gradient.read(first, rows, state);
                gradient.read_column(first, state.len() / rows, log_det);
            }
        }
    }
}

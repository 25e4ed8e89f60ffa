//! A shard: a range of rows whose tiles one thread takes forward and back, one after another.

use burn::backend::{Flex, TensorMetadata};

use super::super::ops::FlowTensors;
use super::super::tile::{Backward, Layout, Offsets, Steps, Tile, WeightSums};
use super::buffers::split;
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

/// A pass over all rows, of which each shard is a part.
pub(super) struct Pass<'p, R> {
    pub steps: &'p Steps<'p, R>,
    pub layout: &'p Layout,
    pub offsets: &'p [Offsets],
    pub target: &'p BackwardTarget<'p>,
    pub input: &'p FlexTensor,
    pub flow: &'p FlowTensors<Flex>,
}

/// What a shard reads and writes of its own. Its rows are those of `log_prob`.
pub(super) struct Shard<'p, R> {
    /// Out, if the target asks for it.
    pub log_prob: &'p mut [R],
    /// In, if the forward pass left it; it is used up.
    pub tape: Option<&'p mut [R]>,
    /// Out: the gradient of the input, where it is wanted.
    pub input: Option<&'p mut [R]>,
    /// Out: the gradient of the context, where it is wanted.
    pub context: Option<&'p mut [R]>,
    /// Out: the gradients of the weights.
    pub weights: &'p mut [R],
}

impl<R: Stored> Pass<'_, R> {
    /// The shard whose first row is `start`.
    pub fn shard(&self, start: usize, shard: Shard<'_, R>) {
        let Shard { log_prob, tape: mut saved, weights, .. } = shard;
        let (mut input_gradient, mut context_gradient) = (shard.input, shard.context);
        let Steps { d_features, d_context, .. } = *self.steps;
        let tile_rows = BatchRows::in_training(self.input.shape()[0]).tile;
        let x = Rows::<R>::new(self.input);
        let context = self.flow.context.as_ref().map(Rows::<R>::new);
        for (index, log_prob) in log_prob.chunks_mut(tile_rows).enumerate() {
            let rows = log_prob.len();
            let (first, in_shard) = (start + index * tile_rows, index * tile_rows);
            let sizes = [
                d_features,
                1,
                d_context,
                if context_gradient.is_some() { d_context } else { 0 },
                if saved.is_some() { 0 } else { self.layout.per_row },
                self.steps.backward_per_row(),
            ];
            R::with_scratch(sizes.iter().sum::<usize>() * rows, |scratch| {
                let [state, log_det, context_tile, context_back, tape, scratch] =
                    split(scratch, sizes.map(|size| size * rows));
                let tape = match &mut saved {
                    Some(saved) => {
                        let per_row = self.layout.per_row;
                        &mut saved[in_shard * per_row..][..rows * per_row]
                    }
                    None => {
                        x.read(first, rows, state);
                        if let Some(context) = &context {
                            context.read(first, rows, context_tile);
                        }
                        log_det.fill(R::ZERO);
                        let mut tile =
                            Tile { state, log_det, context: context_tile, work: &mut *tape };
                        self.steps.forward(self.layout, &mut tile);
                        tape
                    }
                };
                self.seed(first, state, log_det, log_prob);
                let mut back = Backward {
                    state,
                    log_det,
                    context: context_gradient.is_some().then_some(&mut *context_back),
                    weights: WeightSums { sums: weights, accumulate: index > 0 },
                    input_wanted: input_gradient.is_some(),
                };
                self.steps.backward(self.layout, self.offsets, tape, scratch, &mut back);
                if let Some(gradient) = &mut input_gradient {
                    write_rows(
                        state,
                        rows,
                        &mut gradient[in_shard * d_features..][..rows * d_features],
                    );
                }
                if let Some(gradient) = &mut context_gradient {
                    let to = &mut gradient[in_shard * d_context..][..rows * d_context];
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

//! A transform that keeps what its gradients need: the backward pass then need not apply the flow
//! once more.

use std::ops::Range;

use burn::backend::{Flex, TensorMetadata};

use super::super::ops::FlowTensors;
use super::super::threads::share;
use super::super::tile::Tile;
use super::backward::{shard_rows, weights_len};
use super::buffers::split;
use super::steps::with_steps;
use super::strided::{Rows, write_rows};
use super::{BatchRows, FlexTensor, Stored, with_float};
use crate::direction::Direction;

/// The most bytes that a tape may have. What needs more is computed again instead: from about here
/// on writing and reading it takes as long, and memory stays bounded.
const MAX_TAPE_BYTES: usize = 1 << 26;

/// What `transform` gives, and the tape of all rows, tile by tile as the backward pass takes them;
/// no tape if it would be too large.
pub(in super::super) fn transform_with_tape(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    direction: Direction,
) -> (FlexTensor, FlexTensor, Option<FlexTensor>) {
    with_float!(input, R => taped::<R>(input, flow, direction))
}

fn taped<R: Stored>(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    direction: Direction,
) -> (FlexTensor, FlexTensor, Option<FlexTensor>) {
    let (batch, d_features) = (input.shape()[0], input.shape()[1]);
    let rows = BatchRows::in_training(batch);
    let per_row = with_steps::<R, _>(flow, direction, rows, |steps| steps.tape_layout().per_row);
    if batch * per_row * size_of::<R>() > MAX_TAPE_BYTES {
        let (output, log_det) = super::forward::transform::<R>(input, flow, direction);
        return (output, log_det, None);
    }
    let mut output = vec![R::ZERO; batch * d_features];
    let mut log_det = vec![R::ZERO; batch];
    let mut tape = vec![R::ZERO; batch * per_row];
    let (mut outputs, mut log_dets, mut tapes) = (&mut output[..], &mut log_det[..], &mut tape[..]);
    let tiles = tiles(batch, shard_rows(batch, weights_len(flow)));
    let places = tiles.into_iter().map(|tile| {
        let rows = tile.len();
        (
            tile,
            take_front(&mut outputs, rows * d_features),
            take_front(&mut log_dets, rows),
            take_front(&mut tapes, rows * per_row),
        )
    });
    let places: Vec<_> = places.collect();
    let x = Rows::<R>::new(input);
    let context = flow.context.as_ref().map(Rows::<R>::new);
    with_steps::<R, _>(flow, direction, BatchRows::in_training(batch), |steps| {
        let layout = steps.tape_layout();
        share(places, |_, (tile, output, log_det, tape)| {
            let rows = tile.len();
            let sizes = [steps.d_features, steps.d_context];
            R::with_scratch(sizes.iter().sum::<usize>() * rows, |scratch| {
                let [state, context_tile] = split(scratch, sizes.map(|size| size * rows));
                x.read(tile.start, rows, state);
                if let Some(context) = &context {
                    context.read(tile.start, rows, context_tile);
                }
                let mut tile = Tile { state, context: context_tile, log_det, work: tape };
                steps.forward(&layout, &mut tile);
                write_rows(tile.state, rows, output);
            });
        });
    });
    let (n, shape) = (tape.len(), [batch, d_features]);
    (R::tensor(output, &shape), R::tensor(log_det, &[batch]), Some(R::tensor(tape, &[n])))
}

/// The rows of each tile of the backward pass: those of a shard start anew.
fn tiles(batch: usize, shard_rows: usize) -> Vec<Range<usize>> {
    let shards = (0..batch).step_by(shard_rows);
    let of_shard = |start: usize| {
        let end = (start + shard_rows).min(batch);
        let rows = BatchRows::in_training(batch).tile;
        (start..end).step_by(rows).map(move |first| first..(first + rows).min(end))
    };
    shards.flat_map(of_shard).collect()
}

/// Cuts the first `len` values off.
fn take_front<'a, R>(rest: &mut &'a mut [R], len: usize) -> &'a mut [R] {
    let (front, others) = std::mem::take(rest).split_at_mut(len);
    *rest = others;
    front
}

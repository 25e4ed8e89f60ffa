//! A transform that keeps what its gradients need: the backward pass then need not apply the flow
//! once more.

use std::ops::Range;

use burn::backend::{Flex, TensorMetadata};

use super::super::ops::FlowTensors;
use super::super::threads::share;
use super::super::tile::{Layout, Steps, Tile};
use super::backward::{shard_rows, weights_len};
use super::buffers::{split, take_front};
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
    let rows = BatchRows::in_training(input.shape()[0]);
    let taped = with_steps::<R, _>(flow, direction, rows, |steps| {
        let layout = steps.tape_layout();
        let bytes = rows.batch * layout.per_row * size_of::<R>();
        (bytes <= MAX_TAPE_BYTES).then(|| run(input, flow, rows, steps, &layout))
    });
    match taped {
        Some([output, log_det, tape]) => (output, log_det, Some(tape)),
        None => {
            let (output, log_det) = super::forward::transform::<R>(input, flow, direction);
            (output, log_det, None)
        }
    }
}

/// The rows that come out, their log-determinants, and the tape.
fn run<R: Stored>(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    BatchRows { batch, tile }: BatchRows,
    steps: &Steps<'_, R>,
    layout: &Layout,
) -> [FlexTensor; 3] {
    let Steps { d_features, d_context, .. } = *steps;
    let mut output = vec![R::ZERO; batch * d_features];
    let mut log_det = vec![R::ZERO; batch];
    let mut tape = vec![R::ZERO; batch * layout.per_row];
    let (mut outputs, mut log_dets, mut tapes) = (&mut output[..], &mut log_det[..], &mut tape[..]);
    let tiles = tiles(batch, shard_rows(batch, weights_len(flow)), tile);
    let places = tiles.into_iter().map(|tile| {
        let rows = tile.len();
        (
            tile,
            take_front(&mut outputs, rows * d_features),
            take_front(&mut log_dets, rows),
            take_front(&mut tapes, rows * layout.per_row),
        )
    });
    let x = Rows::<R>::new(input);
    let context = flow.context.as_ref().map(Rows::<R>::new);
    share(places.collect(), |_, (tile, output, log_det, tape): Place<'_, R>| {
        let rows = tile.len();
        let sizes = [d_features, d_context];
        R::with_scratch(sizes.iter().sum::<usize>() * rows, |scratch| {
            let [state, context_tile] = split(scratch, sizes.map(|size| size * rows));
            x.read(tile.start, rows, state);
            if let Some(context) = &context {
                context.read(tile.start, rows, context_tile);
            }
            let mut tile = Tile { state, context: context_tile, log_det, work: tape };
            steps.forward(layout, &mut tile);
            write_rows(tile.state, rows, output);
        });
    });
    let n = tape.len();
    [R::tensor(output, &[batch, d_features]), R::tensor(log_det, &[batch]), R::tensor(tape, &[n])]
}

/// The rows of a tile, and where they, their log-determinants and their tape go.
type Place<'p, R> = (Range<usize>, &'p mut [R], &'p mut [R], &'p mut [R]);

/// The rows of each tile of the backward pass: those of a shard start anew.
pub(super) fn tiles(batch: usize, shard_rows: usize, tile_rows: usize) -> Vec<Range<usize>> {
    let shards = (0..batch).step_by(shard_rows);
    let of_shard = |start: usize| {
        let end = (start + shard_rows).min(batch);
        (start..end).step_by(tile_rows).map(move |first| first..(first + tile_rows).min(end))
    };
    shards.flat_map(of_shard).collect()
}

//! Rows through a flow without gradients: tiles are independent of each other.

use std::ops::Range;

use burn::backend::{Flex, TensorMetadata};

use super::super::ops::FlowTensors;
use super::super::row::Real;
use super::super::threads::share;
use super::super::tile::Tile;
use super::buffers::{split, take_front};
use super::steps::with_steps;
use super::strided::{Rows, write_rows};
use super::{BatchRows, FlexTensor, Stored};
use crate::direction::Direction;

/// The rows that come out of a flow and their log-determinants.
pub(super) fn transform<R: Stored>(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    direction: Direction,
) -> (FlexTensor, FlexTensor) {
    let (batch, d_features) = (input.shape()[0], input.shape()[1]);
    let mut output = vec![R::ZERO; batch * d_features];
    let mut log_det = vec![R::ZERO; batch];
    let (mut rows_left, mut log_dets_left) = (&mut output[..], &mut log_det[..]);
    let place = |rows: usize| {
        (take_front(&mut rows_left, rows * d_features), take_front(&mut log_dets_left, rows))
    };
    for_each_tile(input, flow, direction, place, |state, log_det, (rows, log_det_place)| {
        write_rows(state, log_det.len(), rows);
        log_det_place.copy_from_slice(log_det);
    });
    (R::tensor(output, &[batch, d_features]), R::tensor(log_det, &[batch]))
}

/// The log-densities of rows under the flow of a standard normal.
pub(super) fn log_prob<R: Stored>(input: &FlexTensor, flow: &FlowTensors<Flex>) -> FlexTensor {
    let batch = input.shape()[0];
    let mut log_prob = vec![R::ZERO; batch];
    let mut left = &mut log_prob[..];
    let place = |rows: usize| take_front(&mut left, rows);
    for_each_tile(input, flow, Direction::Inverse, place, standard_normal_log_prob::<R>);
    R::tensor(log_prob, &[batch])
}

/// Takes all tiles of `input` through the flow; `finish` takes the rows and log-determinants of
/// each to its place, which `place` gives for so many rows, tile after tile.
fn for_each_tile<R: Stored, T: Send>(
    input: &FlexTensor,
    flow: &FlowTensors<Flex>,
    direction: Direction,
    place: impl FnMut(usize) -> T,
    finish: impl Fn(&[R], &[R], T) + Sync,
) {
    let batch_rows = BatchRows::in_evaluation(input.shape()[0]);
    let mut place = place;
    let x = Rows::<R>::new(input);
    let context = flow.context.as_ref().map(Rows::<R>::new);
    with_steps::<R, _>(flow, direction, batch_rows, |steps| {
        let layout = steps.scratch_layout();
        let sizes = [steps.d_features, 1, steps.d_context, layout.per_row];
        let tiles = batch_rows.tiles(steps.keep_bits_in_any_tile());
        let places = tiles.into_iter().map(|tile| (place(tile.len()), tile)).collect();
        share(places, |_, (place, tile): (T, Range<usize>)| {
            let (first, rows) = (tile.start, tile.len());
            R::with_scratch(sizes.iter().sum::<usize>() * rows, |scratch| {
                let [state, log_det, context_tile, work] =
                    split(scratch, sizes.map(|size| size * rows));
                x.read(first, rows, state);
                if let Some(context) = &context {
                    context.read(first, rows, context_tile);
                }
                log_det.fill(R::ZERO);
                let mut tile = Tile { state, context: context_tile, log_det, work };
                steps.forward(&layout, &mut tile);
                let Tile { state, log_det, .. } = tile;
                finish(state, log_det, place);
            });
        });
    });
}

/// `-½ Σ z² - ½ d log 2π + log_det` of each row of a tile.
pub(super) fn standard_normal_log_prob<R: Real>(state: &[R], log_det: &[R], log_prob: &mut [R]) {
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

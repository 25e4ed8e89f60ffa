//! A tile carried through the steps.

use super::super::row::map::Direction;
use super::super::row::{Linear, Real, feature, feature_mut};
use super::layout::Layout;
use super::steps::{Source, Steps};

impl<R: Real> Steps<'_, R> {
    /// Carries a tile through all steps, in place, and adds up the log-determinants. `work` holds
    /// the places of `layout`; if that is a tape, it is left with all that
    /// [`carry_back`](Self::carry_back) needs.
    pub(in super::super) fn carry(
        &self,
        layout: &Layout,
        work: &mut [R],
        state: &mut [R],
        context: &[R],
        log_det: &mut [R],
    ) {
        let rows = log_det.len();
        for (step, places) in self.steps.iter().zip(&layout.places) {
            let n_parameters = step.n_parameters();
            match &step.source {
                Source::Networks { kept, takes_context, networks } => {
                    let context = if *takes_context { context } else { &[] };
                    let input = &mut work[places.input * rows..];
                    for (i, &index) in kept.iter().enumerate() {
                        feature_mut(input, i, rows).copy_from_slice(feature(state, index, rows));
                    }
                    input[kept.len() * rows..][..context.len()].copy_from_slice(context);
                    let mut parameters = places.parameters;
                    for (layers, hidden) in networks.iter().zip(&places.hidden) {
                        let between = (places.input, &hidden[..], parameters);
                        run_network(layers, between, work, rows, layout.is_tape);
                        parameters += layers.last().map_or(0, |layer| layer.d_output);
                    }
                }
                Source::Shared(values) => {
                    let parameters = &mut work[places.parameters * rows..][..n_parameters * rows];
                    for (row, &value) in parameters.chunks_exact_mut(rows).zip(*values) {
                        row.fill(value);
                    }
                }
            }
            let (before, after) = work.split_at_mut((places.parameters + n_parameters) * rows);
            let parameters = &before[places.parameters * rows..];
            let (shifts, raws) = parameters.split_at(step.transformed.len() * rows);
            for (i, &index) in step.transformed.iter().enumerate() {
                let value = feature_mut(state, index, rows);
                let raw = if raws.is_empty() { raws } else { feature(raws, i, rows) };
                if layout.is_tape && step.direction == Direction::Forward {
                    feature_mut(after, i, rows).copy_from_slice(value);
                }
                step.map.apply(step.direction, value, feature(shifts, i, rows), raw, log_det);
                if layout.is_tape && step.direction == Direction::Inverse {
                    feature_mut(after, i, rows).copy_from_slice(value);
                }
            }
        }
    }
}

/// A part of `work` to read and another to write.
fn two<R>(
    work: &mut [R],
    (from, from_len): (usize, usize),
    (to, to_len): (usize, usize),
) -> (&[R], &mut [R]) {
    if from < to {
        let (before, after) = work.split_at_mut(to);
        (&before[from..][..from_len], &mut after[..to_len])
    } else {
        let (before, after) = work.split_at_mut(from);
        (&after[..from_len], &mut before[to..][..to_len])
    }
}

/// Runs the layers of one network from the place `input` by way of `hidden` to the place `output`.
fn run_network<R: Real>(
    layers: &[Linear<'_, R>],
    (input, hidden, output): (usize, &[usize], usize),
    work: &mut [R],
    rows: usize,
    keep_slopes: bool,
) {
    let mut from = input;
    for (layer, &to) in layers.iter().zip(hidden.iter().chain([&output])) {
        let (d_input, d_output) = (layer.d_input * rows, layer.d_output * rows);
        if keep_slopes && layer.activation.keeps_slope() {
            let (x, both) = two(work, (from * rows, d_input), (to * rows, 2 * d_output));
            let (y, slope) = both.split_at_mut(d_output);
            layer.forward(x, y, Some(slope), rows);
        } else {
            let (x, y) = two(work, (from * rows, d_input), (to * rows, d_output));
            layer.forward(x, y, None, rows);
        }
        from = to;
    }
}

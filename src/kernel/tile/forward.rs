//! A tile carried through the steps.

use super::super::row::map::Direction;
use super::super::row::{Linear, Real, feature, feature_mut};
use super::layout::Layout;
use super::steps::{Source, Steps};

impl<R: Real> Steps<'_, R> {
    /// Carries a tile through all steps, in place, and adds up the log-determinants. `work` holds
    /// the places of `layout`.
    pub(in super::super) fn carry(
        &self,
        layout: &Layout,
        work: &mut [R],
        state: &mut [R],
        context: &[R],
        log_det: &mut [R],
    ) {
        self.run(layout, work, state, context, log_det, false);
    }

    /// [`carry`](Self::carry) that leaves in `tape` what [`carry_back`](Self::carry_back) needs. The
    /// layout must be a [`tape_layout`](Self::tape_layout).
    pub(in super::super) fn carry_recording(
        &self,
        layout: &Layout,
        tape: &mut [R],
        state: &mut [R],
        context: &[R],
        log_det: &mut [R],
    ) {
        self.run(layout, tape, state, context, log_det, true);
    }

    fn run(
        &self,
        layout: &Layout,
        work: &mut [R],
        state: &mut [R],
        context: &[R],
        log_det: &mut [R],
        record: bool,
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
                        run_network(layers, places.input, hidden, parameters, work, rows);
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
            let keep = |i: usize, state: &[R], after: &mut [R]| {
                // In a tape the kept values follow the parameters.
                feature_mut(after, i, rows).copy_from_slice(state);
            };
            for (i, &index) in step.transformed.iter().enumerate() {
                let value = feature_mut(state, index, rows);
                let raw = if raws.is_empty() { raws } else { feature(raws, i, rows) };
                if record && step.direction == Direction::Forward {
                    keep(i, value, after);
                }
                step.map.apply(step.direction, value, feature(shifts, i, rows), raw, log_det);
                if record && step.direction == Direction::Inverse {
                    keep(i, value, after);
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

/// Runs the layers of one network from the place `input` to the place `output`.
fn run_network<R: Real>(
    layers: &[Linear<'_, R>],
    input: usize,
    hidden: &[(usize, Option<usize>)],
    output: usize,
    work: &mut [R],
    rows: usize,
) {
    let mut from = input;
    let places = hidden.iter().copied().chain([(output, None)]);
    for (layer, (to, slope)) in layers.iter().zip(places) {
        let (d_input, d_output) = (layer.d_input * rows, layer.d_output * rows);
        match slope {
            None => {
                let (x, y) = two(work, (from * rows, d_input), (to * rows, d_output));
                layer.forward(x, y, None, rows);
            }
            Some(_) => {
                // The slopes follow the values.
                let (x, both) = two(work, (from * rows, d_input), (to * rows, 2 * d_output));
                let (y, slope) = both.split_at_mut(d_output);
                layer.forward(x, y, Some(slope), rows);
            }
        }
        from = to;
    }
}

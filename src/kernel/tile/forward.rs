//! A tile carried through the steps.

use super::super::row::map_rows::{MapRows, Parameters};
use super::super::row::{Real, feature, feature_mut};
use super::layout::Layout;
use super::network::Input;
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
                    let mut output = places.parameters;
                    for (network, network_places) in networks.iter().zip(&places.networks) {
                        let input =
                            Input { start: places.input, context: places.input + kept.len() };
                        network.run(network_places, input, output, work, rows, layout.is_tape);
                        output += network.output.d_output;
                    }
                }
                Source::Shared(values) => {
                    let parameters = &mut work[places.parameters * rows..][..n_parameters * rows];
                    for (row, &value) in parameters.chunks_exact_mut(rows).zip(*values) {
                        row.fill(value);
                    }
                }
            }
            let (parameters, kept) =
                work[places.parameters * rows..].split_at_mut(n_parameters * rows);
            let per_feature = step.map.n_kept() * rows;
            let n_features = step.transformed.len();
            for (i, &index) in step.transformed.iter().enumerate() {
                let rows = MapRows {
                    value: feature_mut(state, index, rows),
                    log_det,
                    parameters: Parameters { tile: parameters, n_features, feature: i, rows },
                    kept: layout.is_tape.then(|| &mut kept[i * per_feature..][..per_feature]),
                };
                step.map.apply(step.direction, rows);
            }
        }
    }
}

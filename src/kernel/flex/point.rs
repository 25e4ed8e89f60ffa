//! One point through a flow, and a gradient back: what a sampler does at every step.

use burn::backend::Flex;

use super::super::ops::FlowTensors;
use super::super::tile::{Backward, Offsets, Steps, Sums, Tile, Weights};
use super::BatchRows;
use super::buffers::split;
use super::steps::with_steps;
use crate::direction::Direction;

const ONE: BatchRows = BatchRows { batch: 1, tile: 1 };

/// A point through a flow; gives the log-determinant.
pub(in super::super) fn point_transform(
    flow: &FlowTensors<Flex>,
    direction: Direction,
    buffer: &mut Vec<f64>,
    input: &[f64],
    output: &mut [f64],
) -> f64 {
    with_steps::<f64, _>(flow, direction, ONE, |steps| {
        let layout = steps.scratch_layout();
        let log_det = &mut [0.0];
        output.copy_from_slice(input);
        let work = first(buffer, layout.per_row);
        steps.forward(&layout, &mut Tile { state: output, context: &[], log_det, work });
        log_det[0]
    })
}

/// The image of a latent, its log-determinant, and the gradient of a log-density there and of the log-determinant by
/// the latent.
pub(in super::super) fn point_and_back<T>(
    flow: &FlowTensors<Flex>,
    buffer: &mut Vec<f64>,
    z: &[f64],
    x: &mut [f64],
    z_gradient: &mut [f64],
    log_density: impl FnOnce(&[f64], &mut [f64]) -> T,
) -> (f64, T) {
    with_steps::<f64, _>(flow, Direction::Forward, ONE, |steps: &Steps<'_, f64>| {
        let layout = steps.tape_layout();
        let sizes = [layout.per_row, steps.backward_per_row()];
        let [tape, scratch] = split(first(buffer, sizes.iter().sum()), sizes);
        let log_det = &mut [0.0];
        x.copy_from_slice(z);
        steps.forward(&layout, &mut Tile { state: x, context: &[], log_det, work: tape });
        let value = log_det[0];
        let result = log_density(x, z_gradient);
        let offsets: Vec<Offsets> =
            steps.steps.iter().map(|step| vec![None; step.n_weights()]).collect();
        let mut weights = Weights::Summed(Sums { sums: &mut [], accumulate: false });
        let mut back = Backward {
            state: z_gradient,
            log_det: &[1.0],
            context: None,
            weights: &mut weights,
            input_wanted: true,
        };
        steps.backward(&layout, &offsets, tape, scratch, &mut back);
        (value, result)
    })
}

/// So many numbers of a buffer, which grows if it must.
fn first(buffer: &mut Vec<f64>, len: usize) -> &mut [f64] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

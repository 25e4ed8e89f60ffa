//! Where a tile's intermediate values lie in its buffer.

use super::super::row::{Linear, Real};
use super::steps::{Steps, Widths};

/// Where a step keeps its intermediate values, in units of rows.
pub(super) struct Places {
    pub input: usize,
    /// The hidden activations of each network; in a tape their slopes follow, where they are kept.
    pub hidden: Vec<Vec<usize>>,
    /// In a tape the value of each transformed feature follows that the gradient of its map needs.
    pub parameters: usize,
}

/// The places of all steps, and how many numbers a row needs.
pub(in super::super) struct Layout {
    pub(super) places: Vec<Places>,
    pub per_row: usize,
    /// Whether every value has a place of its own, for the backward pass.
    pub(super) is_tape: bool,
}

impl<R: Real> Steps<'_, R> {
    /// A layout in which every step uses the same places.
    pub(in super::super) fn scratch_layout(&self) -> Layout {
        let Widths { input, hidden, parameters } = self.widths();
        // A network reads from one of two places and writes to the other.
        let turns = [input, input + hidden];
        let parameters_place = input + 2 * hidden;
        let places = self.steps.iter().map(|step| Places {
            input: 0,
            hidden: step
                .hidden()
                .map(|layers| (0..layers.len()).map(|i| turns[i % 2]).collect())
                .collect(),
            parameters: parameters_place,
        });
        let places = places.collect();
        Layout { places, per_row: parameters_place + parameters, is_tape: false }
    }

    /// A layout in which every value of every step has a place of its own.
    pub(in super::super) fn tape_layout(&self) -> Layout {
        let mut per_row = 0;
        let mut reserve = |n: usize| {
            per_row += n;
            per_row - n
        };
        let places = self.steps.iter().map(|step| Places {
            input: reserve(step.d_input(self.d_context)),
            hidden: step
                .hidden()
                .map(|layers| {
                    let width = |layer: &Linear<'_, R>| {
                        layer.d_output * if layer.activation.keeps_slope() { 2 } else { 1 }
                    };
                    layers.iter().map(|layer| reserve(width(layer))).collect()
                })
                .collect(),
            parameters: reserve(step.n_parameters() + step.transformed.len()),
        });
        let places = places.collect();
        Layout { places, per_row, is_tape: true }
    }
}

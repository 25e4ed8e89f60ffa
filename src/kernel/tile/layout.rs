//! Where a tile's intermediate values lie in its buffer.

use super::super::row::{Linear, Real};
use super::steps::Steps;

/// Where a step keeps its intermediate values, in units of rows.
pub(super) struct Places {
    pub input: usize,
    /// The hidden activations of each network, and their slopes where they are kept.
    pub hidden: Vec<Vec<(usize, Option<usize>)>>,
    pub parameters: usize,
    /// The value of each transformed feature that the gradient of the map needs.
    pub kept_values: usize,
}

/// The places of all steps, and how many numbers a row needs.
pub(in super::super) struct Layout {
    pub(super) places: Vec<Places>,
    pub per_row: usize,
}

impl<R: Real> Steps<'_, R> {
    /// A layout in which every step uses the same places.
    pub(in super::super) fn scratch_layout(&self) -> Layout {
        let widest_input = self.widest(|step| step.d_input(self.d_context));
        let widest_hidden = self
            .widest(|step| step.hidden().flatten().map(|layer| layer.d_output).max().unwrap_or(0));
        let [first, second] = [widest_input, widest_input + widest_hidden];
        let parameters = second + widest_hidden;
        let places = self.steps.iter().map(|step| Places {
            input: 0,
            hidden: step
                .hidden()
                .map(|layers| (0..layers.len()).map(|i| ([first, second][i % 2], None)).collect())
                .collect(),
            parameters,
            kept_values: 0,
        });
        Layout {
            places: places.collect(),
            per_row: parameters + self.widest(|step| step.n_parameters()),
        }
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
                    let place = |layer: &Linear<'_, R>| {
                        let output = reserve(layer.d_output);
                        let slope = layer.activation.keeps_slope().then(|| reserve(layer.d_output));
                        (output, slope)
                    };
                    layers.iter().map(place).collect()
                })
                .collect(),
            parameters: reserve(step.n_parameters()),
            kept_values: reserve(step.transformed.len()),
        });
        let places = places.collect();
        Layout { places, per_row }
    }
}

//! Where a tile's intermediate values lie in its buffer.

use super::super::row::Real;
use super::network::NetworkPlaces;
use super::steps::{Steps, Widths};

/// Where a step keeps its intermediate values, in units of rows.
pub(super) struct Places {
    /// The features that the networks see, and the context after them.
    pub input: usize,
    pub networks: Vec<NetworkPlaces>,
    /// In a tape, what the maps keep for their gradients follows.
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
        let buffers = std::array::from_fn(|i| input + i * hidden);
        let parameters_place = input + NetworkPlaces::N_BUFFERS * hidden;
        let places = self.steps.iter().map(|step| Places {
            input: 0,
            networks: step
                .networks()
                .iter()
                .map(|network| NetworkPlaces::scratch(network, buffers))
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
            networks: step
                .networks()
                .iter()
                .map(|network| NetworkPlaces::tape(network, &mut reserve))
                .collect(),
            parameters: reserve(step.n_parameters() + step.n_kept()),
        });
        let places = places.collect();
        Layout { places, per_row, is_tape: true }
    }
}

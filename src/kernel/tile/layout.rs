//! Where a tile's intermediate values lie in its buffer.

use super::super::row::Real;
use super::network::NetworkPlaces;
use super::steps::{Steps, Widths};

/// Where the intermediate values of a step lie, in units of rows.
pub(super) struct StepPlaces {
    /// The features that the networks see, and the context after them.
    pub input: usize,
    pub networks: Vec<NetworkPlaces>,
    /// In a tape, what the maps save for their gradients follows.
    pub parameters: usize,
    /// Whether this is a tape: every value has a place of its own, for the backward pass.
    pub is_tape: bool,
}

/// The places of all steps, and how many numbers there are per row.
pub(in super::super) struct Layout {
    pub(super) places: Vec<StepPlaces>,
    pub per_row: usize,
}

impl<R: Real> Steps<'_, R> {
    /// A layout in which every step uses the same places.
    pub(in super::super) fn scratch_layout(&self) -> Layout {
        let Widths { input, hidden, parameters } = self.widths();
        let buffers = std::array::from_fn(|i| input + i * hidden);
        let parameters_place = input + NetworkPlaces::N_BUFFERS * hidden;
        let places = self.steps.iter().map(|step| StepPlaces {
            input: 0,
            networks: step
                .networks()
                .iter()
                .map(|network| NetworkPlaces::scratch(network, buffers))
                .collect(),
            parameters: parameters_place,
            is_tape: false,
        });
        let places = places.collect();
        Layout { places, per_row: parameters_place + parameters }
    }

    /// A layout in which every value of every step has a place of its own.
    pub(in super::super) fn tape_layout(&self) -> Layout {
        let mut per_row = 0;
        let mut reserve = |n: usize| {
            per_row += n;
            per_row - n
        };
        let places = self.steps.iter().map(|step| StepPlaces {
            input: reserve(step.d_input(self.d_context)),
            networks: step
                .networks()
                .iter()
                .map(|network| NetworkPlaces::tape(network, &mut reserve))
                .collect(),
            parameters: reserve(step.n_parameters() + step.n_saved()),
            is_tape: true,
        });
        let places = places.collect();
        Layout { places, per_row }
    }
}

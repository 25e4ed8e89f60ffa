//! Where a tile's intermediate values lie in its buffer.

use super::super::row::Real;
use super::network::NetworkLayout;
use super::steps::{Steps, Widths};

/// Where the intermediate values of a step lie, in units of rows.
pub(super) struct StepLayout {
    /// The features that the networks or the matrix see, and the context after them.
    pub input: usize,
    pub networks: Vec<NetworkLayout>,
    /// In a tape, what the maps save for their gradients follows.
    pub parameters: usize,
    /// Whether this is a tape: every value has room of its own, for the backward pass.
    pub is_tape: bool,
}

/// The layouts of all steps, and how many numbers there are per row.
pub(in super::super) struct Layout {
    pub(super) steps: Vec<StepLayout>,
    pub per_row: usize,
}

impl<R: Real> Steps<'_, R> {
    /// A layout in which all steps use the same room.
    pub(in super::super) fn scratch_layout(&self) -> Layout {
        let Widths { input, hidden, parameters } = self.widths();
        let buffers = std::array::from_fn(|i| input + i * hidden);
        let parameters_start = input + NetworkLayout::N_BUFFERS * hidden;
        let mut per_row = parameters_start + parameters;
        let steps = self.steps.iter().map(|step| {
            let networks = step.networks().iter();
            if step.pass_by_pass().is_some() {
                let mut end = step.d_input(self.d_context);
                let mut reserve = |n: usize| {
                    end += n;
                    end - n
                };
                let networks =
                    networks.map(|network| NetworkLayout::tape(network, &mut reserve)).collect();
                per_row = per_row.max(end + step.n_parameters());
                return StepLayout { input: 0, networks, parameters: end, is_tape: false };
            }
            let networks =
                networks.map(|network| NetworkLayout::scratch(network, buffers)).collect();
            StepLayout { input: 0, networks, parameters: parameters_start, is_tape: false }
        });
        let steps = steps.collect();
        Layout { steps, per_row }
    }

    /// A layout in which every value of every step has room of its own.
    pub(in super::super) fn tape_layout(&self) -> Layout {
        let mut per_row = 0;
        let mut reserve = |n: usize| {
            per_row += n;
            per_row - n
        };
        let steps = self.steps.iter().map(|step| StepLayout {
            input: reserve(step.d_input(self.d_context)),
            networks: step
                .networks()
                .iter()
                .map(|network| NetworkLayout::tape(network, &mut reserve))
                .collect(),
            parameters: reserve(step.n_parameters() + step.n_saved()),
            is_tape: true,
        });
        let steps = steps.collect();
        Layout { steps, per_row }
    }
}

//! The gradients of a tile back through the steps.

use super::super::row::Real;
use super::autoregressive::Autoregressive;
use super::layout::{Layout, StepLayout};
use super::network::NetworkLayout;
use super::steps::{Operation, Step, Steps, Widths};
use super::weights::Weights;
use crate::direction::Direction;

/// Where the gradients of a step's weights go: an offset for each weight, bias or shared parameter,
/// in the order of the step; `None` for those that are not wanted.
pub(in super::super) type Offsets = Vec<Option<usize>>;

/// What a backward pass needs besides the tape.
pub(in super::super) struct Backward<'t, 'w, R> {
    /// In: the gradient of the features that came out. Out: that of the features that came in.
    pub state: &'t mut [R],
    /// The gradient of the log-determinants.
    pub log_det: &'t [R],
    /// Out: the gradient of the context, where it is wanted.
    pub context: Option<&'t mut [R]>,
    /// Out: the gradients of the weights.
    pub weights: &'t mut Weights<'w, R>,
    /// Whether the gradient of the features that came in is wanted.
    pub input_wanted: bool,
}

/// Room for the gradients inside of a step.
pub(super) struct Scratch<'t, R> {
    /// Of what the linear layers of a step see.
    pub input_gradient: &'t mut [R],
    /// Of three layers.
    pub buffers: [&'t mut [R]; NetworkLayout::N_BUFFERS],
}

impl<'t, R> Scratch<'t, R> {
    fn new(buffer: &'t mut [R], widths: &Widths, rows: usize) -> Self {
        let hidden = widths.hidden * rows;
        let (input_gradient, buffer) = buffer.split_at_mut(widths.input * rows);
        let (first, buffer) = buffer.split_at_mut(hidden);
        let (second, third) = buffer.split_at_mut(hidden);
        Self { input_gradient, buffers: [first, second, third] }
    }
}

/// What the backward pass of one step is told.
#[derive(Clone, Copy)]
pub(super) struct StepBackward<'s> {
    pub direction: Direction,
    pub layout: &'s StepLayout,
    pub offsets: &'s Offsets,
    /// Whether no step comes before.
    pub is_first: bool,
}

impl<R: Real> Steps<'_, R> {
    /// How many numbers per row the scratch of [`backward`](Self::backward) needs.
    pub(in super::super) fn backward_per_row(&self) -> usize {
        let Widths { input, hidden, .. } = self.widths();
        let at_once = input + NetworkLayout::N_BUFFERS * hidden;
        let pass_by_pass = self.steps.iter().filter_map(Step::pass_by_pass);
        let pass_by_pass = pass_by_pass.map(Autoregressive::sequential_backward_per_row).max();
        at_once.max(pass_by_pass.unwrap_or(0))
    }

    /// Takes the gradients of a tile back through all steps. `tape` is as
    /// [`forward`](Self::forward) left it; the gradients of the maps' parameters take the place of
    /// the parameters. `scratch` holds [`backward_per_row`](Self::backward_per_row) numbers per
    /// row.
    pub(in super::super) fn backward(
        &self,
        layout: &Layout,
        offsets: &[Offsets],
        tape: &mut [R],
        scratch: &mut [R],
        back: &mut Backward<'_, '_, R>,
    ) {
        let widths = self.widths();
        if let Some(context) = &mut back.context {
            context.fill(R::ZERO);
        }
        let steps = self.steps.iter().zip(&layout.steps).zip(offsets).enumerate().rev();
        for (position, ((step, layout), offsets)) in steps {
            let direction = step.direction;
            let of_step = StepBackward { direction, layout, offsets, is_first: position == 0 };
            if let Some(autoregressive) = step.pass_by_pass() {
                autoregressive.backward_pass_by_pass(of_step, tape, scratch, back);
                continue;
            }
            let mut scratch = Scratch::new(&mut *scratch, &widths, back.log_det.len());
            match &step.operation {
                Operation::Coupling(coupling) => {
                    coupling.backward(of_step, tape, &mut scratch, back);
                }
                Operation::Autoregressive(autoregressive) => {
                    autoregressive.backward(of_step, tape, &mut scratch, back);
                }
                Operation::Elementwise(elementwise) => elementwise.backward(of_step, tape, back),
                Operation::Fixed(fixed) => fixed.backward(of_step, tape, back),
                Operation::Matrix(matrix) => matrix.backward(of_step, tape, &mut scratch, back),
                Operation::Permutation(permutation) => permutation.backward(&mut scratch, back),
            }
        }
    }
}

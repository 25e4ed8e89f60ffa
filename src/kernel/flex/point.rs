//! One point after another through a flow, and gradients back: what a sampler does at every step.

use burn::backend::Flex;
use self_cell::self_cell;

use super::super::ops::FlowTensors;
use super::super::tile::{Backward, Layout, Offsets, Steps, Sums, Tile, Weights};
use super::steps::steps;
use super::weights::OwnedWeights;
use crate::direction::Direction;

type StepsOfF64<'a> = Steps<'a, f64>;

self_cell!(
    /// A direction of a flow with its weights, made once and not for every point.
    struct Kept {
        owner: OwnedWeights<f64>,
        #[covariant]
        dependent: StepsOfF64,
    }
);

impl Kept {
    fn of(flow: &FlowTensors<Flex>, direction: Direction, with_gradients: bool) -> Self {
        let owned = OwnedWeights::new(flow, with_gradients);
        Self::new(owned, |owned| steps(flow, direction, owned.weights()))
    }
}

/// The inverse direction of a flow, without gradients.
pub(in super::super) struct PointInverse {
    kept: Kept,
    layout: Layout,
    work: Vec<f64>,
}

impl PointInverse {
    pub fn new(flow: &FlowTensors<Flex>) -> Self {
        let kept = Kept::of(flow, Direction::Inverse, false);
        let layout = kept.borrow_dependent().scratch_layout();
        let work = vec![0.0; layout.per_row];
        Self { kept, layout, work }
    }

    /// Takes a point of data through, in place; gives the log-determinant.
    pub fn transform(&mut self, state: &mut [f64]) -> f64 {
        let log_det = &mut [0.0];
        let work = &mut self.work;
        let steps = self.kept.borrow_dependent();
        steps.forward(&self.layout, &mut Tile { state, context: &[], log_det, work });
        log_det[0]
    }
}

/// The forward direction of a flow, and gradients of points back through it.
pub(in super::super) struct PointTape {
    kept: Kept,
    layout: Layout,
    tape: Vec<f64>,
    scratch: Vec<f64>,
    /// None of the weights' gradients are wanted.
    offsets: Vec<Offsets>,
}

impl PointTape {
    pub fn new(flow: &FlowTensors<Flex>) -> Self {
        let kept = Kept::of(flow, Direction::Forward, true);
        let steps = kept.borrow_dependent();
        let layout = steps.tape_layout();
        let (tape, scratch) = (vec![0.0; layout.per_row], vec![0.0; steps.backward_per_row()]);
        let offsets = steps.steps.iter().map(|step| vec![None; step.n_weights()]).collect();
        Self { kept, layout, tape, scratch, offsets }
    }

    /// Takes a latent through, in place; gives the log-determinant.
    pub fn forward(&mut self, state: &mut [f64]) -> f64 {
        let log_det = &mut [0.0];
        let work = &mut self.tape;
        let steps = self.kept.borrow_dependent();
        steps.forward(&self.layout, &mut Tile { state, context: &[], log_det, work });
        log_det[0]
    }

    /// Turns the gradient of a log-density at the last point that came out into that of the log-density and of the
    /// log-determinant by its latent.
    pub fn backward(&mut self, gradient: &mut [f64]) {
        let mut back = Backward {
            state: gradient,
            log_det: &[1.0],
            context: None,
            weights: &mut Weights::Summed(Sums { sums: &mut [], accumulate: false }),
            input_wanted: true,
        };
        let Self { kept, layout, tape, scratch, offsets } = self;
        kept.borrow_dependent().backward(layout, offsets, tape, scratch, &mut back);
    }
}

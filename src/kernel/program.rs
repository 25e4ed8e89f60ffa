//! [`Program`]: the layers of a flow, each with what the kernels apply in its place.

use burn::tensor::{DType, Tensor};

use super::{Lowered, Operation, Reason, lower};
use crate::direction::Direction;

/// A layer as the kernels see it when they do not know it.
pub(crate) trait Layered {
    /// The layer in one direction.
    fn apply(
        &self,
        direction: Direction,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>);

    /// The layer in words.
    fn text(&self) -> String;

    /// The number of its parameters.
    fn n_parameters(&self) -> usize;
}

/// The layers of a flow in `forward` order, as [`Flow::lower`](crate::Flow::lower) hands them over.
pub struct Program<'a> {
    /// In which the next layer will be applied.
    direction: Direction,
    d_features: usize,
    dtype: DType,
    steps: Vec<Step<'a>>,
}

/// One layer.
pub(crate) struct Step<'a> {
    /// Whether `forward` of the flow applies the layer's inverse.
    pub swapped: bool,
    pub layer: &'a dyn Layered,
    pub lowered: Result<Lowered, Reason>,
}

/// The most weights and biases that a run of layers may have: with the input and the context they
/// are the most inputs of an operation under autodiff.
pub(super) const MAX_WEIGHTS: usize = 1024 - 2;

/// Whether a layer of so many weights goes into a run that has so many.
pub(super) fn fits_in_run(in_run: usize, of_layer: usize) -> bool {
    in_run + of_layer <= MAX_WEIGHTS
}

/// In which run of the kernels each layer goes, counted from 0; `None` for tensor operations.
pub(crate) fn run_numbers(steps: &[Step<'_>]) -> Vec<Option<usize>> {
    let (mut runs, mut in_run) = (0, None);
    let number = |step: &Step<'_>| {
        let Ok(lowered) = &step.lowered else {
            in_run = None;
            return None;
        };
        let of_layer = lowered.n_weights();
        in_run = match in_run {
            Some(n) if fits_in_run(n, of_layer) => Some(n + of_layer),
            _ => {
                runs += 1;
                Some(of_layer)
            }
        };
        Some(runs - 1)
    };
    steps.iter().map(number).collect()
}

impl<'a> Program<'a> {
    /// The layers of a flow that is to be applied in a direction, to rows of so many features.
    pub(crate) fn new(direction: Direction, d_features: usize, dtype: DType) -> Self {
        Self { direction, d_features, dtype, steps: Vec::new() }
    }

    /// The direction in which the layer that is added next will be applied.
    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    pub(crate) fn into_steps(self) -> Vec<Step<'a>> {
        self.steps
    }

    /// Adds a layer, and its operation or the reason why it has none.
    pub(crate) fn add_layer<F: Layered>(
        &mut self,
        layer: &'a F,
        operation: Result<Operation<'a>, Reason>,
    ) {
        let lowered = operation.and_then(|operation| lower(operation, self.d_features, self.dtype));
        self.steps.push(Step { swapped: false, layer, lowered });
    }

    /// Adds the layers that `add` adds, with their directions swapped.
    pub(crate) fn add_swapped(&mut self, add: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.steps);
        self.direction = self.direction.reversed();
        add(self);
        self.direction = self.direction.reversed();
        let inner = std::mem::replace(&mut self.steps, outer);
        self.steps.extend(inner.into_iter().rev().map(|mut step| {
            step.swapped = !step.swapped;
            step
        }));
    }
}

//! A tile through the steps.

use super::super::row::Real;
use super::layout::Layout;
use super::steps::{Operation, Steps};

/// A tile on its way through the steps.
pub(in super::super) struct Tile<'t, R> {
    /// In: the features. Out: what the steps made of them.
    pub state: &'t mut [R],
    /// The context, if there is one.
    pub context: &'t [R],
    /// Added to.
    pub log_det: &'t mut [R],
    /// The buffer that the layout divides.
    pub work: &'t mut [R],
}

impl<R: Real> Steps<'_, R> {
    /// Takes a tile through all steps, in place, and adds up the log-determinants. If the layout is
    /// a tape, `tile.work` is left with all that [`backward`](Self::backward) needs.
    pub(in super::super) fn forward(&self, layout: &Layout, tile: &mut Tile<'_, R>) {
        for (step, layout) in self.steps.iter().zip(&layout.steps) {
            match &step.operation {
                Operation::Coupling(coupling) => coupling.forward(step.direction, layout, tile),
                Operation::Autoregressive(autoregressive) => {
                    autoregressive.forward(step.direction, layout, tile);
                }
                Operation::Elementwise(elementwise) => {
                    elementwise.forward(step.direction, layout, tile);
                }
                Operation::Fixed(fixed) => fixed.forward(step.direction, layout, tile),
                Operation::Matrix(matrix) => matrix.forward(layout, tile),
                Operation::Permutation(permutation) => permutation.forward(layout, tile),
            }
        }
    }
}

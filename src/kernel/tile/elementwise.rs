//! [`Elementwise`]: a map of every feature of a tile by parameters that are the same for all rows.

use super::super::row::{Map, Real};
use super::backward::{Backward, StepBackward};
use super::features::Features;
use super::forward::Tile;
use super::layout::StepLayout;
use crate::direction::Direction;

/// A map of every feature by parameters of its own.
pub(in super::super) struct Elementwise<'a, R> {
    pub map: Map<R>,
    /// Where the tile has each feature.
    pub features: Vec<usize>,
    /// The first parameter of all features, then the second.
    pub parameters: &'a [R],
}

impl<R: Real> Elementwise<'_, R> {
    pub(super) fn forward(
        &self,
        direction: Direction,
        layout: &StepLayout,
        tile: &mut Tile<'_, R>,
    ) {
        let rows = tile.log_det.len();
        let parameters = &mut tile.work[layout.parameters * rows..][..self.parameters.len() * rows];
        for (row, &value) in parameters.chunks_exact_mut(rows).zip(self.parameters) {
            row.fill(value);
        }
        self.map(direction).forward(&self.features, layout, tile);
    }

    /// The gradients of [`forward`](Self::forward).
    pub(super) fn backward(
        &self,
        step: StepBackward<'_>,
        tape: &mut [R],
        back: &mut Backward<'_, '_, R>,
    ) {
        let StepBackward { direction, layout, offsets, .. } = step;
        let rows = back.log_det.len();
        self.map(direction).backward(&self.features, layout, tape, back.state, back.log_det);
        let parameters = &tape[layout.parameters * rows..][..self.parameters.len() * rows];
        back.weights.of_rows(offsets[0], parameters, rows);
    }

    fn map(&self, direction: Direction) -> Features<'_, R> {
        let n_features = self.features.len();
        Features { map: &self.map, direction, group: 0..n_features, n_features }
    }
}

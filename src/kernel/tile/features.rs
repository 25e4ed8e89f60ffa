//! [`Features`]: a map applied to some features of a tile, and its gradients.

use std::ops::Range;

use super::super::row::map_rows::{MapGradient, MapRows, Parameters};
use super::super::row::{Map, Real, feature_mut};
use super::forward::Tile;
use super::layout::StepLayout;
use crate::direction::Direction;

/// A map of a group of features, each by its own parameters.
pub(super) struct Features<'m, R> {
    pub map: &'m Map<R>,
    pub direction: Direction,
    /// Which of the features of the step. The parameters and what is saved lie group by group.
    pub group: Range<usize>,
    /// How many features the step has.
    pub n_features: usize,
}

impl<R: Real> Features<'_, R> {
    /// Maps the features of the group in place and adds to the log-determinants. The parameters lie
    /// where the layout says; `places` are where the tile has the features of the step.
    pub(super) fn forward(&self, places: &[usize], layout: &StepLayout, tile: &mut Tile<'_, R>) {
        let rows = tile.log_det.len();
        let per_feature = self.map.n_saved() * rows;
        let (parameters, saved) = self.split(&mut tile.work[layout.parameters * rows..], rows);
        for (i, &index) in places[self.group.clone()].iter().enumerate() {
            let rows = MapRows {
                value: feature_mut(tile.state, index, rows),
                log_det: tile.log_det,
                parameters: Parameters {
                    tile: parameters,
                    n_features: self.group.len(),
                    feature: i,
                    rows,
                },
                saved: layout.is_tape.then(|| &mut saved[i * per_feature..][..per_feature]),
            };
            self.map.apply(self.direction, rows);
        }
    }

    /// The parameters of the group, and what comes after those of all features from what the group
    /// saves on.
    fn split<'t>(&self, values: &'t mut [R], rows: usize) -> (&'t mut [R], &'t mut [R]) {
        let (n_parameters, n_saved) = (self.map.n_parameters(), self.map.n_saved());
        let (parameters, saved) = values.split_at_mut(n_parameters * self.n_features * rows);
        let first = self.group.start * rows;
        let parameters =
            &mut parameters[n_parameters * first..][..n_parameters * self.group.len() * rows];
        // Without a tape nothing is saved.
        let n_before = (n_saved * first).min(saved.len());
        (parameters, &mut saved[n_before..])
    }

    /// Turns the gradients of the outputs in `state` into those of the inputs, and the parameters
    /// on the tape into their gradients.
    pub(super) fn backward(
        &self,
        places: &[usize],
        layout: &StepLayout,
        tape: &mut [R],
        state: &mut [R],
        log_det: &[R],
    ) {
        let rows = log_det.len();
        let per_feature = self.map.n_saved() * rows;
        let (parameters, saved) = self.split(&mut tape[layout.parameters * rows..], rows);
        for (i, &index) in places[self.group.clone()].iter().enumerate() {
            let gradient = MapGradient {
                value: feature_mut(state, index, rows),
                log_det,
                parameters: Parameters {
                    tile: parameters,
                    n_features: self.group.len(),
                    feature: i,
                    rows,
                },
                saved: &saved[i * per_feature..][..per_feature],
            };
            self.map.gradient(self.direction, gradient);
        }
    }
}

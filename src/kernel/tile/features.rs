//! [`Features`]: a map applied to some features of a tile, and its gradients.

use super::super::row::map_rows::{MapGradient, MapRows, Parameters};
use super::super::row::{Map, Real, feature_mut};
use super::forward::Tile;
use super::layout::StepLayout;
use crate::direction::Direction;

/// A map of so many features, each by its own parameters.
pub(super) struct Features<'m, R> {
    pub map: &'m Map<R>,
    pub direction: Direction,
    pub n_features: usize,
}

impl<R: Real> Features<'_, R> {
    /// Maps the features in place and adds to the log-determinants. The parameters lie where
    /// the layout says.
    pub(super) fn forward(
        &self,
        transformed: impl Iterator<Item = usize>,
        layout: &StepLayout,
        tile: &mut Tile<'_, R>,
    ) {
        let rows = tile.log_det.len();
        let n_parameters = self.map.n_parameters() * self.n_features;
        let (parameters, saved) =
            tile.work[layout.parameters * rows..].split_at_mut(n_parameters * rows);
        let per_feature = self.map.n_saved() * rows;
        for (i, index) in transformed.enumerate() {
            let rows = MapRows {
                value: feature_mut(tile.state, index, rows),
                log_det: tile.log_det,
                parameters: Parameters {
                    tile: parameters,
                    n_features: self.n_features,
                    feature: i,
                    rows,
                },
                saved: layout.is_tape.then(|| &mut saved[i * per_feature..][..per_feature]),
            };
            self.map.apply(self.direction, rows);
        }
    }

    /// Turns the gradients of the outputs in `state` into those of the inputs, and the parameters
    /// on the tape into their gradients. Gives the part of the tape before the parameters, and the
    /// gradients of the parameters.
    pub(super) fn backward<'t>(
        &self,
        transformed: impl Iterator<Item = usize>,
        layout: &StepLayout,
        tape: &'t mut [R],
        state: &mut [R],
        log_det: &[R],
    ) -> (&'t [R], &'t [R]) {
        let rows = log_det.len();
        let n_parameters = self.map.n_parameters() * self.n_features;
        let (before, rest) = tape.split_at_mut(layout.parameters * rows);
        let (parameters, saved) = rest.split_at_mut(n_parameters * rows);
        let per_feature = self.map.n_saved() * rows;
        for (i, index) in transformed.enumerate() {
            let gradient = MapGradient {
                value: feature_mut(state, index, rows),
                log_det,
                parameters: Parameters {
                    tile: parameters,
                    n_features: self.n_features,
                    feature: i,
                    rows,
                },
                saved: &saved[i * per_feature..][..per_feature],
            };
            self.map.gradient(self.direction, gradient);
        }
        (before, parameters)
    }
}

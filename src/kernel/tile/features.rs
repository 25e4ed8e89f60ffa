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
        let places = &places[self.group.clone()];
        let (parameters, saved) = self.split(&mut tile.work[layout.parameters * rows..], rows);
        if rows == 1 {
            for (chunk, first) in places.chunks(AT_ONCE).zip((0..).step_by(AT_ONCE)) {
                let mut values = SideBySide::gathered(chunk, tile.state);
                let mut log_dets = [R::ZERO; AT_ONCE];
                let (saved, n) = (&mut *saved, chunk.len());
                let as_rows = MapRows {
                    value: values.numbers(),
                    log_det: &mut log_dets[..n],
                    parameters: self.parameters(parameters, first, n),
                    saved: layout
                        .is_tape
                        .then(|| &mut saved[first * per_feature..][..n * per_feature]),
                };
                self.map.apply(self.direction, as_rows);
                values.scatter(tile.state);
                tile.log_det[0] += log_dets[..n].iter().copied().sum();
            }
            return;
        }
        for (i, &index) in places.iter().enumerate() {
            let rows = MapRows {
                value: feature_mut(tile.state, index, rows),
                log_det: tile.log_det,
                parameters: self.parameters(parameters, i * rows, rows),
                saved: layout.is_tape.then(|| &mut saved[i * per_feature..][..per_feature]),
            };
            self.map.apply(self.direction, rows);
        }
    }

    /// So many numbers of each parameter of the group, from one on.
    fn parameters<'t>(&self, tile: &'t mut [R], first: usize, rows: usize) -> Parameters<'t, R> {
        let stride = tile.len() / self.map.n_parameters();
        Parameters { tile, first, stride, rows }
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
        let places = &places[self.group.clone()];
        let (parameters, saved) = self.split(&mut tape[layout.parameters * rows..], rows);
        if rows == 1 {
            for (chunk, first) in places.chunks(AT_ONCE).zip((0..).step_by(AT_ONCE)) {
                let mut gradients = SideBySide::gathered(chunk, state);
                let n = chunk.len();
                let as_rows = MapGradient {
                    value: gradients.numbers(),
                    log_det: &[log_det[0]; AT_ONCE][..n],
                    parameters: self.parameters(parameters, first, n),
                    saved: &saved[first * per_feature..][..n * per_feature],
                };
                self.map.gradient(self.direction, as_rows);
                gradients.scatter(state);
            }
            return;
        }
        for (i, &index) in places.iter().enumerate() {
            let gradient = MapGradient {
                value: feature_mut(state, index, rows),
                log_det,
                parameters: self.parameters(parameters, i * rows, rows),
                saved: &saved[i * per_feature..][..per_feature],
            };
            self.map.gradient(self.direction, gradient);
        }
    }
}

/// Some features of a single row side by side. The parameters of a map lie so already: the loops over rows go over
/// features then, several at once.
struct SideBySide<'p, R> {
    places: &'p [usize],
    numbers: [R; AT_ONCE],
}

/// The most features that are taken at once.
const AT_ONCE: usize = 64;

impl<'p, R: Real> SideBySide<'p, R> {
    fn gathered(places: &'p [usize], state: &[R]) -> Self {
        let mut numbers = [R::ZERO; AT_ONCE];
        numbers.iter_mut().zip(places).for_each(|(number, &place)| *number = state[place]);
        Self { places, numbers }
    }

    fn numbers(&mut self) -> &mut [R] {
        &mut self.numbers[..self.places.len()]
    }

    fn scatter(&self, state: &mut [R]) {
        self.places.iter().zip(&self.numbers).for_each(|(&place, number)| state[place] = *number);
    }
}

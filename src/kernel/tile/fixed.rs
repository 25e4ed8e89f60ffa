//! [`Fixed`]: a chosen map of each feature of a tile, and its gradients.

use super::super::row::fixed::{mapped, rounded};
use super::super::row::{Real, feature_mut};
use super::backward::{Backward, StepBackward};
use super::forward::Tile;
use super::layout::StepLayout;
use crate::direction::Direction;
use crate::univariate::FixedMap;

/// A map of every feature that learns nothing.
pub(in super::super) struct Fixed {
    pub maps: Vec<FixedMap>,
    /// Where the tile has each feature.
    pub features: Vec<usize>,
}

impl Fixed {
    /// The slope and the bend of each value.
    pub(super) const N_SAVED: usize = 2;

    pub(super) fn forward<R: Real>(
        &self,
        direction: Direction,
        layout: &StepLayout,
        tile: &mut Tile<'_, R>,
    ) {
        let rows = tile.log_det.len();
        let mut saved = tile.work[layout.parameters * rows..].chunks_exact_mut(rows);
        for (map, &index) in self.maps.iter().zip(&self.features) {
            let map = rounded::<R>(map);
            let values = feature_mut(tile.state, index, rows);
            let mut kept = layout.is_tape.then(|| [saved.next(), saved.next()].map(taped));
            for (row, (value, log_det)) in values.iter_mut().zip(&mut *tile.log_det).enumerate() {
                let mapped = mapped(&map, direction, (*value).to_f64());
                *value = R::from_f64(mapped.output);
                *log_det += R::from_f64(mapped.log_slope);
                if let Some([slopes, bends]) = &mut kept {
                    slopes[row] = R::from_f64(mapped.slope);
                    bends[row] = R::from_f64(mapped.bend);
                }
            }
        }
    }

    /// The gradients of [`forward`](Self::forward).
    pub(super) fn backward<R: Real>(
        &self,
        step: StepBackward<'_>,
        tape: &[R],
        back: &mut Backward<'_, '_, R>,
    ) {
        let rows = back.log_det.len();
        let mut saved = tape[step.layout.parameters * rows..].chunks_exact(rows);
        for &index in &self.features {
            let [slopes, bends] = [saved.next(), saved.next()].map(taped);
            let gradients = feature_mut(back.state, index, rows).iter_mut();
            let values = slopes.iter().zip(bends).zip(back.log_det);
            for (gradient, ((&slope, &bend), &log_det)) in gradients.zip(values) {
                *gradient = *gradient * slope + log_det * bend;
            }
        }
    }
}

fn taped<T>(values: Option<T>) -> T {
    values.expect("the tape has a slope and a bend for each value")
}

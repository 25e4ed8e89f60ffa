//! [`Grid`]: one column given all others, on a grid of its values.

use std::f64::consts::PI;

use rand::{Rng, RngExt};

use super::encoder::EncodedRows;
use super::model::TableModel;
use crate::error::Error;

/// The points of a grid: 0.06 standard deviations apart.
const N_POINTS: usize = 201;
/// Standardised columns are within so many standard deviations, but for a negligible part.
const MAX_ABS: f64 = 6.0;
/// The rows that a flow sees at once.
const MAX_ROWS: usize = 1 << 16;

/// The density of one feature given all others, on a grid, for some rows.
///
/// Under a flow the density of `x_j` given the rest is the joint density along a line, divided by its
/// integral there; a sum over a grid is that integral but for what lies between the points.
pub(super) struct Grid {
    points: Vec<f64>,
    step: f64,
    /// The joint log-density at each point of the grid, row by row.
    log_joint: Vec<f64>,
}

impl Grid {
    /// The grids of some rows along a feature.
    pub fn new(
        model: &TableModel,
        encoded: &EncodedRows,
        rows: &[usize],
        feature: usize,
    ) -> Result<Self, Error> {
        let [d, d_context] = model.sizes();
        let is_periodic = model.features().nth(feature).is_some_and(|(_, map)| map.is_periodic());
        let max_abs = if is_periodic { PI } else { MAX_ABS };
        let step = 2.0 * max_abs / N_POINTS as f64;
        let points: Vec<f64> =
            (0..N_POINTS).map(|index| (index as f64 + 0.5) * step - max_abs).collect();
        let mut log_joint = Vec::with_capacity(rows.len() * N_POINTS);
        for rows in rows.chunks(MAX_ROWS / N_POINTS) {
            let mut features = Vec::with_capacity(rows.len() * N_POINTS * d);
            let mut contexts = Vec::with_capacity(rows.len() * N_POINTS * d_context);
            for &row in rows {
                for &point in &points {
                    let start = features.len();
                    features.extend_from_slice(&encoded.features[row * d..(row + 1) * d]);
                    features[start + feature] = point;
                    let context = row * d_context..(row + 1) * d_context;
                    contexts.extend_from_slice(&encoded.contexts[context]);
                }
            }
            // Where the flow overflows there is no density.
            let found = model.log_joint(features, contexts).into_iter();
            log_joint.extend(found.map(|log| if log.is_nan() { f64::NEG_INFINITY } else { log }));
        }
        Ok(Self { points, step, log_joint })
    }

    fn of_row(&self, row: usize) -> &[f64] {
        &self.log_joint[row * N_POINTS..(row + 1) * N_POINTS]
    }

    /// The logarithm of the integral of the joint density along the line of a row.
    pub fn log_integral(&self, row: usize) -> f64 {
        let log_joint = self.of_row(row);
        let largest = log_joint.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        let sum: f64 = log_joint.iter().map(|log| (log - largest).exp()).sum();
        largest + sum.ln() + self.step.ln()
    }

    /// The probability of a value whose density is at most this one.
    pub fn tail(&self, row: usize, log_joint: f64) -> f64 {
        let integral = self.log_integral(row) - self.step.ln();
        let below = self.of_row(row).iter().filter(|&&log| log <= log_joint);
        below.map(|log| (log - integral).exp()).sum::<f64>().min(1.0)
    }

    /// Draws a value of the feature in the row; `None` where there is no density.
    pub fn draw<R: Rng + ?Sized>(&self, row: usize, rng: &mut R) -> Option<f64> {
        let integral = self.log_integral(row) - self.step.ln();
        if integral == f64::NEG_INFINITY {
            return None;
        }
        let mut left = rng.random::<f64>();
        let mut drawn = 0;
        for (index, log) in self.of_row(row).iter().enumerate() {
            let probability = (log - integral).exp();
            if probability > 0.0 {
                drawn = index;
            }
            left -= probability;
            if left < 0.0 {
                break;
            }
        }
        Some(self.points[drawn] + self.step * (rng.random::<f64>() - 0.5))
    }
}

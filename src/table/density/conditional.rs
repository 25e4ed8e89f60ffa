//! [`Grid`]: one column given all others, on a grid of its values.

use std::f64::consts::PI;

use rand::{Rng, RngExt};

use super::model::TableModel;
use crate::table::columns::EncodedRows;

/// The points over the whole range of a feature, and then over the part where the density is.
const N_POINTS: usize = 101;
/// Standardised columns are within so many standard deviations, but for a negligible part.
const MAX_ABS: f64 = 6.0;
/// So much beyond the features of rows that are further out.
const MARGIN: f64 = 3.0;
/// The part where the density is: within this logarithm of the largest, beside which the rest is
/// nothing.
const MAX_LOG: f64 = 14.0;
/// The parts of a step between two points.
const N_BETWEEN: usize = 8;
/// The rows that a flow sees at once.
const MAX_ROWS: usize = 1 << 16;

/// The density of one feature given all others, for some rows.
///
/// Under a flow the density of `x_j` given the rest is the joint density along a line, divided by its
/// integral there. The line is seen on two grids of as many points: a coarse one over all of it, and a
/// fine one where the coarse one has found the density.
pub(in crate::table) struct Grid {
    coarse: Vec<Line>,
    fine: Vec<Line>,
}

/// The joint log-density at equal steps along a line.
struct Line {
    start: f64,
    step: f64,
    log_joint: Vec<f64>,
}

impl Grid {
    /// The lines of some rows along a feature.
    pub fn new(model: &TableModel, encoded: &EncodedRows, rows: &[usize], feature: usize) -> Self {
        let is_periodic =
            model.encoder().features().nth(feature).is_some_and(|(_, map)| map.is_periodic());
        let d = model.sizes()[0];
        let range = |&row: &usize| {
            // Far from the others the density may be where they are.
            let largest = encoded.features[row * d..(row + 1) * d]
                .iter()
                .fold(0.0_f64, |largest, z| largest.max(z.abs()));
            let max_abs = if is_periodic { PI } else { MAX_ABS.max(largest + MARGIN) };
            [-max_abs, max_abs]
        };
        let whole: Vec<[f64; 2]> = rows.iter().map(range).collect();
        let coarse = lines(model, encoded, rows, feature, &whole);
        let parts: Vec<[f64; 2]> = coarse.iter().map(Line::part_with_density).collect();
        let fine = lines(model, encoded, rows, feature, &parts);
        Self { coarse, fine }
    }

    /// The logarithm of the integral of the joint density along the line of a row.
    pub fn log_integral(&self, row: usize) -> f64 {
        self.fine[row].log_integral()
    }

    /// The probability of a value whose density is at most this one; between the points the logarithm
    /// of the density is taken as linear.
    pub fn tail(&self, row: usize, log_joint: f64) -> f64 {
        let integral = self.log_integral(row);
        if integral == f64::NEG_INFINITY {
            return 0.0;
        }
        let fine = self.fine[row].below(log_joint);
        // What is less likely than all of the part is beside it.
        let log = if fine > f64::NEG_INFINITY { fine } else { self.coarse[row].below(log_joint) };
        (log - integral).exp().min(1.0)
    }

    /// Draws a value of the feature in the row; `None` where there is no density.
    pub fn draw<R: Rng + ?Sized>(&self, row: usize, rng: &mut R) -> Option<f64> {
        let line = &self.fine[row];
        let largest = line.largest();
        if largest == f64::NEG_INFINITY {
            return None;
        }
        let weights = line.log_joint.iter().map(|log| (log - largest).exp());
        let mut left = rng.random::<f64>() * weights.clone().sum::<f64>();
        let mut drawn = 0;
        for (index, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
            drawn = index;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        Some(line.start + line.step * (drawn as f64 + rng.random::<f64>() - 0.5))
    }
}

impl Line {
    fn largest(&self) -> f64 {
        self.log_joint.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// From where to where the density is.
    fn part_with_density(&self) -> [f64; 2] {
        let least = self.largest() - MAX_LOG;
        let has_density = |log: &f64| *log >= least;
        let last = self.log_joint.len() - 1;
        let first = self.log_joint.iter().position(has_density).unwrap_or(0);
        let end = self.log_joint.iter().rposition(has_density).unwrap_or(last);
        // A part of a step beyond the points counts as theirs.
        [first, end + 1].map(|index| self.start + (index as f64 - 0.5) * self.step)
    }

    fn log_integral(&self) -> f64 {
        let largest = self.largest();
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        let sum: f64 = self.log_joint.iter().map(|log| (log - largest).exp()).sum();
        largest + sum.ln() + self.step.ln()
    }

    /// The logarithm of the integral of what has at most this log-density.
    fn below(&self, log_joint: f64) -> f64 {
        let largest = self.largest();
        let mut sum = 0.0;
        for pair in self.log_joint.windows(2) {
            for part in 0..N_BETWEEN {
                let share = (part as f64 + 0.5) / N_BETWEEN as f64;
                let log = pair[0] + share * (pair[1] - pair[0]);
                // NaN next to a point without density.
                if log <= log_joint {
                    sum += (log - largest).exp() / N_BETWEEN as f64;
                }
            }
        }
        largest + sum.ln() + self.step.ln()
    }
}

/// The line of each row along a feature, from one end to the other.
fn lines(
    model: &TableModel,
    encoded: &EncodedRows,
    rows: &[usize],
    feature: usize,
    ends: &[[f64; 2]],
) -> Vec<Line> {
    let [d, d_context] = model.sizes();
    let mut lines = Vec::with_capacity(rows.len());
    let chunk_rows = MAX_ROWS / N_POINTS;
    for (rows, ends) in rows.chunks(chunk_rows).zip(ends.chunks(chunk_rows)) {
        let mut features = Vec::with_capacity(rows.len() * N_POINTS * d);
        let mut contexts = Vec::with_capacity(rows.len() * N_POINTS * d_context);
        let first = lines.len();
        for (&row, [low, high]) in rows.iter().zip(ends) {
            let step = (high - low) / N_POINTS as f64;
            let start = low + 0.5 * step;
            for point in 0..N_POINTS {
                let place = features.len() + feature;
                features.extend_from_slice(&encoded.features[row * d..(row + 1) * d]);
                features[place] = start + step * point as f64;
                let context = row * d_context..(row + 1) * d_context;
                contexts.extend_from_slice(&encoded.contexts[context]);
            }
            lines.push(Line { start, step, log_joint: Vec::new() });
        }
        let log_joint = model.log_joint(features, contexts);
        for (line, values) in lines[first..].iter_mut().zip(log_joint.chunks_exact(N_POINTS)) {
            // Where the flow overflows there is no density.
            let finite =
                values.iter().map(|log| if log.is_nan() { f64::NEG_INFINITY } else { *log });
            line.log_joint = finite.collect();
        }
    }
    lines
}

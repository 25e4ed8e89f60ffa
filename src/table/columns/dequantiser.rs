//! [`Dequantiser`]: the numbers that stand for a value which many rows may have.

use rand::{Rng, RngExt};
use rand_distr::Open01;
use serde::{Deserialize, Serialize};

use super::support::Support;

/// The numbers that stand for a value in training, drawn uniformly: those up to one half away from an
/// integer, those within a margin beyond a bound that is itself a value, and those of the noise that a
/// column was given. Other values stand for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Dequantiser {
    pub support: Support,
    /// The width of the noise around a value.
    jitter: f64,
    /// The widths of the margins, below the lower bound and above the upper one.
    #[serde(default)]
    margins: [f64; 2],
}

/// The share of values that are near a bound: one in so many.
const NEAR: usize = 50;

impl Dequantiser {
    /// For values of a support, with noise of some width; that of integers is 1 in any case.
    ///
    /// A margin is so wide that its density is that of the values near the bound, which are the nearest
    /// fiftieth of the others: what a flow learns goes on there without a step.
    pub fn new(support: Support, jitter: f64, values: &[f64]) -> Self {
        let jitter = if support.is_integer() { 1.0 } else { jitter };
        let closed = support.closed_ends();
        let [low, high] = closed.map(|end| end.unwrap_or(f64::NAN));
        let margin = |end: f64| {
            let n_at_end = values.iter().filter(|&&x| x == end).count();
            let others = values.iter().filter(|&&x| x != low && x != high);
            let mut distances: Vec<f64> = others.map(|x| (x - end).abs()).collect();
            distances.sort_by(f64::total_cmp);
            let n_near = (distances.len() / NEAR).max(1);
            let width = match distances.get(n_near - 1) {
                Some(distance) => distance * n_at_end.max(1) as f64 / n_near as f64,
                // The whole width if there are no others.
                None => (high - low).abs().max(1.0),
            };
            // Wide enough to have numbers of its own.
            width.max(1e-9 * end.abs()).max(f64::MIN_POSITIVE)
        };
        Self { support, jitter, margins: closed.map(|end| end.map_or(0.0, margin)) }
    }

    /// Whether a value may stand for others.
    pub fn is_noisy(&self) -> bool {
        self.jitter > 0.0 || self.margins != [0.0; 2]
    }

    /// The support of the numbers that stand for values, without closed ends.
    pub fn open(&self) -> Support {
        self.support.widened(self.margins)
    }

    /// A number that stands for a value.
    pub fn drawn<R: Rng + ?Sized>(&self, x: f64, rng: &mut R) -> f64 {
        if let Some(margin) = self.margin(x) {
            return x + margin * rng.sample::<f64, _>(Open01);
        }
        if self.jitter == 0.0 {
            return x;
        }
        self.support.reflected(x + self.jitter * (rng.sample::<f64, _>(Open01) - 0.5))
    }

    /// The middle of the numbers that stand for a value.
    pub fn midpoint(&self, x: f64) -> f64 {
        self.margin(x).map_or(x, |margin| x + 0.5 * margin)
    }

    /// The margin of a bound that is itself a value, less than 0 at a lower one.
    fn margin(&self, x: f64) -> Option<f64> {
        let [low, high] = self.support.closed_ends();
        let [below, above] = self.margins;
        if Some(x) == low { Some(-below) } else { (Some(x) == high).then_some(above) }
    }

    /// The logarithm of the width of a margin, for a number in one: beyond a bound a density is that of
    /// the bound's probability. 0 elsewhere.
    pub fn log_width(&self, number: f64) -> f64 {
        match self.support.closed_ends() {
            [Some(low), _] if number < low => self.margins[0].ln(),
            [_, Some(high)] if number > high => self.margins[1].ln(),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    /// A lump near a bound, with noise that is wider than its distance from it.
    #[test]
    fn noise_stays_inside_and_near() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for support in [Support::Above(0.0), Support::Interval { low: 0.0, high: 1.0 }] {
            let values: Vec<f64> = (0..1000)
                .map(|i| if i % 3 == 0 { 0.2 } else { 0.001 * f64::from(i) + 0.0005 })
                .collect();
            let dequantiser = Dequantiser::new(support, 0.8, &values);
            for &x in &values {
                let drawn = dequantiser.drawn(x, &mut rng);
                assert!(support.contains(drawn) && (drawn - x).abs() < 0.8, "{drawn}");
                // Nothing piles up at the end, where logarithms are far off.
                assert!(support.to_line(drawn).value.abs() < 20.0, "{drawn}");
            }
        }
    }

    #[test]
    fn bounds_are_drawn_beyond_themselves_and_other_values_are_not() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let values: Vec<f64> = (0..=200).map(|i| f64::from(i) / 200.0).collect();
        // One value in each step of 1/200, at the bound as elsewhere.
        let supports = [
            (Support::AtLeast(0.0), [true, false], 0.005_f64),
            (Support::AtMost(1.0), [false, true], 0.005),
            (Support::ClosedInterval { low: 0.0, high: 1.0 }, [true, true], 0.005),
        ];
        for (support, is_closed, width) in supports {
            let dequantiser = Dequantiser::new(support, 0.0, &values);
            for &x in &values {
                let (drawn, midpoint) = (dequantiser.drawn(x, &mut rng), dequantiser.midpoint(x));
                let is_end = x == 0.0 && is_closed[0] || x == 1.0 && is_closed[1];
                for number in [drawn, midpoint] {
                    assert_eq!(number != x, is_end, "{support}: {number} for {x}");
                    assert!(dequantiser.open().contains(number));
                    assert_eq!(support.rounded(number), x);
                }
                let log_width = if is_end { width.ln() } else { 0.0 };
                assert!((dequantiser.log_width(drawn) - log_width).abs() < 1e-9, "{support}: {x}");
            }
        }
        // As dense as its neighbours where there are many at the bound.
        let many = [values, vec![0.0; 99]].concat();
        let dequantiser = Dequantiser::new(Support::AtLeast(0.0), 0.0, &many);
        let log_width = dequantiser.log_width(dequantiser.midpoint(0.0));
        assert!((log_width - 0.5_f64.ln()).abs() < 1e-9, "{log_width}");
        // With no other value, and far from zero.
        let lone = Dequantiser::new(Support::AtLeast(1e12), 0.0, &[1e12; 3]);
        assert!(lone.drawn(1e12, &mut rng) < 1e12);
    }
}

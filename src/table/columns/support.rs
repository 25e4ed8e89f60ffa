//! [`Support`]: the values that a column can take, and the map from there to the real line.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2, TAU};
use std::fmt;

use serde::{Deserialize, Serialize};
use statrs::function::erf::{erfc, erfc_inv};

use crate::error::{Error, ensure};

/// The values that a column can take. Samples are always among them, and what is not has the
/// log-density minus infinity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Support {
    /// All real numbers.
    Real,
    /// Numbers above a bound: mapped to the line by a logarithm.
    Above(f64),
    /// Numbers below a bound.
    Below(f64),
    /// A bound, and numbers above it. Rows may be at the bound itself, as incomes of 0: it has a
    /// probability, and the numbers above it a density.
    AtLeast(f64),
    /// A bound, and numbers below it.
    AtMost(f64),
    /// Numbers between two bounds, without them: mapped to the line by the quantile function of the
    /// standard normal, so that a uniform column becomes a normal one.
    Interval {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// Numbers between two bounds, and the bounds, each with a probability of its own.
    ClosedInterval {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// Whole numbers, with or without a least and a greatest. They are dequantised: each stands for
    /// the numbers up to one half away from it, with uniform noise in training.
    Integer {
        /// The least.
        min: Option<i64>,
        /// The greatest.
        max: Option<i64>,
    },
    /// Numbers on a circle, as angles or the time of the day: the two ends are one point, and values
    /// may be either.
    Periodic {
        /// Where the circle starts.
        low: f64,
        /// Where it comes back to the start.
        high: f64,
    },
    /// Whole numbers on a circle, as hours or months: after the greatest comes the least.
    PeriodicInteger {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// One value.
    Constant(f64),
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real => f.write_str("real"),
            Self::Above(bound) => write!(f, "above {bound}"),
            Self::Below(bound) => write!(f, "below {bound}"),
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::Interval { low, high } => write!(f, "between {low} and {high}"),
            Self::ClosedInterval { low, high } => write!(f, "from {low} to {high}"),
            Self::Integer { min: None, max: None } => f.write_str("integer"),
            Self::Integer { min: Some(min), max: None } => write!(f, "integer from {min}"),
            Self::Integer { min: None, max: Some(max) } => write!(f, "integer up to {max}"),
            Self::Integer { min: Some(min), max: Some(max) } => {
                write!(f, "integer from {min} to {max}")
            }
            Self::Periodic { low, high } => write!(f, "periodic from {low} to {high}"),
            Self::PeriodicInteger { min, max } => {
                write!(f, "periodic integer from {min} to {max}")
            }
            Self::Constant(value) => write!(f, "always {value}"),
        }
    }
}

/// A value on the line, and the logarithm of the slope that led there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::table) struct Mapped {
    pub value: f64,
    pub log_slope: f64,
}

impl Support {
    /// Whether the bounds are finite, and there is something between them.
    ///
    /// # Errors
    ///
    /// [`Error::Config`].
    pub fn validate(&self) -> Result<(), Error> {
        let (low, high) = self.ends();
        let is_finite = match self {
            Self::Above(bound)
            | Self::Below(bound)
            | Self::AtLeast(bound)
            | Self::AtMost(bound)
            | Self::Constant(bound) => bound.is_finite(),
            Self::Interval { low, high }
            | Self::ClosedInterval { low, high }
            | Self::Periodic { low, high } => low.is_finite() && high.is_finite(),
            Self::Real | Self::Integer { .. } | Self::PeriodicInteger { .. } => true,
        };
        ensure!(is_finite, "the bounds of a support must be finite, got {self:?}");
        let is_constant = matches!(self, Self::Constant(_));
        ensure!(is_constant || low < high, "a support must not be empty, got {self:?}");
        Ok(())
    }

    /// Whether a value is in the support.
    pub fn contains(&self, x: f64) -> bool {
        let (low, high) = self.ends();
        match self {
            Self::Constant(value) => x == *value,
            Self::Integer { .. } | Self::PeriodicInteger { .. } => {
                x.fract() == 0.0 && low < x && x < high
            }
            Self::Periodic { .. } => low <= x && x <= high,
            Self::AtLeast(_) | Self::AtMost(_) | Self::ClosedInterval { .. } => {
                x.is_finite() && low <= x && x <= high
            }
            _ => x.is_finite() && low < x && x < high,
        }
    }

    /// Whether the values are whole numbers.
    pub(in crate::table) fn is_integer(&self) -> bool {
        matches!(self, Self::Integer { .. } | Self::PeriodicInteger { .. })
    }

    /// The start of the circle and its length, of a support that is one.
    pub(in crate::table) fn circle(&self) -> Option<[f64; 2]> {
        let (low, high) = self.ends();
        matches!(self, Self::Periodic { .. } | Self::PeriodicInteger { .. })
            .then_some([low, high - low])
    }

    /// The bounds that are among the values, below and above; not of integers.
    pub(in crate::table) fn closed_ends(&self) -> [Option<f64>; 2] {
        match *self {
            Self::AtLeast(low) => [Some(low), None],
            Self::AtMost(high) => [None, Some(high)],
            Self::ClosedInterval { low, high } => [Some(low), Some(high)],
            _ => [None, None],
        }
    }

    /// The open support that is wider by so much below and above, of one with closed ends.
    pub(in crate::table) fn widened(self, [below, above]: [f64; 2]) -> Self {
        match self {
            Self::AtLeast(low) => Self::Above(low - below),
            Self::AtMost(high) => Self::Below(high + above),
            Self::ClosedInterval { low, high } => {
                Self::Interval { low: low - below, high: high + above }
            }
            other => other,
        }
    }

    /// Whether values go to minus infinity and to infinity.
    pub(in crate::table) fn is_open(&self) -> [bool; 2] {
        let (low, high) = self.ends();
        [low == f64::NEG_INFINITY, high == f64::INFINITY]
    }

    /// The ends of the interval that holds all values, those of dequantised integers too.
    fn ends(&self) -> (f64, f64) {
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        match *self {
            Self::Real => (low, high),
            Self::Above(bound) | Self::AtLeast(bound) => (bound, high),
            Self::Below(bound) | Self::AtMost(bound) => (low, bound),
            Self::Interval { low, high }
            | Self::ClosedInterval { low, high }
            | Self::Periodic { low, high } => (low, high),
            Self::PeriodicInteger { min, max } => (min as f64 - 0.5, max as f64 + 0.5),
            Self::Integer { min, max } => {
                (min.map_or(low, |min| min as f64 - 0.5), max.map_or(high, |max| max as f64 + 0.5))
            }
            Self::Constant(value) => (value, value),
        }
    }

    /// The value on the real line of a value between the ends; not for circles.
    pub(in crate::table) fn to_line(self, x: f64) -> Mapped {
        match self.ends() {
            (f64::NEG_INFINITY, f64::INFINITY) => Mapped { value: x, log_slope: 0.0 },
            (low, f64::INFINITY) => {
                let log = (x - low).ln();
                Mapped { value: log, log_slope: -log }
            }
            (f64::NEG_INFINITY, high) => {
                let log = (high - x).ln();
                Mapped { value: -log, log_slope: -log }
            }
            (low, high) => {
                let width = high - low;
                // From the nearer end, where nothing is lost.
                let (below, above) = ((x - low) / width, (high - x) / width);
                let value =
                    if below < above { normal_quantile(below) } else { -normal_quantile(above) };
                let log_slope = 0.5 * (value * value + TAU.ln()) - width.ln();
                Mapped { value, log_slope }
            }
        }
    }

    /// The value in the support of a value on the line; integers are rounded. Not for circles.
    pub(in crate::table) fn to_support(self, t: f64) -> f64 {
        let (low, high) = self.ends();
        let x = match (low, high) {
            (f64::NEG_INFINITY, f64::INFINITY) => t,
            (low, f64::INFINITY) => low + t.exp(),
            (f64::NEG_INFINITY, high) => high - (-t).exp(),
            (low, high) if t < 0.0 => low + (high - low) * normal_probability(t),
            (low, high) => high - (high - low) * normal_probability(-t),
        };
        self.rounded(x)
    }

    /// A value between the ends as one that the support holds.
    pub(in crate::table) fn rounded(self, x: f64) -> f64 {
        match self {
            Self::Constant(value) => value,
            Self::Integer { min, max } => {
                let least = min.map_or(f64::MIN, |min| min as f64);
                let greatest = max.map_or(f64::MAX, |max| max as f64);
                whole(x).clamp(least, greatest)
            }
            Self::PeriodicInteger { min, max } => whole(x).clamp(min as f64, max as f64),
            Self::AtLeast(_) | Self::AtMost(_) | Self::ClosedInterval { .. } => {
                let (low, high) = self.ends();
                x.clamp(low.max(f64::MIN), high.min(f64::MAX))
            }
            _ => self.inside(x),
        }
    }

    /// A value that noise has led beyond an end, as far inside of it; on a circle some turns back.
    pub(in crate::table) fn reflected(self, x: f64) -> f64 {
        let (low, high) = self.ends();
        if self.circle().is_some() || low < x && x < high {
            return self.inside(x);
        }
        // Not onto the end itself, where a logarithm has no bound, and no further than the other end.
        let reflected = if x <= low { 2.0 * low - x } else { 2.0 * high - x };
        if low < reflected && reflected < high { reflected } else { self.middle() }
    }

    /// A value between the ends, for noise as wide as the support and for roundings onto an end.
    fn middle(self) -> f64 {
        match self.ends() {
            (low, high) if low.is_finite() && high.is_finite() => 0.5 * (low + high),
            (low, _) if low.is_finite() => low + f64::EPSILON * low.abs().max(1.0),
            (_, high) => high - f64::EPSILON * high.abs().max(1.0),
        }
    }

    /// A value that roundings have led to an end, or beyond the range of numbers, moved inside; on a
    /// circle some turns back.
    pub(in crate::table) fn inside(self, x: f64) -> f64 {
        let (low, high) = self.ends();
        if x.is_nan() {
            return x;
        }
        if let Some([low, period]) = self.circle() {
            let turn = (x - low) / period;
            return low + period * (turn - turn.floor());
        }
        x.max(low.next_up()).min(high.next_down())
    }
}

/// `Φ⁻¹(p)` for `p ≤ ½`.
fn normal_quantile(p: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * p.max(f64::MIN_POSITIVE))
}

/// `Φ(t)`, exact in its lower tail.
fn normal_probability(t: f64) -> f64 {
    0.5 * erfc(-t * FRAC_1_SQRT_2)
}

/// The nearest whole number; zero without a sign.
pub(super) fn whole(x: f64) -> f64 {
    x.round() + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUPPORTS: [Support; 5] = [
        Support::Real,
        Support::Above(-2.0),
        Support::Below(3.0),
        Support::Interval { low: -2.0, high: 3.0 },
        Support::Interval { low: 1e6, high: 1e6 + 1e-3 },
    ];

    #[test]
    fn values_come_back_and_slopes_are_differences() {
        for support in SUPPORTS {
            for t in [-6.0, -1.0, -1e-3, 0.0, 0.7, 5.0] {
                let x = support.to_support(t);
                let Mapped { value, log_slope } = support.to_line(x);
                // What a rounding of `x` makes of `t`.
                let rounding = x.abs() * f64::EPSILON * log_slope.exp();
                assert!((value - t).abs() <= 1e-9 + 4.0 * rounding, "{support}: {value} for {t}");
                let h = 1e-5 * (-log_slope).exp();
                let difference =
                    (support.to_line(x + h).value - support.to_line(x - h).value) / (2.0 * h);
                if rounding < 1e-12 {
                    assert!((difference.ln() - log_slope).abs() < 1e-5, "{support}: {t}");
                }
            }
        }
    }

    #[test]
    fn the_tails_of_an_interval_lose_nothing() {
        let support = Support::Interval { low: 0.0, high: 1.0 };
        for x in [1e-30, 1e-100, 1e-300] {
            let Mapped { value, log_slope } = support.to_line(x);
            assert!(value.is_finite() && log_slope.is_finite(), "{x}: {value} {log_slope}");
            let back = support.to_support(value);
            assert!((back / x - 1.0).abs() < 1e-8, "{x}: {back}");
        }
    }

    #[test]
    fn samples_never_leave_the_support() {
        let integers = [
            Support::Integer { min: None, max: None },
            Support::Integer { min: Some(0), max: None },
            Support::Integer { min: Some(-3), max: Some(4) },
        ];
        let closed = [
            Support::AtLeast(1e-3),
            Support::AtMost(-2.0),
            Support::ClosedInterval { low: 0.0, high: 1.0 },
        ];
        for support in SUPPORTS.into_iter().chain(integers).chain(closed) {
            for t in [-1e4, -800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0, 1e4] {
                let x = support.to_support(t);
                assert!(support.contains(x), "{support}: {x} for {t}");
            }
        }
    }

    #[test]
    fn supports_know_what_they_hold() {
        let share = Support::Interval { low: 0.0, high: 1.0 };
        assert!(share.contains(0.5) && !share.contains(0.0) && !share.contains(1.0));
        let count = Support::Integer { min: Some(0), max: None };
        assert!(count.contains(0.0) && !count.contains(-1.0) && !count.contains(0.5));
        let closed = Support::ClosedInterval { low: 0.0, high: 1.0 };
        assert!([0.0, 0.5, 1.0].iter().all(|&x| closed.contains(x)) && !closed.contains(1.1));
        assert!(Support::AtLeast(0.0).contains(0.0) && !Support::AtLeast(0.0).contains(-1e-9));
        assert!(Support::AtMost(0.0).contains(0.0) && !Support::AtMost(0.0).contains(1e-9));
        assert!(Support::Constant(2.0).contains(2.0) && !Support::Constant(2.0).contains(2.1));
        for support in [Support::Real, Support::AtLeast(0.0), Support::Above(0.0), share, count] {
            assert!(!support.contains(f64::NAN) && !support.contains(f64::INFINITY), "{support}");
        }
        assert!(Support::Interval { low: 1.0, high: 1.0 }.validate().is_err());
        assert!(Support::Above(f64::NAN).validate().is_err());
        assert!(Support::Integer { min: Some(3), max: Some(2) }.validate().is_err());
    }
}

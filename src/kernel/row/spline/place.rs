//! Values put into the interval.

use super::Spline;
use crate::kernel::row::real::Real;
use crate::univariate::BoundarySlopes;

/// A value around the middle of the interval.
#[derive(Clone, Copy)]
pub(super) struct Placed<R> {
    /// Within the interval, in units.
    pub inside: R,
    /// What the interval cut off, or the whole periods.
    pub beyond: R,
}

impl<R: Real> Spline<R> {
    /// Puts a value into the interval. NaN stays NaN, in both parts.
    #[inline(always)]
    pub(super) fn place(&self, value: R) -> Placed<R> {
        let value = value - self.center;
        let (half, period) = (self.half, self.half + self.half);
        let wrapped = match self.ends {
            BoundarySlopes::Periodic => {
                value - (value * self.inverse_period + R::from_f64(0.5)).floor() * period
            }
            _ => value,
        };
        let inside = if wrapped > half { half } else { wrapped };
        let inside = if inside < -half { -half } else { inside };
        Placed { inside: inside * self.inverse_unit, beyond: value - inside }
    }
}

//! [`BoundarySlopes`]: the slopes at the ends of a spline's interval, and what follows from them
//! outside.

use burn::config::Config;

/// The slopes of a [`RationalQuadraticSpline`](super::RationalQuadraticSpline) at the two ends of
/// its interval, and with them the map outside of the interval.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoundarySlopes {
    /// Both are 1, and the map is the identity outside: the linear tails of the paper.
    One,
    /// Both are learnt, and the map goes on in straight lines of these slopes.
    Free,
    /// Both are the same, and learnt, and the map is continued periodically:
    /// `f(x + period) = f(x) + period`. So it is continuously differentiable on all of the real
    /// line, and angles in the interval stay in the interval.
    ///
    /// The end of the interval is a fixed point. An [`Additive`](crate::univariate::Additive) map
    /// before or after rotates the circle.
    Periodic,
}

impl BoundarySlopes {
    /// How many slopes are learnt for a spline of so many bins.
    pub(crate) fn n_slopes(self, n_bins: usize) -> usize {
        match self {
            Self::One => n_bins - 1,
            Self::Free => n_bins + 1,
            Self::Periodic => n_bins,
        }
    }
}

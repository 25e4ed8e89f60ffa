//! [`BoundarySlopes`]: the slopes at the ends of a spline's box, and what follows from them outside.

use burn::config::Config;

/// The slopes of a [`RationalQuadraticSpline`](super::RationalQuadraticSpline) at the two ends of
/// its box, and with them the map outside of the box.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoundarySlopes {
    /// Both are 1, and the map is the identity outside: the linear tails of the paper.
    One,
    /// Both are learnt, and the map goes on in straight lines of these slopes.
    Free,
    /// Both are the same, and learnt: the box is a circle whose ends meet. A value outside is a
    /// number of turns and a value inside; the map keeps the turns. So the map is continuously
    /// differentiable on all of the real line, angles in the box stay in the box, and
    /// `f(x + period) = f(x) + period`.
    ///
    /// The end of the box is a fixed point. An [`Additive`](crate::univariate::Additive) map before
    /// or after turns the circle.
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

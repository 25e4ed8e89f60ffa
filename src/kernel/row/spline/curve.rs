//! The curve in one bin; `univariate::spline::bin` tells the formulas.

use super::Spline;
use super::bins::Bins;
use super::slope::Slope;
use crate::kernel::row::real::Real;
use crate::univariate::BoundarySlopes;

/// A bin by its size, its mean slope, and the slopes at its ends over the mean slope.
#[derive(Clone, Copy)]
pub(super) struct Curve<R> {
    pub width: R,
    pub height: R,
    pub mean_slope: R,
    pub a: R,
    pub b: R,
}

/// A position in a bin, from 0 to 1 from the left and from the right.
#[derive(Clone, Copy, Debug)]
pub(super) struct BinPosition<R> {
    pub theta: R,
    pub eta: R,
}

/// The curve at a position.
#[derive(Clone, Copy)]
pub(super) struct Point<R> {
    /// How far up the bin, from 0 to 1.
    pub rise: R,
    /// The derivative of `rise` by the position.
    pub rise_slope: R,
    /// The denominator of `rise`.
    pub d: R,
    /// The numerator of `rise_slope`, whose denominator is `d²`.
    pub n: R,
}

impl<R: Real> Spline<R> {
    /// The curve in the bin of a lane, and the slopes at its ends.
    #[inline(always)]
    pub(super) fn curve<const N: usize>(
        &self,
        bins: &Bins<R, N>,
        lane: usize,
    ) -> (Curve<R>, [Slope<R>; 2]) {
        let last = R::from_f64((self.n_bins - 1) as f64);
        let fixed = self.ends == BoundarySlopes::One;
        let mut left = self.slopes.slope(bins.raw_slopes[0][lane]);
        let mut right = self.slopes.slope(bins.raw_slopes[1][lane]);
        left.slope = if fixed & (bins.index[lane] == R::ZERO) { R::ONE } else { left.slope };
        right.slope = if fixed & (bins.index[lane] == last) { R::ONE } else { right.slope };
        let width = bins.right[lane] - bins.left[lane];
        let height = bins.top[lane] - bins.bottom[lane];
        (Curve::new(width, height, [left.slope, right.slope]), [left, right])
    }

    /// The slope of the straight line beyond the interval, on the side of a value that lies there.
    #[inline(always)]
    pub(super) fn tail_slope(&self, beyond: R, [left, right]: [Slope<R>; 2]) -> R {
        let slope = if beyond > R::ZERO { right.slope } else { left.slope };
        if self.ends == BoundarySlopes::One { R::ONE } else { slope }
    }
}

impl<R: Real> Curve<R> {
    #[inline(always)]
    fn new(width: R, height: R, [left, right]: [R; 2]) -> Self {
        let mean_slope = height / width;
        Self { width, height, mean_slope, a: left / mean_slope, b: right / mean_slope }
    }

    #[inline(always)]
    pub(super) fn at(&self, BinPosition { theta, eta }: BinPosition<R>) -> Point<R> {
        let both = theta * eta;
        let (theta_2, eta_2) = (theta * theta, eta * eta);
        let d = theta_2 + eta_2 + (self.a + self.b) * both;
        let n = self.b * theta_2 + (both + both) + self.a * eta_2;
        Point { rise: (theta_2 + self.a * both) / d, rise_slope: n / d / d, d, n }
    }

    /// Where the curve is `xi` up from the bottom and `zeta` down from the top, of 1.
    #[inline(always)]
    pub(super) fn position_of(&self, xi: R, zeta: R) -> BinPosition<R> {
        let e = self.a * zeta - self.b * xi;
        let falling = e < R::ZERO;
        let four = R::from_f64(4.0);
        let q = e.abs() + (e * e + four * xi * zeta).sqrt();
        let near = if falling { zeta } else { xi };
        let near = near + near;
        let scale = R::ONE / (near + q);
        let (near, far) = (near * scale, q * scale);
        if falling {
            BinPosition { theta: far, eta: near }
        } else {
            BinPosition { theta: near, eta: far }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the flattest curve to the steepest, and back.
    #[test]
    fn a_position_is_found_from_its_rise() {
        for (a, b) in [(1.0, 1.0), (1e-6, 1e-6), (1e6, 1e6), (1e-6, 1e6), (1e6, 1e-3), (0.3, 4.0)] {
            let curve = Curve::new(1.0, 1.0, [a, b]);
            for theta in [0.0_f64, 1e-12, 1e-3, 0.25, 0.5, 0.75, 1.0 - 1e-3, 1.0] {
                let point = curve.at(BinPosition { theta, eta: 1.0 - theta });
                let fall = (1.0 - theta).powi(2) + b * theta * (1.0 - theta);
                let found: BinPosition<f64> = curve.position_of(point.rise, fall / point.d);
                // The rise has some roundings, which the inverse slope amplifies.
                let tolerance = 4e-15
                    * (theta.min(1.0 - theta) + point.rise.min(fall / point.d) / point.rise_slope);
                let error = (found.theta - theta).abs().min((found.eta - (1.0 - theta)).abs());
                assert!(error <= tolerance, "{a}, {b}, {theta}: {found:?}");
                assert!((found.theta + found.eta - 1.0).abs() < 1e-15, "{found:?}");
            }
        }
    }

    #[test]
    fn its_slope_is_the_derivative_of_its_rise() {
        let h = 1e-5;
        for (a, b) in [(1.0, 1.0), (0.2, 5.0), (3.0, 0.1)] {
            let curve = Curve::new(1.0, 1.0, [a, b]);
            let at = |theta: f64| curve.at(BinPosition { theta, eta: 1.0 - theta });
            for theta in [0.1, 0.5, 0.8] {
                let difference = (at(theta + h).rise - at(theta - h).rise) / (2.0 * h);
                assert!((at(theta).rise_slope - difference).abs() < 1e-8, "{a}, {b}, {theta}");
            }
        }
    }
}

//! The curve in one bin; `univariate::spline::bin` tells the formulas.

use crate::kernel::row::real::Real;

/// A bin by its mean slope and the slopes at its ends over the mean slope.
#[derive(Clone, Copy)]
pub(super) struct Curve<R> {
    pub mean_slope: R,
    pub a: R,
    pub b: R,
}

/// A place in a bin, from 0 to 1 from the left and from the right.
#[derive(Clone, Copy)]
pub(super) struct Place<R> {
    pub theta: R,
    pub eta: R,
}

/// The curve at a place.
#[derive(Clone, Copy)]
pub(super) struct Point<R> {
    /// How far up the bin, from 0 to 1.
    pub rise: R,
    /// The derivative of `rise` by the place.
    pub rise_slope: R,
    /// The denominator of `rise`.
    pub d: R,
    /// The numerator of `rise_slope`, whose denominator is `d²`.
    pub n: R,
}

impl<R: Real> Curve<R> {
    #[inline(always)]
    pub(super) fn new(width: R, height: R, [left, right]: [R; 2]) -> Self {
        let mean_slope = height / width;
        Self { mean_slope, a: left / mean_slope, b: right / mean_slope }
    }

    #[inline(always)]
    pub(super) fn at(&self, Place { theta, eta }: Place<R>) -> Point<R> {
        let both = theta * eta;
        let (theta_2, eta_2) = (theta * theta, eta * eta);
        let d = theta_2 + eta_2 + (self.a + self.b) * both;
        let n = self.b * theta_2 + (both + both) + self.a * eta_2;
        Point { rise: (theta_2 + self.a * both) / d, rise_slope: n / d / d, d, n }
    }

    /// Where the curve is `xi` up from the bottom and `zeta` down from the top, of 1.
    #[inline(always)]
    pub(super) fn place_of(&self, xi: R, zeta: R) -> Place<R> {
        let e = self.a * zeta - self.b * xi;
        let falling = e < R::ZERO;
        let four = R::from_f64(4.0);
        let q = e.abs() + (e * e + four * xi * zeta).sqrt();
        let near = if falling { zeta } else { xi };
        let near = near + near;
        let scale = R::ONE / (near + q);
        let (near, far) = (near * scale, q * scale);
        if falling { Place { theta: far, eta: near } } else { Place { theta: near, eta: far } }
    }
}

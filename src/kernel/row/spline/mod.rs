//! The rational quadratic spline on the rows of one feature, and its gradients.
//!
//! Method outline, for a few rows at a time, one a SIMD lane:
//!
//! 1. Put the value into the box (`place`).
//! 2. Turn raw widths and heights into shares by a softmax, in place (`bins`).
//! 3. Walk along the knots, adding up shares, and keep the bin that the value falls into: its corners
//!    and the raw slopes at its ends. Every lane takes every step, so there is no search (`bins`).
//! 4. Two softplus functions make slopes of the raw ones that were kept (`slope`).
//! 5. Evaluate the curve, or its inverse, in the bin (`curve`).
//!
//! The formulas are those of `univariate::spline::bin`, in which no term is negative: a value has an
//! error of some ten roundings of the size of the box, which is that of the knots, and a log-slope
//! some ten roundings of 1 and of the relative error of the bin's width.
//!
//! For the gradient there remain the shares, the raw slopes, and four numbers a row: which bin, where
//! in it (from both of its ends), and how far beyond the box.

mod apply;
mod bins;
mod curve;
mod gradient;
mod place;
mod slope;

use super::Loop;
use super::map::{Direction, MapGradient, MapRows};
use super::real::Real;
use crate::univariate::{BoundarySlopes, RationalQuadraticSplineConfig};

/// What the gradient needs besides the parameters: the index of the bin, the places in the bin from
/// the left and from the right, and how far beyond the box the latent value is.
pub(super) const N_KEPT: usize = 4;

/// The rows of a block: enough for a register of AVX-512 in `f32`. The rest of a tile is done row by
/// row.
const LANES: usize = 16;

/// A spline by its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spline<R> {
    n_bins: usize,
    ends: BoundarySlopes,
    /// The middle of the box.
    center: R,
    /// Half the size of the box.
    half: R,
    axes: [Axis<R>; 2],
    slopes: SlopeRange<R>,
}

/// How the knots along one axis follow from shares of the box: knot `k`, with `sum` the shares of the
/// bins before it, is at `k * floor + sum * scale` from the end of the box.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis<R> {
    floor: R,
    scale: R,
}

/// How slopes follow from raw ones: `least + softplus(raw + offset)`, at most `most`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SlopeRange<R> {
    least: R,
    most: R,
    offset: R,
}

impl Spline<f64> {
    pub(crate) fn new(config: &RationalQuadraticSplineConfig) -> Self {
        let (n_bins, half) = (config.n_bins, config.half_width());
        let axes = [config.min_bin_width, config.min_bin_height].map(|min| Axis {
            floor: 2.0 * half * min,
            scale: 2.0 * half * (1.0 - min * n_bins as f64),
        });
        let slopes = SlopeRange {
            least: config.min_slope,
            most: config.max_slope(),
            offset: config.slope_offset(),
        };
        let (ends, center) = (config.boundary_slopes, config.center());
        Self { n_bins, ends, center, half, axes, slopes }
    }
}

impl<R: Real> Spline<R> {
    pub(super) fn n_parameters(&self) -> usize {
        2 * self.n_bins + self.ends.n_slopes(self.n_bins)
    }

    /// The parameter that holds the raw slope at a knot, if it is learnt.
    #[inline(always)]
    fn slope_parameter(&self, knot: usize) -> Option<usize> {
        let slope = match self.ends {
            BoundarySlopes::One if knot == 0 || knot == self.n_bins => return None,
            BoundarySlopes::One => knot - 1,
            BoundarySlopes::Free => knot,
            BoundarySlopes::Periodic => knot % self.n_bins,
        };
        Some(2 * self.n_bins + slope)
    }

    /// The spline in one direction.
    pub(super) fn apply(self, direction: Direction, rows: MapRows<'_, R>) {
        match direction {
            Direction::Forward => Apply::<R, false> { spline: self, rows }.run(),
            Direction::Inverse => Apply::<R, true> { spline: self, rows }.run(),
        }
    }

    /// The gradients of [`apply`](Self::apply).
    pub(super) fn gradient(self, direction: Direction, rows: MapGradient<'_, R>) {
        match direction {
            Direction::Forward => Gradient::<R, false> { spline: self, rows }.run(),
            Direction::Inverse => Gradient::<R, true> { spline: self, rows }.run(),
        }
    }

    /// The same spline in another float type.
    pub(super) fn cast<S: Real>(self, cast: impl Fn(R) -> S) -> Spline<S> {
        let Self { n_bins, ends, center, half, axes, slopes } = self;
        Spline {
            n_bins,
            ends,
            center: cast(center),
            half: cast(half),
            axes: axes.map(|Axis { floor, scale }| Axis { floor: cast(floor), scale: cast(scale) }),
            slopes: SlopeRange {
                least: cast(slopes.least),
                most: cast(slopes.most),
                offset: cast(slopes.offset),
            },
        }
    }
}

struct Apply<'a, R, const INVERSE: bool> {
    spline: Spline<R>,
    rows: MapRows<'a, R>,
}

impl<R: Real, const INVERSE: bool> Loop for Apply<'_, R, INVERSE> {
    #[inline(always)]
    fn body(mut self) {
        let rows = self.rows.value.len();
        let whole = rows - rows % LANES;
        for first in (0..whole).step_by(LANES) {
            self.spline.apply_block::<LANES, INVERSE>(&mut self.rows, first);
        }
        for row in whole..rows {
            self.spline.apply_block::<1, INVERSE>(&mut self.rows, row);
        }
    }
}

struct Gradient<'a, R, const INVERSE: bool> {
    spline: Spline<R>,
    rows: MapGradient<'a, R>,
}

impl<R: Real, const INVERSE: bool> Loop for Gradient<'_, R, INVERSE> {
    #[inline(always)]
    fn body(mut self) {
        let rows = self.rows.value.len();
        let whole = rows - rows % LANES;
        for first in (0..whole).step_by(LANES) {
            self.spline.gradient_block::<LANES, INVERSE>(&mut self.rows, first);
        }
        for row in whole..rows {
            self.spline.gradient_block::<1, INVERSE>(&mut self.rows, row);
        }
    }
}

/// Some rows of a slice.
#[inline(always)]
fn load<R: Real, const N: usize>(rows: &[R], first: usize) -> [R; N] {
    let mut lanes = [R::ZERO; N];
    lanes.copy_from_slice(&rows[first..first + N]);
    lanes
}

#[inline(always)]
fn store<R: Real, const N: usize>(rows: &mut [R], first: usize, lanes: &[R; N]) {
    rows[first..first + N].copy_from_slice(lanes);
}

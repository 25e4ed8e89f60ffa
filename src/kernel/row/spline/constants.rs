//! [`Spline`]: a spline by its constants.

use crate::kernel::row::real::Real;
use crate::univariate::{BoundarySlopes, RationalQuadraticSplineConfig};

/// A spline by its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spline<R> {
    pub(super) n_bins: usize,
    n_parameters: usize,
    pub(super) ends: BoundarySlopes,
    /// The middle of the interval, and half its size.
    pub(super) center: R,
    pub(super) half: R,
    /// A power of two in which the curve is computed, and its reciprocal.
    pub(super) unit: R,
    pub(super) inverse_unit: R,
    /// Half the size of the interval in units.
    pub(super) half_units: R,
    /// The reciprocal of the size of the interval.
    pub(super) inverse_period: R,
    pub(super) axes: [Axis<R>; 2],
    pub(super) slopes: SlopeRange<R>,
}

/// How the knots along one axis follow from fractions of the interval: knot `k`, with `sum` the
/// fractions of the bins before it, is at `k * floor + sum * scale` units from the end of the
/// interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis<R> {
    pub floor: R,
    pub scale: R,
}

/// How slopes follow from raw ones: `least + softplus(raw + offset)`, at most `most`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SlopeRange<R> {
    pub least: R,
    pub most: R,
    pub offset: R,
}

impl Spline<f64> {
    pub(crate) fn new(config: &RationalQuadraticSplineConfig) -> Self {
        let axes = [config.min_bin_width, config.min_bin_height]
            .map(|min| Axis { floor: config.floor(min), scale: config.distributed(min) });
        let slopes = SlopeRange {
            least: config.min_slope,
            most: config.max_slope(),
            offset: config.slope_offset(),
        };
        let half = config.half_width();
        Self {
            n_bins: config.n_bins,
            n_parameters: config.n_parameters(),
            ends: config.boundary_slopes,
            center: config.center(),
            half,
            unit: config.unit(),
            inverse_unit: config.unit().recip(),
            half_units: config.half_units(),
            inverse_period: (2.0 * half).recip(),
            axes,
            slopes,
        }
    }
}

impl<R: Real> Spline<R> {
    pub(in super::super) fn n_parameters(&self) -> usize {
        self.n_parameters
    }

    /// The parameter that holds the raw slope at a knot, if it is learnt.
    #[inline(always)]
    pub(super) fn slope_parameter(&self, knot: usize) -> Option<usize> {
        let slope = match self.ends {
            BoundarySlopes::One if knot == 0 || knot == self.n_bins => return None,
            BoundarySlopes::One => knot - 1,
            BoundarySlopes::Free => knot,
            BoundarySlopes::Periodic => knot % self.n_bins,
        };
        Some(2 * self.n_bins + slope)
    }

    /// The same spline in another float type.
    pub(in super::super) fn cast<S: Real>(self, cast: impl Fn(R) -> S) -> Spline<S> {
        let Self { n_bins, n_parameters, ends, axes, slopes, .. } = self;
        Spline {
            n_bins,
            n_parameters,
            ends,
            center: cast(self.center),
            half: cast(self.half),
            unit: cast(self.unit),
            inverse_unit: cast(self.inverse_unit),
            half_units: cast(self.half_units),
            inverse_period: cast(self.inverse_period),
            axes: axes.map(|Axis { floor, scale }| Axis { floor: cast(floor), scale: cast(scale) }),
            slopes: SlopeRange {
                least: cast(slopes.least),
                most: cast(slopes.most),
                offset: cast(slopes.offset),
            },
        }
    }
}

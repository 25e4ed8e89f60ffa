//! [`Map`]: the univariate maps on the rows of one feature, and their gradients.

use super::affine::{self, Bound};
use super::map_rows::{MapGradient, MapRows};
use super::real::Real;
use super::spline::{self, Spline};
use crate::direction::Direction;

/// A univariate map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Map<R> {
    Affine(Bound<R>),
    Additive,
    Spline(Spline<R>),
}

impl<R: Real> Map<R> {
    /// The number of parameters of a feature.
    pub(crate) fn n_parameters(&self) -> usize {
        match self {
            Self::Affine(_) => 2,
            Self::Additive => 1,
            Self::Spline(spline) => spline.n_parameters(),
        }
    }

    /// How many numbers per row and feature are saved for the gradient.
    pub(crate) fn n_saved(&self) -> usize {
        match self {
            Self::Affine(_) => 1,
            Self::Additive => 0,
            Self::Spline(_) => spline::N_SAVED,
        }
    }

    /// Maps the values of one feature in place and adds to the log-determinants.
    pub(crate) fn apply(&self, direction: Direction, rows: MapRows<'_, R>) {
        match *self {
            Self::Affine(bound) => affine::scale_and_shift(bound, direction, rows),
            Self::Additive => affine::shift(direction, rows),
            Self::Spline(spline) => spline.apply(direction, rows),
        }
    }

    /// The gradients of [`apply`](Self::apply).
    pub(crate) fn gradient(&self, direction: Direction, rows: MapGradient<'_, R>) {
        match *self {
            Self::Affine(bound) => affine::scale_and_shift_gradient(bound, direction, rows),
            Self::Additive => affine::shift_gradient(direction, rows),
            Self::Spline(spline) => spline.gradient(direction, rows),
        }
    }

    /// The same map in another float type.
    pub(crate) fn cast<S: Real>(self, cast: impl Fn(R) -> S) -> Map<S> {
        match self {
            Self::Affine(bound) => Map::Affine(bound.cast(cast)),
            Self::Additive => Map::Additive,
            Self::Spline(spline) => Map::Spline(spline.cast(cast)),
        }
    }
}

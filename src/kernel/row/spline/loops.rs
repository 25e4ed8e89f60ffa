//! The loops over the blocks of rows.

use super::Spline;
use super::lanes::LANES;
use crate::direction::Direction;
use crate::kernel::row::Loop;
use crate::kernel::row::map_rows::{MapGradient, MapRows};
use crate::kernel::row::real::Real;

impl<R: Real> Spline<R> {
    /// The spline in one direction.
    pub(in super::super) fn apply(self, direction: Direction, rows: MapRows<'_, R>) {
        match direction {
            Direction::Forward => Apply::<R, false> { spline: self, rows }.run(),
            Direction::Inverse => Apply::<R, true> { spline: self, rows }.run(),
        }
    }

    /// The gradients of [`apply`](Self::apply).
    pub(in super::super) fn gradient(self, direction: Direction, rows: MapGradient<'_, R>) {
        match direction {
            Direction::Forward => Gradient::<R, false> { spline: self, rows }.run(),
            Direction::Inverse => Gradient::<R, true> { spline: self, rows }.run(),
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

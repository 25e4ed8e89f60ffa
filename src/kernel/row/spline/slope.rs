//! From raw slopes to slopes.

use super::SlopeRange;
use crate::kernel::row::real::Real;

impl<R: Real> SlopeRange<R> {
    /// The slope of a raw one, and its derivative.
    #[inline(always)]
    pub(super) fn slope(&self, raw: R) -> (R, R) {
        let raw = raw + self.offset;
        let small = (-raw.abs()).exp();
        let positive = if raw > R::ZERO { raw } else { R::ZERO };
        // NaN is in `small`, if not in `positive`.
        let slope = self.least + (positive + small.ln_1p());
        let numerator = if raw > R::ZERO { R::ONE } else { small };
        let derivative = numerator / (R::ONE + small);
        if slope > self.most { (self.most, R::ZERO) } else { (slope, derivative) }
    }
}

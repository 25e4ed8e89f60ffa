//! From raw slopes to slopes.

use super::constants::SlopeRange;
use crate::kernel::row::real::Real;

/// A slope and its derivative by the raw one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope<R> {
    pub slope: R,
    pub derivative: R,
}

impl<R: Real> SlopeRange<R> {
    /// The slope of a raw one.
    #[inline(always)]
    pub(super) fn slope(&self, raw: R) -> Slope<R> {
        let raw = raw + self.offset;
        let small = (-raw.abs()).exp();
        let positive = if raw > R::ZERO { raw } else { R::ZERO };
        // NaN is in `small`, if not in `positive`.
        let slope = self.least + (positive + small.ln_1p());
        let numerator = if raw > R::ZERO { R::ONE } else { small };
        let derivative = numerator / (R::ONE + small);
        if slope > self.most {
            Slope { slope: self.most, derivative: R::ZERO }
        } else {
            Slope { slope, derivative }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: SlopeRange<f64> = SlopeRange { least: 1e-3, most: 1e3, offset: 0.5 };

    #[test]
    fn derivatives_are_those_of_the_slopes() {
        let h = 1e-6;
        for raw in [-30.0, -3.0, -0.5, 0.0, 2.0, 50.0, 998.0, 2000.0] {
            let difference = (RANGE.slope(raw + h).slope - RANGE.slope(raw - h).slope) / (2.0 * h);
            // 2.2e-16 of the slope over h.
            let found = RANGE.slope(raw).derivative;
            assert!((found - difference).abs() < 1e-6, "{raw}: {found}, {difference}");
        }
    }

    #[test]
    fn both_float_types_keep_small_and_large_slopes() {
        let single = SlopeRange { least: 1e-3_f32, most: 1e3, offset: 0.5 };
        for raw in [-80.0, -15.0, -1.0, 0.3, 20.0, f32::MAX] {
            let (found, exact) = (single.slope(raw), RANGE.slope(f64::from(raw)));
            for (found, exact) in [(found.slope, exact.slope), (found.derivative, exact.derivative)]
            {
                assert!(
                    (f64::from(found) - exact).abs() <= 1e-6 * exact,
                    "{raw}: {found}, {exact}"
                );
            }
        }
        assert!(single.slope(f32::NAN).slope.is_nan());
    }
}

//! The natural logarithm in `f32`, in a form that compilers turn into SIMD.
//!
//! Method outline:
//!
//! 1. Write `x = 2^n m` with `m` between `√½` and `√2`, by its bits. Subnormal numbers are scaled
//!    first.
//! 2. With `f = m - 1`, which is exact, and `s = f / (2 + f)`, `ln m = 2 artanh s`, which is
//!    `f - ½f² + s (½f² + r)` with `r = ⅔s² + ⅖s⁴ + …`. Four terms are enough: `|s|` is at most
//!    0.172, and the fifth is below 2e-9 of the sum.
//! 3. Add `n ln 2`, in two parts, of which the first has trailing zeros.
//!
//! The error is below 2 units in the last place. NaN and negative numbers give NaN, zero gives
//! minus infinity.

const LN_2_HIGH: f32 = 0.693_138_1;
const LN_2_LOW: f32 = 9.058_001e-6;
/// The bits of `√½`.
const ROOT_HALF: i32 = 0x3f35_04f3;
/// `2^23`, which makes subnormal numbers normal.
const SCALE: f32 = 8_388_608.0;

/// `ln x`.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let bits = (if subnormal { x * SCALE } else { x }).to_bits() as i32;
    let n = bits.wrapping_sub(ROOT_HALF) >> 23;
    let m = f32::from_bits(bits.wrapping_sub(n << 23) as u32);
    let n = n as f32 - if subnormal { 23.0 } else { 0.0 };
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let s_2 = s * s;
    let r = s_2 * (2.0 / 3.0 + s_2 * (2.0 / 5.0 + s_2 * (2.0 / 7.0 + s_2 * (2.0 / 9.0))));
    let half_square = 0.5 * f * f;
    let ln_m = f - (half_square - (s * (half_square + r) + n * LN_2_LOW));
    let finite = n * LN_2_HIGH + ln_m;
    // Infinity and NaN stay as they are.
    let result = if x < f32::INFINITY { finite } else { x };
    if x > 0.0 {
        result
    } else if x == 0.0 {
        f32::NEG_INFINITY
    } else {
        f32::NAN
    }
}

/// `ln (1 + x)`, to the last digits for small `x` too: `ln(1 + x)` times `x` over what was really
/// added to 1. Below 4 units in the last place.
#[inline(always)]
pub(super) fn ln_1p(x: f32) -> f32 {
    let sum = 1.0 + x;
    let added = sum - 1.0;
    let scale = if added == 0.0 || x == f32::INFINITY { 1.0 } else { x / added };
    if added == 0.0 { x } else { ln(sum) * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error over every 1000th positive float from `low` to `high`, in units in the
    /// last place.
    fn worst(low: f32, high: f32, f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> f64 {
        let bits = (low.to_bits()..=high.to_bits()).step_by(1000);
        bits.map(f32::from_bits).fold(0.0, |worst: f64, x| {
            let exact = exact(f64::from(x));
            let near = exact.abs() as f32;
            let ulp = f64::from(near.next_up()) - f64::from(near);
            worst.max((f64::from(f(x)) - exact).abs() / ulp)
        })
    }

    #[test]
    fn it_is_within_two_units_in_the_last_place_of_the_f64_function() {
        let worst = worst(f32::from_bits(1), f32::MAX, ln, f64::ln);
        assert!(worst < 2.0, "{worst} units in the last place");
    }

    #[test]
    fn one_plus_a_small_number_keeps_its_digits() {
        let worst = worst(f32::MIN_POSITIVE, f32::MAX, ln_1p, f64::ln_1p);
        assert!(worst < 4.0, "{worst} units in the last place");
    }

    #[test]
    fn its_ends_are_those_of_the_logarithm() {
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(0.0), f32::NEG_INFINITY);
        assert_eq!(ln(-0.0), f32::NEG_INFINITY);
        assert_eq!(ln(f32::INFINITY), f32::INFINITY);
        assert!(ln(-1.0).is_nan() && ln(f32::NEG_INFINITY).is_nan() && ln(f32::NAN).is_nan());
        assert_eq!((ln_1p(0.0), ln_1p(f32::INFINITY)), (0.0, f32::INFINITY));
        assert!(ln_1p(f32::NAN).is_nan());
        assert_eq!(ln_1p(-1.0), f32::NEG_INFINITY);
    }
}

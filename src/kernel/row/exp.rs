//! The exponential function in `f32`, in a form that compilers turn into SIMD.
//!
//! Method outline:
//!
//! 1. Cut `x` to the range beyond which the result is infinite or zero anyway.
//! 2. Write `x = n ln 2 + r` with `n` an integer and `|r| <= ½ ln 2`. Adding and subtracting
//!    `1.5 * 2^23` rounds to an integer without a conversion; `ln 2` in two parts, of which the
//!    first has trailing zeros, makes `r` exact to the last bit.
//! 3. Evaluate the Taylor polynomial of degree 7 at `r`: its remainder is about `r^8 / 8!`, below
//!    `6e-9`, a tenth of the spacing of `f32` just below 1.
//! 4. Multiply by `2^n` in two steps, so that subnormal results and the overflow to infinity come
//!    out right.
//!
//! The error is below 2 units in the last place for normal results. NaN stays NaN.

/// Adding it to a small `f32` leaves the nearest integer in the low bits of the sum.
const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// `exp` of it is infinite.
const MAX: f32 = 89.0;
/// `exp` of it is below half the least subnormal number, so it rounds to zero.
const MIN: f32 = -105.0;

/// `2^n` for `n` in `-126..=127`.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `e^x`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // These comparisons are false for NaN, which passes through.
    let x = if x > MAX { MAX } else { x };
    let x = if x < MIN { MIN } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let rounded = shifted - ROUND;
    let r = (x - rounded * LN_2_HIGH) - rounded * LN_2_LOW;
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * (r * r) + r + 1.0;
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_within_two_units_in_the_last_place_of_the_f64_function() {
        let mut worst = 0.0_f64;
        // Every 1000th float up to where the result overflows, of both signs, subnormals aside.
        for bits in (0..=88.72_f32.to_bits()).step_by(1000) {
            let magnitude = f32::from_bits(bits);
            for x in [magnitude, -magnitude.min(87.3)] {
                let exact = f64::from(x).exp();
                let ulp = f64::from((exact as f32).next_up()) - f64::from(exact as f32);
                worst = worst.max((f64::from(exp(x)) - exact).abs() / ulp);
            }
        }
        assert!(worst < 2.0, "{worst} units in the last place");
    }

    #[test]
    fn its_ends_are_those_of_the_exponential() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(88.8), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
        for x in [-88.0_f32, -95.0, -100.0, -103.0] {
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 2.0_f64.powi(-149), "{x}");
        }
    }
}

//! The exponential function, in a form that compilers turn into SIMD.
//!
//! Method outline, with the numbers of `f32`, and those of `f64` in parentheses:
//!
//! 1. Cut `x` to the range beyond which the result is infinite or zero anyway.
//! 2. Write `x = n ln 2 + r` with `n` an integer and `|r| <= ½ ln 2`. Adding and subtracting
//!    `1.5 * 2^23` (`1.5 * 2^52`) rounds to an integer without a conversion; `ln 2` in two parts, of
//!    which the first has trailing zeros, makes `r` exact to the last bit.
//! 3. Evaluate the Taylor polynomial of degree 7 (13) at `r`: its remainder is about `r^8 / 8!`, below
//!    `6e-9` (`r^14 / 14!`, below `5e-18`), a tenth of the spacing of floats just below 1.
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
pub(super) fn exp_f32(x: f32) -> f32 {
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

/// As [`ROUND`] for `f64`.
const ROUND_F64: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
/// The upper 32 bits of `ln 2`: its product with an integer below 2^21 is exact.
const LN_2_HIGH_F64: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW_F64: f64 = 1.908_214_929_270_587_7e-10;
const MAX_F64: f64 = 710.0;
const MIN_F64: f64 = -746.0;

/// `2^n` for an integer `n` in `-1022..=1023`, without a conversion: processors before AVX-512 have none of 64 bits.
#[inline(always)]
fn power_of_two_f64(n: f64) -> f64 {
    f64::from_bits((n + (ROUND_F64 + 1023.0)).to_bits() << 52)
}

/// `e^x`.
#[inline(always)]
pub(super) fn exp_f64(x: f64) -> f64 {
    let x = if x > MAX_F64 { MAX_F64 } else { x };
    let x = if x < MIN_F64 { MIN_F64 } else { x };
    let n = (x * std::f64::consts::LOG2_E + ROUND_F64) - ROUND_F64;
    let r = (x - n * LN_2_HIGH_F64) - n * LN_2_LOW_F64;
    // In parts that do not wait for each other.
    let r_2 = r * r;
    let r_4 = r_2 * r_2;
    let p = 1.0 / 24.0 + r * (1.0 / 120.0) + r_2 * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let q = 1.0 / 40_320.0 + r * (1.0 / 362_880.0);
    let q = q + r_2 * (1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0));
    let q = q + r_4 * (1.0 / 479_001_600.0 + r * (1.0 / 6_227_020_800.0));
    let p = r_2 * (0.5 + r * (1.0 / 6.0)) + r_4 * (p + r_4 * q);
    let p = p + r + 1.0;
    let half = (n * 0.5 + ROUND_F64) - ROUND_F64;
    p * power_of_two_f64(half) * power_of_two_f64(n - half)
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
                worst = worst.max((f64::from(exp_f32(x)) - exact).abs() / ulp);
            }
        }
        assert!(worst < 2.0, "{worst} units in the last place");
    }

    #[test]
    fn its_ends_are_those_of_the_exponential() {
        assert_eq!(exp_f32(0.0), 1.0);
        assert_eq!(exp_f32(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_f32(-200.0), 0.0);
        assert_eq!(exp_f32(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp_f32(88.8), f32::INFINITY);
        assert!(exp_f32(f32::NAN).is_nan());
        for x in [-88.0_f32, -95.0, -100.0, -103.0] {
            let exact = f64::from(x).exp();
            assert!((f64::from(exp_f32(x)) - exact).abs() <= 2.0_f64.powi(-149), "{x}");
        }
    }

    /// Against that of `libm`, which is within 1 unit in the last place itself.
    #[test]
    fn in_f64_it_is_within_two_units_in_the_last_place_of_another() {
        let mut worst = 0.0_f64;
        for i in 0..200_000 {
            // From tiny arguments to the overflow, denser where most are.
            for x in [f64::from(i) * 3.548e-3, (-f64::from(i) * 3.5e-3).exp()] {
                for x in [x, -x.min(708.3)] {
                    let exact = libm::exp(x);
                    worst = worst.max((exp_f64(x) - exact).abs() / (exact.next_up() - exact));
                }
            }
        }
        assert!(worst <= 2.0, "{worst} units in the last place");
    }

    #[test]
    fn in_f64_its_ends_are_those_of_the_exponential() {
        assert_eq!([0.0, f64::NEG_INFINITY, -800.0].map(exp_f64), [1.0, 0.0, 0.0]);
        assert_eq!([f64::INFINITY, 709.8].map(exp_f64), [f64::INFINITY; 2]);
        assert!(exp_f64(f64::NAN).is_nan());
        assert!(exp_f64(709.7).is_finite());
        for x in [-709.0, -720.0, -740.0, -745.0] {
            assert!((exp_f64(x) - libm::exp(x)).abs() <= f64::from_bits(1), "{x}");
        }
    }
}

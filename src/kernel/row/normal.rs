//! The distribution function and the density of the standard normal, in a form that compilers turn into SIMD.
//!
//! Method outline:
//!
//! 1. With `y = |x| / √2` the distribution function is `½ exp(-y²) c(y)` below 0, and one minus that above;
//!    `c(y) = exp(y²) erfc(y)`. The exponential is that of the density.
//! 2. `(1 + 2y) c(y)` is smooth in `u = (y - 3.75) / (y + 3.75)`, which goes from -1 to 1: a polynomial, cut from its
//!    expansion by Chebyshev polynomials, of degree 22 (`f64`, what follows is 1e-15) or 12 (`f32`).
//!
//! The error is below 4 roundings of 1, and relative to small values below 5 roundings for `y` and the argument of the
//! exponential. NaN stays NaN.
//!
//! Shepherd, Laframboise: *Chebyshev approximation of (1 + 2x) exp(x²) erfc x in 0 ≤ x < ∞*, Mathematics of
//! Computation 36, 1981.

use super::real::Real;

/// From the highest power down.
pub(super) const COEFFICIENTS_F64: [f64; 23] = [
    -2.623107347133476e-9,
    -1.9551358868985616e-9,
    3.197926671666804e-8,
    1.879082322370048e-8,
    -2.4857126248016745e-7,
    -5.084465378687302e-8,
    1.7419821586224816e-6,
    -9.792625707303523e-7,
    -1.1438048033346894e-5,
    2.2387565714911816e-5,
    5.164652974177416e-5,
    -2.9015535246077655e-4,
    2.93714378044958e-4,
    1.7556261651970652e-3,
    -9.746579683265262e-3,
    2.836227737211114e-2,
    -5.869339857664934e-2,
    9.230432116428125e-2,
    -1.0880393014244462e-1,
    8.227673848999506e-2,
    3.5854154854790257e-3,
    -1.4024059858554525e-1,
    1.2375126308378275,
];
pub(super) const COEFFICIENTS_F32: [f32; 13] = [
    2.204_672e-5,
    -2.241_167_5e-4,
    3.301_674_6e-4,
    1.675_912_2e-3,
    -9.770_087e-3,
    2.840_925_2e-2,
    -5.868_544e-2,
    9.229_077e-2,
    -1.088_052_27e-1,
    8.227_842e-2,
    3.585_495_3e-3,
    -1.402_406_6e-1,
    1.237_512_6,
];

/// The probability below `x`, and the density there.
#[inline(always)]
pub(super) fn normal<R: Real, const N: usize>(x: R, coefficients: &[R; N]) -> (R, R) {
    let c = R::from_f64;
    let (half, one) = (c(0.5), R::ONE);
    let y = x.abs() * c(std::f64::consts::FRAC_1_SQRT_2);
    // Beyond that the exponential is 0. The comparison is false for NaN, which passes through.
    let y = if y > c(40.0) { c(40.0) } else { y };
    let u = (y - c(3.75)) / (y + c(3.75));
    // Every fourth power by itself: sums that do not wait for each other.
    let u_2 = u * u;
    let u_4 = u_2 * u_2;
    let mut parts = [R::ZERO; 4];
    for (i, &coefficient) in coefficients.iter().enumerate() {
        let part = &mut parts[(N - 1 - i) % 4];
        *part = *part * u_4 + coefficient;
    }
    let p = (parts[0] + parts[1] * u) + (parts[2] + parts[3] * u) * u_2;
    let exponential = (-(half * x * x)).exp();
    let outside = half * exponential * (p / (one + y + y));
    let below = if x < R::ZERO { outside } else { one - outside };
    (below, c(0.398_942_280_401_432_7) * exponential) // 1 / √(2π)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest errors in roundings of 1, and in roundings of values in the lower tail over those of the exponent.
    fn worst<R: Real>(lowest: f64, epsilon: f64) -> [f64; 2] {
        let mut worst = [0.0_f64; 2];
        for i in 0..40_000 {
            let x = R::from_f64(lowest + f64::from(i) * 5e-4);
            let exact = 0.5 * libm::erfc(-x.to_f64() * std::f64::consts::FRAC_1_SQRT_2);
            let (below, density) = x.normal();
            let error = (below.to_f64() - exact).abs();
            worst[0] = worst[0].max(error / epsilon);
            if x.to_f64() < 0.0 {
                let roundings = 1.0 + 0.5 * x.to_f64().powi(2);
                worst[1] = worst[1].max(error / exact / epsilon / roundings);
            }
            let exact = (-0.5 * x.to_f64().powi(2)).exp() * 0.398_942_280_401_432_7;
            assert!((density.to_f64() - exact).abs() < 2.0 * epsilon, "{x:?}");
        }
        worst
    }

    #[test]
    fn it_is_within_roundings_of_another() {
        for worst in [worst::<f64>(-10.0, f64::EPSILON), worst::<f32>(-10.0, f32::EPSILON.into())] {
            assert!(worst[0] < 4.0 && worst[1] < 5.0, "{worst:?} roundings");
        }
    }

    #[test]
    fn its_ends_are_those_of_the_distribution() {
        assert_eq!(
            [f64::NEG_INFINITY, -100.0, 100.0, f64::INFINITY].map(|x| x.normal().0),
            [0.0, 0.0, 1.0, 1.0]
        );
        assert!((0.0_f64.normal().0 - 0.5).abs() < 1e-15);
        assert!(f64::NAN.normal().0.is_nan() && f32::NAN.normal().0.is_nan());
    }
}

//! Maps that are chosen, value by value: `univariate::FixedMap` with the derivatives that gradients need.
//!
//! They are computed in f64 by libm, whatever the float type: no bits depend on the instruction set, and the
//! tails keep their digits.

use libm::{asinh, atanh, cosh, exp, expm1, fabs, log, log1p, sinh, tanh};

use super::real::Real;
use crate::direction::Direction;
use crate::univariate::FixedMap;

/// What a map makes of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mapped {
    pub output: f64,
    /// The logarithm of the slope; minus infinity for a value that the map does not take.
    pub log_slope: f64,
    /// The derivative of the output by the value, and that of the logarithm of the slope.
    pub slope: f64,
    pub bend: f64,
}

impl Mapped {
    const OUTSIDE: Self = Self { output: 0.0, log_slope: f64::NEG_INFINITY, slope: 0.0, bend: 0.0 };

    fn straight(output: f64, slope: f64) -> Self {
        Self { output, log_slope: log(fabs(slope)), slope, bend: 0.0 }
    }

    /// Of a map whose slope is above 0.
    fn curved(output: f64, log_slope: f64, bend: f64) -> Self {
        Self { output, log_slope, slope: exp(log_slope), bend }
    }
}

/// A map whose interval ends where a float type has the ends: as tensor operations compare with them.
pub(crate) fn rounded<R: Real>(map: &FixedMap) -> FixedMap {
    let in_type = |end| R::from_f64(end).to_f64();
    match *map {
        FixedMap::Sigmoid { low, high } => {
            FixedMap::Sigmoid { low: in_type(low), high: in_type(high) }
        }
        other => other,
    }
}

/// A map of a value in a direction.
pub(crate) fn mapped(map: &FixedMap, direction: Direction, value: f64) -> Mapped {
    let domain = map.domain(direction);
    match direction {
        _ if domain.is_some_and(|(low, high)| value <= low || value >= high) => Mapped::OUTSIDE,
        Direction::Forward => forward(map, value),
        Direction::Inverse => inverse(map, value),
    }
}

fn forward(map: &FixedMap, z: f64) -> Mapped {
    match *map {
        FixedMap::Identity => Mapped::straight(z, 1.0),
        FixedMap::Affine { shift, scale } => Mapped::straight(z * scale + shift, scale),
        FixedMap::Exp => Mapped::curved(exp(z), z, 1.0),
        FixedMap::Softplus => Mapped::curved(softplus(z), -softplus(-z), exp(-softplus(z))),
        FixedMap::Sigmoid { low, high } => {
            let (width, below, above) = (high - low, -softplus(-z), -softplus(z));
            // From whichever end is nearer.
            let x = if z < 0.0 { exp(below) * width + low } else { high - exp(above) * width };
            Mapped::curved(x, below + above + log(width), exp(above) - exp(below))
        }
        FixedMap::Tanh => {
            let x = tanh(z);
            Mapped::curved(x, -2.0 * ln_cosh(z), -2.0 * x)
        }
        FixedMap::LeakyTanh { bound } => {
            let curved = z.clamp(-bound, bound);
            let at_end = forward(&FixedMap::Tanh, curved);
            if fabs(z) <= bound {
                return at_end;
            }
            let slope = cosh(bound).powi(-2);
            let output = at_end.output + (z - curved) * slope;
            Mapped { output, slope, bend: 0.0, ..at_end }
        }
        FixedMap::LeakyRelu { slope } => {
            if z < 0.0 {
                Mapped::straight(z * slope, slope)
            } else {
                Mapped::straight(z, 1.0)
            }
        }
        FixedMap::Power { exponent } => {
            let logarithm = log(z);
            let log_slope = logarithm * (exponent - 1.0) + log(fabs(exponent));
            let x = exp(logarithm * exponent);
            let curved = Mapped::curved(x, log_slope, (exponent - 1.0) / z);
            Mapped { slope: curved.slope.copysign(exponent), ..curved }
        }
        FixedMap::SinhArcsinh { skewness, tail } => {
            let of_z = asinh(z);
            let of_x = of_z * tail + skewness;
            let log_slope = ln_cosh(of_x) - ln_cosh(of_z) + log(tail);
            Mapped::curved(sinh(of_x), log_slope, (tail * tanh(of_x) - tanh(of_z)) / cosh(of_z))
        }
    }
}

fn inverse(map: &FixedMap, x: f64) -> Mapped {
    match *map {
        FixedMap::Identity => Mapped::straight(x, 1.0),
        FixedMap::Affine { shift, scale } => {
            let reciprocal = scale.recip();
            let log_slope = -log(fabs(scale));
            Mapped { log_slope, ..Mapped::straight((x - shift) * reciprocal, reciprocal) }
        }
        FixedMap::Exp => {
            let z = log(x);
            Mapped::curved(z, -z, -x.recip())
        }
        FixedMap::Softplus => {
            let rest = ln_1_minus_exp_neg(x);
            Mapped::curved(x + rest, -rest, -expm1(x).recip())
        }
        FixedMap::Sigmoid { low, high } => {
            let width = high - low;
            let (below, above) = ((x - low) / width, (high - x) / width);
            let (ln_below, ln_above) = (log(below), log(above));
            let log_slope = -(ln_below + ln_above) - log(width);
            let bend = (above.recip() - below.recip()) / width;
            Mapped::curved(ln_below - ln_above, log_slope, bend)
        }
        FixedMap::Tanh => {
            let log_slope = -(log1p(x) + log1p(-x));
            Mapped::curved(atanh(x), log_slope, 2.0 * x / ((1.0 - x) * (1.0 + x)))
        }
        FixedMap::LeakyTanh { bound } => {
            let end = tanh(bound);
            let curved = x.clamp(-end, end);
            let at_end = inverse(&FixedMap::Tanh, curved);
            if fabs(x) <= end {
                return at_end;
            }
            let slope = cosh(bound).powi(2);
            let output = at_end.output + (x - curved) * slope;
            Mapped { output, slope, bend: 0.0, ..at_end }
        }
        FixedMap::LeakyRelu { slope } => {
            let log_slope = -log(slope);
            if x < 0.0 {
                Mapped { log_slope, ..Mapped::straight(x / slope, slope.recip()) }
            } else {
                Mapped::straight(x, 1.0)
            }
        }
        FixedMap::Power { exponent } => forward(&FixedMap::Power { exponent: exponent.recip() }, x),
        FixedMap::SinhArcsinh { skewness, tail } => {
            let of_x = asinh(x);
            let of_z = (of_x - skewness) / tail;
            let log_slope = ln_cosh(of_z) - ln_cosh(of_x) - log(tail);
            Mapped::curved(sinh(of_z), log_slope, (tanh(of_z) / tail - tanh(of_x)) / cosh(of_x))
        }
    }
}

/// `log(1 + exp(x))`
fn softplus(x: f64) -> f64 {
    log1p(exp(-fabs(x))) + x.max(0.0)
}

/// `log(1 - exp(-x))` for `x` above 0.
fn ln_1_minus_exp_neg(x: f64) -> f64 {
    if x < 0.5 { log(-expm1(-x)) } else { log1p(-exp(-x)) }
}

/// The logarithm of the hyperbolic cosine.
fn ln_cosh(x: f64) -> f64 {
    let size = fabs(x);
    log1p(exp(-2.0 * size)) + size - std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: [FixedMap; 11] = [
        FixedMap::Identity,
        FixedMap::Affine { shift: 0.5, scale: -2.0 },
        FixedMap::Exp,
        FixedMap::Softplus,
        FixedMap::Sigmoid { low: -1.0, high: 3.0 },
        FixedMap::Tanh,
        FixedMap::LeakyTanh { bound: 1.5 },
        FixedMap::LeakyRelu { slope: 0.2 },
        FixedMap::Power { exponent: -1.7 },
        FixedMap::SinhArcsinh { skewness: 0.3, tail: 1.4 },
        FixedMap::SinhArcsinh { skewness: -0.2, tail: 0.6 },
    ];

    #[test]
    fn slopes_and_bends_are_those_of_differences() {
        // Off the kinks, and inside of all ranges.
        for map in MAPS {
            for value in [0.07, 0.31, 0.55, 0.8] {
                for direction in [Direction::Forward, Direction::Inverse] {
                    let at = |value| mapped(&map, direction, value);
                    let step = 1e-5;
                    let (low, high) = (at(value - step), at(value + step));
                    let difference = |f: fn(Mapped) -> f64| (f(high) - f(low)) / (2.0 * step);
                    let Mapped { slope, log_slope, bend, .. } = at(value);
                    let close = |found: f64, expected: f64| {
                        // Third derivatives of up to 1e4 times the square of the step.
                        (found - expected).abs() < 1e-5 * (1.0 + expected.abs())
                    };
                    let what = format!("{map:?} {direction:?} at {value}");
                    assert!(close(slope, difference(|mapped| mapped.output)), "{what}");
                    assert!(close(bend, difference(|mapped| mapped.log_slope)), "{what}");
                    assert!((log_slope - slope.abs().ln()).abs() < 1e-12, "{what}");
                }
            }
        }
    }

    #[test]
    fn there_and_back_is_the_same_and_nothing_comes_from_outside() {
        for map in MAPS {
            for z in [1e-3, 0.4, 3.0] {
                let there = mapped(&map, Direction::Forward, z);
                let back = mapped(&map, Direction::Inverse, there.output);
                assert!((back.output - z).abs() < 1e-12 * (1.0 + z), "{map:?} at {z}");
                assert!((there.log_slope + back.log_slope).abs() < 1e-11, "{map:?} at {z}");
            }
        }
        let outside = [(FixedMap::Exp, 0.0), (FixedMap::Softplus, -1.0), (FixedMap::Tanh, 1.0)];
        for (map, x) in outside {
            assert_eq!(mapped(&map, Direction::Inverse, x), Mapped::OUTSIDE);
        }
        assert!(mapped(&FixedMap::Exp, Direction::Inverse, f64::NAN).output.is_nan());
        // The end in f32 is below the end.
        let map = FixedMap::Sigmoid { low: 0.0, high: 0.7 };
        let end = f64::from(0.7_f32);
        assert_eq!(mapped(&rounded::<f32>(&map), Direction::Inverse, end), Mapped::OUTSIDE);
        assert!(mapped(&map, Direction::Inverse, end).output.is_finite());
    }
}

//! [`FixedMap`]: monotone functions without parameters to learn, and the logarithms of their slopes.

use std::f64::consts::LN_2;

use burn::config::Config;
use burn::tensor::{Bool, Tensor};

use super::softplus::{absolute, softplus};
use crate::direction::Direction;
use crate::error::{Error, ensure};

/// A monotone function `x = f(z)` that learns nothing: the pieces that carry the real line to an interval
/// or a half-line and back.
///
/// Values and logarithms of slopes are computed so that they are exact to roundings in the tails too. A
/// value that the map does not take (the ends of its interval, in the float type of the tensor, are
/// outside, and so is infinity) has a log-slope of minus infinity, and a gradient of zero. From data to
/// latent that is a density of zero. From latent to data it is nothing that a density is: the base of
/// a map that does not take all numbers should have none outside.
#[derive(Config, Debug, Copy, PartialEq)]
#[non_exhaustive]
pub enum FixedMap {
    /// `x = z`.
    Identity,
    /// `x = shift + scale z`.
    Affine {
        /// The shift.
        shift: f64,
        /// The scale, not 0.
        scale: f64,
    },
    /// `x = exp(z)`, to the numbers above 0.
    Exp,
    /// `x = log(1 + exp(z))`, to the numbers above 0; from about 40 on `x = z` to the last digit.
    Softplus,
    /// `x = low + (high - low) / (1 + exp(-z))`, to an interval. Its [`Inverse`](crate::Inverse) is the logit.
    Sigmoid {
        /// The lower end.
        low: f64,
        /// The upper end, above the lower one.
        high: f64,
    },
    /// `x = tanh(z)`, to the interval from -1 to 1. Its [`Inverse`](crate::Inverse) is the area hyperbolic
    /// tangent.
    Tanh,
    /// `x = tanh(z)` for `|z|` up to a bound, and beyond it the straight line that goes on there: all
    /// numbers.
    LeakyTanh {
        /// From where on the map is straight, above 0 and at most 8: farther out single precision has
        /// no digits left between the tangent and 1.
        bound: f64,
    },
    /// `x = z` above 0, and `x = slope z` below.
    LeakyRelu {
        /// The slope below 0, above 0.
        slope: f64,
    },
    /// `x = z^exponent`, from the numbers above 0 to the numbers above 0.
    Power {
        /// The exponent, not 0.
        exponent: f64,
    },
    /// `x = sinh(tail asinh(z) + skewness)`: a tail weight above 1 makes tails heavier, below 1 lighter.
    SinhArcsinh {
        /// Above 0 the longer tail is the upper one.
        skewness: f64,
        /// The weight of the tails, above 0.
        tail: f64,
    },
}

impl FixedMap {
    /// Whether every value is in its range.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let above_0 = |name: &str, value: f64| {
            ensure!(
                value > 0.0 && value.is_finite(),
                "`{name}` of {self:?} must be above 0 and finite"
            );
            Ok(())
        };
        let not_0 = |name: &str, value: f64| {
            ensure!(
                value != 0.0 && value.is_finite(),
                "`{name}` of {self:?} must be finite and not 0"
            );
            Ok(())
        };
        match *self {
            Self::Identity | Self::Exp | Self::Softplus | Self::Tanh => Ok(()),
            Self::Affine { shift, scale } => {
                ensure!(shift.is_finite(), "`shift` of {self:?} must be finite");
                not_0("scale", scale)
            }
            Self::Sigmoid { low, high } => {
                ensure!(
                    low < high && low.is_finite() && high.is_finite(),
                    "the ends of {self:?} must be finite, the lower one first"
                );
                Ok(())
            }
            Self::LeakyTanh { bound } => {
                ensure!(
                    bound > 0.0 && bound <= MOST_BOUND,
                    "`bound` of {self:?} must be above 0 and at most {MOST_BOUND}"
                );
                Ok(())
            }
            Self::LeakyRelu { slope } => above_0("slope", slope),
            Self::Power { exponent } => not_0("exponent", exponent),
            Self::SinhArcsinh { skewness, tail } => {
                ensure!(skewness.is_finite(), "`skewness` of {self:?} must be finite");
                above_0("tail", tail)
            }
        }
    }

    /// The mapped values and the logarithms of the slopes, value by value.
    pub(crate) fn apply(&self, direction: Direction, input: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let outside = self.outside(direction, &input);
        let Some((outside, inside)) = outside else { return self.formula(direction, input) };
        // What is outside is replaced before the formulas see it, and again after them.
        let (output, log_slope) = self.formula(direction, input.mask_fill(outside.clone(), inside));
        (output.mask_fill(outside.clone(), 0.0), log_slope.mask_fill(outside, f64::NEG_INFINITY))
    }

    /// The open interval of the values that the map takes in this direction; `None` for all. Infinity is in
    /// none, and NaN, which stays, is outside of none.
    pub(crate) fn domain(&self, direction: Direction) -> Option<(f64, f64)> {
        match (*self, direction) {
            (Self::Power { .. }, _) | (Self::Exp | Self::Softplus, Direction::Inverse) => {
                Some((0.0, f64::INFINITY))
            }
            (Self::Sigmoid { low, high }, Direction::Inverse) => Some((low, high)),
            (Self::Tanh, Direction::Inverse) => Some((-1.0, 1.0)),
            _ => None,
        }
    }

    /// Which values the map does not take in this direction, and one that it takes.
    fn outside(&self, direction: Direction, input: &Tensor<2>) -> Option<(Tensor<2, Bool>, f64)> {
        let (low, high) = self.domain(direction)?;
        let below = input.clone().lower_equal_elem(low);
        let above = input.clone().greater_equal_elem(high);
        let inside = if high == f64::INFINITY { low + 1.0 } else { low + (high - low) / 2.0 };
        Some((below.bool_or(above), inside))
    }

    fn formula(&self, direction: Direction, input: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        match direction {
            Direction::Forward => self.forward(input),
            Direction::Inverse => self.inverse(input),
        }
    }

    fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        match *self {
            Self::Identity => (z.clone(), z.zeros_like()),
            Self::Affine { shift, scale } => {
                (z.clone() * scale + shift, z.zeros_like() + scale.abs().ln())
            }
            Self::Exp => (z.clone().exp(), z),
            Self::Softplus => (softplus(z.clone()), softplus(z.neg()).neg()),
            Self::Sigmoid { low, high } => sigmoid(z, low, high),
            Self::Tanh => (z.clone().tanh(), ln_cosh(z) * -2.0),
            Self::LeakyTanh { bound } => {
                let curved = z.clone().clamp(-bound, bound);
                let (x, log_slope) = Self::Tanh.forward(curved.clone());
                (x + (z - curved) * leaky_slope(bound), log_slope)
            }
            Self::LeakyRelu { slope } => {
                let below = z.clone().lower_elem(0.0);
                let log_slope = z.zeros_like().mask_fill(below.clone(), slope.ln());
                (z.clone().mask_where(below, z * slope), log_slope)
            }
            Self::Power { exponent } => {
                let logarithm = z.log();
                let log_slope = logarithm.clone() * (exponent - 1.0) + exponent.abs().ln();
                ((logarithm * exponent).exp(), log_slope)
            }
            Self::SinhArcsinh { skewness, tail } => {
                let of_z = asinh(z);
                let of_x = of_z.clone() * tail + skewness;
                let log_slope = ln_cosh(of_x.clone()) - ln_cosh(of_z) + tail.ln();
                (of_x.sinh(), log_slope)
            }
        }
    }

    /// Products with reciprocals, since burn's gradient of a quotient by a number has f32's precision.
    fn inverse(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        match *self {
            Self::Identity => (x.clone(), x.zeros_like()),
            Self::Affine { shift, scale } => {
                ((x.clone() - shift) * scale.recip(), x.zeros_like() - scale.abs().ln())
            }
            Self::Exp => {
                let z = x.log();
                (z.clone(), z.neg())
            }
            Self::Softplus => {
                let rest = ln_1_minus_exp_neg(x.clone());
                (x + rest.clone(), rest.neg())
            }
            Self::Sigmoid { low, high } => {
                let width = high - low;
                let below = ((x.clone() - low) * width.recip()).log();
                let above = ((x.neg() + high) * width.recip()).log();
                (below.clone() - above.clone(), (below + above).neg() - width.ln())
            }
            Self::Tanh => {
                let (above, below) = (x.clone().log1p(), x.neg().log1p());
                ((above.clone() - below.clone()) * 0.5, (above + below).neg())
            }
            Self::LeakyTanh { bound } => {
                let end = bound.tanh();
                let curved = x.clone().clamp(-end, end);
                let (z, log_slope) = Self::Tanh.inverse(curved.clone());
                (z + (x - curved) * leaky_slope(bound).recip(), log_slope)
            }
            Self::LeakyRelu { slope } => {
                let below = x.clone().lower_elem(0.0);
                let log_slope = x.zeros_like().mask_fill(below.clone(), -slope.ln());
                (x.clone().mask_where(below, x * slope.recip()), log_slope)
            }
            Self::Power { exponent } => Self::Power { exponent: 1.0 / exponent }.forward(x),
            Self::SinhArcsinh { skewness, tail } => {
                let of_x = asinh(x);
                let of_z = (of_x.clone() - skewness) * tail.recip();
                let log_slope = ln_cosh(of_z.clone()) - ln_cosh(of_x) - tail.ln();
                (of_z.sinh(), log_slope)
            }
        }
    }
}

/// Up to here the hyperbolic tangent is below 1 in single precision, by some roundings.
const MOST_BOUND: f64 = 8.0;

/// The slope of the hyperbolic tangent at a point.
fn leaky_slope(at: f64) -> f64 {
    at.cosh().powi(-2)
}

/// The logistic function to an interval, from whichever end is nearer.
fn sigmoid(z: Tensor<2>, low: f64, high: f64) -> (Tensor<2>, Tensor<2>) {
    let width = high - low;
    let (below, above) = (softplus(z.clone().neg()).neg(), softplus(z.clone()).neg());
    let log_slope = below.clone() + above.clone() + width.ln();
    let (from_low, from_high) = (below.exp() * width + low, above.exp() * -width + high);
    (from_high.mask_where(z.lower_elem(0.0), from_low), log_slope)
}

/// `log(1 - exp(-x))` for `x` above 0.
fn ln_1_minus_exp_neg(x: Tensor<2>) -> Tensor<2> {
    /// The terms of `(1 - exp(-x)) / x = Σ (-x)^n / (n + 1)!` that count up to 1 in f64.
    const N_TERMS: u32 = 18;
    let large = x.clone().greater_elem(1.0);
    let near_0 = x.clone().mask_fill(large.clone(), 1.0);
    let series = (1..N_TERMS)
        .rev()
        .fold(near_0.ones_like(), |sum, n| sum * near_0.clone() * (-1.0 / f64::from(n + 1)) + 1.0);
    let small = large.clone().bool_not();
    let far = x.mask_fill(small, 1.0).neg().exp().neg().log1p();
    (near_0.log() + series.log()).mask_where(large, far)
}

/// The inverse of the hyperbolic sine.
fn asinh(x: Tensor<2>) -> Tensor<2> {
    /// From here on it is the logarithm of `2 |x|` to the last digit, and squares do not overflow yet.
    const LARGE: f64 = 1e9;
    let (negative, size) = (x.clone().lower_elem(0.0), absolute(x));
    let large = size.clone().greater_elem(LARGE);
    let near = size.clone().mask_fill(large.clone(), 1.0);
    let square = near.clone().square();
    let root = (square.clone() + 1.0).sqrt();
    let near = (near + square / (root + 1.0)).log1p();
    let small = large.clone().bool_not();
    let far = size.mask_fill(small, 1.0).log() + LN_2;
    let value = near.mask_where(large, far);
    value.clone().mask_where(negative, value.neg())
}

/// The logarithm of the hyperbolic cosine.
fn ln_cosh(x: Tensor<2>) -> Tensor<2> {
    let size = absolute(x);
    (size.clone() * -2.0).exp().log1p() + size - LN_2
}

//! The activations of hidden layers, and their derivatives.
//!
//! Method outline:
//!
//! 1. Each activation is one function of one number that gives the value and the derivative.
//! 2. The loops (`activation_loops`) are compiled for one such function at a time, and add the bias
//!    on the way.
//! 3. The derivative is saved for the backward pass, except where the output tells it.
//!
//! The formulas are burn's, with its cancellations (`e^x - 1` near 0), except that nothing is
//! rounded to `f32` on the way in `f64`, and that GELU keeps its digits below zero: the exact one takes
//! `normal`, the approximate one a sigmoid. Absolute errors are of a few roundings of the largest
//! intermediate value, which is of the order of 1 or of the argument.
//!
//! burn's `PRelu` and `SwiGlu` have weights of their own and are left to tensor operations.

use super::Loop;
use super::activation_loops::{Forward, ForwardWithSlope, TimesSlope, WherePositive};
use super::function::function;
use super::real::Real;

/// An elementwise activation with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Activation<R> {
    Identity,
    Relu,
    LeakyRelu { negative_slope: R },
    Elu { alpha: R },
    Celu { alpha: R },
    Selu,
    Sigmoid,
    Tanh,
    Gelu,
    GeluApproximate,
    Softplus { beta: R, threshold: R },
    Softsign,
    HardSigmoid { alpha: R, beta: R },
    HardSwish,
    ThresholdedRelu { alpha: R },
    HardShrink { lambda: R },
    Shrink { lambda: R, bias: R },
}

/// Binds `$f` to the function of an activation and runs `$body` with it.
macro_rules! with_function {
    ($activation:expr, $R:ident, $f:ident => $body:expr) => {
        match $activation {
            Activation::Identity => {
                let $f = function!($R, [] | x | (x, $R::ONE));
                $body
            }
            Activation::Relu => {
                let $f = function!(
                    $R,
                    [] | x | { if x <= $R::ZERO { ($R::ZERO, $R::ZERO) } else { (x, $R::ONE) } }
                );
                $body
            }
            Activation::LeakyRelu { negative_slope } => {
                let $f = function!(
                    $R,
                    [negative_slope] | x | {
                        if x < $R::ZERO {
                            (x * negative_slope, negative_slope)
                        } else {
                            (x, $R::ONE)
                        }
                    }
                );
                $body
            }
            Activation::Elu { alpha } => {
                let $f = function!(
                    $R,
                    [alpha] | x | {
                        let e = x.exp();
                        if x <= $R::ZERO {
                            ((e - $R::ONE) * alpha, e * alpha)
                        } else {
                            (x, $R::ONE)
                        }
                    }
                );
                $body
            }
            Activation::Celu { alpha } => {
                let $f = function!(
                    $R,
                    [alpha] | x | {
                        let e = (x / alpha).exp();
                        if x <= $R::ZERO { ((e - $R::ONE) * alpha, e) } else { (x, $R::ONE) }
                    }
                );
                $body
            }
            Activation::Selu => {
                let $f = function!(
                    $R,
                    [] | x | {
                        let gamma = $R::from_f64(1.050_700_987_355_480_5);
                        let alpha_gamma =
                            $R::from_f64(1.673_263_242_354_377_2 * 1.050_700_987_355_480_5);
                        let e = x.exp();
                        if x >= $R::ZERO {
                            (x * gamma, gamma)
                        } else {
                            ((e - $R::ONE) * alpha_gamma, e * alpha_gamma)
                        }
                    }
                );
                $body
            }
            Activation::Sigmoid => {
                let $f = function!(
                    $R,
                    [] | x | {
                        let y = $R::ONE / ($R::ONE + (-x).exp());
                        (y, y * ($R::ONE - y))
                    }
                );
                $body
            }
            Activation::Tanh => {
                let $f = function!(
                    $R,
                    [] | x | {
                        let y = x.tanh();
                        (y, $R::ONE - y * y)
                    }
                );
                $body
            }
            Activation::Gelu => {
                let $f = function!(
                    $R,
                    [] | x | {
                        let (below, density) = x.normal();
                        (x * below, below + x * density)
                    }
                );
                $body
            }
            Activation::GeluApproximate => {
                // The half of one plus a hyperbolic tangent is a sigmoid of twice its argument.
                let $f = function!(
                    $R,
                    [] | x | {
                        let root = $R::from_f64((8.0 / std::f64::consts::PI).sqrt());
                        let cubic = $R::from_f64(0.044715);
                        let below = $R::ONE / ($R::ONE + (-(x + x * x * x * cubic) * root).exp());
                        let inner_slope = ($R::ONE + $R::from_f64(3.0) * cubic * x * x) * root;
                        (x * below, below + x * below * ($R::ONE - below) * inner_slope)
                    }
                );
                $body
            }
            Activation::Softplus { beta, threshold } => {
                let $f = function!(
                    $R,
                    [beta, threshold] | x | {
                        let scaled = x * beta;
                        let e = (if scaled > threshold { threshold } else { scaled }).exp();
                        if scaled > threshold {
                            (x, $R::ONE)
                        } else {
                            (e.ln_1p() / beta, e / ($R::ONE + e))
                        }
                    }
                );
                $body
            }
            Activation::Softsign => {
                let $f = function!(
                    $R,
                    [] | x | {
                        let inverse = $R::ONE / (x.abs() + $R::ONE);
                        (x / (x.abs() + $R::ONE), inverse * inverse)
                    }
                );
                $body
            }
            Activation::HardSigmoid { alpha, beta } => {
                let $f = function!($R, [alpha, beta] | x | hard_sigmoid(x, alpha, beta));
                $body
            }
            Activation::HardSwish => {
                let $f = function!(
                    $R,
                    [] | x | {
                        let (alpha, beta) = ($R::from_f64(1.0 / 6.0), $R::from_f64(0.5));
                        let (gate, slope) = hard_sigmoid(x, alpha, beta);
                        (x * gate, gate + x * slope)
                    }
                );
                $body
            }
            Activation::ThresholdedRelu { alpha } => {
                let $f = function!(
                    $R,
                    [alpha] | x | { if x <= alpha { ($R::ZERO, $R::ZERO) } else { (x, $R::ONE) } }
                );
                $body
            }
            Activation::HardShrink { lambda } => {
                let $f = function!(
                    $R,
                    [lambda] | x | {
                        if x.abs() <= lambda { ($R::ZERO, $R::ZERO) } else { (x, $R::ONE) }
                    }
                );
                $body
            }
            Activation::Shrink { lambda, bias } => {
                let $f = function!(
                    $R,
                    [lambda, bias] | x | {
                        if x > lambda {
                            (x - bias, $R::ONE)
                        } else if x < -lambda {
                            (x + bias, $R::ONE)
                        } else if x <= lambda {
                            ($R::ZERO, $R::ZERO)
                        } else {
                            (x, $R::ONE) // NaN
                        }
                    }
                );
                $body
            }
        }
    };
}

#[inline(always)]
fn hard_sigmoid<R: Real>(x: R, alpha: R, beta: R) -> (R, R) {
    let y = x * alpha + beta;
    if y < R::ZERO {
        (R::ZERO, R::ZERO)
    } else if y > R::ONE {
        (R::ONE, R::ZERO)
    } else {
        (y, alpha)
    }
}

impl<R: Real> Activation<R> {
    /// Whether the derivative must be saved for the backward pass: that of the others can be told
    /// from the output.
    pub(crate) fn saves_slope(&self) -> bool {
        !matches!(self, Self::Identity | Self::Relu)
    }

    /// Adds the bias of each feature and applies the activation, in place. Into `slope`, where
    /// there is one, goes the derivative.
    pub(crate) fn forward(
        &self,
        bias: Option<&[R]>,
        tile: &mut [R],
        slope: Option<&mut [R]>,
        rows: usize,
    ) {
        if *self == Self::Identity && bias.is_none() {
            return;
        }
        with_function!(*self, R, f => match slope {
            None => Forward { bias, tile, rows, f }.run(),
            Some(slope) => ForwardWithSlope { bias, tile, slope, rows, f }.run(),
        });
    }

    /// Turns the gradient of the outputs into that of the inputs, in place.
    pub(crate) fn backward(&self, output: &[R], slope: Option<&[R]>, gradient: &mut [R]) {
        match (self, slope) {
            (Self::Identity, _) => {}
            (_, Some(slope)) => TimesSlope { gradient, slope }.run(),
            (_, None) => WherePositive { gradient, output }.run(),
        }
    }

    /// The same activation in another float type.
    pub(crate) fn cast<S: Real>(self, cast: impl Fn(R) -> S) -> Activation<S> {
        match self {
            Self::Identity => Activation::Identity,
            Self::Relu => Activation::Relu,
            Self::LeakyRelu { negative_slope } => {
                Activation::LeakyRelu { negative_slope: cast(negative_slope) }
            }
            Self::Elu { alpha } => Activation::Elu { alpha: cast(alpha) },
            Self::Celu { alpha } => Activation::Celu { alpha: cast(alpha) },
            Self::Selu => Activation::Selu,
            Self::Sigmoid => Activation::Sigmoid,
            Self::Tanh => Activation::Tanh,
            Self::Gelu => Activation::Gelu,
            Self::GeluApproximate => Activation::GeluApproximate,
            Self::Softplus { beta, threshold } => {
                Activation::Softplus { beta: cast(beta), threshold: cast(threshold) }
            }
            Self::Softsign => Activation::Softsign,
            Self::HardSigmoid { alpha, beta } => {
                Activation::HardSigmoid { alpha: cast(alpha), beta: cast(beta) }
            }
            Self::HardSwish => Activation::HardSwish,
            Self::ThresholdedRelu { alpha } => Activation::ThresholdedRelu { alpha: cast(alpha) },
            Self::HardShrink { lambda } => Activation::HardShrink { lambda: cast(lambda) },
            Self::Shrink { lambda, bias } => {
                Activation::Shrink { lambda: cast(lambda), bias: cast(bias) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Activation<f64>> {
        vec![
            Activation::Identity,
            Activation::Relu,
            Activation::LeakyRelu { negative_slope: 0.1 },
            Activation::Elu { alpha: 1.3 },
            Activation::Celu { alpha: 0.7 },
            Activation::Selu,
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::Gelu,
            Activation::GeluApproximate,
            Activation::Softplus { beta: 1.7, threshold: 5.0 },
            Activation::Softsign,
            Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
            Activation::HardSwish,
            Activation::ThresholdedRelu { alpha: 1.0 },
            Activation::HardShrink { lambda: 0.4 },
            Activation::Shrink { lambda: 0.4, bias: 0.3 },
        ]
    }

    /// Value and derivative of one number.
    fn at<R: Real>(activation: Activation<R>, x: R) -> (R, R) {
        let (mut value, mut slope) = ([x], [R::ONE]);
        activation.forward(None, &mut value, Some(&mut slope), 1);
        (value[0], slope[0])
    }

    /// Not at the kinks of any of them.
    fn points() -> impl Iterator<Item = f64> {
        (-40..40).map(|i| f64::from(i) * 0.1513 + 0.0171)
    }

    #[test]
    fn slopes_are_derivatives() {
        let h = 1e-6;
        for activation in all() {
            for x in points() {
                let (_, slope) = at(activation, x);
                let (above, below) = (at(activation, x + h).0, at(activation, x - h).0);
                let difference = (above - below) / (2.0 * h);
                // h² of the third derivative and 2.2e-16 / h.
                let error = (slope - difference).abs();
                assert!(error < 1e-8, "{activation:?} at {x}: {slope}, by difference {difference}");
            }
        }
    }

    #[test]
    fn both_float_types_agree() {
        for activation in all() {
            let in_f32 = activation.cast(|constant| constant as f32);
            for x in points() {
                let (exact, found) = (at(activation, x), at(in_f32, x as f32));
                for (exact, found) in [(exact.0, found.0), (exact.1, found.1)] {
                    // Ten roundings of numbers up to the argument or one.
                    let error = (f64::from(found) - exact).abs();
                    assert!(error < 1e-6 * x.abs().max(1.0), "{activation:?} at {x}: {error}");
                }
            }
        }
    }

    #[test]
    fn nan_stays_nan_and_biases_are_added() {
        for activation in all() {
            assert!(at(activation, f64::NAN).0.is_nan(), "{activation:?}");
            let mut tile = [0.3, -1.7, 0.3, -1.7];
            activation.forward(Some(&[0.0, 0.5]), &mut tile, None, 2);
            for (found, x) in tile.into_iter().zip([0.3, -1.7, 0.8, -1.2]) {
                assert_eq!(found, at(activation, x).0, "{activation:?}");
            }
        }
    }
}

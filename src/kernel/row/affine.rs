//! The affine and the additive map on the rows of one feature, and their gradients.
//!
//! 1. Affine, forward: `x = z exp(s) + t`, `log_det += s`.
//! 2. Affine, inverse: `z = (x - t) exp(-s)`, `log_det -= s`.
//! 3. Additive: `x = z + t` and `z = x - t`.
//!
//! `s` is the bounded log-scale of the raw parameter `a`. With `g` the gradient of the output and
//! `h` that of the log-determinant, the gradients of 1 are `dz = g exp(s)`, `dt = g` and
//! `ds = g z exp(s) + h`; those of 2 are `dx = g exp(-s)`, `dt = -dx` and `ds = -(g z + h)`: both
//! need `z`, which is saved. A value has the relative error of the exponential, two roundings, and
//! the absolute error of `s`.

use super::Loop;
use super::function::{Function, function};
use super::map_rows::{MapGradient, MapRows};
use super::real::Real;
use crate::direction::Direction;

/// What keeps a log-scale in bounds, as in `univariate::ScaleBound`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound<R> {
    SoftClip { bound: R },
    Tanh { bound: R },
    Clamp { min: R, max: R },
    Sigmoid,
    Exp,
}

/// Binds `$f` to the log-scale and its derivative as a function of the raw parameter.
macro_rules! with_log_scale {
    ($bound:expr, $R:ident, $f:ident => $body:expr) => {
        match $bound {
            Bound::SoftClip { bound } => {
                let reciprocal = $R::ONE / bound;
                let $f = function!(
                    $R,
                    [reciprocal] | a | {
                        let damping = a.abs() * reciprocal + $R::ONE;
                        (a / damping, $R::ONE / (damping * damping))
                    }
                );
                $body
            }
            Bound::Tanh { bound } => {
                let reciprocal = $R::ONE / bound;
                let $f = function!(
                    $R,
                    [bound, reciprocal] | a | {
                        let t = (a * reciprocal).tanh();
                        (t * bound, $R::ONE - t * t)
                    }
                );
                $body
            }
            Bound::Clamp { min, max } => {
                let $f = function!(
                    $R,
                    [min, max] | a | {
                        if a < min {
                            (min, $R::ZERO)
                        } else if a > max {
                            (max, $R::ZERO)
                        } else {
                            (a, $R::ONE)
                        }
                    }
                );
                $body
            }
            Bound::Sigmoid => {
                let $f = function!(
                    $R,
                    [] | a | {
                        let (offset, least) = ($R::from_f64(2.0), $R::from_f64(1e-3));
                        let gate = $R::ONE / ($R::ONE + (-(a + offset)).exp());
                        ((gate + least).ln(), gate * ($R::ONE - gate) / (gate + least))
                    }
                );
                $body
            }
            Bound::Exp => {
                let $f = function!($R, [] | a | (a, $R::ONE));
                $body
            }
        }
    };
}

/// Scales and shifts the rows of one feature.
pub(super) fn scale_and_shift<R: Real>(
    bound: Bound<R>,
    direction: Direction,
    rows: MapRows<'_, R>,
) {
    let MapRows { value, log_det, mut parameters, saved } = rows;
    let (shift, raw) = parameters.first_two();
    let (before, after) = match direction {
        Direction::Forward => (saved, None),
        Direction::Inverse => (None, saved),
    };
    if let Some(saved) = before {
        saved.copy_from_slice(value);
    }
    with_log_scale!(bound, R, log_scale => {
        ScaleAndShift { direction, value: &mut *value, shift, raw, log_det, log_scale }.run();
    });
    if let Some(saved) = after {
        saved.copy_from_slice(value);
    }
}

/// The gradients of [`scale_and_shift`].
pub(super) fn scale_and_shift_gradient<R: Real>(
    bound: Bound<R>,
    direction: Direction,
    rows: MapGradient<'_, R>,
) {
    let MapGradient { saved, log_det, value, mut parameters } = rows;
    let (shift, raw) = parameters.first_two();
    with_log_scale!(bound, R, log_scale => {
        ScaleAndShiftGradient { direction, saved, log_det, value, shift, raw, log_scale }.run();
    });
}

/// Shifts the rows of one feature.
pub(super) fn shift<R: Real>(direction: Direction, rows: MapRows<'_, R>) {
    Shift { direction, value: rows.value, shift: rows.parameters.get(0) }.run();
}

/// The gradients of [`shift`].
pub(super) fn shift_gradient<R: Real>(direction: Direction, rows: MapGradient<'_, R>) {
    let MapGradient { value, mut parameters, .. } = rows;
    let shift = parameters.get_mut(0);
    shift.copy_from_slice(value);
    if direction == Direction::Inverse {
        shift.iter_mut().for_each(|t| *t = -*t);
    }
}

impl<R: Real> Bound<R> {
    /// The same bound in another float type.
    pub(super) fn cast<S: Real>(self, cast: impl Fn(R) -> S) -> Bound<S> {
        match self {
            Self::SoftClip { bound } => Bound::SoftClip { bound: cast(bound) },
            Self::Tanh { bound } => Bound::Tanh { bound: cast(bound) },
            Self::Clamp { min, max } => Bound::Clamp { min: cast(min), max: cast(max) },
            Self::Sigmoid => Bound::Sigmoid,
            Self::Exp => Bound::Exp,
        }
    }
}

struct Shift<'a, R> {
    direction: Direction,
    value: &'a mut [R],
    shift: &'a [R],
}

impl<R: Real> Loop for Shift<'_, R> {
    #[inline(always)]
    fn body(self) {
        let rows = self.value.iter_mut().zip(self.shift);
        match self.direction {
            Direction::Forward => rows.for_each(|(v, &t)| *v += t),
            Direction::Inverse => rows.for_each(|(v, &t)| *v = *v - t),
        }
    }
}

struct ScaleAndShift<'a, R, F> {
    direction: Direction,
    value: &'a mut [R],
    shift: &'a [R],
    raw: &'a [R],
    log_det: &'a mut [R],
    log_scale: F,
}

impl<R: Real, F: Function<R>> Loop for ScaleAndShift<'_, R, F> {
    #[inline(always)]
    fn body(self) {
        let Self { direction, value, shift, raw, log_det, log_scale } = self;
        let rows = value.iter_mut().zip(log_det).zip(shift.iter().zip(raw));
        match direction {
            Direction::Forward => {
                for ((v, log_det), (&t, &a)) in rows {
                    let (s, _) = log_scale.at(a);
                    *v = *v * s.exp() + t;
                    *log_det += s;
                }
            }
            Direction::Inverse => {
                for ((v, log_det), (&t, &a)) in rows {
                    let (s, _) = log_scale.at(a);
                    *v = (*v - t) * (-s).exp();
                    *log_det = *log_det - s;
                }
            }
        }
    }
}

struct ScaleAndShiftGradient<'a, R, F> {
    direction: Direction,
    saved: &'a [R],
    log_det: &'a [R],
    value: &'a mut [R],
    shift: &'a mut [R],
    raw: &'a mut [R],
    log_scale: F,
}

impl<R: Real, F: Function<R>> Loop for ScaleAndShiftGradient<'_, R, F> {
    #[inline(always)]
    fn body(self) {
        let Self { direction, saved, log_det, value, shift, raw, log_scale } = self;
        let parameters = shift.iter_mut().zip(raw);
        let rows = value.iter_mut().zip(parameters).zip(saved.iter().zip(log_det));
        match direction {
            Direction::Forward => {
                for ((g, (t, a)), (&z, &h)) in rows {
                    let (s, slope) = log_scale.at(*a);
                    let scaled = *g * s.exp();
                    *t = *g;
                    *a = (scaled * z + h) * slope;
                    *g = scaled;
                }
            }
            Direction::Inverse => {
                for ((g, (t, a)), (&z, &h)) in rows {
                    let (s, slope) = log_scale.at(*a);
                    let scaled = *g * (-s).exp();
                    *t = -scaled;
                    *a = -(*g * z + h) * slope;
                    *g = scaled;
                }
            }
        }
    }
}

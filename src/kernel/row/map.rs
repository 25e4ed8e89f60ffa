//! The univariate maps on the rows of one feature, and their gradients.
//!
//! 1. Affine, forward: `x = z exp(s) + t`, `log_det += s`.
//! 2. Affine, inverse: `z = (x - t) exp(-s)`, `log_det -= s`.
//! 3. Additive: `x = z + t` and `z = x - t`.
//!
//! `s` is the bounded log-scale of the raw parameter `a`. With `g` the gradient of the output and
//! `h` that of the log-determinant, the gradients of 1 are `dz = g exp(s)`, `dt = g` and
//! `ds = g z exp(s) + h`; those of 2 are `dx = g exp(-s)`, `dt = -dx` and `ds = -(g z + h)`.
//! A value has the relative error of the exponential, two roundings, and the absolute error of `s`.

use super::Loop;
use super::real::Real;

/// What keeps a log-scale in bounds, as in `univariate::ScaleBound`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound<R> {
    SoftClip { bound: R },
    Tanh { bound: R },
    Clamp { min: R, max: R },
    Sigmoid,
    Exp,
}

/// A univariate map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Map<R> {
    Affine(Bound<R>),
    Additive,
}

/// The direction of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Inverse,
}

impl Direction {
    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Forward => Self::Inverse,
            Self::Inverse => Self::Forward,
        }
    }
}

/// The parameters of one feature, a number a row each, and where its gradients go.
pub(crate) struct MapGradient<'a, R> {
    /// The value that the map kept: its argument forward, its result in the inverse.
    pub kept: &'a [R],
    /// The gradient of the log-determinant.
    pub log_det: &'a [R],
    /// In: the gradient of the result. Out: that of the argument.
    pub value: &'a mut [R],
    /// In: the shifts. Out: their gradient.
    pub shift: &'a mut [R],
    /// In: the raw log-scales; empty without. Out: their gradient.
    pub raw: &'a mut [R],
}

/// Binds `$f` to the log-scale and its derivative as a function of the raw parameter.
macro_rules! with_log_scale {
    ($bound:expr, $R:ident, $f:ident => $body:expr) => {{
        let one = $R::ONE;
        match $bound {
            Bound::SoftClip { bound } => {
                let reciprocal = one / bound;
                let $f = |a: $R| {
                    let damping = a.abs() * reciprocal + one;
                    (a / damping, one / (damping * damping))
                };
                $body
            }
            Bound::Tanh { bound } => {
                let reciprocal = one / bound;
                let $f = |a: $R| {
                    let t = (a * reciprocal).tanh();
                    (t * bound, one - t * t)
                };
                $body
            }
            Bound::Clamp { min, max } => {
                let $f = |a: $R| {
                    if a < min {
                        (min, $R::ZERO)
                    } else if a > max {
                        (max, $R::ZERO)
                    } else {
                        (a, one)
                    }
                };
                $body
            }
            Bound::Sigmoid => {
                let (offset, least) = ($R::from_f64(2.0), $R::from_f64(1e-3));
                let $f = |a: $R| {
                    let gate = one / (one + (-(a + offset)).exp());
                    ((gate + least).ln(), gate * (one - gate) / (gate + least))
                };
                $body
            }
            Bound::Exp => {
                let $f = |a: $R| (a, one);
                $body
            }
        }
    }};
}

impl<R: Real> Map<R> {
    /// The number of parameters of a feature.
    pub(crate) fn n_parameters(&self) -> usize {
        match self {
            Self::Affine(_) => 2,
            Self::Additive => 1,
        }
    }

    /// Maps the values of one feature in place and adds to the log-determinants. `raw` is empty for
    /// an additive map.
    pub(crate) fn apply(
        &self,
        direction: Direction,
        value: &mut [R],
        shift: &[R],
        raw: &[R],
        log_det: &mut [R],
    ) {
        match *self {
            Self::Additive => Shift { direction, value, shift }.run(),
            Self::Affine(bound) => with_log_scale!(bound, R, log_scale => {
                ScaleAndShift { direction, value, shift, raw, log_det, log_scale }.run();
            }),
        }
    }

    /// The gradients of [`apply`](Self::apply).
    pub(crate) fn gradient(&self, direction: Direction, rows: MapGradient<'_, R>) {
        match *self {
            Self::Additive => {
                rows.shift.copy_from_slice(rows.value);
                if direction == Direction::Inverse {
                    rows.shift.iter_mut().for_each(|t| *t = -*t);
                }
            }
            Self::Affine(bound) => with_log_scale!(bound, R, log_scale => {
                ScaleAndShiftGradient { direction, rows, log_scale }.run();
            }),
        }
    }

    /// The same map in another float type.
    pub(crate) fn cast<S: Real>(self, cast: impl Fn(R) -> S) -> Map<S> {
        match self {
            Self::Additive => Map::Additive,
            Self::Affine(bound) => Map::Affine(match bound {
                Bound::SoftClip { bound } => Bound::SoftClip { bound: cast(bound) },
                Bound::Tanh { bound } => Bound::Tanh { bound: cast(bound) },
                Bound::Clamp { min, max } => Bound::Clamp { min: cast(min), max: cast(max) },
                Bound::Sigmoid => Bound::Sigmoid,
                Bound::Exp => Bound::Exp,
            }),
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

impl<R: Real, F: Fn(R) -> (R, R)> Loop for ScaleAndShift<'_, R, F> {
    #[inline(always)]
    fn body(self) {
        let Self { direction, value, shift, raw, log_det, log_scale } = self;
        let rows = value.iter_mut().zip(log_det).zip(shift.iter().zip(raw));
        match direction {
            Direction::Forward => {
                for ((v, log_det), (&t, &a)) in rows {
                    let (s, _) = log_scale(a);
                    *v = *v * s.exp() + t;
                    *log_det += s;
                }
            }
            Direction::Inverse => {
                for ((v, log_det), (&t, &a)) in rows {
                    let (s, _) = log_scale(a);
                    *v = (*v - t) * (-s).exp();
                    *log_det = *log_det - s;
                }
            }
        }
    }
}

struct ScaleAndShiftGradient<'a, R, F> {
    direction: Direction,
    rows: MapGradient<'a, R>,
    log_scale: F,
}

impl<R: Real, F: Fn(R) -> (R, R)> Loop for ScaleAndShiftGradient<'_, R, F> {
    #[inline(always)]
    fn body(self) {
        let Self { direction, rows: MapGradient { kept, log_det, value, shift, raw }, log_scale } =
            self;
        let parameters = shift.iter_mut().zip(raw);
        let rows = value.iter_mut().zip(parameters).zip(kept.iter().zip(log_det));
        match direction {
            Direction::Forward => {
                for ((g, (t, a)), (&z, &h)) in rows {
                    let (s, slope) = log_scale(*a);
                    let scaled = *g * s.exp();
                    *t = *g;
                    *a = (scaled * z + h) * slope;
                    *g = scaled;
                }
            }
            Direction::Inverse => {
                for ((g, (t, a)), (&z, &h)) in rows {
                    let (s, slope) = log_scale(*a);
                    let scaled = *g * (-s).exp();
                    *t = -scaled;
                    *a = -(*g * z + h) * slope;
                    *g = scaled;
                }
            }
        }
    }
}

//! How the log-scale of an affine map is kept in bounds.

use burn::config::Config;
use burn::tensor::{Tensor, activation};

use crate::error::{Error, ensure};

/// The function that turns the raw output `a` of a conditioner into the log-scale `s` of an
/// [`Affine`](super::Affine) map.
///
/// An unbounded scale is the commonest cause of a diverging RealNVP, so the default bounds it. The
/// same function serves both directions. Every bound but the sigmoid has `s(0) = 0`, and slope 1
/// there.
#[derive(Config, Debug, Copy, PartialEq)]
#[non_exhaustive]
pub enum ScaleBound {
    /// `s = a / (1 + |a| / c)`: smooth, symmetric, within `±c`; zuko's, and the default at
    /// `c = ln 1000`, that is scales from 0.001 to 1000.
    SoftClip {
        /// The bound `c` in nats, above 0.
        bound: f64,
    },
    /// `s = c tanh(a / c)`: within `±c`.
    Tanh {
        /// The bound `c` in nats, above 0.
        bound: f64,
    },
    /// `s = a`, cut to `[min, max]`, with no gradient outside; pyro's, which cuts to `[-5, 3]`.
    Clamp {
        /// The least log-scale in nats, below 0.
        min: f64,
        /// The greatest log-scale in nats, above 0.
        max: f64,
    },
    /// `exp(s) = sigmoid(a + 2) + 0.001`: scales from 0.001 to 1.001; nflows'. nflows writes its
    /// layers from data to latent: wrap the layer in [`Inverse`](crate::Inverse) for its direction.
    /// It starts at a scale of 0.882, so a new flow is not the identity.
    Sigmoid,
    /// `s = a`: no bound, RealNVP's formula without its tanh; may overflow.
    Exp,
}

/// `ln 1000`, in digits: it stands in records, and platforms differ in the last digit of a
/// logarithm.
pub(crate) const LN_1000: f64 = 6.907_755_278_982_137;

impl Default for ScaleBound {
    fn default() -> Self {
        Self::SoftClip { bound: LN_1000 }
    }
}

impl ScaleBound {
    /// Whether the bounds are usable.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match *self {
            Self::SoftClip { bound } | Self::Tanh { bound } => ensure!(
                bound > 0.0 && bound.is_finite(),
                "`bound` of a log-scale must be above 0 and finite, got {bound}"
            ),
            Self::Clamp { min, max } => ensure!(
                min < 0.0 && max > 0.0 && min.is_finite() && max.is_finite(),
                "`min` and `max` of a log-scale must be finite and satisfy min < 0 < max, got {min} \
                 and {max}"
            ),
            Self::Sigmoid | Self::Exp => {}
        }
        Ok(())
    }

    /// The raw value of a log-scale in nats; `None` if it is not within the bounds.
    pub(crate) fn raw(&self, log_scale: f64) -> Option<f64> {
        let raw = match *self {
            Self::SoftClip { bound } if log_scale.abs() < bound => {
                log_scale / (1.0 - log_scale.abs() / bound)
            }
            Self::Tanh { bound } if log_scale.abs() < bound => bound * (log_scale / bound).atanh(),
            Self::Clamp { min, max } if min <= log_scale && log_scale <= max => log_scale,
            Self::Sigmoid => {
                let p = log_scale.exp() - 1e-3;
                (p / (1.0 - p)).ln() - 2.0
            }
            Self::Exp => log_scale,
            _ => f64::NAN,
        };
        raw.is_finite().then_some(raw)
    }

    /// The log-scale of every raw value, in nats.
    pub fn log_scale<const D: usize>(&self, raw: Tensor<D>) -> Tensor<D> {
        match *self {
            // Times the reciprocal: burn's gradient of a division by a number is that of an `f32`.
            Self::SoftClip { bound } => raw.clone() / (raw.abs() * bound.recip() + 1.0),
            Self::Tanh { bound } => (raw * bound.recip()).tanh() * bound,
            Self::Clamp { min, max } => raw.clamp(min, max),
            // By way of its logarithm: burn's own sigmoid rounds f64 to f32 on some backends.
            Self::Sigmoid => (activation::log_sigmoid(raw + 2.0).exp() + 1e-3).log(),
            Self::Exp => raw,
        }
    }

    /// The derivative of the log-scale by the raw one.
    pub(crate) fn slope(&self, raw: Tensor<2>) -> Tensor<2> {
        match *self {
            Self::SoftClip { bound } => (raw.abs() * bound.recip() + 1.0).square().recip(),
            Self::Tanh { bound } => (raw * bound.recip()).tanh().square().neg() + 1.0,
            Self::Clamp { min, max } => {
                let outside = raw.clone().lower_elem(min).bool_or(raw.clone().greater_elem(max));
                raw.ones_like().mask_fill(outside, 0.0)
            }
            Self::Sigmoid => {
                let sigmoid = activation::log_sigmoid(raw + 2.0).exp();
                let slope = sigmoid.clone() * (sigmoid.clone().neg() + 1.0);
                slope / (sigmoid + 1e-3)
            }
            Self::Exp => raw.ones_like(),
        }
    }
}

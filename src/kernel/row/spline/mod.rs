//! The rational quadratic spline on the rows of one feature, and its gradients.
//!
//! Method outline, for a few rows at a time, one per SIMD lane:
//!
//! 1. Put the value into the interval (`place`).
//! 2. Turn raw widths and heights into normalised ones by a softmax, in place (`bins`).
//! 3. Walk along the knots, adding up fractions, and keep the bin that the value falls into: its
//!    corners and the raw slopes at its ends. Every lane takes every step, so there is no search
//!    (`bins`).
//! 4. Two softplus functions make slopes of the raw ones that were picked (`slope`).
//! 5. Evaluate the curve, or its inverse, in the bin (`curve`).
//!
//! The formulas are those of `univariate::spline::bin`. The knots have an error of some roundings
//! of the size of the interval, `n_bins` of them at most; so a value has the same error times the
//! steepest slope nearby, and a log-slope that of the relative error of its bin's size. Tensor
//! operations err as much.
//!
//! For the gradient there remain the fractions, the raw slopes, and four numbers per row: which
//! bin, where in it (from both of its ends), and how far beyond the interval.

mod apply;
mod bins;
mod constants;
mod curve;
mod gradient;
mod lanes;
mod loops;
mod place;
mod slope;

pub(crate) use constants::Spline;
pub(super) use lanes::N_SAVED;

//! The rational quadratic spline on the rows of one feature, and its gradients.
//!
//! Method outline, for a few rows at a time, one a SIMD lane:
//!
//! 1. Put the value into the box (`place`).
//! 2. Turn raw widths and heights into shares by a softmax, in place (`bins`).
//! 3. Walk along the knots, adding up shares, and keep the bin that the value falls into: its corners
//!    and the raw slopes at its ends. Every lane takes every step, so there is no search (`bins`).
//! 4. Two softplus functions make slopes of the raw ones that were kept (`slope`).
//! 5. Evaluate the curve, or its inverse, in the bin (`curve`).
//!
//! The formulas are those of `univariate::spline::bin`. The knots have an error of some roundings of the
//! size of the box, `n_bins` of them at most; so a value has the same error times the steepest slope
//! nearby, and a log-slope that of the relative error of its bin's size. Tensor operations err as much.
//!
//! For the gradient there remain the shares, the raw slopes, and four numbers a row: which bin, where
//! in it (from both of its ends), and how far beyond the box.

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
pub(super) use lanes::N_KEPT;

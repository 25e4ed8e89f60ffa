//! [`Error`]: what was wrong with a configuration, an input, a context, data or a file.

use std::fmt;
use std::path::PathBuf;

use burn::tensor::DType;

/// What was wrong with a configuration, an input, a context, data or a file.
///
/// The methods of models panic with the same sentences; [`Checked`](crate::distribution::Checked)
/// and `validate` return them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A value of a configuration is out of its range. The sentence names the value and the rule.
    Config(String),
    /// A tensor has another number of columns than the model takes.
    Columns {
        /// What the tensor is: the input or the context.
        what: &'static str,
        /// The columns that the model takes.
        expected: usize,
        /// The columns that the tensor has.
        found: usize,
    },
    /// A context has neither one row nor as many as the input.
    ContextRows {
        /// The rows of the input.
        expected: usize,
        /// The rows of the context.
        found: usize,
    },
    /// A conditional model was called without its context.
    MissingContext {
        /// The context features that the model takes.
        d_context: usize,
    },
    /// A model that takes no context was called with one.
    UnwantedContext,
    /// A layer that is set by data (such as an ActNorm) was used before it was calibrated.
    Uncalibrated,
    /// An equation that a numerical inverse solves has no solution that was found, in a row of the input or
    /// of the samples. Plain calls give NaN for the row.
    Unsolved {
        /// The row, from 0.
        row: usize,
        /// How far the equation is from being satisfied, in units of what was inverted.
        residual: f64,
        /// The steps that were taken.
        steps: usize,
    },
    /// Gradients were asked for through samples that have none.
    NotReparameterized,
    /// A tensor has another float type than the parameters of the model.
    FloatType {
        /// What the tensor is: the input or the context.
        what: &'static str,
        /// The float type of the parameters.
        expected: DType,
        /// The float type of the tensor.
        found: DType,
    },
    /// A tensor is on another device than the parameters of the model.
    Device {
        /// What the tensor is: the input or the context.
        what: &'static str,
        /// The device of the parameters.
        expected: String,
        /// The device of the tensor.
        found: String,
    },
    /// Data that nothing can be trained on. The sentence says what is wrong.
    Data(String),
    /// A value of the data is NaN or infinite.
    NonFinite {
        /// What the value belongs to: the input or the context.
        what: &'static str,
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// The value in words: NaN, inf or -inf.
        value: String,
    },
    /// A file could not be written or read, or is not what it should be.
    File {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(sentence) => f.write_str(sentence),
            Self::Columns { what, expected, found } => {
                write!(
                    f,
                    "the {what} has the wrong number of columns: expected {expected}, got {found}"
                )
            }
            Self::ContextRows { expected, found } => write!(
                f,
                "the context must have one row, or one for each row of the input: expected \
                 {expected}, got {found}"
            ),
            Self::MissingContext { d_context } => write!(
                f,
                "this model was built with `d_context` {d_context}: give it a context of shape \
                 [rows, {d_context}], by `model.given(&context)`"
            ),
            Self::UnwantedContext => f.write_str(
                "nothing in this model takes a context (`d_context` is 0): call it without one",
            ),
            Self::Uncalibrated => f.write_str(
                "this model has a layer that the first batch sets, as ActNorm, and it is not set yet: call \
                 `model.calibrate(batch)` before, as `fit` does by itself",
            ),
            Self::Unsolved { row, residual, steps } => write!(
                f,
                "the inverse of row {row} (from 0) was not found: after {steps} steps the equation is off by \
                 {residual:e}; the row is far from what the model was trained on, or the model is ill-conditioned"
            ),
            Self::NotReparameterized => f.write_str(
                "gradients do not flow through the samples of this distribution: it has a part that is not \
                 reparameterized, as a mixture of flows or a resampled base",
            ),
            Self::FloatType { what, expected, found } => write!(
                f,
                "the {what} is {found:?} and the parameters of the model are {expected:?}: cast the \
                 {what} by `tensor.cast({expected:?})`, or the model by `cast(model, \
                 FloatDType::{found:?})`"
            ),
            Self::Device { what, expected, found } => write!(
                f,
                "the {what} is on {found} and the parameters of the model are on {expected}: move \
                 one by `to_device`"
            ),
            Self::Data(sentence) => f.write_str(sentence),
            Self::NonFinite { what, row, column, value } => write!(
                f,
                "the {what} is {value} in row {row}, column {column} (both from 0): mend it, or \
                 train with `non_finite_rows: Drop`"
            ),
            Self::File { path, problem } => write!(f, "{}: {problem}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

/// The value, or a panic with the sentence of the error.
#[track_caller]
pub(crate) fn or_panic<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// Returns an [`Error`] with a formatted sentence unless a condition holds: [`Error::Config`], or the
/// variant named after `as`.
macro_rules! ensure {
    (as $variant:ident, $condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err($crate::Error::$variant(format!($($sentence)+)));
        }
    };
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err($crate::Error::Config(format!($($sentence)+)));
        }
    };
}

pub(crate) use ensure;

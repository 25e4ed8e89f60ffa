//! Training: a model fitted to data in one call, and what a loop of your own needs.
//!
//! - `fit`: the call, and the builder with all options; `config`: its numbers
//! - `report`: what a training did, and how good the model is
//! - `step`: the loss and one step of training
//! - `rows`: the rows that are trained on and held out; `training`: the state between two epochs
//! - `evaluation`, `gaussian`, `copula`: the likelihood of held-out rows under the model, a fitted
//!   Gaussian and a fitted Gaussian copula
//! - `checkpoint`: a training in a file

mod checkpoint;
mod config;
mod copula;
mod evaluation;
mod fit;
mod gaussian;
mod report;
mod rows;
mod step;
mod training;

pub use config::{FitConfig, NonFiniteRows};
pub(crate) use evaluation::Evaluation;
pub use fit::{FitError, Fitted, Fitter, fit};
pub(crate) use gaussian::gaussian_nll;
pub use report::{Epoch, FitReport, StopReason};
pub use step::nll;

//! Training: a model fitted to data, or to a density known up to a constant, in one call, and what a loop of your own
//! needs.
//!
//! - `fit`: the call, and the builder with all options; `config`: its numbers
//! - `report`: what a training did, and how good the model is
//! - `step`: the loss and one step of training
//! - `rows`: the rows that are trained on and held out; `training`: the state between two epochs
//! - `evaluation`, `gaussian`, `copula`: the likelihood of held-out rows under the model, a fitted
//!   Gaussian and a fitted Gaussian copula
//! - `checkpoint`: a training in a file
//! - `to_target`: training towards a density known up to a constant
//! - `schedule`: the learning rate of each step

mod checkpoint;
mod config;
mod copula;
mod evaluation;
mod fit;
mod gaussian;
mod report;
mod rows;
mod schedule;
mod step;
mod to_target;
mod training;

pub use config::{FitConfig, NonFiniteRows};
pub(crate) use evaluation::Evaluation;
pub use fit::{FitError, Fitted, Fitter, fit};
pub(crate) use gaussian::gaussian_nll;
pub use report::{Epoch, FitReport, StopReason};
#[cfg(feature = "nuts")]
pub(crate) use schedule::Schedule;
pub use step::nll;
pub use to_target::{
    FabConfig, Objective, TargetEpoch, TargetFitConfig, TargetFitter, TargetReport, fit_target,
};

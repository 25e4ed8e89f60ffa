//! Training towards a target that is known up to a constant.
//!
//! - `fit`: the call, and the builder with a callback; `config`: its numbers and the objective
//! - `guarded`: a target whose values that are not finite are counted and kept from the training
//! - `steps`: the loss of each step; `report`: what a training did

mod config;
mod fit;
mod guarded;
mod report;
mod steps;

pub use config::{FabConfig, Objective, TargetFitConfig};
pub use fit::{TargetFitter, fit_target};
pub use report::{TargetEpoch, TargetReport};

//! Data: rows to train on, toy densities to try flows on, and targets known up to a constant.

mod dataset;
pub mod target;
pub mod toy;

pub use dataset::Dataset;

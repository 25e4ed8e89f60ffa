//! Data: rows to train on, and toy densities to try flows on.

mod dataset;
pub mod toy;

pub use dataset::Dataset;

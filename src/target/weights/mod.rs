//! Weighted samples and what their weights say.
//!
//! - `weighted_sample`: rows with log-weights; `estimate`: a number with its standard error
//! - `effective`: the effective sample size; `pareto`: Pareto-smoothed weights and their shape

mod effective;
mod estimate;
mod pareto;
mod weighted_sample;

pub use effective::effective_sample_size;
pub use estimate::Estimate;
pub use pareto::{ParetoSmoothed, pareto_smoothed};
pub use weighted_sample::WeightedSample;
pub(crate) use weighted_sample::{normalized, select_rows, systematic};

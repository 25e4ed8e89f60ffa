//! The density of a table, and what is asked of it.
//!
//! - `model`: [`TableModel`], its log-densities, samples and file; `score`: the log-densities of
//!   tables larger than memory
//! - `conditional`: one column given the others; `explain`: which columns make a row unlikely;
//!   `fill`: missing cells
//! - `diagnostics`: samples against held-out rows, by `calibration` of each column and `energy`; `summary`: means and quantiles

mod calibration;
mod conditional;
mod diagnostics;
mod energy;
mod explain;
mod fill;
mod model;
mod score;
mod summary;

pub use calibration::ColumnCalibration;
pub use diagnostics::Diagnostics;
pub use energy::EnergyTest;
pub use explain::{ColumnLikelihood, Explanation};
pub use model::{LogMass, TableModel};
pub use score::{ScoreConfig, ScoreReport};
pub use summary::{ColumnSummary, Summary};

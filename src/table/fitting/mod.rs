//! From rows to a density.
//!
//! - `config`: [`TableConfig`], the flow and the numbers that follow from the size of the table
//! - `rows`: which rows are used, and which held out; `epoch_rows`: those of each epoch from a source
//! - `fit`: [`fit_table`] and [`TableFitter`]; `report`: what they did; `linear`: the columns as a
//!   normal beside the model is fitted to them

mod config;
mod epoch_rows;
mod fit;
mod linear;
mod report;
mod rows;

pub use config::{TableConfig, TableFlow};
pub use fit::{FittedTable, TableFitter, fit_table};
pub use report::TableReport;

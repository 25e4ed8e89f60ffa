//! From rows to a density.
//!
//! - `config`: [`TableConfig`], the flow and the numbers that follow from the size of the table
//! - `rows`: which rows are used, and which held out, with `copies` of each other on one side;
//!   `epoch_rows`: those of each epoch from a source
//! - `fit`: [`fit_table`] and [`TableFitter`]; `report`: what they did; `linear`: the columns as a
//!   normal beside the model is fitted to them; `start`: where columns that are nearly determined begin

mod config;
mod copies;
mod epoch_rows;
mod fit;
mod linear;
mod report;
mod rows;
mod start;

pub use config::{TableConfig, TableFlow};
pub use fit::{FittedTable, TableFitter, fit_table};
pub use report::TableReport;

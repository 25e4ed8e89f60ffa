//! From a table to a density in one call: columns with names, supports and scales of their own.
//!
//! ```text
//! CSV file → Table → Schema → fit_table → TableModel → scores, samples, a file
//! ```
//!
//! - `data`: [`Table`], named columns; `csv_file`: tables as CSV files
//! - `support`: the values that a column can take; `tail`: heavy tails made light; `column_map`:
//!   both and the scale, a column as a standard normal
//! - `dependence`: columns that others determine; `schema`: what each column is, inferred
//! - `encoder`: rows of a table as rows of a flow, and back
//! - `config`, `rows`, `fit`, `report`: the numbers, the rows, the call and what it did; `linear`:
//!   the columns as a normal is fitted to them
//! - `model`: [`TableModel`]

mod column_map;
mod config;
mod csv_file;
mod data;
mod dependence;
mod encoder;
mod fit;
mod linear;
mod model;
mod report;
mod rows;
mod schema;
mod support;
mod tail;

pub use config::{TableConfig, TableFlow};
pub use data::{Column, Table, Values};
pub use dependence::Formula;
pub use fit::{FittedTable, TableFitter, fit_table};
pub use model::{LogMass, TableModel};
pub use report::TableReport;
pub use schema::{ColumnSchema, Kind, Role, Schema};
pub use support::Support;

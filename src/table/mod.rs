//! From a table to a density in one call: columns with names, supports and scales of their own.
//!
//! ```text
//! CSV file → Table → Schema → fit_table → TableModel → scores, samples, a file
//! ```
//!
//! - `data`: [`Table`], named columns; `source`: tables that are read in chunks; `sample`: some of
//!   their rows; `files`, `csv_file`,
//!   `parquet_file`: tables as files
//! - `support`: the values that a column can take; `tail`: heavy tails made light; `column_map`:
//!   both and the scale, a column as a standard normal
//! - `dependence`: columns that others determine; `schema`: what each column is, inferred
//! - `encoder`: rows of a table as rows of a flow, and back
//! - `config`, `rows`, `fit`, `report`: the numbers, the rows, the call and what it did;
//!   `epoch_rows`: the rows of each epoch from a source; `linear`: the columns as a normal is fitted
//!   to them
//! - `model`: [`TableModel`]; `score`: the log-densities of files; `conditional`: one column given
//!   the others; `explain`: which columns make a row unlikely; `fill`: missing cells
//! - `diagnostics`: samples against held-out rows; `summary`: means and quantiles

mod column_map;
mod conditional;
mod config;
mod csv_file;
mod data;
mod dependence;
mod diagnostics;
mod encoder;
mod epoch_rows;
mod explain;
mod files;
mod fill;
mod fit;
mod linear;
mod model;
#[cfg(feature = "parquet")]
mod parquet_file;
mod report;
mod rows;
mod sample;
mod schema;
mod score;
mod source;
mod summary;
mod support;
mod tail;

pub use config::{TableConfig, TableFlow};
pub use data::{Column, Table, Values};
pub use dependence::Formula;
pub use diagnostics::{ColumnCalibration, Diagnostics, EnergyTest, effective_sample_size};
pub use explain::{ColumnLikelihood, Explanation};
pub use files::TableFiles;
pub use fit::{FittedTable, TableFitter, fit_table};
pub use model::{LogMass, TableModel};
pub use report::TableReport;
pub use sample::sample_rows;
pub use schema::{ColumnSchema, Kind, Role, Schema};
pub use score::{ScoreConfig, ScoreReport};
pub use source::{Chunks, TableSource};
pub use summary::{ColumnSummary, Summary};
pub use support::Support;

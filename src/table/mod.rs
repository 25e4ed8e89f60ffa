//! From a table to a density in one call: columns with names, supports and scales of their own.
//!
//! ```text
//! CSV file → Table → Schema → fit_table → TableModel → scores, samples, a file
//! ```
//!
//! - `source`: [`Table`], and files that are read in chunks
//! - `columns`: [`Schema`], what each column is, and its map to a feature of the flow
//! - `density`: [`TableModel`], and what is asked of it
//! - `fitting`: [`fit_table`], its configuration and its report

mod columns;
mod density;
mod fitting;
mod source;

pub use columns::{BeyondRange, ColumnSchema, Formula, Kind, Lump, Role, Schema, Support};
pub use density::{
    ColumnCalibration, ColumnLikelihood, ColumnSummary, Diagnostics, EnergyTest, Explanation,
    LogMass, ScoreConfig, ScoreReport, Summary, TableModel,
};
pub use fitting::{FittedTable, TableConfig, TableFitter, TableFlow, TableReport, fit_table};
pub use source::{Chunks, Column, CsvFormat, Table, TableFiles, TableSource, Values, sample_rows};

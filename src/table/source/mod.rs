//! Tables, in memory and as what is read in chunks.
//!
//! - `data`: [`Table`], named columns; `interface`: [`TableSource`], a table that is read in chunks
//! - `files`: CSV and Parquet files as one source, by `csv` and `parquet_file`
//! - `sample`: some rows of a source

pub(in crate::table) mod csv;
mod data;
mod files;
mod interface;
#[cfg(feature = "parquet")]
pub(in crate::table) mod parquet_file;
mod sample;

pub use csv::CsvFormat;
pub use data::{Column, Table, Values};
pub use files::TableFiles;
pub(in crate::table) use files::{Format, file_chunks};
pub use interface::{Chunks, TableSource};
pub(in crate::table) use sample::Reservoir;
pub use sample::sample_rows;

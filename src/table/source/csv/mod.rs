//! Tables as CSV files.
//!
//! - `format`: [`CsvFormat`], what is said of a file, not found; `layout`: what is found
//! - `records`: its records as they stand there; `file`: tables of them

mod file;
mod format;
mod layout;
mod records;

pub(in crate::table) use file::{CsvChunks, append_column};
pub use format::CsvFormat;

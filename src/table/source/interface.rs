//! [`TableSource`]: a table that is read in chunks.

use super::data::Table;
use crate::error::Error;

/// The chunks of a table, one after another.
pub type Chunks<'a> = Box<dyn Iterator<Item = Result<Table, Error>> + Send + 'a>;

/// A table that may be larger than memory: read in chunks, as often as it is asked for.
///
/// A [`Table`] is one, and so are [`TableFiles`](crate::table::TableFiles). Implement it for rows that come
/// from elsewhere, as from a data base.
///
/// # Example
///
/// ```
/// use normalizing_flows::Error;
/// use normalizing_flows::table::{Chunks, Table, TableSource};
///
/// /// The squares of the numbers below 1,000.
/// struct Squares;
///
/// impl TableSource for Squares {
///     fn chunks(&self, chunk_rows: usize) -> Result<Chunks<'_>, Error> {
///         let starts = (0..1_000_usize).step_by(chunk_rows);
///         Ok(Box::new(starts.map(move |start| {
///             let rows = (start..1_000.min(start + chunk_rows)).map(|i| vec![(i * i) as f64]);
///             Table::from_rows(["square"], rows.collect())
///         })))
///     }
/// }
///
/// let n_rows: usize = Squares.chunks(64)?.map(|chunk| chunk.map_or(0, |table| table.n_rows())).sum();
/// assert_eq!(n_rows, 1_000);
/// # Ok::<(), Error>(())
/// ```
pub trait TableSource {
    /// The rows in their order, in chunks of at most `chunk_rows`, which is at least 1. All have the
    /// same columns.
    ///
    /// # Errors
    ///
    /// If the source cannot be opened. What fails later is an error in the place of a chunk, and the
    /// last.
    fn chunks(&self, chunk_rows: usize) -> Result<Chunks<'_>, Error>;
}

impl TableSource for Table {
    fn chunks(&self, chunk_rows: usize) -> Result<Chunks<'_>, Error> {
        let starts = (0..self.n_rows()).step_by(chunk_rows);
        Ok(Box::new(starts.map(move |start| {
            let end = self.n_rows().min(start + chunk_rows);
            Ok(self.select(&(start..end).collect::<Vec<_>>()))
        })))
    }
}

//! [`EpochRows`]: the rows of each epoch from a source that is read again and again.

use std::cell::RefCell;
use std::collections::HashSet;

use super::rows::{FitRows, usable_rows};
use crate::error::Error;
use crate::table::columns::Schema;
use crate::table::source::{Chunks, Table, TableSource};
use crate::train::NonFiniteRows;

/// Epochs of the same number of rows each, one after another through a source and again from its
/// start: what an epoch holds follows from its number alone.
pub(in crate::table) struct EpochRows<'a> {
    source: &'a dyn TableSource,
    schema: &'a Schema,
    treatment: NonFiniteRows,
    /// The indices of the usable rows that are held out.
    held_out: HashSet<u64>,
    /// The rows of an epoch, and those of a pass.
    n_rows: usize,
    n_train: usize,
    chunk_rows: usize,
    reading: RefCell<Option<Reading<'a>>>,
}

/// Where the reading stands.
struct Reading<'a> {
    chunks: Chunks<'a>,
    /// The number of usable rows that were read in this pass.
    n_usable: u64,
    /// Rows that were read and are in no epoch yet.
    rest: Option<Table>,
    /// The epoch that comes next.
    epoch: usize,
}

impl<'a> EpochRows<'a> {
    pub fn new(
        source: &'a dyn TableSource,
        schema: &'a Schema,
        treatment: NonFiniteRows,
        held_out: HashSet<u64>,
        rows: &FitRows,
        chunk_rows: usize,
    ) -> Self {
        let (n_rows, n_train) = (rows.train.n_rows(), rows.n_train);
        let reading = RefCell::new(None);
        Self { source, schema, treatment, held_out, n_rows, n_train, chunk_rows, reading }
    }

    /// Calls a function with the usable rows of each chunk, once through the source.
    pub fn for_each_chunk(
        &self,
        mut f: impl FnMut(&Table) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for chunk in self.open()? {
            let chunk = chunk?;
            let usable = usable_rows(&chunk, self.schema, self.treatment)?.rows;
            f(&chunk.select(&usable))?;
        }
        Ok(())
    }

    /// The rows of an epoch, counted from 1.
    pub fn of_epoch(&self, epoch: usize) -> Result<Table, Error> {
        let mut reading = self.reading.borrow_mut();
        let mut current = match reading.take().filter(|reading| reading.epoch == epoch) {
            Some(current) => current,
            None => self.start(epoch)?,
        };
        let rows = self.take(&mut current, self.n_rows)?;
        current.epoch += 1;
        *reading = Some(current);
        Ok(rows)
    }

    /// A reading that stands before an epoch.
    fn start(&self, epoch: usize) -> Result<Reading<'a>, Error> {
        let mut reading = Reading { chunks: self.open()?, n_usable: 0, rest: None, epoch };
        let mut n_before = (epoch - 1).saturating_mul(self.n_rows) % self.n_train;
        while n_before > 0 {
            let n = n_before.min(self.chunk_rows);
            self.take(&mut reading, n)?;
            n_before -= n;
        }
        Ok(reading)
    }

    fn open(&self) -> Result<Chunks<'a>, Error> {
        self.source.chunks(self.chunk_rows)
    }

    /// The next rows that are trained on, of this pass and the ones after it.
    fn take(&self, reading: &mut Reading<'a>, n: usize) -> Result<Table, Error> {
        let mut taken = reading.rest.take();
        let mut n_passes = 0;
        while taken.as_ref().map_or(0, Table::n_rows) < n {
            let Some(chunk) = reading.chunks.next() else {
                n_passes += 1;
                if n_passes > n.div_ceil(self.n_train) + 1 {
                    return Err(Error::Data(
                        "the source has fewer rows than in the pass before".to_owned(),
                    ));
                }
                (reading.chunks, reading.n_usable) = (self.open()?, 0);
                continue;
            };
            let chunk = chunk?;
            let usable = usable_rows(&chunk, self.schema, self.treatment)?.rows;
            let first = reading.n_usable;
            reading.n_usable += usable.len() as u64;
            let train = usable.into_iter().zip(first..);
            let train = train.filter(|(_, index)| !self.held_out.contains(index));
            let rows = chunk.select(&train.map(|(row, _)| row).collect::<Vec<_>>());
            taken = Some(match taken {
                Some(taken) => taken.concat(&rows)?,
                None => rows,
            });
        }
        let Some(taken) = taken else {
            return Err(Error::Data("an epoch must have at least one row".to_owned()));
        };
        let rows = |from: usize, to: usize| taken.select(&(from..to).collect::<Vec<_>>());
        reading.rest = (taken.n_rows() > n).then(|| rows(n, taken.n_rows()));
        Ok(rows(0, n))
    }
}

//! [`sample_rows`]: some rows of a table that may be larger than memory.

use std::collections::HashSet;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::data::{Column, Table, Values};
use super::interface::TableSource;
use crate::error::{Error, ensure};

/// The rows that are read at once.
const CHUNK_ROWS: usize = 32_768;
/// More categories than these are not looked for.
const MAX_CATEGORIES: usize = 10_000;

/// Rows of a table that may be larger than memory: `n_rows` of them drawn uniformly, and beside them
/// those that hold the least and the greatest number of a column, its first that is not whole, or a
/// category that no row before has. So [`Schema::infer`](crate::table::Schema::infer) sees what it would see
/// in the whole. It takes one pass.
///
/// # Errors
///
/// Those of the source, and [`Error::Data`] if it has no row.
///
/// # Example
///
/// ```
/// use normalizing_flows::table::{Schema, Support, Table, sample_rows};
///
/// let rows = (0..1_000).map(|i| vec![f64::from(i), if i == 700 { 0.5 } else { 7.0 }]).collect();
/// let table = Table::from_rows(["x", "y"], rows)?; // or files
/// let sample = sample_rows(&table, 50, 0)?;
/// assert!(sample.n_rows() < 60);
/// assert_eq!(sample_rows(&table, 2_000, 0)?.n_rows(), 1_000);
/// let schema = Schema::infer(&sample)?;
/// assert_eq!(schema.to_string().lines().next(), Some("x  modelled  integer from 0"));
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
pub fn sample_rows(source: &dyn TableSource, n_rows: usize, seed: u64) -> Result<Table, Error> {
    let mut reservoir = Reservoir::new(n_rows, ChaCha8Rng::seed_from_u64(seed));
    let (mut witnesses, mut found): (Option<Table>, Vec<Seen>) = (None, Vec::new());
    let mut of_witnesses: Vec<u64> = Vec::new();
    for chunk in source.chunks(CHUNK_ROWS)? {
        let chunk = chunk?;
        found.resize_with(chunk.columns().len(), Seen::default);
        let mut rows = Vec::new();
        for (column, seen) in chunk.columns().iter().zip(&mut found) {
            seen.add(&column.values, &mut rows);
        }
        rows.sort_unstable();
        rows.dedup();
        of_witnesses.extend(rows.iter().map(|&row| reservoir.n_seen() + row as u64));
        let new = chunk.select(&rows);
        witnesses = Some(match witnesses {
            Some(witnesses) => witnesses.concat(&new)?,
            None => new,
        });
        reservoir.add(&chunk)?;
    }
    let (sample, indices) = reservoir.finish()?;
    let Some(witnesses) = witnesses else { return Ok(sample) };
    // Those that were not drawn as well.
    let drawn: HashSet<u64> = indices.into_iter().collect();
    let others = of_witnesses.iter().enumerate().filter(|(_, index)| !drawn.contains(index));
    let others: Vec<usize> = others.map(|(row, _)| row).collect();
    sample.concat(&witnesses.select(&others))
}

/// What a column has shown so far.
struct Seen {
    min: f64,
    max: f64,
    /// Whether a number that is not whole was among them.
    has_fraction: bool,
    categories: HashSet<String>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            has_fraction: false,
            categories: Default::default(),
        }
    }
}

impl Seen {
    /// Adds values of a chunk; `rows` are those that show something new.
    fn add(&mut self, values: &Values, rows: &mut Vec<usize>) {
        match values {
            Values::Text(values) => {
                for (row, value) in values.iter().enumerate() {
                    let is_new = !self.categories.contains(value.as_str());
                    if is_new && self.categories.len() < MAX_CATEGORIES {
                        self.categories.insert(value.clone());
                        rows.push(row);
                    }
                }
            }
            Values::Numbers(values) => {
                // The extremes of the chunk alone: not each that was one on the way.
                let (mut least, mut greatest) = (None, None);
                for (row, &x) in values.iter().enumerate().filter(|(_, x)| x.is_finite()) {
                    if x < self.min {
                        (self.min, least) = (x, Some(row));
                    }
                    if x > self.max {
                        (self.max, greatest) = (x, Some(row));
                    }
                    if x.fract() != 0.0 && !self.has_fraction {
                        self.has_fraction = true;
                        rows.push(row);
                    }
                }
                rows.extend(least.into_iter().chain(greatest));
            }
        }
    }
}

/// Rows drawn uniformly from a stream of them, and their indices in it.
///
/// Vitter: *Random Sampling with a Reservoir*, 1985 (algorithm R).
pub(in crate::table) struct Reservoir<R> {
    n_rows: usize,
    rng: R,
    rows: Option<Table>,
    indices: Vec<u64>,
    n_seen: u64,
}

impl<R: Rng> Reservoir<R> {
    pub fn new(n_rows: usize, rng: R) -> Self {
        Self { n_rows, rng, rows: None, indices: Vec::new(), n_seen: 0 }
    }

    pub fn add(&mut self, chunk: &Table) -> Result<(), Error> {
        // Where each row that stays comes from: the rows so far, then the chunk.
        let n_before = self.indices.len();
        let mut from: Vec<usize> = (0..n_before).collect();
        let mut changed = false;
        for row in 0..chunk.n_rows() {
            let place = if from.len() < self.n_rows {
                from.push(0);
                self.indices.push(0);
                Some(from.len() - 1)
            } else {
                let drawn = self.rng.random_range(0..=self.n_seen);
                usize::try_from(drawn).ok().filter(|&place| place < self.n_rows)
            };
            if let Some(place) = place {
                from[place] = n_before + row;
                self.indices[place] = self.n_seen;
                changed = true;
            }
            self.n_seen += 1;
        }
        if changed {
            let joined = match &self.rows {
                Some(rows) => rows.concat(chunk)?.select(&from),
                None => chunk.select(&from),
            };
            self.rows = Some(joined);
        }
        Ok(())
    }

    /// The number of rows of the stream.
    pub fn n_seen(&self) -> u64 {
        self.n_seen
    }

    /// The rows in a random order, and their indices in the stream.
    pub fn finish(mut self) -> Result<(Table, Vec<u64>), Error> {
        let n = self.indices.len();
        ensure!(as Data, n > 0, "the table has no rows that can be used");
        let Some(rows) = self.rows else { return Err(Error::Data("no rows".to_owned())) };
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut self.rng);
        let indices = order.iter().map(|&place| self.indices[place]).collect();
        Ok((rows.select(&order), indices))
    }
}

impl Table {
    /// The table with some rows in the place of those at these indices.
    pub(in crate::table) fn with_rows(
        &self,
        indices: &[usize],
        rows: &Self,
    ) -> Result<Self, Error> {
        let n = self.n_rows();
        let mut from: Vec<usize> = (0..n).collect();
        indices.iter().enumerate().for_each(|(row, &index)| from[index] = n + row);
        Ok(self.concat(rows)?.select(&from))
    }

    /// The rows of this table, then those of another of the same columns.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if the columns differ in their names, order or kind.
    pub fn concat(&self, other: &Self) -> Result<Self, Error> {
        let names = |table: &Self| -> Vec<String> {
            table.columns().iter().map(|column| column.name.clone()).collect()
        };
        ensure!(
            as Data,
            names(self) == names(other),
            "the columns differ: {:?} and {:?}",
            names(self),
            names(other)
        );
        let pairs = self.columns().iter().zip(other.columns());
        let columns = pairs.map(|(a, b)| {
            let values = match (&a.values, &b.values) {
                (Values::Numbers(a), Values::Numbers(b)) => {
                    Values::Numbers([a.as_slice(), b].concat())
                }
                (Values::Text(a), Values::Text(b)) => Values::Text([a.as_slice(), b].concat()),
                _ => {
                    let name = &a.name;
                    return Err(Error::Data(format!(
                        "column `{name}` holds numbers in one table and text in the other"
                    )));
                }
            };
            Ok(Column { name: a.name.clone(), values })
        });
        let table = Self::new(columns.collect::<Result<_, _>>()?)?;
        Ok(table.with_places(self.places().chain(other.places()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_as_likely_whatever_the_chunks() {
        let table = Table::from_rows(["i"], (0..100).map(|i| vec![f64::from(i)]).collect());
        let table = table.expect("a table");
        let mut counts = [0_u32; 100];
        for seed in 0..400 {
            let mut reservoir = Reservoir::new(20, ChaCha8Rng::seed_from_u64(seed));
            for chunk in table.chunks(7).expect("in memory") {
                reservoir.add(&chunk.expect("in memory")).expect("the same columns");
            }
            assert_eq!(reservoir.n_seen(), 100);
            let (rows, indices) = reservoir.finish().expect("rows");
            for (value, index) in rows.numbers("i").expect("numbers").iter().zip(&indices) {
                assert_eq!(*value as u64, *index);
                counts[*index as usize] += 1;
            }
        }
        // 80 each, with a deviation of 8: five of them are exceeded once in 17,000 runs of 100.
        assert!(counts.iter().all(|count| (40..=120).contains(count)), "{counts:?}");
        assert_eq!(counts.iter().sum::<u32>(), 8_000);
    }
}

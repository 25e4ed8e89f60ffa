//! [`TableModel::score_file`]: the log-densities of a file that may be larger than memory.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use burn::config::Config;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::model::TableModel;
use crate::error::{Error, ensure};
use crate::io::container::problem;
use crate::table::columns::BeyondRange;
#[cfg(feature = "parquet")]
use crate::table::source::parquet_file;
use crate::table::source::{CsvFormat, Format, Table, TableSource, csv, file_chunks};
use crate::train::NonFiniteRows;

/// The column that is added.
const COLUMN: &str = "log_density";
/// How a file of scores starts, before a hash of what they are of.
const MAGIC: [u8; 8] = *b"\x89scores\n";
const HEADER_BYTES: usize = 8 + 32;
/// The bytes of a number in the file of scores.
const BYTES: u64 = 8;

/// Configuration of [`TableModel::score_file`].
#[derive(Config, Debug)]
pub struct ScoreConfig {
    /// The rows that are in memory at once, in two chunks of so many: one that is read and one that
    /// is scored.
    #[config(default = 32_768)]
    pub chunk_rows: usize,
    /// What is done about rows with a missing value, or a context that the model cannot take, as a
    /// category that it has never seen: refused, or left without a score.
    #[config(default = "NonFiniteRows::Refuse")]
    pub missing: NonFiniteRows,
    /// What is known of the format of a CSV file.
    #[config(default = "CsvFormat::new()")]
    pub csv: CsvFormat,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl ScoreConfig {
    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for chunks of no row, or a format that is none.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(self.chunk_rows > 0, "`chunk_rows` must be at least 1, got 0");
        self.csv.validate()
    }
}

/// What [`TableModel::score_file`] did. Prints as a few lines.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ScoreReport {
    /// The rows of the file.
    pub n_rows: usize,
    /// Those that an interrupted run had scored before.
    pub n_before: usize,
    /// Those with a missing value, or a context that the model cannot take, which have no score.
    pub n_missing: usize,
    /// Those outside of the supports.
    pub n_outside: usize,
    /// The mean log-density of the others, in nats.
    pub mean_log_density: f64,
    /// The columns of contexts with numbers beyond those that the model was fitted to, among the rows
    /// that this run scored.
    pub beyond_range: Vec<BeyondRange>,
    /// The wall-clock seconds of this run.
    pub seconds: f64,
    /// Those of them that the model took; the rest is reading and writing.
    pub model_seconds: f64,
}

impl ScoreReport {
    /// The rows that this run scored per second.
    pub fn rows_per_second(&self) -> f64 {
        (self.n_rows - self.n_before) as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

impl fmt::Display for ScoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.n_rows)?;
        if self.n_before > 0 {
            write!(f, " ({} of them by an interrupted run before)", self.n_before)?;
        }
        if self.n_missing > 0 {
            write!(
                f,
                ", {} without a score (a value is missing, or a context unknown)",
                self.n_missing
            )?;
        }
        write!(
            f,
            ", {} outside of the supports; mean log-density of the others {:.4} nats\n{:.1} s, {:.0} \
             rows/s, {:.0} % of the time in the model",
            self.n_outside,
            self.mean_log_density,
            self.seconds,
            self.rows_per_second(),
            100.0 * self.model_seconds / self.seconds.max(f64::MIN_POSITIVE)
        )?;
        self.beyond_range.iter().try_for_each(|beyond| write!(f, "\nwarning: {beyond}"))
    }
}

impl TableModel {
    /// Scores a CSV or Parquet file of any length in bounded memory: writes a file of the same kind,
    /// with the same rows in the same order and one more column, `log_density`. What cells hold stays
    /// as it is.
    ///
    /// Scores are kept beside the output (`OUTPUT.scores`) until all are there; a run that was
    /// interrupted goes on where it ended when it is started again with the same model and input.
    /// `on_chunk` is told the number of rows that are done.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if a file cannot be read or written, [`Error::Data`] if a column is not there
    /// or a value is missing (unless such rows are left without a score), [`Error::Config`] for
    /// chunks of no row, or if the output is the input. Scores up to there are kept.
    pub fn score_file(
        &self,
        input: impl AsRef<Path>,
        output: impl AsRef<Path>,
        config: &ScoreConfig,
        mut on_chunk: impl FnMut(usize),
    ) -> Result<ScoreReport, Error> {
        let (input, output) = (input.as_ref(), output.as_ref());
        config.validate()?;
        let format = Format::of(input)?;
        ensure!(
            !is_same_file(input, output),
            "the scores would be written over the table, {}: give another output",
            input.display()
        );
        ensure!(
            format == Format::of(output)?,
            "the output must be of the kind of the input, CSV or Parquet: {} and {}",
            output.display(),
            input.display()
        );
        let start = Instant::now();
        let mut scores = Scores::open(self, input, output, config)?;
        let n_before = scores.n;
        let mut model_time = Duration::ZERO;
        let mut beyond_range: Vec<BeyondRange> = Vec::new();
        thread::scope(|scope| {
            // One chunk waits to be scored while the next is read.
            let (sender, receiver) = sync_channel::<Result<Table, Error>>(0);
            scope.spawn(move || {
                let mut n_skipped = 0;
                let is_text = |name: &str| Some(self.is_text(name));
                let chunks = file_chunks(input, config.chunk_rows, &config.csv, is_text);
                let chunks = chunks.unwrap_or_else(|error| Box::new(std::iter::once(Err(error))));
                for chunk in chunks {
                    let chunk = chunk.map(|table| {
                        let skip = table.n_rows().min(n_before - n_skipped);
                        n_skipped += skip;
                        let rows: Vec<usize> = (skip..table.n_rows()).collect();
                        if skip == 0 { table } else { table.select(&rows) }
                    });
                    if sender.send(chunk).is_err() {
                        break;
                    }
                }
            });
            for chunk in receiver {
                let chunk = chunk?;
                if chunk.columns().iter().any(|column| column.name == COLUMN) {
                    return Err(problem(input, format!("has a column `{COLUMN}`: rename it")));
                }
                let before = Instant::now();
                let found = self.scores_of(&chunk, config.missing);
                let found = found.map_err(|error| problem(input, error))?;
                model_time += before.elapsed();
                scores.append(&found)?;
                for beyond in self.beyond_range(&chunk)? {
                    match beyond_range.iter_mut().find(|other| other.column == beyond.column) {
                        Some(other) => other.n_rows += beyond.n_rows,
                        None => beyond_range.push(beyond),
                    }
                }
                on_chunk(scores.n);
            }
            Ok(())
        })?;
        let report = scores.finish(input, output, format, &config.csv)?;
        Ok(ScoreReport {
            n_before,
            beyond_range,
            seconds: start.elapsed().as_secs_f64(),
            model_seconds: model_time.as_secs_f64(),
            ..report
        })
    }

    /// The log-densities of a table that may be larger than memory, chunk by chunk in its order:
    /// `on_chunk` is given each chunk with those of its rows. Its error ends the scoring.
    ///
    /// # Errors
    ///
    /// Those of the source and of `on_chunk`, and as [`log_prob`](Self::log_prob).
    ///
    /// # Example
    ///
    /// ```
    /// use normalizing_flows::burn::tensor::Device;
    /// use normalizing_flows::table::{Schema, ScoreConfig, Table, TableConfig, fit_table};
    ///
    /// let rows = (0..100).map(|i| vec![f64::from(i * i % 37), f64::from(i % 7) + 0.5]).collect();
    /// let table = Table::from_rows(["x", "y"], rows)?; // or files
    /// # let fit = normalizing_flows::train::FitConfig::new().with_max_epochs(Some(1));
    /// # let config = TableConfig::new().with_fit(fit);
    /// let model = fit_table(&table, &Schema::infer(&table)?, &config, &Device::default())?.model;
    /// let mut least = f64::INFINITY;
    /// model.score_source(&table, &ScoreConfig::new().with_chunk_rows(16), |_, scores| {
    ///     least = scores.iter().copied().fold(least, f64::min);
    ///     Ok(())
    /// })?;
    /// assert!(least.is_finite());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn score_source(
        &self,
        source: &dyn TableSource,
        config: &ScoreConfig,
        mut on_chunk: impl FnMut(&Table, &[f64]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        config.validate()?;
        for chunk in source.chunks(config.chunk_rows)? {
            let chunk = chunk?;
            on_chunk(&chunk, &self.scores_of(&chunk, config.missing)?)?;
        }
        Ok(())
    }

    /// The log-densities of a chunk; NaN for a row that cannot be scored, if that is allowed.
    fn scores_of(&self, chunk: &Table, missing: NonFiniteRows) -> Result<Vec<f64>, Error> {
        let n = chunk.n_rows();
        if missing == NonFiniteRows::Refuse {
            return self.log_prob(chunk);
        }
        let complete = self.encoder().scorable_rows(chunk)?;
        if complete.len() == n {
            return self.log_prob(chunk);
        }
        let mut scores = vec![f64::NAN; n];
        for (row, score) in complete.iter().zip(self.log_prob(&chunk.select(&complete))?) {
            scores[*row] = score;
        }
        Ok(scores)
    }
}

/// Whether two paths lead to one file, which is there.
fn is_same_file(a: &Path, b: &Path) -> bool {
    let [a, b] = [a, b].map(fs::canonicalize);
    matches!((a, b), (Ok(a), Ok(b)) if a == b)
}

/// The scores so far, in a file beside the output: what they are of, then one number after another.
struct Scores {
    path: PathBuf,
    writer: BufWriter<File>,
    n: usize,
}

impl Scores {
    /// Those of an interrupted run, if it was of the same model and input.
    fn open(
        model: &TableModel,
        input: &Path,
        output: &Path,
        config: &ScoreConfig,
    ) -> Result<Self, Error> {
        let mut name = output.file_name().unwrap_or_default().to_owned();
        name.push(".scores");
        let path = output.with_file_name(name);
        let unwritten =
            |error: std::io::Error| problem(&path, format!("cannot be written: {error}"));
        let identity = identity(model, input, config)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unwritten)?;
        let mut found = [0; HEADER_BYTES];
        let is_whole = file.read_exact(&mut found).is_ok();
        let length = file.metadata().map_err(unwritten)?.len();
        let is_ours = length == 0 || found.starts_with(&MAGIC);
        ensure!(is_ours, "{} would be overwritten, and holds no scores: remove it", path.display());
        let is_same = is_whole && found == identity;
        let n = if is_same {
            let n = (length - identity.len() as u64) / BYTES;
            // Whole chunks: a row alone may have other roundings than in a chunk.
            let chunk_rows = config.chunk_rows as u64;
            n / chunk_rows * chunk_rows
        } else {
            // Never the header of these over scores of others.
            file.set_len(0)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .and_then(|_| file.write_all(&identity))
                .map_err(unwritten)?;
            0
        };
        // A chunk that was cut goes.
        let end = identity.len() as u64 + n * BYTES;
        file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).map_err(unwritten)?;
        Ok(Self { writer: BufWriter::new(file), n: n as usize, path })
    }

    fn append(&mut self, scores: &[f64]) -> Result<(), Error> {
        let mut write = || {
            for score in scores {
                self.writer.write_all(&score.to_le_bytes())?;
            }
            self.writer.flush()
        };
        write().map_err(|error| problem(&self.path, format!("cannot be written: {error}")))?;
        self.n += scores.len();
        Ok(())
    }

    /// Writes the output, and removes the scores.
    fn finish(
        self,
        input: &Path,
        output: &Path,
        format: Format,
        csv: &CsvFormat,
    ) -> Result<ScoreReport, Error> {
        let unread =
            |error: std::io::Error| problem(&self.path, format!("cannot be read: {error}"));
        let mut file = File::open(&self.path).map_err(unread)?;
        file.seek(SeekFrom::Start(HEADER_BYTES as u64)).map_err(unread)?;
        let mut reader = BufReader::new(file);
        let (mut n_missing, mut n_outside, mut sum) = (0, 0, 0.0);
        let scores = (0..self.n).map(|_| {
            let mut bytes = [0; BYTES as usize];
            reader.read_exact(&mut bytes).map_err(unread)?;
            let score = f64::from_le_bytes(bytes);
            if score.is_nan() {
                n_missing += 1;
            } else if score == f64::NEG_INFINITY {
                n_outside += 1;
            } else {
                sum += score;
            }
            Ok(score)
        });
        match format {
            Format::Csv => csv::append_column(input, output, csv, COLUMN, scores)?,
            #[cfg(feature = "parquet")]
            Format::Parquet => parquet_file::append_column(input, output, COLUMN, scores)?,
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => drop(scores),
        }
        fs::remove_file(&self.path).map_err(unread)?;
        let n_inside = self.n - n_missing - n_outside;
        Ok(ScoreReport {
            n_rows: self.n,
            n_before: 0,
            n_missing,
            n_outside,
            mean_log_density: sum / n_inside.max(1) as f64,
            beyond_range: Vec::new(),
            seconds: 0.0,
            model_seconds: 0.0,
        })
    }
}

/// What scores are of: the model, and the input by its length and the time of its last change.
fn identity(
    model: &TableModel,
    input: &Path,
    config: &ScoreConfig,
) -> Result<[u8; HEADER_BYTES], Error> {
    let unread = |error: std::io::Error| problem(input, format!("cannot be read: {error}"));
    let metadata = fs::metadata(input).map_err(unread)?;
    let mut hash = Sha256::new();
    hash.update(model.to_bytes(input)?);
    hash.update(fs::canonicalize(input).map_err(unread)?.as_os_str().as_encoded_bytes());
    hash.update(metadata.len().to_le_bytes());
    hash.update([u8::from(config.missing == NonFiniteRows::Drop)]);
    hash.update(format!("{:?}", config.csv));
    if let Ok(modified) = metadata.modified()
        && let Ok(since) = modified.duration_since(std::time::UNIX_EPOCH)
    {
        hash.update(since.as_nanos().to_le_bytes());
    }
    let mut header = [0; HEADER_BYTES];
    header[..MAGIC.len()].copy_from_slice(&MAGIC);
    header[MAGIC.len()..].copy_from_slice(&hash.finalize());
    Ok(header)
}

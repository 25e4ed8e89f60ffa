//! [`TableFiles`]: one table in one or several files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::csv::{CsvChunks, CsvFormat};
use super::data::{Column, Table, Values};
use super::interface::{Chunks, TableSource};
#[cfg(feature = "parquet")]
use super::parquet_file::{self, ParquetChunks};
use crate::error::{Error, ensure};
use crate::io::container::problem;

/// What is wrong with a file of a table without any row.
pub(super) const NO_ROWS: &str = "has no rows";

/// The kinds of files, by the ends of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::table) enum Format {
    Csv,
    Parquet,
}

impl Format {
    /// Parquet if the name ends in `.parquet`, CSV otherwise.
    ///
    /// # Errors
    ///
    /// For Parquet without the feature.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let is_parquet = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet"));
        if is_parquet && cfg!(not(feature = "parquet")) {
            let sentence = "is a Parquet file: build with the feature `parquet` to read it";
            return Err(problem(path, sentence));
        }
        Ok(if is_parquet { Self::Parquet } else { Self::Csv })
    }
}

/// One table in one or several files of the same columns: CSV, and Parquet (names that end in
/// `.parquet`) by the feature `parquet`. Of Parquet files numbers, truth values (0 and 1), timestamps
/// (in their unit) and strings are read; other columns, as lists, are as if they were not there, and
/// told by [`unread_columns`](Self::unread_columns).
///
/// # Example
///
/// ```
/// use normalizing_flows::table::{TableFiles, TableSource};
///
/// # let folder = std::env::temp_dir().join(format!("nflow-files-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("part-1.csv"), "x,y\n1,2\n3,4\n5,6\n")?;
/// std::fs::write(folder.join("part-2.csv"), "x,y\n7,8\n")?;
/// let files = TableFiles::matching(folder.join("part-*.csv").to_str().unwrap())?;
/// let rows: Vec<usize> = files.chunks(2)?.map(|chunk| chunk.unwrap().n_rows()).collect();
/// assert_eq!(rows, [2, 1, 1]);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TableFiles {
    paths: Vec<PathBuf>,
    csv: CsvFormat,
}

impl TableFiles {
    /// The files at these paths, in this order.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is none.
    pub fn new<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let paths: Vec<PathBuf> = paths.into_iter().map(Into::into).collect();
        ensure!(!paths.is_empty(), "a table in files needs at least 1 file, got 0");
        Ok(Self { paths, csv: CsvFormat::new() })
    }

    /// The files whose paths match a pattern such as `parts/*.csv`, in alphabetical order; a path
    /// without such characters is that file.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is no pattern or matches no file.
    pub fn matching(pattern: &str) -> Result<Self, Error> {
        // A name may hold a bracket.
        if Path::new(pattern).is_file() || !pattern.contains(['*', '?', '[']) {
            return Self::new([pattern]);
        }
        let paths = glob::glob(pattern).map_err(|error| {
            Error::Config(format!("`{pattern}` is no pattern of paths: {error}"))
        })?;
        let paths = paths.map(|path| path.map_err(|error| Error::Config(error.to_string())));
        let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
        paths.retain(|path| path.is_file());
        paths.sort();
        ensure!(!paths.is_empty(), "no file matches `{pattern}`");
        Self::new(paths)
    }

    /// With what is known of the format of CSV files.
    #[must_use]
    pub fn with_csv(self, csv: CsvFormat) -> Self {
        Self { csv, ..self }
    }

    /// Whether the first file says how its columns are called. A CSV file whose first line holds numbers
    /// does not, and has `c0`, `c1`, and so on; numbers may be names all the same, as years, which
    /// [`CsvFormat::has_names`] says.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be read.
    pub fn has_names(&self) -> Result<bool, Error> {
        let path = &self.paths[0];
        match Format::of(path)? {
            Format::Csv => Ok(CsvChunks::open(path, 1, &self.csv)?.has_names()),
            Format::Parquet => Ok(true),
        }
    }

    /// The names of the columns that are read, of the first file.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be read, or has no row.
    pub fn column_names(&self) -> Result<Vec<String>, Error> {
        let path = &self.paths[0];
        let any = |_: &str| Some(true);
        let first = file_chunks(path, 1, &self.csv, any)?.next();
        let first = first.unwrap_or_else(|| Err(problem(path, NO_ROWS)))?;
        Ok(first.columns().iter().map(|column| column.name.clone()).collect())
    }

    /// The columns of Parquet files that are not read, as lists, by their names.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if a file cannot be read.
    pub fn unread_columns(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for path in &self.paths {
            match Format::of(path)? {
                Format::Csv => {}
                #[cfg(feature = "parquet")]
                Format::Parquet => names.extend(parquet_file::unread_columns(path)?),
                #[cfg(not(feature = "parquet"))]
                Format::Parquet => unreachable!("refused by `Format::of`"),
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// All rows, in memory.
    ///
    /// # Errors
    ///
    /// [`Error::File`] that says what is wrong, and where; also if there is no row.
    pub fn read(&self) -> Result<Table, Error> {
        let mut chunks = self.chunks(usize::MAX)?;
        let first = chunks.next().unwrap_or_else(|| Err(problem(&self.paths[0], NO_ROWS)))?;
        chunks.try_fold(first, |table, chunk| table.concat(&chunk?))
    }

    /// The paths.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}

impl TableSource for TableFiles {
    fn chunks(&self, chunk_rows: usize) -> Result<Chunks<'_>, Error> {
        let (paths, are_several) = (self.paths.as_slice(), self.paths.len() > 1);
        let csv = &self.csv;
        let mut files =
            FileChunks { paths, csv, are_several, chunk_rows, file: None, columns: None };
        files.open_next()?;
        Ok(Box::new(files))
    }
}

/// The chunks of one file. Where it does not say itself whether a column holds text, `is_text` does if
/// it knows, and the first chunk otherwise.
pub(in crate::table) fn file_chunks(
    path: &Path,
    chunk_rows: usize,
    csv: &CsvFormat,
    is_text: impl Fn(&str) -> Option<bool>,
) -> Result<Chunks<'static>, Error> {
    match Format::of(path)? {
        Format::Csv => Ok(Box::new(CsvChunks::open(path, chunk_rows, csv)?.with_kinds(is_text))),
        #[cfg(feature = "parquet")]
        Format::Parquet => Ok(Box::new(ParquetChunks::open(path, chunk_rows)?)),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => unreachable!("refused by `Format::of`"),
    }
}

/// The chunks of file after file.
struct FileChunks<'a> {
    /// Those to come.
    paths: &'a [PathBuf],
    csv: &'a CsvFormat,
    are_several: bool,
    chunk_rows: usize,
    file: Option<(&'a Path, Chunks<'static>)>,
    /// The names of the columns of the first chunk, and whether each holds text.
    columns: Option<Vec<(String, bool)>>,
}

impl FileChunks<'_> {
    fn open_next(&mut self) -> Result<bool, Error> {
        let Some((path, rest)) = self.paths.split_first() else { return Ok(false) };
        self.paths = rest;
        let is_text = |name: &str| {
            let column = self.columns.as_ref()?.iter().find(|(other, _)| other == name)?;
            Some(column.1)
        };
        self.file = Some((path, file_chunks(path, self.chunk_rows, self.csv, is_text)?));
        Ok(true)
    }

    fn checked(&mut self, chunk: Table) -> Result<Table, Error> {
        let found: Vec<(String, bool)> = chunk
            .columns()
            .iter()
            .map(|Column { name, values }| (name.clone(), matches!(values, Values::Text(_))))
            .collect();
        let expected = self.columns.get_or_insert_with(|| found.clone());
        if *expected == found {
            let Some((path, _)) = self.file.as_ref().filter(|_| self.are_several) else {
                return Ok(chunk);
            };
            let file: Arc<str> = path.to_string_lossy().into();
            return Ok(chunk.in_file(&file));
        }
        let in_words = |columns: &[(String, bool)]| {
            let kind = |is_text: bool| if is_text { " (text)" } else { "" };
            let words = columns.iter().map(|(name, is_text)| format!("`{name}`{}", kind(*is_text)));
            words.collect::<Vec<_>>().join(", ")
        };
        let path = self.file.as_ref().map_or(Path::new(""), |(path, _)| path);
        Err(problem(
            path,
            format!(
                "has the columns {}, and the files before have {}",
                in_words(&found),
                in_words(expected)
            ),
        ))
    }
}

impl Iterator for FileChunks<'_> {
    type Item = Result<Table, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (_, chunks) = self.file.as_mut()?;
            match chunks.next() {
                Some(Ok(chunk)) => {
                    let checked = self.checked(chunk);
                    if checked.is_err() {
                        self.file = None;
                    }
                    return Some(checked);
                }
                Some(Err(error)) => {
                    self.file = None;
                    return Some(Err(error));
                }
                None => match self.open_next() {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(error) => {
                        self.file = None;
                        return Some(Err(error));
                    }
                },
            }
        }
    }
}

impl Table {
    /// Reads a file: Parquet if its name ends in `.parquet` (by the feature `parquet`), otherwise
    /// CSV; see [`read_csv`](Self::read_csv).
    ///
    /// # Errors
    ///
    /// [`Error::File`] that says what is wrong, and where.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        TableFiles::new([path.as_ref()])?.read()
    }
}

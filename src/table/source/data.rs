//! [`Table`]: named columns of numbers or text.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ensure};

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers; NaN where a cell is empty.
    Numbers(Vec<f64>),
    /// Text, of categories or labels.
    Text(Vec<String>),
}

impl Values {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its values, one per row.
    pub values: Values,
}

/// Where a row is.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::table) struct Place {
    /// The file, where there are several.
    pub file: Option<Arc<str>>,
    pub at: At,
}

/// Where a row is in its file or table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::table) enum At {
    Line(u64),
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}, ")?;
        }
        match self.at {
            At::Line(line) => write!(f, "line {line}"),
            At::Row(row) => write!(f, "row {row} (from 0)"),
        }
    }
}

/// Named columns of the same length.
///
/// # Example
///
/// ```
/// use normalizing_flows::table::Table;
///
/// let table = Table::from_rows(["x", "y"], vec![vec![1.0, 2.0], vec![3.0, 4.0]])?;
/// assert_eq!(table.n_rows(), 2);
/// assert_eq!(table.numbers("y")?, [2.0, 4.0]);
/// assert!(table.numbers("z").unwrap_err().to_string().contains("no column `z`"));
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    n_rows: usize,
    /// Where each row is; without them its own index.
    places: Option<Vec<Place>>,
}

impl Table {
    /// A table of these columns.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no column, two have the same name, or their lengths differ.
    pub fn new(columns: Vec<Column>) -> Result<Self, Error> {
        ensure!(as Data, !columns.is_empty(), "a table must have at least 1 column, got 0");
        let n_rows = columns[0].values.len();
        for (index, column) in columns.iter().enumerate() {
            let (name, n) = (&column.name, column.values.len());
            ensure!(
                as Data,
                n == n_rows,
                "all columns must have the same length: `{}` has {n_rows} rows and `{name}` has {n}",
                columns[0].name
            );
            let twice = columns[..index].iter().any(|other| other.name == *name);
            ensure!(as Data, !twice, "two columns have the name `{name}`: rename one");
        }
        Ok(Self { columns, n_rows, places: None })
    }

    /// A table of numbers, row by row.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and if a row has another number of values than there are names.
    pub fn from_rows<S: Into<String>>(
        names: impl IntoIterator<Item = S>,
        rows: Vec<Vec<f64>>,
    ) -> Result<Self, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if let Some((index, row)) =
            rows.iter().enumerate().find(|(_, row)| row.len() != names.len())
        {
            let (found, expected) = (row.len(), names.len());
            return Err(Error::Data(format!(
                "row {index} has {found} values, and there are {expected} names"
            )));
        }
        let column = |(index, name)| {
            let values = rows.iter().map(|row| row[index]).collect();
            Column { name, values: Values::Numbers(values) }
        };
        Self::new(names.into_iter().enumerate().map(column).collect())
    }

    /// With the places of its rows, one each.
    pub(in crate::table) fn with_places(self, places: Vec<Place>) -> Self {
        Self { places: Some(places), ..self }
    }

    /// With the rows in a file of this name.
    pub(in crate::table) fn in_file(mut self, file: &Arc<str>) -> Self {
        for place in self.places.iter_mut().flatten() {
            place.file = Some(Arc::clone(file));
        }
        self
    }

    fn place(&self, row: usize) -> Place {
        let own = || Place { file: None, at: At::Row(row as u64) };
        self.places.as_ref().map_or_else(own, |places| places[row].clone())
    }

    pub(in crate::table) fn places(&self) -> impl Iterator<Item = Place> {
        (0..self.n_rows).map(|row| self.place(row))
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The column of this name.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is none.
    pub fn column(&self, name: &str) -> Result<&Column, Error> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let names: Vec<_> = self.columns.iter().map(|c| format!("`{}`", c.name)).collect();
            Error::Data(format!("there is no column `{name}`, only {}", names.join(", ")))
        })
    }

    /// The numbers of the column of this name.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no such column, or it holds text.
    pub fn numbers(&self, name: &str) -> Result<&[f64], Error> {
        match &self.column(name)?.values {
            Values::Numbers(values) => Ok(values),
            Values::Text(values) => Err(Error::Data(format!(
                "column `{name}` holds text, such as {:?}, and numbers are asked for",
                values.first().map_or("", String::as_str)
            ))),
        }
    }

    /// The rows of these numbers, in their order.
    ///
    /// # Panics
    ///
    /// If a number is not below [`n_rows`](Self::n_rows).
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|Column { name, values }| {
            let values = match values {
                Values::Numbers(values) => {
                    Values::Numbers(rows.iter().map(|&row| values[row]).collect())
                }
                Values::Text(values) => {
                    Values::Text(rows.iter().map(|&row| values[row].clone()).collect())
                }
            };
            Column { name: name.clone(), values }
        });
        let places = Some(rows.iter().map(|&row| self.place(row)).collect());
        Self { columns: columns.collect(), n_rows: rows.len(), places }
    }

    /// Where a row is: "line 7" of a file (with its name, where there are several), or "row 5 (from 0)", of the whole table where this one
    /// was [selected](Self::select) from it.
    ///
    /// # Panics
    ///
    /// If the row is not below [`n_rows`](Self::n_rows).
    pub fn place_of(&self, row: usize) -> String {
        assert!(row < self.n_rows, "row {row} of {}", self.n_rows);
        self.place(row).to_string()
    }
}

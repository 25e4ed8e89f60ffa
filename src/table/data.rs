//! [`Table`]: named columns of numbers or text.

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
    /// The line of a file that each row stands in, where the table is of a file.
    lines: Option<Vec<u64>>,
    /// The rows of the table that these were selected from.
    selected: Option<Vec<usize>>,
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
        Ok(Self { columns, n_rows, lines: None, selected: None })
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

    pub(super) fn with_lines(self, lines: Vec<u64>) -> Self {
        Self { lines: Some(lines), ..self }
    }

    pub(super) fn lines(&self) -> Option<&[u64]> {
        self.lines.as_deref()
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
        let lines = self.lines.as_ref().map(|lines| rows.iter().map(|&row| lines[row]).collect());
        let before = |&row: &usize| self.selected.as_ref().map_or(row, |selected| selected[row]);
        let selected = Some(rows.iter().map(before).collect());
        Self { columns: columns.collect(), n_rows: rows.len(), lines, selected }
    }

    /// Where a row is: "line 7" of a file, or "row 5 (from 0)", of the whole table where this one
    /// was [selected](Self::select) from it.
    ///
    /// # Panics
    ///
    /// If the row is not below [`n_rows`](Self::n_rows).
    pub fn place_of(&self, row: usize) -> String {
        match (&self.lines, &self.selected) {
            (Some(lines), _) => format!("line {}", lines[row]),
            (None, Some(selected)) => format!("row {} (from 0)", selected[row]),
            (None, None) => format!("row {row} (from 0)"),
        }
    }
}

//! Tables as CSV files.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, WriterBuilder};

use super::data::{Column, Table, Values};
use crate::error::Error;
use crate::io::container::{problem, write_atomically};

/// In the order in which they are tried: a comma also stands in numbers and text.
const DELIMITERS: [u8; 4] = *b"\t;|,";
/// The lines that the delimiter is found by.
const SAMPLE_LINES: usize = 50;
/// What stands for an empty cell, in lower case.
const MISSING: [&str; 6] = ["", "na", "n/a", "nan", "null", "?"];

impl Table {
    /// Reads a CSV file: the delimiter (comma, semicolon, tab or bar) is found, and the first line
    /// holds the names unless a cell of it is a number; then they are `c0`, `c1`, and so on, as is
    /// that of an empty cell.
    ///
    /// A column is of numbers if most of its cells are. Empty cells (also `NA`, `NaN`, `null` and
    /// `?`) become NaN in such a column, and empty text in others.
    ///
    /// # Errors
    ///
    /// [`Error::File`] with the line and the column if the file cannot be read, is empty, has rows
    /// of different lengths, or text in a column of numbers.
    ///
    /// # Example
    ///
    /// ```
    /// use normalizing_flows::table::Table;
    ///
    /// # let path = std::env::temp_dir().join(format!("nflow-csv-{}.csv", std::process::id()));
    /// std::fs::write(&path, "height;species\n1.5;oak\n2.25;elm\n")?;
    /// let table = Table::read_csv(&path)?;
    /// assert_eq!(table.numbers("height")?, [1.5, 2.25]);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_csv(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path)
            .map_err(|error| problem(path, format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            problem(path, format!("line {line} is not UTF-8: save the file in that encoding"))
        })?;
        // Excel writes a byte order mark.
        parse(text.trim_start_matches('\u{feff}')).map_err(|what| problem(path, what))
    }

    /// Writes the table as CSV, atomically: numbers so that they read back to the same bits, NaN as
    /// an empty cell.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be written.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let mut writer = WriterBuilder::new().from_writer(Vec::new());
        let names = self.columns().iter().map(|column| column.name.as_str());
        writer.write_record(names).map_err(|error| problem(path, error))?;
        for row in 0..self.n_rows() {
            let cells = self.columns().iter().map(|column| match &column.values {
                Values::Numbers(values) if values[row].is_nan() => String::new(),
                Values::Numbers(values) => values[row].to_string(),
                Values::Text(values) => values[row].clone(),
            });
            writer.write_record(cells).map_err(|error| problem(path, error))?;
        }
        let bytes = writer.into_inner().map_err(|error| problem(path, error.to_string()))?;
        write_atomically(path, &bytes)
    }
}

fn parse(text: &str) -> Result<Table, String> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    for record in reader.records() {
        records.push(record.map_err(|error| format!("is no CSV: {error}"))?);
    }
    let Some(first) = records.first() else { return Err("is empty".to_owned()) };
    let has_names = first.iter().all(|cell| cell.parse::<f64>().is_err())
        && first.iter().any(|cell| !cell.is_empty());
    let name = |(index, cell): (usize, &str)| {
        if has_names && !cell.is_empty() { cell.to_owned() } else { format!("c{index}") }
    };
    let names: Vec<String> = first.iter().enumerate().map(name).collect();
    if has_names {
        records.remove(0);
    }
    if records.is_empty() {
        return Err("has a line of names and no rows".to_owned());
    }
    let line_of = |record: &StringRecord| line_of(record, text);
    if let Some(record) = records.iter().find(|record| record.len() != names.len()) {
        let (line, found, expected) = (line_of(record), record.len(), names.len());
        return Err(format!(
            "line {line} must have {expected} cells, as the first line has, and has {found}"
        ));
    }
    let columns = names.into_iter().enumerate().map(|(index, name)| {
        let values = values(&records, index, &name, line_of)?;
        Ok(Column { name, values })
    });
    let columns = columns.collect::<Result<_, String>>()?;
    let table = Table::new(columns).map_err(|error| error.to_string())?;
    Ok(table.with_lines(records.iter().map(line_of).collect()))
}

/// The line that a record starts in, which is after the empty lines before it.
fn line_of(record: &StringRecord, text: &str) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let bytes = text.as_bytes().iter().skip(position.byte() as usize);
    let empty = bytes.take_while(|&byte| b"\r\n".contains(byte)).filter(|&&byte| byte == b'\n');
    position.line() + empty.count() as u64
}

/// The first delimiter that cuts all lines of the sample into the same number of cells, of which
/// there are at least two; a comma if none does, as in a file of one column.
fn delimiter(text: &str) -> u8 {
    let cells = |delimiter: u8| {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let counts =
            reader.records().take(SAMPLE_LINES).map(|r| r.map_or(0, |record| record.len()));
        counts.collect::<Vec<_>>()
    };
    let regular = |delimiter: &u8| {
        let counts = cells(*delimiter);
        counts.first().is_some_and(|&n| n > 1 && counts.iter().all(|&other| other == n))
    };
    // A ragged file is told about by the delimiter that its first line has.
    let in_first_line = |delimiter: &u8| cells(*delimiter).first().is_some_and(|&n| n > 1);
    let mut candidates = DELIMITERS.into_iter();
    let found = candidates.clone().find(regular).or_else(|| candidates.find(in_first_line));
    found.unwrap_or(b',')
}

fn values(
    records: &[StringRecord],
    index: usize,
    name: &str,
    line_of: impl Fn(&StringRecord) -> u64,
) -> Result<Values, String> {
    let is_missing = |cell: &str| MISSING.contains(&cell.to_ascii_lowercase().as_str());
    let cells = || records.iter().map(|record| &record[index]);
    let is_number = |cell: &str| !is_missing(cell) && cell.parse::<f64>().is_ok();
    let n_numbers = cells().filter(|cell| is_number(cell)).count();
    let n_text = cells().filter(|cell| !is_number(cell) && !is_missing(cell)).count();
    if n_numbers == 0 && n_text == 0 {
        return Err(format!("column `{name}` has only empty cells: remove it"));
    }
    if n_text > n_numbers {
        let text = |cell: &str| if is_missing(cell) { String::new() } else { cell.to_owned() };
        return Ok(Values::Text(cells().map(text).collect()));
    }
    let number = |record: &StringRecord| {
        let cell = &record[index];
        match cell.parse::<f64>() {
            _ if is_missing(cell) => Ok(f64::NAN),
            Ok(number) => Ok(number),
            Err(_) => Err(format!(
                "line {}, column `{name}`: {cell:?} is no number, and the other cells of the column \
                 are",
                line_of(record)
            )),
        }
    };
    Ok(Values::Numbers(records.iter().map(number).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_and_names_are_found() {
        for text in
            ["a,b\n1,2.5\n3,4\n", "a;b\n1;2.5\n3;4\n", "a\tb\n1\t2.5\n3\t4\n", "a|b\n1|2.5\n3|4"]
        {
            let table = parse(text).expect(text);
            assert_eq!(table.numbers("b"), Ok(&[2.5, 4.0][..]), "{text}");
        }
        let table = parse("1,2\n3,4\n").expect("without names");
        assert_eq!(table.numbers("c1"), Ok(&[2.0, 4.0][..]));
        assert_eq!(parse("x\n1\n2\n").expect("one column").numbers("x"), Ok(&[1.0, 2.0][..]));
        let quoted = parse("\"a, b\",c\n\"1\",oak\n2,\"elm, old\"\n").expect("quotes");
        assert_eq!(quoted.numbers("a, b"), Ok(&[1.0, 2.0][..]));
        let species = &quoted.column("c").expect("it is there").values;
        assert_eq!(*species, Values::Text(vec!["oak".into(), "elm, old".into()]));
    }

    #[test]
    fn missing_cells_are_nan_and_know_their_line() {
        let table = parse("a,b\n1,2\n\n,4\nNA,6\n5,7\n8,9\n").expect("most are numbers");
        let a = table.numbers("a").expect("numbers");
        assert!(a[1].is_nan() && a[2].is_nan());
        // The empty line is none of the rows.
        assert_eq!(table.place_of(1), "line 4");
    }

    #[test]
    fn an_index_without_a_name_and_nan_among_text_are_read() {
        // As pandas writes a table.
        let table = parse(",x,kind\n0,1.5,nan\n1,2.5,oak\n2,nan,nan\n").expect("a table");
        assert_eq!(table.numbers("c0"), Ok(&[0.0, 1.0, 2.0][..]));
        assert!(table.numbers("x").expect("numbers")[2].is_nan());
        let kind = &table.column("kind").expect("it is there").values;
        assert_eq!(*kind, Values::Text(vec![String::new(), "oak".into(), String::new()]));
    }

    #[test]
    fn bad_files_get_a_sentence_with_the_line() {
        let error = |text: &str| parse(text).unwrap_err();
        assert_eq!(error(""), "is empty");
        assert_eq!(error("a,b\n"), "has a line of names and no rows");
        assert_eq!(
            error("a,b\n1,2\n3\n"),
            "line 3 must have 2 cells, as the first line has, and has 1"
        );
        assert_eq!(error("a,a\n1,2\n"), "two columns have the name `a`: rename one");
        assert_eq!(error("a,b\n1,\n2,\n"), "column `b` has only empty cells: remove it");
        let text = error("a,b\n1,2\n3,x\n5,6\n");
        assert!(text.starts_with("line 3, column `b`: \"x\" is no number"), "{text}");
    }
}

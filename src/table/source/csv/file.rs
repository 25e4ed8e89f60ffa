//! Tables as CSV files, whole or in chunks.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, WriterBuilder};

use super::format::CsvFormat;
use super::layout::{Layout, SAMPLE_BYTES, layout};
use super::records::{BLANK, LINE_ENDS, Records, cell, reader, utf8};
use crate::error::Error;
use crate::io::container::{atomically, problem, unwritten, write_atomically};
use crate::table::source::data::{At, Column, Place, Table, Values};

impl Table {
    /// Reads a CSV file: the delimiter (comma, semicolon, tab or bar, or blanks between numbers) is found,
    /// and the first line holds the names unless a cell of it is a number; then they are `c0`, `c1`, and
    /// so on, as is that of an empty cell. [`read_csv_as`](Self::read_csv_as) is told instead.
    ///
    /// A column is of numbers if most of its cells are. Between semicolons numbers may have a comma for
    /// the point, if no number of the first lines has a point. Empty cells (also `NA`, `N/A`, `#N/A`, `<NA>`,
    /// `NaN`, `null` and `?`, in any case) become NaN in such a column, and so do `None`, `NaT`, `nil`, `-`,
    /// `--` and `.`; in others the former become empty text.
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
        Self::read_csv_as(path, &CsvFormat::new())
    }

    /// Reads a CSV file of a format of which some is known.
    ///
    /// # Errors
    ///
    /// As [`read_csv`](Self::read_csv), and [`Error::Config`] if the format is none.
    pub fn read_csv_as(path: impl AsRef<Path>, format: &CsvFormat) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut chunks = CsvChunks::open(path, usize::MAX, format)?;
        chunks.next().unwrap_or_else(|| Err(problem(path, "has a line of names and no rows")))
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

/// The rows of a CSV file, some at a time.
pub(in crate::table) struct CsvChunks {
    path: PathBuf,
    records: Records,
    layout: Layout,
    chunk_rows: usize,
    /// Whether each column holds text; known from the first chunk on.
    is_text: Vec<Option<bool>>,
}

impl CsvChunks {
    pub fn open(path: &Path, chunk_rows: usize, format: &CsvFormat) -> Result<Self, Error> {
        let (records, layout) = open(path, format)?;
        Ok(Self::new(path.to_owned(), records, layout, chunk_rows, format))
    }

    fn new(
        path: PathBuf,
        records: Records,
        layout: Layout,
        chunk_rows: usize,
        format: &CsvFormat,
    ) -> Self {
        let is_text = |name: &String| format.text.contains(name).then_some(true);
        let is_text = layout.names.iter().map(is_text).collect();
        Self { path, records, layout, chunk_rows, is_text }
    }

    /// Whether the file has a line of names.
    pub fn has_names(&self) -> bool {
        self.layout.line_of_names.is_some()
    }

    /// With text or numbers in the columns of which that is known, whatever the first chunk looks
    /// like.
    pub fn with_kinds(mut self, is_text: impl Fn(&str) -> Option<bool>) -> Self {
        for (known, name) in self.is_text.iter_mut().zip(&self.layout.names) {
            *known = is_text(name).or(*known);
        }
        self
    }

    fn read(&mut self) -> Result<Option<Table>, String> {
        let (mut text, mut lines) = (Vec::new(), Vec::new());
        while lines.len() < self.chunk_rows {
            let Some(line) = self.records.next(&mut text)? else { break };
            lines.push(line);
        }
        let text = utf8(&text, &lines)?;
        if lines.is_empty() {
            return Ok(None);
        }
        if self.is_text.iter().any(Option::is_none) {
            let found = text_columns(text, &self.layout);
            for (known, found) in self.is_text.iter_mut().zip(found) {
                known.get_or_insert(found);
            }
        }
        let is_text: Vec<bool> = self.is_text.iter().map(|known| known.unwrap_or(false)).collect();
        table(text, lines, &self.layout, &is_text).map(Some)
    }
}

impl Iterator for CsvChunks {
    type Item = Result<Table, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(|what| problem(&self.path, what)).transpose()
    }
}

/// Writes a CSV file again with one more column at the end of each of its rows, atomically. The rest
/// of each row stays as it is; empty lines go.
pub(in crate::table) fn append_column(
    input: &Path,
    output: &Path,
    format: &CsvFormat,
    name: &str,
    mut values: impl Iterator<Item = Result<f64, Error>>,
) -> Result<(), Error> {
    let (mut records, layout) = open(input, format)?;
    atomically(output, |file| {
        let unwritten = |error: std::io::Error| unwritten(output, error);
        let mut writer = BufWriter::new(file);
        let mut row = Vec::new();
        if let Some(line_of_names) = &layout.line_of_names {
            row.extend_from_slice(line_of_names);
            end_row(&mut row, layout.delimiter, name);
            writer.write_all(&row).map_err(unwritten)?;
        }
        loop {
            row.clear();
            if records.next(&mut row).map_err(|what| problem(input, what))?.is_none() {
                break;
            }
            let changed = || Err(problem(input, "has changed meanwhile"));
            let value = values.next().unwrap_or_else(changed)?;
            // Between blanks an empty cell would be none.
            let missing = if layout.delimiter == BLANK { "NaN" } else { "" };
            let value = if value.is_nan() { missing.to_owned() } else { value.to_string() };
            let value = value.replace('.', layout.decimal.as_str());
            end_row(&mut row, layout.delimiter, &value);
            writer.write_all(&row).map_err(unwritten)?;
        }
        if values.next().is_some() {
            return Err(problem(input, "has changed meanwhile"));
        }
        writer.flush().map_err(unwritten)
    })
}

fn end_row(row: &mut Vec<u8>, delimiter: u8, cell: &str) {
    while row.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        row.pop();
    }
    row.push(delimiter);
    row.extend_from_slice(cell.as_bytes());
    row.push(b'\n');
}

/// The records of a file after its line of names, and how it is laid out.
fn open(path: &Path, format: &CsvFormat) -> Result<(Records, Layout), Error> {
    format.validate()?;
    let unread = |error: std::io::Error| problem(path, format!("cannot be read: {error}"));
    let mut sample = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SAMPLE_BYTES).read_to_end(&mut sample))
        .map_err(unread)?;
    let mut records = Records::new(Box::new(BufReader::new(File::open(path).map_err(unread)?)));
    let layout = layout(&sample, &mut records, format).map_err(|what| problem(path, what))?;
    Ok((records, layout))
}

/// Whether most cells of each column that are not missing are text.
fn text_columns(text: &str, layout: &Layout) -> Vec<bool> {
    let mut balance = vec![0_i64; layout.names.len()];
    let mut reader = reader(text, layout.delimiter);
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        for (balance, bytes) in balance.iter_mut().zip(&record) {
            *balance += match layout.number(cell(bytes)) {
                Some(number) if number.is_nan() => 0,
                Some(_) => -1,
                None => 1,
            };
        }
    }
    balance.into_iter().map(|balance| balance > 0).collect()
}

fn table(text: &str, lines: Vec<u64>, layout: &Layout, is_text: &[bool]) -> Result<Table, String> {
    let n = lines.len();
    let mut columns: Vec<Values> = is_text
        .iter()
        .map(|&is_text| {
            if is_text {
                Values::Text(Vec::with_capacity(n))
            } else {
                Values::Numbers(Vec::with_capacity(n))
            }
        })
        .collect();
    let mut reader = reader(text, layout.delimiter);
    let mut record = ByteRecord::new();
    let mut row = 0;
    while reader.read_byte_record(&mut record).map_err(|error| format!("is no CSV: {error}"))? {
        let line = lines.get(row).or(lines.last()).copied().unwrap_or(1);
        if record.len() != layout.names.len() {
            let (found, expected) = (record.len(), layout.names.len());
            return Err(format!(
                "line {line} must have {expected} cells, as the first line has, and has {found}"
            ));
        }
        for ((values, bytes), name) in columns.iter_mut().zip(&record).zip(&layout.names) {
            let cell = cell(bytes);
            match values {
                Values::Text(values) => values.push(layout.text(cell).to_owned()),
                Values::Numbers(values) => values.push(match layout.number(cell) {
                    Some(number) => number,
                    None => {
                        return Err(format!(
                            "line {line}, column `{name}`: {cell:?} is no number, and the other cells \
                             of the column are"
                        ));
                    }
                }),
            }
        }
        row += 1;
    }
    let columns = layout.names.iter().zip(columns);
    let columns = columns.map(|(name, values)| Column { name: name.clone(), values });
    let table = Table::new(columns.collect()).map_err(|error| error.to_string())?;
    if row != n {
        return Err(format!("line {} ends in a way that cannot be read: {LINE_ENDS}", lines[0]));
    }
    let place = |line| Place { file: None, at: At::Line(line) };
    Ok(table.with_places(lines.into_iter().map(place).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The chunks of a text.
    fn chunks(text: &str, chunk_rows: usize) -> Result<Vec<Table>, String> {
        chunks_as(text, chunk_rows, &CsvFormat::new())
    }

    fn chunks_as(text: &str, chunk_rows: usize, format: &CsvFormat) -> Result<Vec<Table>, String> {
        let mut records = Records::new(Box::new(std::io::Cursor::new(text.as_bytes().to_vec())));
        let layout = layout(text.as_bytes(), &mut records, format)?;
        let mut chunks = CsvChunks::new(PathBuf::new(), records, layout, chunk_rows, format);
        let mut found = Vec::new();
        while let Some(table) = chunks.read()? {
            found.push(table);
        }
        Ok(found)
    }

    fn parse(text: &str) -> Result<Table, String> {
        let mut tables = chunks(text, usize::MAX)?;
        tables.pop().ok_or_else(|| "has a line of names and no rows".to_owned())
    }

    #[test]
    fn other_line_ends_are_refused() {
        for text in ["x,k\r1,2\r3,4\r", "x,k\n1,2\r3,4\n5,6\n"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("line ends of Unix or Windows"), "{error}");
        }
        assert!(parse("x,k\r\n1,\"a\rb\"\r\n").is_ok());
        assert_eq!(parse("x,k\r\n1,2\r\r\n3,4\r\n\r\n").map(|table| table.n_rows()), Ok(2));
    }

    #[test]
    fn chunks_are_the_whole_in_parts() {
        let text = "\u{feff}a,b\n1,x\n2,\"y\nz\"\n\n3,\"say \"\"no\"\",\"\n4,5\" pipe\n5,w";
        let whole = parse(text).expect("a table");
        let b = |table: &Table| table.column("b").expect("it is there").values.clone();
        let expected = ["x", "y\nz", "say \"no\",", "5\" pipe", "w"].map(str::to_owned).to_vec();
        assert_eq!(b(&whole), Values::Text(expected.clone()));
        let places: Vec<String> = (0..5).map(|row| whole.place_of(row)).collect();
        assert_eq!(places, ["line 2", "line 3", "line 6", "line 7", "line 8"]);
        for chunk_rows in 1..5 {
            let chunks = chunks(text, chunk_rows).expect("the same table");
            assert_eq!(chunks.len(), 5_usize.div_ceil(chunk_rows));
            let a = chunks.iter().flat_map(|chunk| chunk.numbers("a").expect("numbers").to_vec());
            assert_eq!(a.collect::<Vec<_>>(), [1.0, 2.0, 3.0, 4.0, 5.0]);
            let texts = chunks.iter().flat_map(|chunk| match b(chunk) {
                Values::Text(values) => values,
                Values::Numbers(_) => Vec::new(),
            });
            assert_eq!(texts.collect::<Vec<_>>(), expected);
            assert_eq!(chunks[chunks.len() - 1].place_of((5 - 1) % chunk_rows), "line 8");
        }
    }

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
        // The delimiter of most cells.
        let names = parse("chr1|5,2.0,3.0\nchr1|6,2.5,3.5\n").expect("three columns");
        assert_eq!(names.columns().len(), 3);
        assert_eq!(parse("x\n1\n2\n").expect("one column").numbers("x"), Ok(&[1.0, 2.0][..]));
        let quoted = parse("\"a, b\",c\n\"1\",oak\n2,\"elm, old\"\n").expect("quotes");
        assert_eq!(quoted.numbers("a, b"), Ok(&[1.0, 2.0][..]));
        let species = &quoted.column("c").expect("it is there").values;
        assert_eq!(*species, Values::Text(vec!["oak".into(), "elm, old".into()]));
    }

    #[test]
    fn commas_in_numbers_are_read_between_semicolons() {
        for text in ["x;k\n1,5;oak\n-2,25e1;elm, old\n3;\n", "1,5;2,0\n-2,25e1;3,0\n3;4\n"] {
            let table = parse(text).expect(text);
            assert_eq!(table.columns().len(), 2);
            let x = table.columns()[0].name.clone();
            assert_eq!(table.numbers(&x), Ok(&[1.5, -22.5, 3.0][..]), "{text}");
        }
        // With points the commas are no part of numbers; with commas the points are not.
        let error = parse("x;y\n1.5;2\n2.5;3\n2,5;4\n").unwrap_err();
        assert!(error.starts_with("line 4, column `x`: \"2,5\" is no number"), "{error}");
        let error = parse("x;y\n1,5;2\n2,5;3\n1.234,5;4\n").unwrap_err();
        assert!(error.starts_with("line 4, column `x`: \"1.234,5\" is no number"), "{error}");
    }

    #[test]
    fn blanks_part_numbers() {
        let text = " 0.5  18.00   ?\n-1.0\t2e3 4\n\n 2.5 3   \t7 \n";
        let table = parse(text).expect("three columns");
        assert_eq!(table.numbers("c1"), Ok(&[18.0, 2000.0, 3.0][..]));
        assert_eq!(table.place_of(2), "line 4");
        let table = parse("height  width\n1 2\n3   4\n").expect("two columns");
        assert_eq!(table.numbers("width"), Ok(&[2.0, 4.0][..]));
        // Words are not cut, unless one says so.
        let words = "tree\nold oak\nold elm\n";
        assert_eq!(parse(words).expect("one column").columns().len(), 1);
        let format = CsvFormat::new().with_delimiter(Some(' '));
        let tables = chunks_as("age tree\n 90  \"old  oak\"\n80 elm\"s\n", 9, &format);
        let tree = tables.expect("two columns")[0].column("tree").expect("it is there").clone();
        assert_eq!(tree.values, Values::Text(vec!["old  oak".into(), "elm\"s".into()]));
    }

    #[test]
    fn what_is_said_of_a_format_is_not_looked_for() {
        let years = "2023,2024\n1,2\n3,4\n";
        assert_eq!(parse(years).map(|table| table.n_rows()), Ok(3));
        let names = CsvFormat::new().with_has_names(Some(true));
        let tables = chunks_as(years, 9, &names).expect("two columns");
        assert_eq!(tables[0].numbers("2024"), Ok(&[2.0, 4.0][..]));
        let no_names = CsvFormat::new().with_has_names(Some(false));
        let tables = chunks_as("a,b\nc,d\n", 9, &no_names).expect("two columns");
        assert_eq!(tables[0].n_rows(), 2);
        let commas = CsvFormat::new().with_decimal(Some(','));
        for text in ["x\ty\n1,5\t2\n2,5\t3\n", "x\n1,5\n2,5\n"] {
            let tables = chunks_as(text, 9, &commas).expect(text);
            assert_eq!(tables[0].numbers("x"), Ok(&[1.5, 2.5][..]), "{text}");
        }
        let text = CsvFormat::new().with_text(vec!["zip".to_owned()]);
        let tables = chunks_as("zip,x\n0123,1\n9000,2\n", 1, &text).expect("two columns");
        let zip = |table: &Table| table.column("zip").expect("it is there").values.clone();
        assert_eq!(zip(&tables[0]), Values::Text(vec!["0123".to_owned()]));
        for format in [
            CsvFormat::new().with_delimiter(Some('"')),
            CsvFormat::new().with_decimal(Some('-')),
            CsvFormat::new().with_decimal(Some(',')).with_delimiter(Some(',')),
        ] {
            assert!(format.validate().is_err(), "{format:?}");
        }
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
    fn what_stands_for_a_missing_number_is_no_text() {
        let table =
            parse("a,b,kind\n1,2,None\nNone,#N/A,-\n3,<NA>,oak\n-,4,NA\n.,5,elm\nNaT,6,elm\n");
        let table = table.expect("most are numbers");
        let is_missing = |name: &str| -> Vec<bool> {
            table.numbers(name).expect("numbers").iter().map(|x| x.is_nan()).collect()
        };
        assert_eq!(is_missing("a"), [false, true, false, true, true, true]);
        assert_eq!(is_missing("b"), [false, true, true, false, false, false]);
        // Among text they may be categories.
        let kind = &table.column("kind").expect("it is there").values;
        let expected = ["None", "-", "oak", "", "elm", "elm"].map(str::to_owned).to_vec();
        assert_eq!(*kind, Values::Text(expected));
        let codes = CsvFormat::new().with_missing(vec!["-999".to_owned(), "unknown".to_owned()]);
        let text = "a,kind\n1,unknown\n-999.0,oak\nunknown,elm\n";
        let tables = chunks_as(text, 9, &codes).expect("two columns");
        let a = tables[0].numbers("a").expect("numbers");
        assert!(a[0] == 1.0 && a[1].is_nan() && a[2].is_nan(), "{a:?}");
        let kind = &tables[0].column("kind").expect("it is there").values;
        assert_eq!(*kind, Values::Text(["", "oak", "elm"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn names_may_look_like_infinities() {
        let table = parse("inf,nan\n1,2\n3,4\n").expect("two columns");
        assert_eq!(table.numbers("inf"), Ok(&[1.0, 3.0][..]));
        assert_eq!(parse("NaN,1\n3,4\n").map(|table| table.n_rows()), Ok(2));
        assert_eq!(parse("NaN,NaN\n3,4\n").map(|table| table.n_rows()), Ok(2));
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
        assert_eq!(
            error("a,b\n1,oak\n2,\"elm\n3,ash\n"),
            "line 3 opens a quote that is never closed"
        );
        let text = error("a,b\n1,2\n3,x\n5,6\n");
        assert!(text.starts_with("line 3, column `b`: \"x\" is no number"), "{text}");
    }
}

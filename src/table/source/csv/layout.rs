//! [`Layout`]: how a CSV file is laid out, found in its first lines.

use std::borrow::Cow;

use csv::ByteRecord;

use super::format::CsvFormat;
use super::records::{BLANK, Records, cell, reader, utf8, with_single_blanks};

/// In the order in which they are tried: a comma also stands in numbers and text.
const DELIMITERS: [u8; 4] = *b"\t;|,";
/// The lines that the delimiter is found by, and their length at most.
const SAMPLE_LINES: usize = 50;
pub(super) const SAMPLE_BYTES: u64 = 1 << 20;
/// What stands for an empty cell, in lower case; and what does so among numbers, and may be a category
/// among text.
const MISSING: [&str; 8] = ["", "na", "n/a", "nan", "null", "?", "<na>", "#n/a"];
const MISSING_NUMBERS: [&str; 6] = ["none", "nat", "nil", "-", "--", "."];

/// How a CSV file is laid out.
pub(super) struct Layout {
    pub delimiter: u8,
    pub decimal: Decimal,
    pub names: Vec<String>,
    /// The line of names as it stands in the file, if there is one.
    pub line_of_names: Option<Vec<u8>>,
    /// What stands for a missing value beside what always does.
    missing: Vec<String>,
}

impl Layout {
    /// The number in a cell of a column of numbers, NaN for one that is missing; `None` for text.
    pub fn number(&self, cell: &str) -> Option<f64> {
        let is_missing = || is_missing(cell) || is_one_of(&MISSING_NUMBERS, cell);
        match self.decimal.number(cell) {
            // Codes are compared as numbers: -999 is -999.0.
            Some(number) if self.is_coded(number) => Some(f64::NAN),
            Some(number) => Some(number),
            None if self.missing.iter().any(|code| code == cell) || is_missing() => Some(f64::NAN),
            None => None,
        }
    }

    /// The text in a cell of a column of text, empty for one that is missing.
    pub fn text<'c>(&self, cell: &'c str) -> &'c str {
        let is_missing = is_missing(cell) || self.missing.iter().any(|code| code == cell);
        if is_missing { "" } else { cell }
    }

    fn is_coded(&self, number: f64) -> bool {
        self.missing.iter().any(|code| self.decimal.number(code) == Some(number))
    }
}

/// The decimal separator.
#[derive(Clone, Copy)]
pub(super) enum Decimal {
    Point,
    Comma,
}

impl Decimal {
    /// Of the cells of a text: a comma where numbers have one, and none has a point.
    fn of(text: &str, delimiter: u8) -> Self {
        let (mut commas, mut points) = (false, false);
        if delimiter == b';' {
            let mut reader = reader(text, delimiter);
            let mut record = ByteRecord::new();
            while reader.read_byte_record(&mut record).unwrap_or(false) {
                for cell in record.iter().map(cell) {
                    points |= cell.contains('.') && Self::Point.number(cell).is_some();
                    commas |= cell.contains(',') && Self::Comma.number(cell).is_some();
                }
            }
        }
        if commas && !points { Self::Comma } else { Self::Point }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Point => ".",
            Self::Comma => ",",
        }
    }

    pub fn number(self, cell: &str) -> Option<f64> {
        match self {
            Self::Point => cell.parse().ok(),
            // A point would be between thousands, or the fraction of another number.
            Self::Comma if cell.contains('.') => None,
            Self::Comma => cell.replacen(',', ".", 1).parse().ok(),
        }
    }
}

/// The layout by what is said of it and by the first lines; `records` then stand before the first row.
pub(super) fn layout(
    sample: &[u8],
    records: &mut Records,
    format: &CsvFormat,
) -> Result<Layout, String> {
    // A sample may end within a character.
    let sample = String::from_utf8_lossy(sample);
    let is_cut = sample.len() as u64 >= SAMPLE_BYTES;
    let end = if is_cut { sample.rfind('\n').unwrap_or(sample.len()) } else { sample.len() };
    let sample = &sample[..end];
    records.delimiter =
        format.delimiter.map_or_else(|| delimiter(sample, format.decimal), |said| said as u8);
    let decimal = match format.decimal {
        Some(',') => Decimal::Comma,
        Some(_) => Decimal::Point,
        None => Decimal::of(sample, records.delimiter),
    };
    let mut bytes = Vec::new();
    let Some(line) = records.next(&mut bytes)? else { return Err("is empty".to_owned()) };
    let text = utf8(&bytes, &[line])?;
    let mut first = ByteRecord::new();
    reader(text, records.delimiter)
        .read_byte_record(&mut first)
        .map_err(|error| format!("is no CSV: {error}"))?;
    let cells: Vec<&str> = first.iter().map(cell).collect();
    // `inf` and `nan` may be names.
    let is_number = |cell: &str| decimal.number(cell).is_some_and(f64::is_finite);
    let look_like_names =
        || cells.iter().all(|cell| !is_number(cell)) && cells.iter().any(|cell| !is_missing(cell));
    let has_names = format.has_names.unwrap_or_else(look_like_names);
    let name = |(index, cell): (usize, &&str)| {
        if has_names && !cell.is_empty() { (*cell).to_owned() } else { format!("c{index}") }
    };
    let names = cells.iter().enumerate().map(name).collect();
    if !has_names {
        records.first = Some((bytes.clone(), line));
    }
    let line_of_names = has_names.then_some(bytes);
    let (delimiter, missing) = (records.delimiter, format.missing.clone());
    Ok(Layout { delimiter, decimal, names, line_of_names, missing })
}

/// The delimiter that cuts all lines of the sample into the same number of cells, at least two and the
/// most of all; blanks if they do so with numbers; otherwise one that is in no cell, as for a file of one
/// column. A comma in numbers is none.
fn delimiter(text: &str, decimal: Option<char>) -> u8 {
    let candidates = || DELIMITERS.into_iter().filter(|&c| decimal != Some(c.into()));
    let regular = |delimiter: u8| -> Option<usize> {
        let counts: Vec<usize> =
            first_records(text, delimiter).iter().map(ByteRecord::len).collect();
        let n = *counts.first()?;
        (n > 1 && counts.iter().all(|&other| other == n)).then_some(n)
    };
    // Between semicolons a comma may be that of a number.
    if regular(b';').is_some() && matches!(Decimal::of(text, b';'), Decimal::Comma) {
        return b';';
    }
    // Of several the first.
    let most = candidates().rev().filter(|&delimiter| regular(delimiter).is_some());
    if let Some(most) = most.max_by_key(|&delimiter| regular(delimiter)) {
        return most;
    }
    if regular(BLANK).is_some() && are_numbers(&first_records(text, BLANK)[1..]) {
        return BLANK;
    }
    // A ragged file is told about by the delimiter that its first line has.
    let is_in_first_line = |delimiter: &u8| {
        first_records(text, *delimiter).first().is_some_and(|first| first.len() > 1)
    };
    let of_one_column = if decimal == Some(',') { b';' } else { b',' };
    candidates().find(is_in_first_line).unwrap_or(of_one_column)
}

/// The first records of a text.
fn first_records(text: &str, delimiter: u8) -> Vec<ByteRecord> {
    let text = match delimiter {
        BLANK => Cow::from(text.lines().map(with_single_blanks_in).collect::<String>()),
        _ => Cow::from(text),
    };
    let mut reader = reader(&text, delimiter);
    reader.byte_records().take(SAMPLE_LINES).map(Result::unwrap_or_default).collect()
}

fn with_single_blanks_in(line: &str) -> String {
    let line = with_single_blanks(line.as_bytes());
    String::from_utf8_lossy(&line).into_owned() + "\n"
}

/// Whether there are records, and all their cells are numbers or missing.
fn are_numbers(records: &[ByteRecord]) -> bool {
    let is_number = |cell: &str| Decimal::Point.number(cell).is_some() || is_missing(cell);
    !records.is_empty() && records.iter().flatten().map(cell).all(is_number)
}

fn is_missing(cell: &str) -> bool {
    is_one_of(&MISSING, cell)
}

fn is_one_of(codes: &[&str], cell: &str) -> bool {
    codes.iter().any(|code| cell.eq_ignore_ascii_case(code))
}

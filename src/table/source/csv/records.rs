//! [`Records`]: the records of a CSV file as they stand there.

use std::io::BufRead;

use csv::ReaderBuilder;

/// What to do about a file of other line ends.
pub(super) const LINE_ENDS: &str = "save the file with the line ends of Unix or Windows";
/// The delimiter of cells that any number of blanks and tabs part.
pub(super) const BLANK: u8 = b' ';

/// The records of a CSV file as they stand there, one after another; empty lines are none.
pub(super) struct Records {
    reader: Box<dyn BufRead + Send>,
    pub delimiter: u8,
    /// The number of lines that were read.
    n_lines: u64,
    /// A record that was read and is to be read again, and its line.
    pub first: Option<(Vec<u8>, u64)>,
}

impl Records {
    pub fn new(reader: Box<dyn BufRead + Send>) -> Self {
        Self { reader, delimiter: b',', n_lines: 0, first: None }
    }

    /// Appends the next record to `bytes`, with its line end, and gives the line where it starts.
    pub fn next(&mut self, bytes: &mut Vec<u8>) -> Result<Option<u64>, String> {
        if let Some((first, line)) = self.first.take() {
            bytes.extend(first);
            return Ok(Some(line));
        }
        let start = bytes.len();
        let mut line = self.n_lines + 1;
        let mut is_open = false;
        loop {
            let from = bytes.len();
            let n = self.reader.read_until(b'\n', bytes);
            if n.map_err(|error| format!("cannot be read: {error}"))? == 0 {
                if is_open {
                    return Err(format!("line {line} opens a quote that is never closed"));
                }
                return Ok((bytes.len() > start).then_some(line));
            }
            self.n_lines += 1;
            // Excel writes a byte order mark.
            if self.n_lines == 1 && bytes[from..].starts_with(b"\xef\xbb\xbf") {
                bytes.drain(from..from + 3);
            }
            if !is_open && self.delimiter == BLANK {
                let line = with_single_blanks(&bytes[from..]);
                bytes.truncate(from);
                bytes.extend(line);
            }
            if !is_open && bytes[from..].iter().all(|byte| b"\r\n".contains(byte)) {
                bytes.truncate(from);
                line += 1;
                continue;
            }
            is_open = ends_in_quotes(&bytes[from..], self.delimiter, is_open);
            if !is_open {
                // Which other readers take for the end of a line.
                let record = bytes[start..].trim_ascii_end();
                if !record.contains(&b'"') && record.contains(&b'\r') {
                    return Err(format!("line {line} has a carriage return within: {LINE_ENDS}"));
                }
                if bytes.last() != Some(&b'\n') {
                    bytes.push(b'\n');
                }
                return Ok(Some(line));
            }
        }
    }
}

/// A line with one blank between any two cells, and none before and after them.
pub(super) fn with_single_blanks(line: &[u8]) -> Vec<u8> {
    let end = line.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    let mut cells = Vec::with_capacity(line.len());
    let (mut is_quoted, mut is_apart) = (false, false);
    for &byte in &line[..end] {
        if !is_quoted && b" \t".contains(&byte) {
            is_apart = !cells.is_empty();
            continue;
        }
        if is_apart {
            cells.push(BLANK);
        }
        // Quotes within a cell are as any other character.
        let is_start = is_apart || cells.is_empty();
        is_quoted = if is_quoted { byte != b'"' } else { is_start && byte == b'"' };
        is_apart = false;
        cells.push(byte);
    }
    cells.extend_from_slice(&line[end..]);
    cells
}

/// Whether a cell in quotes goes on after this line.
fn ends_in_quotes(line: &[u8], delimiter: u8, was_open: bool) -> bool {
    if !was_open && !line.contains(&b'"') {
        return false;
    }
    let (mut is_open, mut at_start, mut after_quote) = (was_open, !was_open, false);
    for &byte in line {
        let is_quote = byte == b'"';
        if is_open {
            is_open = !is_quote;
            after_quote = is_quote;
        } else {
            // A quote elsewhere in a cell is as any other character; two in quotes are one.
            is_open = is_quote && (at_start || after_quote);
            at_start = byte == delimiter;
            after_quote = false;
        }
    }
    is_open
}

pub(super) fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes())
}

/// A cell of a record of a text.
pub(super) fn cell(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default().trim()
}

/// Records as text, of which each starts in a line.
pub(super) fn utf8<'b>(bytes: &'b [u8], lines: &[u64]) -> Result<&'b str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let ends = before.iter().filter(|&&byte| byte == b'\n').count();
        let line = lines.get(ends).or(lines.last()).copied().unwrap_or(1);
        format!("line {line} is not UTF-8: save the file in that encoding")
    })
}

//! [`CsvFormat`]: how a CSV file is laid out, as far as it is not to be found.

use burn::config::Config;

use crate::error::{Error, ensure};

/// How a CSV file is laid out. What is `None` is found in its first lines.
///
/// # Example
///
/// ```
/// use normalizing_flows::table::{CsvFormat, Table};
///
/// # let path = std::env::temp_dir().join(format!("nflow-format-{}.csv", std::process::id()));
/// // Years as names, which look like a row, and codes that are text.
/// std::fs::write(&path, "2023 2024 code\n1,5  2,25 007\n2,5 3,75 011\n")?;
/// let format = CsvFormat::new()
///     .with_delimiter(Some(' '))
///     .with_decimal(Some(','))
///     .with_has_names(Some(true))
///     .with_text(vec!["code".to_owned()]);
/// let table = Table::read_csv_as(&path, &format)?;
/// assert_eq!(table.numbers("2024")?, [2.25, 3.75]);
/// assert!(table.numbers("code").is_err());
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct CsvFormat {
    /// What stands between two cells: an ASCII character, as `','`. A blank means any number of blanks
    /// and tabs.
    pub delimiter: Option<char>,
    /// Whether the first line holds the names of the columns.
    pub has_names: Option<bool>,
    /// What stands before the fraction of a number: `'.'` or `','`.
    pub decimal: Option<char>,
    /// The columns that hold text, whatever it looks like.
    #[config(default = "Vec::new()")]
    pub text: Vec<String>,
    /// What stands for a missing value, such as `-999`, beside what is known anyway.
    #[config(default = "Vec::new()")]
    pub missing: Vec<String>,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self::new()
    }
}

impl CsvFormat {
    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        if let Some(delimiter) = self.delimiter {
            let is_valid = delimiter.is_ascii() && !"\"\r\n".contains(delimiter);
            ensure!(
                is_valid,
                "`delimiter` must be an ASCII character, no quote and no line end, got {delimiter:?}"
            );
        }
        if let Some(decimal) = self.decimal {
            let is_valid = matches!(decimal, '.' | ',');
            ensure!(is_valid, "`decimal` must be '.' or ',', got {decimal:?}");
            let differ = self.delimiter != Some(decimal);
            ensure!(differ, "`delimiter` and `decimal` must differ, got {decimal:?} for both");
        }
        Ok(())
    }
}

//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use normalizing_flows::Error;
use normalizing_flows::table::{CsvFormat, Support, TableFiles, TableFlow};

/// Fit a density to a CSV file, or score and sample with one that was fitted
#[derive(Parser, Debug)]
#[command(name = "tabular", allow_negative_numbers = true)]
pub struct Args {
    /// The CSV file, or Parquet by the feature `parquet`; a pattern such as "parts/*.csv" for several
    pub data: String,
    /// What stands between the cells of the CSV file, if it is not found; "tab" and "blank" in words
    #[arg(long, value_parser = delimiter)]
    pub delimiter: Option<char>,
    /// Whether the first line holds names, if it is not found: names that are numbers look like a row
    #[arg(long, value_name = "true|false")]
    pub names: Option<bool>,
    /// What stands before the fraction of a number, if it is not found
    #[arg(long, value_name = ".|,")]
    pub decimal: Option<char>,
    /// What stands for a missing value, separated by commas, as -999; empty cells, NA and the like do
    /// in any case
    #[arg(long, value_delimiter = ',', value_name = "CODE")]
    pub missing: Vec<String>,
    /// Fit and score in chunks of so many rows: for files larger than memory, and the default for
    /// several files
    #[arg(long)]
    pub chunk_rows: Option<usize>,
    /// Columns that the density is given, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub context: Vec<String>,
    /// Columns that the density is given by their categories, separated by commas: numbers that stand
    /// for things, as regions; columns of text are so in any case
    #[arg(long, value_delimiter = ',')]
    pub categories: Vec<String>,
    /// Columns to leave out, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub drop: Vec<String>,
    /// The support of a column: NAME=real, NAME=above:0, NAME=below:0, NAME=between:0:1, with the
    /// ends NAME=at-least:0, NAME=at-most:0, NAME=from:0:1, NAME=integer, NAME=integer:0:16,
    /// NAME=periodic:0:360 or NAME=periodic-integer:0:23
    #[arg(long)]
    pub support: Vec<String>,
    /// The column with the weight of each row
    #[arg(long)]
    pub weight: Option<String>,
    /// The width of uniform noise that is added to a column in training, as NAME=0.1: for columns that
    /// others determine or of which many rows have the same value
    #[arg(long)]
    pub jitter: Vec<String>,
    /// Leave out rows with missing values, or without a score, instead of ending with an error
    #[arg(long)]
    pub drop_missing: bool,
    /// The flow
    #[arg(long, value_enum, default_value_t = FlowName::Nsf)]
    pub flow: FlowName,
    /// Epochs, at most: passes over the rows, or over one chunk of them; by default as many as the table
    /// needs
    #[arg(long)]
    pub epochs: Option<usize>,
    /// A file that the training is written to after every epoch, and goes on from if it is there
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// Rows to sample
    #[arg(long, default_value_t = 1000)]
    pub samples: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// A model that was fitted before: score the rows of the file, and sample
    #[arg(long, conflicts_with_all = [
        "context", "categories", "drop", "support", "jitter", "weight", "flow", "epochs", "checkpoint"
    ])]
    pub load: Option<PathBuf>,
    /// With --load: fill the missing cells of the file by draws, as filled.csv
    #[arg(long, requires = "load")]
    pub fill: bool,
    /// With --load: tell which columns make the least likely rows so, for this many of them
    #[arg(long, requires = "load", conflicts_with = "fill", value_name = "ROWS")]
    pub explain: Option<usize>,
    /// Folder for the model, the pictures, summary.json and the samples
    #[arg(long, default_value = "target/tabular")]
    pub out: PathBuf,
}

/// The flows by name.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum FlowName {
    /// Neural spline flow
    Nsf,
    /// RealNVP
    RealNvp,
    /// Masked autoregressive flow
    Maf,
    /// Autoregressive neural spline flow
    NsfAr,
}

impl From<FlowName> for TableFlow {
    fn from(name: FlowName) -> Self {
        match name {
            FlowName::Nsf => Self::Nsf,
            FlowName::RealNvp => Self::RealNvp,
            FlowName::Maf => Self::Maf,
            FlowName::NsfAr => Self::NsfAutoregressive,
        }
    }
}

impl Args {
    /// The files, as they are to be read.
    pub fn files(&self) -> Result<TableFiles, Error> {
        Ok(TableFiles::matching(&self.data)?.with_csv(self.csv()))
    }

    /// What is known of the format of CSV files.
    pub fn csv(&self) -> CsvFormat {
        CsvFormat::new()
            .with_delimiter(self.delimiter)
            .with_has_names(self.names)
            .with_decimal(self.decimal)
            // What is left out may hold anything.
            .with_text([self.categories.as_slice(), &self.drop].concat())
            .with_missing(self.missing.clone())
    }

    /// A file in the folder for the results.
    ///
    /// # Errors
    ///
    /// If it is one of the files that are read, or the model.
    pub fn output(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.out.join(name);
        let is_read = |other: &PathBuf| match (path.canonicalize(), other.canonicalize()) {
            (Ok(path), Ok(other)) => path == other,
            _ => false,
        };
        let files = TableFiles::matching(&self.data).map_err(|error| error.to_string())?;
        if files.paths().iter().chain(&self.load).any(is_read) {
            let path = path.display();
            return Err(format!("{path} would be overwritten: give another folder by --out"));
        }
        Ok(path)
    }
}

fn delimiter(text: &str) -> Result<char, String> {
    match text {
        "tab" => Ok('\t'),
        "blank" => Ok(' '),
        _ => text.parse().map_err(|_| "it must be one character, tab or blank".to_owned()),
    }
}

/// The name and the support in `NAME=SUPPORT`.
pub fn support(text: &str) -> Result<(String, Support), String> {
    let wrong = || {
        format!(
            "`--support {text}`: it must be NAME=real, NAME=above:0, NAME=below:0, NAME=between:0:1, \
             NAME=at-least:0, NAME=at-most:0, NAME=from:0:1, NAME=integer, NAME=integer:0:16, \
             NAME=periodic:0:360 or NAME=periodic-integer:0:23"
        )
    };
    let (name, support) = text.split_once('=').ok_or_else(wrong)?;
    let parts: Vec<&str> = support.split(':').collect();
    let number = |text: &str| text.parse::<f64>().map_err(|_| wrong());
    let integer = |text: &str| text.parse::<i64>().map_err(|_| wrong());
    let support = match parts[..] {
        ["real"] => Support::Real,
        ["above", bound] => Support::Above(number(bound)?),
        ["below", bound] => Support::Below(number(bound)?),
        ["between", low, high] => Support::Interval { low: number(low)?, high: number(high)? },
        ["at-least", bound] => Support::AtLeast(number(bound)?),
        ["at-most", bound] => Support::AtMost(number(bound)?),
        ["from", low, high] => Support::ClosedInterval { low: number(low)?, high: number(high)? },
        ["integer"] => Support::Integer { min: None, max: None },
        ["integer", min] => Support::Integer { min: Some(integer(min)?), max: None },
        ["integer", min, max] => {
            Support::Integer { min: Some(integer(min)?), max: Some(integer(max)?) }
        }
        ["periodic", low, high] => Support::Periodic { low: number(low)?, high: number(high)? },
        ["periodic-integer", min, max] => {
            Support::PeriodicInteger { min: integer(min)?, max: integer(max)? }
        }
        _ => return Err(wrong()),
    };
    Ok((name.to_owned(), support))
}

/// The name and the width in `NAME=WIDTH`.
pub fn jitter(text: &str) -> Result<(String, f64), String> {
    let wrong = || format!("`--jitter {text}`: it must be NAME=WIDTH, as price=0.5");
    let (name, width) = text.split_once('=').ok_or_else(wrong)?;
    Ok((name.to_owned(), width.parse().map_err(|_| wrong())?))
}

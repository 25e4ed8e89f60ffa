//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use normalizing_flows::table::{Support, TableFlow};

/// Fit a density to a CSV file, or score and sample with one that was fitted
#[derive(Parser, Debug)]
#[command(name = "tabular", allow_negative_numbers = true)]
pub struct Args {
    /// The CSV file
    pub data: PathBuf,
    /// Columns that the density is given, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub context: Vec<String>,
    /// Columns to leave out, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub drop: Vec<String>,
    /// The support of a column: NAME=real, NAME=above:0, NAME=below:0, NAME=between:0:1,
    /// NAME=integer, NAME=integer:0:16, NAME=periodic:0:360 or NAME=periodic-integer:0:23
    #[arg(long)]
    pub support: Vec<String>,
    /// The column with the weight of each row
    #[arg(long)]
    pub weight: Option<String>,
    /// Leave out rows with missing values instead of ending with an error
    #[arg(long)]
    pub drop_missing: bool,
    /// The flow
    #[arg(long, value_enum, default_value_t = FlowName::Nsf)]
    pub flow: FlowName,
    /// Passes over the rows, at most; by default as many as the table needs
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Rows to sample
    #[arg(long, default_value_t = 1000)]
    pub samples: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// A model that was fitted before: score the rows of the file, and sample
    #[arg(long, conflicts_with_all = ["context", "drop", "support", "weight", "flow", "epochs"])]
    pub load: Option<PathBuf>,
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
}

impl From<FlowName> for TableFlow {
    fn from(name: FlowName) -> Self {
        match name {
            FlowName::Nsf => Self::Nsf,
            FlowName::RealNvp => Self::RealNvp,
        }
    }
}

/// The name and the support in `NAME=SUPPORT`.
pub fn support(text: &str) -> Result<(String, Support), String> {
    let wrong = || {
        format!(
            "`--support {text}`: it must be NAME=real, NAME=above:0, NAME=below:0, NAME=between:0:1, \
             NAME=integer, NAME=integer:0:16, NAME=periodic:0:360 or NAME=periodic-integer:0:23"
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

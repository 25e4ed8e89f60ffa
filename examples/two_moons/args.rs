//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::model::FlowName;

/// Train a flow on two moons and show what a normalizing flow does
#[derive(Parser, Debug)]
#[command(name = "two_moons", allow_negative_numbers = true)]
pub struct Args {
    /// The flow to train
    #[arg(long, value_enum, default_value_t = FlowName::RealNvp)]
    pub flow: FlowName,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Training steps, each on 512 fresh points; by default 4000, or as many as the flow needs
    #[arg(long, value_parser = within(1, 1_000_000))]
    pub steps: Option<usize>,
    /// Layers; by default 8, or as many as the flow needs
    #[arg(long, value_parser = within(1, 128))]
    pub layers: Option<usize>,
    /// Width of the two hidden layers of each network; by default 64, or what the flow needs
    #[arg(long, value_parser = within(1, 4096))]
    pub hidden: Option<usize>,
    /// Standard deviation of the noise on the moons
    #[arg(long, default_value_t = 0.1, value_parser = noise)]
    pub noise: f64,
    /// Folder for the pictures, summary.json and the trained model
    #[arg(long, default_value = "target/two_moons")]
    pub out: PathBuf,
}

/// Parses a whole number within bounds.
fn within(low: usize, high: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(format!("it must be a whole number from {low} to {high}")),
    }
}

fn noise(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.01..=1.0).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0.01 to 1".to_string()),
    }
}

//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use normalizing_flows::train::{FabConfig, Objective};

use crate::recipe::TargetName;

/// Train a flow towards a density known up to a constant, and sample it with the flow's help
#[derive(Parser, Debug)]
#[command(name = "variational")]
pub struct Args {
    /// The density to train towards
    #[arg(long, value_enum, default_value_t = TargetName::Banana)]
    pub target: TargetName,
    /// What to minimise [default: what suits the target]
    #[arg(long, value_enum)]
    pub objective: Option<ObjectiveName>,
    /// Training steps [default: what suits the target]
    #[arg(long)]
    pub steps: Option<usize>,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Samples that the results are of
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    pub samples: u64,
    /// Folder for the pictures and summary.json
    #[arg(long, default_value = "target/variational")]
    pub out: PathBuf,
}

/// An objective by its name.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectiveName {
    /// Reverse Kullback-Leibler divergence
    ReverseKl,
    /// The same with the path gradient
    ReverseKlPath,
    /// Alpha-divergence of one half with the doubly reparameterised gradient
    Alpha,
    /// Flow annealed importance sampling bootstrap
    Fab,
}

impl ObjectiveName {
    /// The objective.
    pub fn build(self) -> Objective {
        match self {
            Self::ReverseKl => Objective::ReverseKl,
            Self::ReverseKlPath => Objective::ReverseKlPath,
            Self::Alpha => Objective::AlphaDreg(0.5),
            Self::Fab => Objective::Fab(FabConfig::new()),
        }
    }
}

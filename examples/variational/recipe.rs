//! The targets by name, and what suits each: a flow, an objective, a number of steps.

use clap::ValueEnum;
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::data::target::{
    Banana, Funnel, GaussianMixture, KnownTarget, LogisticRegression, ManyWell, RingMixture,
};
use normalizing_flows::elementwise::FixedMapsConfig;
use normalizing_flows::target::HamiltonianConfig;
use normalizing_flows::train::{FabConfig, Objective, TargetFitConfig};
use normalizing_flows::univariate::FixedMap;
use normalizing_flows::{FlowConfig, NsfConfig, RealNvpConfig};

use crate::args::Args;

/// A target by its name.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetName {
    /// A bent normal in the plane
    Banana,
    /// Two wells in the plane
    DoubleWell,
    /// Two wells for every two of 16 features: 256 modes
    ManyWell,
    /// Three concentric rings
    Rings,
    /// Forty Gaussians in the plane, far apart
    Gaussians,
    /// Neal's funnel in ten features
    Funnel,
    /// The posterior of a logistic regression on Fisher's irises
    Logistic,
}

/// What suits a target.
pub struct Recipe {
    pub flow: FlowConfig,
    objective: Objective,
    n_steps: usize,
    learning_rate: f64,
}

impl TargetName {
    /// As on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no name is skipped");
        value.get_name().to_owned()
    }

    pub fn build(self) -> Box<dyn KnownTarget> {
        match self {
            Self::Banana => Box::new(Banana::new(2)),
            Self::DoubleWell => Box::new(ManyWell::new(2)),
            Self::ManyWell => Box::new(ManyWell::new(16)),
            Self::Rings => Box::new(RingMixture::new(3)),
            Self::Gaussians => Box::new(GaussianMixture::forty()),
            Self::Funnel => Box::new(Funnel::new(10)),
            Self::Logistic => Box::new(LogisticRegression::iris()),
        }
    }

    pub fn recipe(self) -> Recipe {
        let fab = |step_size| {
            let moves = HamiltonianConfig::new().with_step_size(step_size);
            Objective::Fab(FabConfig::new().with_moves(moves))
        };
        let recipe = |flow, objective, n_steps, learning_rate| Recipe {
            flow,
            objective,
            n_steps,
            learning_rate,
        };
        match self {
            Self::Banana => recipe(real_nvp(2, 8), Objective::ReverseKlPath, 2000, 2e-3),
            Self::DoubleWell => recipe(splines(2, 1.0), fab(0.2), 2000, 1e-3),
            Self::ManyWell => recipe(splines(16, 1.0), fab(0.2), 4000, 1e-3),
            Self::Rings => recipe(splines(2, 1.0), fab(0.1), 3000, 1e-3),
            // As wide as the modes are far.
            Self::Gaussians => recipe(splines(2, 20.0), fab(1.0), 6000, 1e-3),
            Self::Funnel => recipe(real_nvp(10, 8), Objective::ReverseKlPath, 4000, 1e-3),
            Self::Logistic => recipe(real_nvp(5, 8), Objective::ReverseKlPath, 1500, 1e-3),
        }
    }
}

impl Recipe {
    /// With what the command line says.
    pub fn config(&self, args: &Args) -> TargetFitConfig {
        let objective = args.objective.map(|name| name.build());
        TargetFitConfig::new()
            .with_objective(objective.unwrap_or_else(|| self.objective.clone()))
            .with_n_steps(args.steps.unwrap_or(self.n_steps))
            .with_learning_rate(self.learning_rate)
            .with_n_evaluations(50)
            .with_seed(args.seed)
    }
}

fn real_nvp(d_features: usize, n_layers: usize) -> FlowConfig {
    RealNvpConfig::new(d_features)
        .with_n_layers(n_layers)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![64, 64]).into())
        .into()
}

/// Splines, whose outputs are scaled.
fn splines(d_features: usize, scale: f64) -> FlowConfig {
    let nsf = NsfConfig::new(d_features)
        .with_n_layers(8)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![64, 64]).into());
    let mut flow = FlowConfig::from(nsf);
    if scale != 1.0 {
        let map = FixedMap::Affine { shift: 0.0, scale };
        flow.layers.push(FixedMapsConfig::of_all(d_features, map).into());
    }
    flow
}

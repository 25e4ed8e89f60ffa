//! The flows that can be trained.

use clap::ValueEnum;
use normalizing_flows::conditioner::{MlpConfig, NetworkConfig};
use normalizing_flows::{FlowConfig, NiceConfig, NsfConfig, RealNvpConfig};

use crate::args::Args;

/// A flow by its name.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowName {
    /// Affine couplings
    RealNvp,
    /// Additive couplings over a learnt scale: all of them together change no volume
    Nice,
    /// Couplings of rational quadratic splines
    Nsf,
}

impl FlowName {
    /// The name that the literature uses.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::RealNvp => "Real NVP",
            Self::Nice => "NICE",
            Self::Nsf => "Neural spline flow",
        }
    }
}

/// The model that the command line asks for.
pub fn flow_config(args: &Args) -> FlowConfig {
    let mlp = MlpConfig::new().with_d_hidden(vec![args.hidden, args.hidden]);
    let (n_layers, network) = (args.layers, NetworkConfig::from(mlp));
    match args.flow {
        FlowName::RealNvp => {
            RealNvpConfig::new(2).with_n_layers(n_layers).with_conditioner(network).into()
        }
        FlowName::Nice => {
            NiceConfig::new(2).with_n_layers(n_layers).with_conditioner(network).into()
        }
        FlowName::Nsf => NsfConfig::new(2).with_n_layers(n_layers).with_conditioner(network).into(),
    }
}

//! The flows that can be trained.

use clap::ValueEnum;
use normalizing_flows::conditioner::{MlpConfig, NetworkConfig};
use normalizing_flows::{
    FlowConfig, GlowConfig, IafConfig, MafConfig, NiceConfig, NsfConfig, RealNvpConfig,
};

use crate::args::Args;

/// A flow by its name.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowName {
    /// Affine couplings
    RealNvp,
    /// Additive couplings over a learnt scale: all of them together change no volume
    Nice,
    /// Affine couplings, each with a linear layer and an activation normalisation
    Glow,
    /// Affine autoregressive layers
    Maf,
    /// The same the other way round: samples are the fast direction
    Iaf,
    /// Couplings of rational quadratic splines
    Nsf,
    /// Autoregressive layers of rational quadratic splines
    NsfAr,
}

impl FlowName {
    /// The name that the literature uses.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::RealNvp => "Real NVP",
            Self::Nice => "NICE",
            Self::Glow => "Glow",
            Self::Maf => "Masked autoregressive flow",
            Self::Iaf => "Inverse autoregressive flow",
            Self::Nsf => "Neural spline flow",
            Self::NsfAr => "Autoregressive neural spline flow",
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
        FlowName::Glow => {
            GlowConfig::new(2).with_n_steps(n_layers).with_conditioner(network).into()
        }
        FlowName::Maf => {
            MafConfig::new(2).with_n_layers(n_layers).with_conditioner(network.into()).into()
        }
        FlowName::Iaf => {
            IafConfig::new(2).with_n_layers(n_layers).with_conditioner(network.into()).into()
        }
        FlowName::Nsf => NsfConfig::new(2).with_n_layers(n_layers).with_conditioner(network).into(),
        FlowName::NsfAr => NsfConfig::new(2)
            .with_autoregressive(true)
            .with_n_layers(n_layers)
            .with_conditioner(network)
            .into(),
    }
}

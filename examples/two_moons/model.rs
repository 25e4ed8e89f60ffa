//! The flows that can be trained.

use clap::ValueEnum;
use normalizing_flows::burn::nn::EluConfig;
use normalizing_flows::burn::nn::activation::ActivationConfig;
use normalizing_flows::conditioner::{MlpConfig, NetworkConfig};
use normalizing_flows::univariate::{
    BernsteinPolynomialConfig, IntegralNetworkConfig, MonotoneNetworkConfig,
};
use normalizing_flows::{
    BernsteinConfig, FlowConfig, GaussianizationConfig, GlowConfig, IafConfig, MafConfig,
    NafConfig, NiceConfig, NsfConfig, RealNvpConfig, SosConfig, UnafConfig,
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
    /// Autoregressive layers of networks with positive weights
    Naf,
    /// Autoregressive layers of integrals of positive networks
    Unaf,
    /// Autoregressive layers of integrals of sums of squared polynomials
    Sos,
    /// Autoregressive layers of Bernstein polynomials
    Bernstein,
    /// Maps of each feature by itself and rotations, in turns
    Gaussianization,
}

/// How large a model is and how it is trained.
#[derive(Clone, Copy)]
pub struct Plan {
    pub layers: usize,
    pub hidden: usize,
    pub steps: usize,
    pub learning_rate: f64,
}

impl Plan {
    /// That of the command line, and the flow's own where it is silent.
    pub fn of(args: &Args) -> Self {
        let (layers, hidden, steps, learning_rate) = match args.flow {
            FlowName::Naf => (3, 16, 2000, 1e-2),
            FlowName::Unaf => (3, 10, 1200, 2e-2),
            FlowName::Sos => (4, 64, 2000, 5e-3),
            FlowName::Bernstein => (3, 64, 1500, 1e-2),
            FlowName::Gaussianization => (8, 64, 1500, 3e-2),
            _ => (8, 64, 4000, 2e-3),
        };
        Self {
            layers: args.layers.unwrap_or(layers),
            hidden: args.hidden.unwrap_or(hidden),
            steps: args.steps.unwrap_or(steps),
            learning_rate,
        }
    }
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
            Self::Naf => "Neural autoregressive flow",
            Self::Unaf => "Unconstrained neural autoregressive flow",
            Self::Sos => "Sum-of-squares polynomial flow",
            Self::Bernstein => "Bernstein polynomial flow",
            Self::Gaussianization => "Gaussianization flow",
        }
    }
}

/// The model that the command line asks for.
pub fn flow_config(flow: FlowName, plan: Plan) -> FlowConfig {
    let hidden = vec![plan.hidden, plan.hidden];
    let mlp = MlpConfig::new().with_d_hidden(hidden.clone());
    let (n_layers, network) = (plan.layers, NetworkConfig::from(mlp));
    match flow {
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
        FlowName::Naf => NafConfig::new(2)
            .with_n_layers(n_layers)
            .with_conditioner(network.into())
            .with_network(
                MonotoneNetworkConfig::new().with_d_hidden(hidden).with_n_features(Some(2)),
            )
            .into(),
        FlowName::Unaf => UnafConfig::new(2)
            .with_n_layers(n_layers)
            .with_conditioner(network.into())
            .with_network(
                IntegralNetworkConfig::new()
                    .with_n_signals(8)
                    .with_d_hidden(hidden)
                    .with_activation(ActivationConfig::Elu(EluConfig::new()))
                    .with_n_nodes(8)
                    .with_n_features(Some(2)),
            )
            .into(),
        FlowName::Sos => {
            SosConfig::new(2).with_n_layers(n_layers).with_conditioner(network.into()).into()
        }
        FlowName::Bernstein => {
            // The data are not standardised: they fill less than ±3.
            let polynomial = BernsteinPolynomialConfig::new().with_bound(3.0);
            BernsteinConfig::new(2)
                .with_n_layers(n_layers)
                .with_conditioner(network.into())
                .with_polynomial(polynomial)
                .into()
        }
        FlowName::Gaussianization => GaussianizationConfig::new(2).with_n_layers(n_layers).into(),
    }
}

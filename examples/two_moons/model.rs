//! The flows that can be trained.

use clap::ValueEnum;
use normalizing_flows::burn::config::Config;
use normalizing_flows::burn::tensor::Device;
use normalizing_flows::conditioner::{MlpConfig, NetworkConfig};
use normalizing_flows::{
    Layer, MaskedCoupling, NiceConfig, NormalizingFlow, NsfConfig, RealNvpConfig, Sequential,
    StandardNormal,
};
use rand::Rng;

use crate::args::Args;

/// A stack of any layers over a standard normal: one type for all flows.
pub type Model = NormalizingFlow<StandardNormal, Sequential<Layer>>;

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

/// The configuration of a model, as it is saved.
#[derive(Config, Debug)]
pub enum ModelConfig {
    RealNvp(RealNvpConfig),
    Nice(NiceConfig),
    Nsf(NsfConfig),
}

impl ModelConfig {
    /// The flow that the command line asks for.
    pub fn new(args: &Args) -> Self {
        let mlp = MlpConfig::new().with_d_hidden(vec![args.hidden, args.hidden]);
        let (n_layers, conditioner) = (args.layers, NetworkConfig::from(mlp));
        match args.flow {
            FlowName::RealNvp => Self::RealNvp(
                RealNvpConfig::new(2).with_n_layers(n_layers).with_conditioner(conditioner),
            ),
            FlowName::Nice => {
                Self::Nice(NiceConfig::new(2).with_n_layers(n_layers).with_conditioner(conditioner))
            }
            FlowName::Nsf => {
                Self::Nsf(NsfConfig::new(2).with_n_layers(n_layers).with_conditioner(conditioner))
            }
        }
    }

    /// The name that the literature uses.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RealNvp(_) => "Real NVP",
            Self::Nice(_) => "NICE",
            Self::Nsf(_) => "Neural spline flow",
        }
    }

    /// Builds the model on a device, its weights drawn from `rng`.
    pub fn init(&self, device: &Device, rng: &mut impl Rng) -> Model {
        let (base, layers) = match self {
            Self::RealNvp(config) => {
                let model = config.init(device, rng);
                (model.base, in_one_type(model.flow))
            }
            Self::Nice(config) => {
                let model = config.init(device, rng);
                let (scale, couplings) = model.flow;
                (model.base, [vec![Layer::from(scale)], in_one_type(couplings)].concat())
            }
            Self::Nsf(config) => {
                let model = config.init(device, rng);
                (model.base, in_one_type(model.flow))
            }
        };
        NormalizingFlow::new(base, Sequential::new(layers))
    }
}

fn in_one_type(couplings: Sequential<MaskedCoupling>) -> Vec<Layer> {
    couplings.layers.into_iter().map(Layer::from).collect()
}

//! [`Network`]: every conditioner of the crate in one type.

use burn::config::Config;
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::{Conditioner, Sizes};
use super::mlp::{Mlp, MlpConfig};
use super::parts::Parts;
use super::residual::{ResidualMlp, ResidualMlpConfig};
use super::separate::SeparateMlps;
use crate::closed_enum::closed_enum;

/// Configuration of a [`Network`].
#[derive(Config, Debug)]
#[non_exhaustive]
pub enum NetworkConfig {
    /// One multilayer perceptron for all parameters.
    Mlp(MlpConfig),
    /// One multilayer perceptron a parameter.
    SeparateMlps(MlpConfig),
    /// One multilayer perceptron of residual blocks.
    ResidualMlp(ResidualMlpConfig),
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self::Mlp(MlpConfig::new())
    }
}

impl From<MlpConfig> for NetworkConfig {
    fn from(config: MlpConfig) -> Self {
        Self::Mlp(config)
    }
}

impl From<ResidualMlpConfig> for NetworkConfig {
    fn from(config: ResidualMlpConfig) -> Self {
        Self::ResidualMlp(config)
    }
}

impl NetworkConfig {
    /// Builds the network on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// If the network's own configuration is out of its range, or a size other than `d_context` is
    /// 0.
    pub fn init<R: Rng + ?Sized>(&self, sizes: Sizes, device: &Device, rng: &mut R) -> Network {
        match self {
            Self::Mlp(config) => config.init(sizes, device, rng).into(),
            Self::SeparateMlps(config) => SeparateMlps::new(config, sizes, device, rng).into(),
            Self::ResidualMlp(config) => config.init(sizes, device, rng).into(),
        }
    }
}

closed_enum! {
    /// Any conditioner of the crate: the run-time form, and the default of the layers that are
    /// generic in their conditioner.
    pub enum Network as on_network($) {
        /// One multilayer perceptron for all parameters.
        Mlp(Mlp),
        /// One multilayer perceptron a parameter.
        SeparateMlps(SeparateMlps),
        /// One multilayer perceptron of residual blocks.
        ResidualMlp(ResidualMlp),
    }
}

impl Conditioner for Network {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        on_network!(self, network => network.forward(input, context))
    }

    fn d_context(&self) -> usize {
        on_network!(self, network => network.d_context())
    }

    fn parts(&self) -> Option<Vec<Parts<'_>>> {
        on_network!(self, network => network.parts())
    }
}

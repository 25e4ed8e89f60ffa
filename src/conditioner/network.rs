//! [`Network`]: every conditioner of the crate in one type.

use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::{Conditioner, ConditionerShape};
use super::mlp::{Mlp, MlpConfig};
use super::network_layers::NetworkLayers;
use super::periodic_mlp::{PeriodicMlp, PeriodicMlpConfig};
use super::residual::{ResidualMlp, ResidualMlpConfig};
use super::separate::{SeparateMlps, SeparateMlpsConfig};
use crate::closed_enum::closed_enum;
use crate::error::Error;

closed_enum! {
    /// Any conditioner of the crate: the run-time form, and the default of the layers that are
    /// generic in their conditioner.
    pub enum Network as on_network($) {
        /// One multilayer perceptron for all parameters.
        Mlp(Mlp) from MlpConfig;
        /// One multilayer perceptron per parameter.
        SeparateMlps(SeparateMlps) from SeparateMlpsConfig;
        /// One multilayer perceptron of residual blocks.
        ResidualMlp(ResidualMlp) from ResidualMlpConfig;
        /// A multilayer perceptron of which some inputs are angles.
        PeriodicMlp(PeriodicMlp) from PeriodicMlpConfig;
    }

    /// Configuration of a [`Network`].
    pub enum NetworkConfig as on_config;
}

impl Default for NetworkConfig {
    fn default() -> Self {
        MlpConfig::new().into()
    }
}

impl NetworkConfig {
    /// Whether the network takes so many inputs.
    pub(crate) fn validate_inputs(&self, d_input: usize) -> Result<(), Error> {
        // Of the others any number.
        if let Self::PeriodicMlp(config) = self { config.validate_inputs(d_input) } else { Ok(()) }
    }

    /// Builds the network on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate), or if a number of `shape` other than
    /// `d_context` is 0.
    pub fn init<R: Rng + ?Sized>(
        &self,
        shape: ConditionerShape,
        device: &Device,
        rng: &mut R,
    ) -> Network {
        on_config!(self, config => config.init(shape, device, rng).into())
    }
}

impl Conditioner for Network {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        on_network!(self, network => network.forward(input, context))
    }

    fn d_context(&self) -> usize {
        on_network!(self, network => network.d_context())
    }

    fn input_gradient(
        &self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        gradient: Tensor<2>,
    ) -> Option<Tensor<2>> {
        on_network!(self, network => network.input_gradient(input, context, gradient))
    }

    fn network_layers(&self) -> Option<Vec<NetworkLayers<'_>>> {
        on_network!(self, network => network.network_layers())
    }
}

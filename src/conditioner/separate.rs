//! [`SeparateMlps`]: one network per parameter.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::{Conditioner, ConditionerShape};
use super::mlp::{Mlp, MlpConfig};
use super::network_layers::NetworkLayers;
use crate::error::{Error, or_panic};

/// Configuration of [`SeparateMlps`].
#[derive(Config, Debug)]
pub struct SeparateMlpsConfig {
    /// Each of the networks.
    #[config(default = "MlpConfig::new()")]
    pub mlp: MlpConfig,
}

impl SeparateMlpsConfig {
    /// Builds the networks on a device, their weights drawn from `rng`, one network after another.
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
    ) -> SeparateMlps {
        or_panic(shape.validate());
        let one = ConditionerShape { n_parameters: 1, ..shape };
        let networks = (0..shape.n_parameters).map(|_| self.mlp.init(one, device, rng)).collect();
        SeparateMlps { networks }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// As for an [`MlpConfig`].
    pub fn validate(&self) -> Result<(), Error> {
        self.mlp.validate()
    }
}

/// One [`Mlp`] for each parameter of the univariate map, as in RealNVP's separate networks for
/// scale and shift.
///
/// # Shapes
///
/// As for [`Conditioner`].
///
/// # Example
///
/// ```
/// use normalizing_flows::conditioner::{Conditioner, ConditionerShape, SeparateMlpsConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let shape = ConditionerShape { d_input: 3, d_context: 2, d_output: 4, n_parameters: 2 };
/// let separate =
///     SeparateMlpsConfig::new().init(shape, &device, &mut ChaCha8Rng::seed_from_u64(0));
/// assert_eq!(separate.networks.len(), 2);
/// let context = Tensor::ones([5, 2], &device);
/// let parameters = separate.forward(Tensor::ones([5, 3], &device), Some(&context));
/// assert_eq!(parameters.dims(), [5, 2 * 4]);
/// ```
///
/// # References
///
/// Dinh, Sohl-Dickstein, Bengio: *Density estimation using Real NVP*, 2017, arXiv:1605.08803.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SeparateMlps {
    /// The networks, one per parameter, in the order of the univariate map's parameters.
    pub networks: Vec<Mlp>,
}

impl Conditioner for SeparateMlps {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        let outputs =
            self.networks.iter().map(|network| network.forward(input.clone(), context)).collect();
        Tensor::cat(outputs, 1)
    }

    fn d_context(&self) -> usize {
        self.networks.first().map_or(0, Mlp::d_context)
    }

    fn network_layers(&self) -> Option<Vec<NetworkLayers<'_>>> {
        let layers = self.networks.iter().map(Conditioner::network_layers);
        layers.collect::<Option<Vec<_>>>().map(|layers| layers.into_iter().flatten().collect())
    }
}

/// As "2 of MLP 64-64, Relu".
impl ModuleDisplay for SeparateMlps {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let one = self.networks.first().map_or(String::new(), Mlp::to_string);
        content.add_formatted(&format!("{} of {one}", self.networks.len())).optional()
    }
}

//! [`Made`]: a network whose weights are masked, so that each output depends on what comes before it.

use std::sync::Arc;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param, ParamId};
use burn::nn::Linear;
use burn::nn::activation::ActivationConfig;
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::autoregressive::AutoregressiveConditioner;
use super::interface::{Conditioner, ConditionerShape};
use super::mlp::MlpConfig;
use super::network::{Network, NetworkConfig};
use super::network_layers::NetworkLayers;
use super::network_masks::{NetworkMasks, WeightMask};
use super::residual_block::ResidualBlock;
use crate::adjacency::Adjacency;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::Settings;

/// Configuration of a [`Made`]; its sizes come from the layer that it serves.
#[derive(Config, Debug)]
pub struct MadeConfig {
    /// The network whose weights are masked: an [`Mlp`](super::Mlp) or a
    /// [`ResidualMlp`](super::ResidualMlp), with any activation but a `SwiGlu`, which mixes units. By
    /// default an MLP of two hidden layers of 64 units, or of twice as many as there are features if that
    /// is more.
    pub network: Option<NetworkConfig>,
}

impl Default for MadeConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Into<NetworkConfig>> From<C> for MadeConfig {
    fn from(network: C) -> Self {
        Self { network: Some(network.into()) }
    }
}

impl MadeConfig {
    /// Builds the network on a device, its weights drawn from `rng`: so many parameters for each feature
    /// of the adjacency.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate), if `n_parameters` is 0, if the adjacency is of
    /// another number of context features, or if a hidden layer has too few units for it.
    pub fn init<R: Rng + ?Sized>(
        &self,
        adjacency: &Adjacency,
        d_context: usize,
        n_parameters: usize,
        device: &Device,
        rng: &mut R,
    ) -> Made {
        or_panic(self.validate_for(adjacency, d_context));
        let d_features = adjacency.d_features();
        let shape =
            ConditionerShape { d_input: d_features, d_context, d_output: d_features, n_parameters };
        let config = self.network_for(d_features);
        let network = config.init(shape, device, rng);
        let widths = widths(&config);
        let masks = Arc::new(NetworkMasks::new(adjacency, d_context, n_parameters, &widths));
        Made { network, masks, settings: Settings::new([adjacency.text()], device) }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the network is of another kind, or its configuration is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let Some(network) = &self.network else { return Ok(()) };
        let activation = match network {
            NetworkConfig::Mlp(mlp) => &mlp.activation,
            NetworkConfig::ResidualMlp(mlp) => &mlp.activation,
            other => {
                return Err(Error::Config(format!(
                    "a MADE must be of an `Mlp` or a `ResidualMlp`, got {other:?}"
                )));
            }
        };
        ensure!(
            !matches!(activation, ActivationConfig::SwiGlu(_)),
            "a MADE takes no `SwiGlu`: it would mix units that must not see each other"
        );
        network.validate()
    }

    /// Whether the network serves an adjacency.
    pub(crate) fn validate_for(
        &self,
        adjacency: &Adjacency,
        d_context: usize,
    ) -> Result<(), Error> {
        self.validate()?;
        adjacency.validate_context(d_context)?;
        let least = NetworkMasks::least_width(adjacency, d_context);
        let d_features = adjacency.d_features();
        for width in widths(&self.network_for(d_features)) {
            ensure!(
                width >= least,
                "a hidden layer of a MADE must have a unit for each set of inputs that a feature depends on, or \
                 dependences are lost: at least {least} for {d_features} features in {} passes, got {width}",
                adjacency.n_passes()
            );
        }
        Ok(())
    }

    /// The network, that of the default by the number of features.
    fn network_for(&self, d_features: usize) -> NetworkConfig {
        const LEAST_WIDTH: usize = 64;
        let by_default =
            || MlpConfig::new().with_d_hidden(vec![LEAST_WIDTH.max(2 * d_features); 2]).into();
        self.network.clone().unwrap_or_else(by_default)
    }
}

/// The widths of the hidden layers before residual blocks, whose units are those of the last.
fn widths(network: &NetworkConfig) -> Vec<usize> {
    match network {
        NetworkConfig::Mlp(mlp) => mlp.d_hidden.clone(),
        NetworkConfig::ResidualMlp(mlp) => vec![mlp.d_hidden],
        NetworkConfig::SeparateMlps(_) | NetworkConfig::PeriodicMlp(_) => {
            unreachable!("refused by `validate`")
        }
    }
}

/// A masked autoencoder for distribution estimation: a network in which weights are masked by zeros, so
/// that the parameters of each feature depend on the features and contexts that an [`Adjacency`]
/// allows, exactly.
///
/// Every unit may see a set of inputs, one of those that the outputs may see; the units of a layer take
/// turns in these sets, and each sees the units before it whose sets are within its own. So every hidden
/// layer needs a unit for each set, in an autoregressive order one for each feature but the first: with
/// fewer, dependences that are allowed have no way through, and the configuration is refused. The last layer starts at zero, so that a new flow is the identity.
///
/// # Shapes
///
/// As for [`AutoregressiveConditioner`].
///
/// # Example
///
/// ```
/// use normalizing_flows::conditioner::{AutoregressiveConditioner, MadeConfig, MlpConfig};
/// use normalizing_flows::{Adjacency, Order};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let adjacency = Adjacency::autoregressive(&Order::reversed(3));
/// let made = MadeConfig::from(MlpConfig::new().with_d_hidden(vec![32, 32])).init(
///     &adjacency,
///     0,
///     2,
///     &device,
///     &mut ChaCha8Rng::seed_from_u64(0),
/// );
/// assert_eq!(made.forward(Tensor::ones([5, 3], &device), None).dims(), [5, 2 * 3]);
/// assert_eq!(made.order(), [2, 1, 0]);
/// ```
///
/// # References
///
/// Germain, Gregor, Murray, Larochelle: *MADE: Masked Autoencoder for Distribution Estimation*,
/// 2015, arXiv:1502.03509.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Made {
    /// The network without its masks: weights that are masked are there and have no effect.
    pub network: Network,
    #[module(skip)]
    masks: Arc<NetworkMasks>,
    settings: Settings,
}

impl Made {
    /// Which inputs the parameters of each feature may depend on.
    pub fn adjacency(&self) -> &Adjacency {
        &self.masks.adjacency
    }

    /// The network with zeros where weights are masked.
    fn masked(&self) -> Network {
        let NetworkMasks { hidden, block, gate, output, .. } = &*self.masks;
        let mut network = self.network.clone();
        match &mut network {
            Network::Mlp(mlp) => {
                mlp.hidden
                    .iter_mut()
                    .zip(hidden)
                    .for_each(|(layer, mask)| mask_linear(layer, mask));
                mask_linear(&mut mlp.output, output);
            }
            Network::ResidualMlp(mlp) => {
                mask_linear(&mut mlp.initial, &hidden[0]);
                for ResidualBlock { first, second, gate: of_block, .. } in &mut mlp.blocks {
                    mask_linear(first, block);
                    mask_linear(second, block);
                    of_block.iter_mut().for_each(|layer| mask_linear(layer, gate));
                }
                mask_linear(&mut mlp.output, output);
            }
            Network::SeparateMlps(_) | Network::PeriodicMlp(_) => unreachable!("refused by `init`"),
        }
        network
    }
}

fn mask_linear(linear: &mut Linear, mask: &WeightMask) {
    let weight = mask.apply(linear.weight.val());
    linear.weight = Param::initialized(ParamId::new(), weight);
}

impl AutoregressiveConditioner for Made {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        self.masked().forward(input, context)
    }

    fn order(&self) -> Vec<usize> {
        self.adjacency().passes().to_vec()
    }

    fn d_context(&self) -> usize {
        self.network.d_context()
    }

    fn network_layers(&self) -> Option<NetworkLayers<'_>> {
        let mut layers = self.network.network_layers()?.into_iter();
        layers.next().map(|layers| NetworkLayers { masks: Some(&self.masks), ..layers })
    }
}

/// As "MADE of MLP 64-64, Relu, 3 passes".
impl ModuleDisplay for Made {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let network = self.network.format(content.display_settings.clone());
        let n_passes = self.adjacency().n_passes();
        content.add_formatted(&format!("MADE of {network}, {n_passes} passes")).optional()
    }
}

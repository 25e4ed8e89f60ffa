//! [`ResidualMlp`]: a multilayer perceptron of residual blocks.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::nn::Linear;
use burn::nn::activation::ActivationConfig;
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::activation::{activation_name, check_activation, network_settings};
use super::interface::{Conditioner, ConditionerShape, with_context};
use super::linear::{uniform_linear, zero_linear};
use super::network_layers::NetworkLayers;
use super::residual_block::ResidualBlock;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::Settings;

/// Configuration of a [`ResidualMlp`]; its other sizes come from the layer that it serves.
#[derive(Config, Debug)]
pub struct ResidualMlpConfig {
    /// The width of all hidden layers, at least 1.
    #[config(default = 64)]
    pub d_hidden: usize,
    /// The number of residual blocks, of two linear layers each; any from 0.
    #[config(default = 2)]
    pub n_blocks: usize,
    /// The activation before each linear layer of a block. A `SwiGlu` takes its two sizes from
    /// `d_hidden`, whatever its own configuration says of them.
    #[config(default = "ActivationConfig::Relu")]
    pub activation: ActivationConfig,
}

impl Default for ResidualMlpConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl ResidualMlpConfig {
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
    ) -> ResidualMlp {
        or_panic(self.validate());
        or_panic(shape.validate());
        let d_hidden = self.d_hidden;
        let ConditionerShape { d_input, d_context, d_output, n_parameters } = shape;
        let initial = uniform_linear(d_input + d_context, d_hidden, device, rng);
        let mut block = || ResidualBlock::new(&self.activation, d_hidden, d_context, device, rng);
        let blocks = (0..self.n_blocks).map(|_| block()).collect();
        let output = zero_linear(d_hidden, n_parameters * d_output, device);
        let settings = network_settings(d_context, &self.activation, device);
        ResidualMlp { initial, blocks, output, d_context, settings }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_hidden` is 0 or the activation does not fit it.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(self.d_hidden > 0, "`d_hidden` must be at least 1, got 0");
        check_activation(&self.activation, &[self.d_hidden])
    }
}

/// A multilayer perceptron of residual blocks, in the form of nflows: the network of the neural
/// spline flow paper.
///
/// With the input features `x`, the context `c` and the activation `σ`,
///
/// ```text
/// h = W₀ [x, c] + b₀
/// h ← h + (W₂ σ(W₁ σ(h) + b₁) + b₂) ⊙ sigmoid(W_c c + b_c)        for each block
/// output = W h + b
/// ```
///
/// where the gate by the context (a gated linear unit, GLU) is there if there is a context. The
/// last layer starts at zero, so that a new flow is the identity, and each block starts as nearly
/// nothing. A row costs two products of `d_hidden × d_hidden` per block, and one of
/// `d_context × d_hidden` with a gate.
///
/// # Shapes
///
/// As for [`Conditioner`].
///
/// # Example
///
/// ```
/// use normalizing_flows::conditioner::{Conditioner, ConditionerShape, ResidualMlpConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let shape = ConditionerShape { d_input: 3, d_context: 2, d_output: 4, n_parameters: 23 };
/// let network = ResidualMlpConfig::new()
///     .with_d_hidden(16)
///     .init(shape, &device, &mut ChaCha8Rng::seed_from_u64(0));
/// let context = Tensor::ones([5, 2], &device);
/// let parameters = network.forward(Tensor::ones([5, 3], &device), Some(&context));
/// assert_eq!(parameters.dims(), [5, 4 * 23]);
/// ```
///
/// # References
///
/// He, Zhang, Ren, Sun: *Identity Mappings in Deep Residual Networks*, 2016, arXiv:1603.05027.
/// Durkan, Bekasov, Murray, Papamakarios: *Neural Spline Flows*, 2019, arXiv:1906.04032.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct ResidualMlp {
    /// The first layer, without an activation.
    pub initial: Linear,
    /// The residual blocks, first to last.
    pub blocks: Vec<ResidualBlock>,
    /// The last layer.
    pub output: Linear,
    d_context: usize,
    settings: Settings,
}

impl Conditioner for ResidualMlp {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        let input = with_context(input, context, self.d_context);
        let hidden = self.initial.forward(input);
        let hidden =
            self.blocks.iter().fold(hidden, |hidden, block| block.forward(hidden, context));
        self.output.forward(hidden)
    }

    fn d_context(&self) -> usize {
        self.d_context
    }

    fn network_layers(&self) -> Option<Vec<NetworkLayers<'_>>> {
        Some(vec![NetworkLayers {
            d_context: self.d_context,
            angles: None,
            hidden: std::slice::from_ref(&self.initial),
            activations: &[],
            blocks: &self.blocks,
            output: &self.output,
            masks: None,
        }])
    }
}

/// As "residual MLP 256, 2 blocks, Relu".
impl ModuleDisplay for ResidualMlp {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let width = self.initial.weight.dims()[1];
        let text = match self.blocks.first() {
            Some(block) => format!(
                "residual MLP {width}, {} blocks, {}",
                self.blocks.len(),
                activation_name(&block.activations[0])
            ),
            None => format!("residual MLP {width}, no blocks"),
        };
        content.add_formatted(&text).optional()
    }
}

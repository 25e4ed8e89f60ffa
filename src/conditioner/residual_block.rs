//! [`ResidualBlock`]: two layers and a way around them.

use burn::module::Module;
use burn::nn::Linear;
use burn::nn::activation::{Activation, ActivationConfig};
use burn::tensor::{Device, Tensor, activation};
use rand::Rng;

use super::activation::init_activation;
use super::linear::{bounded_linear, uniform_linear};

/// The weights of the last layer of a block start within this: the block starts as nearly nothing.
const NEARLY_ZERO: f64 = 1e-3;

/// A block of a [`ResidualMlp`](super::ResidualMlp): two linear layers, each after an activation,
/// whose outputs are added to what came in.
///
/// ```text
/// h ← h + (W₂ σ(W₁ σ(h) + b₁) + b₂) ⊙ sigmoid(W_c c + b_c)
/// ```
///
/// The layer inside may have any width; what goes in and out has that of the network.
///
/// # Example
///
/// ```
/// use normalizing_flows::conditioner::{ConditionerShape, ResidualMlpConfig};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let shape = ConditionerShape { d_input: 3, d_context: 2, d_output: 4, n_parameters: 2 };
/// let network = ResidualMlpConfig::new()
///     .with_d_hidden(16)
///     .init(shape, &Device::default(), &mut ChaCha8Rng::seed_from_u64(0));
/// let block = &network.blocks[0];
/// assert_eq!(block.first.weight.dims(), [16, 16]);
/// // The context comes in by the gate.
/// assert_eq!(block.gate.as_ref().map(|gate| gate.weight.dims()), Some([2, 16]));
/// ```
#[derive(Module, Debug)]
pub struct ResidualBlock {
    /// The activations before the two linear layers.
    pub activations: [Activation; 2],
    /// The first linear layer.
    pub first: Linear,
    /// The second linear layer.
    pub second: Linear,
    /// The layer that reads the context, if there is one.
    pub gate: Option<Linear>,
}

impl ResidualBlock {
    pub(super) fn new<R: Rng + ?Sized>(
        activation: &ActivationConfig,
        width: usize,
        d_context: usize,
        device: &Device,
        rng: &mut R,
    ) -> Self {
        let mut activation = || init_activation(activation, width, device, rng);
        let activations = [activation(), activation()];
        Self {
            activations,
            first: uniform_linear(width, width, device, rng),
            second: bounded_linear(width, width, NEARLY_ZERO, device, rng),
            gate: (d_context > 0).then(|| uniform_linear(d_context, width, device, rng)),
        }
    }

    pub(super) fn forward(&self, hidden: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        let [before_first, before_second] = &self.activations;
        let inner = self.first.forward(before_first.forward(hidden.clone()));
        let inner = self.second.forward(before_second.forward(inner));
        match self.gate.as_ref().zip(context) {
            Some((gate, context)) => {
                // By way of its logarithm: burn's own sigmoid rounds f64 to f32 on some backends.
                let gate = activation::log_sigmoid(gate.forward(context.clone())).exp();
                hidden + inner * gate
            }
            None => hidden + inner,
        }
    }
}

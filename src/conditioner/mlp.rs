//! [`Mlp`]: a multilayer perceptron.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::nn::Linear;
use burn::nn::activation::{Activation, ActivationConfig};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::activation::{activation_name, check_activation, init_activation, network_settings};
use super::interface::{Conditioner, ConditionerShape, with_context};
use super::linear::{uniform_linear, zero_linear};
use super::network_layers::NetworkLayers;
use super::slope::slope;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::{Settings, full};

/// Configuration of an [`Mlp`]; its other sizes come from the layer that it serves.
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// The widths of the hidden layers, each at least 1; none makes the network linear.
    #[config(default = "vec![64, 64]")]
    pub d_hidden: Vec<usize>,
    /// The activation after each hidden layer. A `SwiGlu` takes its two sizes from the hidden layer
    /// that it follows, whatever its own configuration says of them.
    #[config(default = "ActivationConfig::Relu")]
    pub activation: ActivationConfig,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl MlpConfig {
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
    ) -> Mlp {
        or_panic(self.validate());
        or_panic(shape.validate());
        let mut d_input = shape.d_input + shape.d_context;
        let mut hidden = Vec::with_capacity(self.d_hidden.len());
        let mut activations = Vec::with_capacity(self.d_hidden.len());
        for &width in &self.d_hidden {
            hidden.push(uniform_linear(d_input, width, device, rng));
            activations.push(init_activation(&self.activation, width, device, rng));
            d_input = width;
        }
        Mlp {
            hidden,
            activations,
            output: zero_linear(d_input, shape.n_parameters * shape.d_output, device),
            d_context: shape.d_context,
            settings: network_settings(shape.d_context, &self.activation, device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a hidden width is 0 or the activation does not fit the widths.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(
            self.d_hidden.iter().all(|&width| width > 0),
            "every width in `d_hidden` must be at least 1, got {:?}",
            self.d_hidden
        );
        check_activation(&self.activation, &self.d_hidden)
    }
}

/// A multilayer perceptron of any widths, with any of burn's activations.
///
/// It reads the input features and, after them, the context. Its last layer starts at zero, so that
/// a new flow is the identity.
///
/// # Shapes
///
/// As for [`Conditioner`].
///
/// # Example
///
/// ```
/// use normalizing_flows::conditioner::{Conditioner, ConditionerShape, MlpConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let shape = ConditionerShape { d_input: 3, d_context: 2, d_output: 4, n_parameters: 2 };
/// let mlp = MlpConfig::new()
///     .with_d_hidden(vec![16, 16])
///     .init(shape, &device, &mut ChaCha8Rng::seed_from_u64(0));
/// let context = Tensor::ones([5, 2], &device);
/// let parameters = mlp.forward(Tensor::ones([5, 3], &device), Some(&context));
/// assert_eq!(parameters.dims(), [5, 8]);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Mlp {
    /// The hidden layers, first to last.
    pub hidden: Vec<Linear>,
    /// The activation after each hidden layer.
    pub activations: Vec<Activation>,
    /// The last layer.
    pub output: Linear,
    d_context: usize,
    settings: Settings,
}

impl Conditioner for Mlp {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        let mut hidden = with_context(input, context, self.d_context);
        for (linear, activation) in self.hidden.iter().zip(&self.activations) {
            hidden = activation.forward(linear.forward(hidden));
        }
        self.output.forward(hidden)
    }

    fn d_context(&self) -> usize {
        self.d_context
    }

    fn input_gradient(
        &self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        gradient: Tensor<2>,
    ) -> Option<Tensor<2>> {
        let [batch, d_input] = input.dims();
        let mut hidden = with_context(input, context, self.d_context);
        let mut slopes = Vec::with_capacity(self.hidden.len());
        for (linear, activation) in self.hidden.iter().zip(&self.activations) {
            let before = linear.forward(hidden);
            slopes.push(slope(activation, before.clone())?);
            hidden = activation.forward(before);
        }
        let back = |gradient: Tensor<2>, linear: &Linear| {
            gradient.matmul(full(&linear.weight).transpose())
        };
        let gradient = self
            .hidden
            .iter()
            .zip(slopes)
            .rev()
            .fold(back(gradient, &self.output), |gradient, (linear, slope)| {
                back(gradient * slope, linear)
            });
        Some(gradient.slice([0..batch, 0..d_input]))
    }

    fn network_layers(&self) -> Option<Vec<NetworkLayers<'_>>> {
        // A layer without an activation is left out above.
        (self.hidden.len() == self.activations.len()).then_some(())?;
        Some(vec![NetworkLayers {
            d_context: self.d_context,
            angles: None,
            hidden: &self.hidden,
            activations: &self.activations,
            blocks: &[],
            output: &self.output,
            masks: None,
        }])
    }
}

/// As "MLP 64-64, Relu".
impl ModuleDisplay for Mlp {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let widths: Vec<_> =
            self.hidden.iter().map(|layer| layer.weight.dims()[1].to_string()).collect();
        let text = match self.activations.first() {
            Some(activation) => {
                format!("MLP {}, {}", widths.join("-"), activation_name(activation))
            }
            None => "linear".to_string(),
        };
        content.add_formatted(&text).optional()
    }
}

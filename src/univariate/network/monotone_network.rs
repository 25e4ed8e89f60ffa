//! [`MonotoneNetwork`]: a network of positive weights.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::super::interface::Univariate;
use super::super::numerical::forward_by_root;
use super::stacked::{StackedLinear, inputs, n_networks, outputs, validate};
use crate::error::{Error, ensure, or_panic};
use crate::parameters::{Settings, full};

/// Configuration of a [`MonotoneNetwork`].
#[derive(Config, Debug, PartialEq)]
pub struct MonotoneNetworkConfig {
    /// The signals that the network takes beside the number; the parameters of a feature; at least 1.
    #[config(default = 16)]
    pub n_signals: usize,
    /// The widths of the hidden layers, at least one, each even and at least 2.
    #[config(default = "vec![64, 64]")]
    pub d_hidden: Vec<usize>,
    /// A network for each of so many features, which the layer must then have; `None`: one network for all.
    pub n_features: Option<usize>,
}

impl Default for MonotoneNetworkConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl MonotoneNetworkConfig {
    /// Builds the map on a device, its weights drawn from `rng`; then the last layer is scaled and shifted so that at
    /// signals of zero the map goes through 0 with a slope of 1.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> MonotoneNetwork {
        or_panic(self.validate());
        let n = self.n_features.unwrap_or(1);
        let mut d_input = 1 + self.n_signals;
        let mut layers = Vec::with_capacity(self.d_hidden.len() + 1);
        // Of positive weights a unit is a mean of what is before: then they bend at different places only by biases
        // as wide as the numbers.
        let signals = 1.0 / (self.n_signals as f64).sqrt();
        for (i, &width) in self.d_hidden.iter().chain(&[1]).enumerate() {
            let weights = |input: usize| match (i, input) {
                (0, 0) => [0.5, 2.0],
                (0, _) => [-signals, signals],
                _ => [0.0, 2.0 / d_input as f64],
            };
            layers.push(StackedLinear::drawn(
                [n, d_input, width],
                weights,
                [-2.0, 2.0],
                device,
                rng,
            ));
            d_input = width;
        }
        let texts = ["monotone network".to_string(), format!("n_features = {:?}", self.n_features)];
        let settings = Settings::new(texts, device);
        MonotoneNetwork { layers, n_features: self.n_features, settings }.standardized()
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        validate(self.n_signals, &self.d_hidden, self.n_features)?;
        ensure!(
            self.d_hidden.iter().all(|width| width % 2 == 0),
            "every width in `d_hidden` must be even, for the two halves of the activation, got {:?}",
            self.d_hidden
        );
        Ok(())
    }
}

/// A network of positive weights, which is increasing in its input, from data to latent: the map of neural
/// autoregressive flows, as in zuko.
///
/// It takes a number and the signals that the conditioner gives, multiplies by the magnitudes of its weights, and has
/// two halves of units in each hidden layer, `elu(a)` and `-elu(-a)`. So it bends both ways, and takes every number
/// to every number. The weights are its own and are trained with the conditioner.
///
/// From latent to data the map is inverted [numerically](crate::univariate::forward_by_root).
///
/// The parameters of a feature are the signals. At signals of zero a new map goes through 0 with a slope of 1, and
/// is not the identity.
///
/// # Shapes
///
/// As for [`Univariate`], with `n_signals` parameters per feature.
///
/// # Panics
///
/// If there is a network for each of another number of features.
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{MonotoneNetworkConfig, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let map = MonotoneNetworkConfig::new().init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let x = Tensor::<2>::from_data([[0.3], [-40.0]], &device);
/// let signals = Tensor::<3>::ones([2, 16, 1], &device);
/// let (z, log_slope) = map.inverse(x.clone(), signals.clone());
/// let (back, log_slope_back) = map.forward(z, signals);
/// assert!(((back - x.clone()) / x).abs().max().into_scalar::<f32>() < 1e-5);
/// assert!((log_slope + log_slope_back).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Huang, Krueger, Lacoste, Courville: *Neural Autoregressive Flows*, 2018, arXiv:1804.00779; with signals: zuko's
/// `MNN`.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct MonotoneNetwork {
    /// The layers, first to last; their weights are taken without signs.
    pub layers: Vec<StackedLinear>,
    #[module(skip)]
    n_features: Option<usize>,
    settings: Settings,
}

impl MonotoneNetwork {
    /// The value and the slope by the number, of `[n_networks, rows, 1 + n_signals]` inputs: both are carried from
    /// layer to layer.
    fn evaluate(&self, inputs: Tensor<3>) -> [Tensor<3>; 2] {
        let weights = |layer: &StackedLinear| full(&layer.weight).abs();
        let (first, rest) = self.layers.split_first().expect("there are hidden layers");
        let weight = weights(first);
        // The slope of the inputs is 1 for the number, and 0 for the signals.
        let slope = weight.clone().narrow(1, 0, 1);
        let value = inputs.matmul(weight) + full(&first.bias);
        rest.iter().fold([value, slope], |[value, slope], layer| {
            let [value, slope] = two_way_elu(value, slope);
            let weight = weights(layer);
            [value.matmul(weight.clone()) + full(&layer.bias), slope.matmul(weight)]
        })
    }

    /// Through 0 with a slope of 1, at signals of zero.
    fn standardized(mut self) -> Self {
        let last = self.layers.last().expect("there are hidden layers");
        let [n, _, _] = last.weight.dims();
        let [_, d_input, _] = self.layers[0].weight.dims();
        let device = last.weight.device();
        // Without a graph, on the host's terms: this is where the weights start.
        let plain = self.valid();
        let [value, slope] =
            plain.evaluate(Tensor::zeros([n, 1, d_input], &device.clone().without_autodiff()));
        let last = self.layers.last_mut().expect("there are hidden layers");
        let scaled = |tensor: Tensor<3>| tensor.without_autodiff() / slope.clone();
        let weight = scaled(last.weight.val());
        let bias = scaled(last.bias.val() - Tensor::from_inner(value));
        last.weight = burn::module::Param::from_data(weight.into_data(), &device);
        last.bias = burn::module::Param::from_data(bias.into_data(), &device);
        self
    }
}

/// `elu(a)` of the first half of the units and `-elu(-a)` of the second, and the slopes.
fn two_way_elu(value: Tensor<3>, slope: Tensor<3>) -> [Tensor<3>; 2] {
    let [_, _, width] = value.dims();
    let half = width / 2;
    // The second half from the other side.
    let a =
        Tensor::cat(vec![value.clone().narrow(2, 0, half), value.narrow(2, half, half).neg()], 2);
    let negative = a.clone().lower_elem(0.0);
    // By selection, so that every branch is finite.
    let below = a.clone().mask_fill(negative.clone().bool_not(), 0.0).exp();
    let elu = a.mask_where(negative, below.clone() - 1.0);
    let signs = elu.clone().narrow(2, half, half).neg();
    let value = Tensor::cat(vec![elu.narrow(2, 0, half), signs], 2);
    [value, slope * below]
}

impl Univariate for MonotoneNetwork {
    fn n_parameters(&self) -> usize {
        self.layers[0].weight.dims()[1] - 1
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        forward_by_root(self, z, parameters)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let [batch, d] = x.dims();
        let inputs = inputs(x, parameters, n_networks(self.n_features, d));
        let [value, slope] = self.evaluate(inputs).map(|output| outputs(output, batch));
        (value, slope.log())
    }
}

/// As "monotone network 17-64-64-1 for each of 3 features".
impl ModuleDisplay for MonotoneNetwork {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let widths: Vec<String> =
            self.layers.iter().map(|layer| layer.weight.dims()[1].to_string()).collect();
        let of = match self.n_features {
            None => "for all features".to_string(),
            Some(n) => format!("for each of {n} features"),
        };
        let text = format!("monotone network {}-1 {of}", widths.join("-"));
        content.add_formatted(&text).optional()
    }
}

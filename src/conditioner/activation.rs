//! Activations whose weights, if they have any, are drawn on the host from a given generator.

use burn::nn::PReluConfig;
use burn::nn::activation::{Activation, ActivationConfig};
use burn::tensor::Device;
use rand::Rng;

use super::linear::uniform_linear;
use crate::error::{Error, ensure};
use crate::parameters::Settings;

/// The activation after a layer of so many units. A `SwiGlu` takes its two sizes from there,
/// whatever its own configuration says of them.
pub(super) fn init_activation<R: Rng + ?Sized>(
    config: &ActivationConfig,
    width: usize,
    device: &Device,
    rng: &mut R,
) -> Activation {
    let ActivationConfig::SwiGlu(config) = config else {
        return config.init(device);
    };
    let mut config = config.clone();
    (config.d_input, config.d_output) = (width, width);
    let mut swiglu = config.init(device);
    // burn would draw these weights from its own process-wide generator.
    for linear in [&mut swiglu.linear_inner, &mut swiglu.linear_outer] {
        let drawn = uniform_linear(width, width, device, rng);
        linear.weight = drawn.weight;
        linear.bias = linear.bias.take().and(drawn.bias);
    }
    swiglu.into()
}

/// Whether an activation fits layers of these widths.
pub(super) fn check_activation(config: &ActivationConfig, widths: &[usize]) -> Result<(), Error> {
    if let ActivationConfig::PRelu(PReluConfig { num_parameters: n, .. }) = config {
        ensure!(
            *n == 1 || widths.iter().all(|width| width == n),
            "a `PRelu` must have 1 parameter, or one for each of the {widths:?} units of a layer, \
             got `num_parameters` {n}"
        );
    }
    Ok(())
}

/// What the parameters of a network do not show.
pub(super) fn network_settings(
    d_context: usize,
    activation: &ActivationConfig,
    device: &Device,
) -> Settings {
    // Of these the parameters show all, and the configuration only where they started.
    let activation = match activation {
        ActivationConfig::SwiGlu(_) => "SwiGlu".to_string(),
        ActivationConfig::PRelu(_) => "PRelu".to_string(),
        activation => format!("{activation:?}"),
    };
    let texts = [format!("d_context = {d_context}"), format!("activation = {activation}")];
    Settings::new(texts, device)
}

/// The name of an activation, as in its configuration.
pub(super) fn activation_name(activation: &Activation) -> String {
    let text = format!("{activation:?}");
    text.split('(').next().unwrap_or_default().to_string()
}

//! [`slope`]: the derivative of an activation, in tensor operations that autodiff differentiates again.

use burn::nn::activation::Activation;
use burn::tensor::{Tensor, activation};

/// The derivative of an activation at every number; `None` for those that are not elementwise or that nobody needed
/// yet.
pub(super) fn slope(activation: &Activation, x: Tensor<2>) -> Option<Tensor<2>> {
    // By way of its logarithm: burn's own sigmoid rounds f64 to f32 on some backends.
    let sigmoid = |x: Tensor<2>| activation::log_sigmoid(x).exp();
    Some(match activation {
        Activation::Identity(_) => x.ones_like(),
        Activation::Relu(_) => x.zeros_like().mask_fill(x.greater_elem(0.0), 1.0),
        Activation::LeakyRelu(leaky) => {
            x.ones_like().mask_fill(x.lower_elem(0.0), leaky.negative_slope)
        }
        Activation::Tanh(_) => x.tanh().square().neg() + 1.0,
        Activation::Sigmoid(_) => {
            let value = sigmoid(x);
            value.clone() * (value.neg() + 1.0)
        }
        Activation::Softplus(softplus) => sigmoid(x * softplus.beta),
        Activation::Gelu(gelu) if gelu.approximate => {
            let root = (8.0 / std::f64::consts::PI).sqrt();
            let square = x.clone().square() * 0.044715;
            let below = sigmoid(x.clone() * (square.clone() + 1.0) * root);
            let inner_slope = (square * 3.0 + 1.0) * root;
            below.clone() + x * below.clone() * (below.neg() + 1.0) * inner_slope
        }
        Activation::Gelu(_) => {
            let cumulative = ((x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
            let density = (x.clone().square() * -0.5).exp() * std::f64::consts::TAU.sqrt().recip();
            cumulative + x * density
        }
        _ => return None,
    })
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;
    use burn::nn::activation::{ActivationConfig, LeakyReluConfig, SoftplusConfig};
    use burn::tensor::{DType, Device, TensorData};
    use statrs::function::erf::erf;

    /// By autodiff in f64; that of GELU by differences of its definition, since burn differentiates another function
    /// in its place on some backends: the approximation by the hyperbolic tangent, 8e-4 off. Burn's error function
    /// is good to 1e-7.
    #[test]
    fn slopes_are_the_derivatives_of_the_activations() {
        let device = Device::default();
        let values: Vec<f64> = (-20..20).map(|i| 0.31 * f64::from(i) + 0.01).collect();
        let tensor = |values: Vec<f64>| {
            Tensor::<2>::from_data(TensorData::new(values, [4, 10]), (&device, DType::F64))
        };
        let x = tensor(values.clone());
        let error = |config: ActivationConfig, expected: Tensor<2>| {
            let found = slope(&config.init(&device), x.clone()).expect("it is known");
            let error = (found - expected).abs().max().into_scalar::<f64>();
            assert!(error < 2e-7, "{config:?}: {error}");
        };
        for config in [
            ActivationConfig::Identity,
            ActivationConfig::Relu,
            LeakyReluConfig::new().into(),
            ActivationConfig::Tanh,
            ActivationConfig::Sigmoid,
            ActivationConfig::GeluApproximate,
            SoftplusConfig::new().with_beta(2.0).into(),
        ] {
            let leaf = x.clone().autodiff().require_grad();
            let output = config.init(&device).forward(leaf.clone());
            let gradients = output.sum().backward();
            error(config, leaf.grad(&gradients).expect("it was asked for"));
        }
        let gelu = |x: f64| 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
        let differences = values.iter().map(|x| (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5);
        error(ActivationConfig::Gelu, tensor(differences.collect()));
    }
}

//! Linear layers whose weights are drawn on the host from a given generator.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, TensorData};
use rand::Rng;
use rand_distr::{Distribution, Uniform};

/// A linear layer with weights and biases from `U(-1/√d_input, 1/√d_input)`, burn's and PyTorch's
/// default.
pub(super) fn uniform_linear<R: Rng + ?Sized>(
    d_input: usize,
    d_output: usize,
    device: &Device,
    rng: &mut R,
) -> Linear {
    bounded_linear(d_input, d_output, 1.0 / (d_input as f64).sqrt(), device, rng)
}

/// A linear layer with weights and biases from `U(-bound, bound)`.
pub(super) fn bounded_linear<R: Rng + ?Sized>(
    d_input: usize,
    d_output: usize,
    bound: f64,
    device: &Device,
    rng: &mut R,
) -> Linear {
    let uniform = Uniform::new_inclusive(-bound, bound).expect("the bound is finite and positive");
    let mut draw = |n: usize| -> Vec<f64> { uniform.sample_iter(&mut *rng).take(n).collect() };
    let weight = TensorData::new(draw(d_input * d_output), [d_input, d_output]);
    let bias = TensorData::new(draw(d_output), [d_output]);
    Linear { weight: Param::from_data(weight, device), bias: Some(Param::from_data(bias, device)) }
}

/// A linear layer that gives zeros, so that a new flow is the identity.
pub(super) fn zero_linear(d_input: usize, d_output: usize, device: &Device) -> Linear {
    let zeros = |shape: &[usize]| TensorData::zeros::<f32, _>(shape.to_vec());
    Linear {
        weight: Param::from_data(zeros(&[d_input, d_output]), device),
        bias: Some(Param::from_data(zeros(&[d_output]), device)),
    }
}

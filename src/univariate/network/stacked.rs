//! [`StackedLinear`]: a linear layer for each of several networks.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_distr::{Distribution, Uniform};

use crate::error::{Error, ensure};
use crate::parameters::full;

/// A linear layer of each of several networks of the same sizes, which are evaluated at once.
///
/// # Shapes
///
/// - `weight`: `[n_networks, d_input, d_output]`
/// - `bias`: `[n_networks, 1, d_output]`
#[derive(Module, Debug)]
pub struct StackedLinear {
    /// The weights.
    pub weight: Param<Tensor<3>>,
    /// The biases.
    pub bias: Param<Tensor<3>>,
}

impl StackedLinear {
    /// Weights and biases from `U(-1/√d_input, 1/√d_input)`.
    pub(super) fn uniform<R: Rng + ?Sized>(
        shape: [usize; 3],
        device: &Device,
        rng: &mut R,
    ) -> Self {
        let bound = 1.0 / (shape[1] as f64).sqrt();
        Self::drawn(shape, |_| [-bound, bound], [-bound, bound], device, rng)
    }

    /// Weights and biases drawn uniformly: those of an input between the ends that `weights` gives for it.
    pub(super) fn drawn<R: Rng + ?Sized>(
        [n_networks, d_input, d_output]: [usize; 3],
        weights: impl Fn(usize) -> [f64; 2],
        biases: [f64; 2],
        device: &Device,
        rng: &mut R,
    ) -> Self {
        let mut draw = |[low, high]: [f64; 2]| -> f64 {
            Uniform::new_inclusive(low, high).expect("the ends are finite").sample(rng)
        };
        let mut values = Vec::with_capacity(n_networks * d_input * d_output);
        for entry in 0..n_networks * d_input * d_output {
            values.push(draw(weights(entry / d_output % d_input)));
        }
        let weight =
            Param::from_data(TensorData::new(values, [n_networks, d_input, d_output]), device);
        let values: Vec<f64> = (0..n_networks * d_output).map(|_| draw(biases)).collect();
        let bias = Param::from_data(TensorData::new(values, [n_networks, 1, d_output]), device);
        Self { weight, bias }
    }

    /// A layer that gives zeros.
    pub(super) fn zeros([n_networks, d_input, d_output]: [usize; 3], device: &Device) -> Self {
        let zeros = |shape: [usize; 3]| {
            Param::from_data(TensorData::zeros::<f32, _>(shape.to_vec()), device)
        };
        let weight = zeros([n_networks, d_input, d_output]);
        Self { weight, bias: zeros([n_networks, 1, d_output]) }
    }

    /// `[n_networks, rows, d_input]` to `[n_networks, rows, d_output]`.
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        x.matmul(full(&self.weight)) + full(&self.bias)
    }
}

/// The inputs of networks, `[n_networks, rows, 1 + n_signals]`: a number and its signal, from `[batch, d]` and
/// `[batch, n_signals, d]`. With one network for all features its rows are those of the batch, feature by feature.
pub(super) fn inputs(x: Tensor<2>, signals: Tensor<3>, n_networks: usize) -> Tensor<3> {
    let [batch, n_signals, d] = signals.dims();
    let inputs = Tensor::cat(vec![x.unsqueeze_dim::<3>(1), signals], 1).permute([2, 0, 1]);
    inputs.reshape([n_networks, d * batch / n_networks, 1 + n_signals])
}

/// Outputs of networks, `[n_networks, rows, 1]`, as `[batch, d]`.
pub(super) fn outputs(y: Tensor<3>, batch: usize) -> Tensor<2> {
    let [n_networks, rows, _] = y.dims();
    let d = n_networks * rows / batch;
    y.reshape([d, batch]).transpose()
}

/// Whether sizes of networks are in their ranges.
pub(super) fn validate(
    n_signals: usize,
    d_hidden: &[usize],
    n_features: Option<usize>,
) -> Result<(), Error> {
    ensure!(n_signals > 0, "`n_signals` must be at least 1, got 0");
    ensure!(
        !d_hidden.is_empty() && d_hidden.iter().all(|&width| width > 0),
        "`d_hidden` must have at least one layer, each of width at least 1, got {d_hidden:?}"
    );
    ensure!(n_features != Some(0), "`n_features` must be at least 1, got 0");
    Ok(())
}

/// How many networks there are for `d` features.
///
/// # Panics
///
/// If there is a network for each of another number of features.
pub(super) fn n_networks(n_features: Option<usize>, d: usize) -> usize {
    match n_features {
        None => 1,
        Some(n) => {
            assert!(n == d, "this map has networks for {n} features (`n_features`), got {d}");
            n
        }
    }
}

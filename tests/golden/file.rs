//! Reading the files.

use normalizing_flows::burn::module::Param;
use normalizing_flows::burn::nn::Linear;
use normalizing_flows::burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde_json::Value;

pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().expect("the file holds numbers")],
    }
}

pub fn tensor<const D: usize>(value: &Value, device: &Device) -> Tensor<D> {
    let mut shape = [0; D];
    let mut level = value;
    for size in &mut shape {
        let array = level.as_array().expect("the file holds arrays of this rank");
        *size = array.len();
        level = &array[0];
    }
    Tensor::from_data(TensorData::new(numbers(value), shape), (device, DType::F64))
}

/// PyTorch stores weights as `[out, in]`.
pub fn linear(weight: Tensor<2>, bias: Tensor<1>) -> Linear {
    Linear { weight: Param::from_tensor(weight.transpose()), bias: Some(Param::from_tensor(bias)) }
}

/// The peers give all parameters of the first feature, then those of the next one; this crate the
/// first parameter of all features, then the next one: where each of its outputs is in theirs.
pub fn parameter_order(n_features: usize, n_parameters: usize, device: &Device) -> Tensor<1, Int> {
    let order: Vec<i64> = (0..n_parameters)
        .flat_map(|parameter| {
            (0..n_features).map(move |feature| (feature * n_parameters + parameter) as i64)
        })
        .collect();
    Tensor::from_data(order.as_slice(), device)
}

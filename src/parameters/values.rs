//! Values of parameters: [`with_values`] for others, [`full`] for those of a quantised one.

use burn::module::Param;
use burn::tensor::{DType, Tensor, TensorData};

/// The parameter with other values, in its shape and float type and on its device; it is trained if it
/// was before.
pub(crate) fn with_values<const D: usize>(
    parameter: Param<Tensor<D>>,
    values: Vec<f64>,
) -> Param<Tensor<D>> {
    parameter.map(|old| {
        let options = (&old.device(), old.dtype());
        let new = Tensor::from_data(TensorData::new(values, old.dims()), options);
        new.set_require_grad(old.is_require_grad())
    })
}

/// The values of a parameter in a float type: for formulas that burn has for those only.
pub(crate) fn full<const D: usize>(parameter: &Param<Tensor<D>>) -> Tensor<D> {
    let values = parameter.val();
    match values.dtype() {
        DType::QFloat(_) => values.dequantize(),
        _ => values,
    }
}

//! [`Vector`]: numbers that are trained or fixed.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::values::full;

/// A number for each feature: a parameter, or fixed and no parameter, which an optimiser, `perturb` or
/// quantisation would take for weights.
#[derive(Module, Debug)]
pub(crate) struct Vector {
    trained: Option<Param<Tensor<1>>>,
    /// The values at the start.
    #[module(skip)]
    values: Vec<f64>,
}

impl Vector {
    pub fn new(values: Vec<f64>, is_trained: bool, device: &Device) -> Self {
        let parameter = || {
            let data = TensorData::new(values.clone(), [values.len()]);
            Param::from_tensor(Tensor::from_data(data, device))
        };
        Self { trained: is_trained.then(parameter), values }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_trained(&self) -> bool {
        self.trained.is_some()
    }

    /// The parameter, or the numbers where they are needed and in the float type there: `[len]`.
    pub fn tensor(&self, device: &Device, dtype: DType) -> Tensor<1> {
        match &self.trained {
            Some(trained) => full(trained),
            None => {
                let data = TensorData::new(self.values.clone(), [self.len()]);
                Tensor::from_data(data, (device, dtype))
            }
        }
    }

    /// The numbers on the host.
    pub fn host(&self) -> Vec<f64> {
        match &self.trained {
            Some(trained) => full(trained).into_data().iter::<f64>().collect(),
            None => self.values.clone(),
        }
    }
}

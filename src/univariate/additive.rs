//! The additive map of NICE.

use burn::module::Module;
use burn::tensor::Tensor;

use super::interface::{Univariate, parameter};
use super::map::UnivariateMap;

/// Adds a shift: `x = z + t`, `log |dx/dz| = 0`.
///
/// It preserves volume, so a stack of it reshapes a density without changing its values; NICE puts
/// an elementwise scale beside it. The one parameter is `t`. Both directions cost the same.
///
/// # References
///
/// Dinh, Krueger, Bengio: *NICE: Non-linear Independent Components Estimation*, 2015,
/// arXiv:1410.8516.
#[derive(Module, Debug, Default)]
pub struct Additive;

impl Univariate for Additive {
    fn n_parameters(&self) -> usize {
        1
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let log_slope = z.zeros_like();
        (z + parameter(&parameters, 0), log_slope)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let log_slope = x.zeros_like();
        (x - parameter(&parameters, 0), log_slope)
    }

    fn as_known(&self) -> Option<UnivariateMap> {
        Some(self.clone().into())
    }
}

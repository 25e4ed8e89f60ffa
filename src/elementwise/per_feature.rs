//! [`Elementwise`]: a learnt univariate map of every feature.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};

use crate::flow::{Flow, zero_log_det};
use crate::kernel::{self, Stack};
use crate::univariate::{Univariate, UnivariateConfig, UnivariateMap};

/// Configuration of an [`Elementwise`] layer in its run-time form.
#[derive(Config, Debug)]
pub struct ElementwiseConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The map of each feature.
    #[config(default = "UnivariateConfig::default()")]
    pub univariate: UnivariateConfig,
}

impl ElementwiseConfig {
    /// Builds the layer on a device. Its parameters start at zero: there is nothing to draw.
    ///
    /// # Panics
    ///
    /// If `d_features` is 0, or the configuration of the univariate map is out of its range.
    pub fn init(&self, device: &Device) -> Elementwise {
        Elementwise::new(self.d_features, self.univariate.init(), device)
    }
}

/// Transforms each feature by a univariate map whose parameters are learnt and the same for all
/// rows.
///
/// ```text
/// x_i = f(z_i; θ_i)        log |det ∂x/∂z| = Σ_i log |f'(z_i; θ_i)|
/// ```
///
/// It mixes no features: it is the layer for one feature, and the scaling layer of NICE. Each
/// direction costs `O(d_features)`.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features.
///
/// # Example
///
/// ```
/// use normalizing_flows::{ElementwiseConfig, Flow};
/// use normalizing_flows::burn::module::Param;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let mut layer = ElementwiseConfig::new(1).init(&device);
/// layer.parameters = Param::from_data([[3.0], [0.0]], &device); // shift, raw log-scale
/// let (x, _) = layer.forward(Tensor::from_data([[1.0], [2.0]], &device));
/// assert_eq!(x.into_data().try_into_vec::<f32>().unwrap(), [4.0, 5.0]);
/// ```
#[derive(Module, Debug)]
pub struct Elementwise<U: Univariate = UnivariateMap> {
    /// The parameters, `[n_parameters, d_features]`.
    pub parameters: Param<Tensor<2>>,
    /// The map of each feature.
    pub univariate: U,
}

impl<U: Univariate> Elementwise<U> {
    /// A layer over any univariate map, its parameters at zero.
    ///
    /// # Panics
    ///
    /// If `d_features` is 0.
    pub fn new(d_features: usize, univariate: U, device: &Device) -> Self {
        assert!(d_features > 0, "`d_features` must be at least 1, got 0");
        let zeros = TensorData::zeros::<f32, _>([univariate.n_parameters(), d_features]);
        Self { parameters: Param::from_data(zeros, device), univariate }
    }

    /// One direction: `map` is that of the univariate map.
    fn transform(
        &self,
        input: Tensor<2>,
        map: impl FnOnce(&U, Tensor<2>, Tensor<3>) -> (Tensor<2>, Tensor<2>),
    ) -> (Tensor<2>, Tensor<1>) {
        let parameters = self.parameters.val();
        let [n_parameters, d_features] = parameters.dims();
        assert_shape!(input, [_, d_features]);
        let [batch, _] = input.dims();
        if batch == 0 {
            let log_det = zero_log_det(&input);
            return (input, log_det);
        }
        let parameters = parameters.unsqueeze_dim::<3>(0).expand([batch, n_parameters, d_features]);
        let (output, log_slope) = map(&self.univariate, input, parameters);
        (output, log_slope.sum_dim(1).squeeze_dim(1))
    }
}

impl<U: Univariate> Flow for Elementwise<U> {
    fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::forward(self, &z, None).unwrap_or_else(|| self.transform(z, U::forward))
    }

    fn inverse(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::inverse(self, &x, None).unwrap_or_else(|| self.transform(x, U::inverse))
    }

    fn describe<'a>(&'a self, stack: &mut Stack<'a>) -> bool {
        let Some(map) = self.univariate.as_known() else { return false };
        stack.push_elementwise(self.parameters.val(), map);
        true
    }
}

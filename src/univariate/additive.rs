//! The additive map of NICE.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::{Univariate, parameter};
use crate::error::Error;
use crate::kernel::KernelMap;
use crate::parameters::Settings;

/// Configuration of an [`Additive`] map.
#[derive(Config, Debug)]
pub struct AdditiveConfig {}

impl Default for AdditiveConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl AdditiveConfig {
    /// Builds the map, which holds no weights.
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> Additive {
        Additive { settings: Settings::new(["additive"], device) }
    }

    /// There is no value that could be out of its range.
    ///
    /// # Errors
    ///
    /// None.
    pub fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Adds a shift: `x = z + t`, `log |dx/dz| = 0`.
///
/// It preserves volume, so a stack of it reshapes a density without changing its values; NICE puts
/// an elementwise scale beside it. The one parameter is `t`. Both directions cost the same.
///
/// # Shapes
///
/// As for [`Univariate`], with 1 parameter per feature.
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{AdditiveConfig, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let additive = AdditiveConfig::new().init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let z = Tensor::<2>::from_data([[1.0, 2.0]], &device);
/// let shifts = Tensor::<3>::from_data([[[0.5, -0.5]]], &device);
/// let (x, log_slope) = additive.forward(z, shifts);
/// assert_eq!(x.into_data().try_into_vec::<f32>().unwrap(), [1.5, 1.5]);
/// assert_eq!(log_slope.into_data().try_into_vec::<f32>().unwrap(), [0.0, 0.0]);
/// ```
///
/// # References
///
/// Dinh, Krueger, Bengio: *NICE: Non-linear Independent Components Estimation*, 2015,
/// arXiv:1410.8516.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Additive {
    settings: Settings,
}

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

    fn pull_back(
        &self,
        _: Tensor<2>,
        _: Tensor<3>,
        gradient: Tensor<2>,
    ) -> Option<(Tensor<2>, Tensor<3>)> {
        Some((gradient.clone(), gradient.unsqueeze_dim(1)))
    }

    fn kernel(&self) -> Option<KernelMap> {
        Some(KernelMap::Additive)
    }
}

impl ModuleDisplay for Additive {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.settings.text()).optional()
    }
}

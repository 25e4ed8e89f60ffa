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
        Additive { settings: Settings::new("additive", device) }
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

    fn kernel(&self) -> Option<KernelMap> {
        Some(KernelMap::Additive)
    }
}

impl ModuleDisplay for Additive {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.settings.text()).optional()
    }
}

//! [`StandardNormal`]: the usual base distribution.

use std::f64::consts::TAU;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, assert_shape};
use rand::Rng;

use super::interface::Distribution;
use super::noise::Noise;
use crate::error::{Error, ensure, or_panic};
use crate::kernel::KernelBase;
use crate::parameters::Settings;

/// Configuration of a [`StandardNormal`].
#[derive(Config, Debug)]
pub struct StandardNormalConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
}

impl StandardNormalConfig {
    /// Builds the distribution on a device.
    ///
    /// # Panics
    ///
    /// If `d_features` is 0.
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> StandardNormal {
        StandardNormal::new(self.d_features, device)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_features` is 0.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(self.d_features > 0, "`d_features` must be at least 1, got 0");
        Ok(())
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        self.d_features
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// The standard normal distribution `N(0, I)` over `d_features` features.
///
/// ```text
/// log p(x) = -½ Σ_i x_i² - ½ d_features log 2π
/// ```
///
/// It has no parameters. By itself it computes in the float type of its inputs, and draws samples
/// of the device's default float type; under a flow it draws in the float type of the flow's
/// parameters.
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, StandardNormal};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let base = StandardNormal::new(2, &Device::default());
/// let x = base.sample(1000, &mut ChaCha8Rng::seed_from_u64(0));
/// assert_eq!(x.dims(), [1000, 2]);
/// let at_zero = base.log_prob(Tensor::zeros([1, 2], &Device::default()));
/// assert!((at_zero.into_scalar::<f32>() + 1.837877).abs() < 1e-5); // -log 2π
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct StandardNormal {
    d_features: usize,
    /// Also knows the device.
    settings: Settings,
}

impl StandardNormal {
    /// A standard normal over `d_features` features.
    ///
    /// # Panics
    ///
    /// If `d_features` is 0.
    pub fn new(d_features: usize, device: &Device) -> Self {
        or_panic(StandardNormalConfig::new(d_features).validate());
        let settings = Settings::new(
            ["standard normal".to_string(), format!("d_features = {d_features}")],
            device,
        );
        Self { d_features, settings }
    }
}

impl Distribution for StandardNormal {
    fn d_features(&self) -> usize {
        self.d_features
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.d_features;
        assert_shape!(x, [_, d_features]);
        let squares = x.square().sum_dim(1).squeeze_dim(1);
        squares * -0.5 - 0.5 * d_features as f64 * TAU.ln()
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        noise.standard_normal([n, self.d_features])
    }

    fn kernel(&self) -> Option<KernelBase> {
        Some(KernelBase::StandardNormal)
    }
}

impl ModuleDisplay for StandardNormal {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"standard normal").optional()
    }
}

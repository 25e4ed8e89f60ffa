//! The affine map of RealNVP.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::{Univariate, parameter};
use super::scale::ScaleBound;
use crate::error::{Error, or_panic};
use crate::kernel::KernelMap;
use crate::parameters::Settings;

/// Configuration of an [`Affine`] map.
#[derive(Config, Debug)]
pub struct AffineConfig {
    /// What keeps the log-scale in bounds.
    #[config(default = "ScaleBound::default()")]
    pub bound: ScaleBound,
}

impl Default for AffineConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl AffineConfig {
    /// Builds the map, which holds no weights.
    ///
    /// # Panics
    ///
    /// If the bound is out of its range.
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> Affine {
        or_panic(self.validate());
        let settings =
            Settings::new(["affine".to_string(), format!("bound = {:?}", self.bound)], device);
        Affine { bound: self.bound, settings }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the bound is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        self.bound.validate()
    }
}

/// Scales and shifts: `x = z exp(s) + t`, `log |dx/dz| = s`.
///
/// The two parameters of a feature are the shift `t` and the raw log-scale `a`, in this order;
/// [`ScaleBound`] makes `s` of `a`. With both at zero the map is the identity (but for
/// [`ScaleBound::Sigmoid`]). Both directions cost the same.
///
/// # Shapes
///
/// As for [`Univariate`], with 2 parameters per feature.
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{AffineConfig, ScaleBound, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let affine = AffineConfig::new()
///     .with_bound(ScaleBound::Exp)
///     .init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let z = Tensor::<2>::from_data([[1.0, 2.0]], &device);
/// // The shifts of the two features, then their log-scales: of scales 1 and 2.
/// let parameters = Tensor::<3>::from_data([[[0.5, -0.5], [0.0, 2f32.ln()]]], &device);
/// let (x, log_slope) = affine.forward(z.clone(), parameters.clone());
/// let expected = Tensor::<2>::from_data([[1.5, 3.5]], &device);
/// assert!((x.clone() - expected).abs().max().into_scalar::<f32>() < 1e-5);
/// let (back, log_slope_back) = affine.inverse(x, parameters);
/// assert!((back - z).abs().max().into_scalar::<f32>() < 1e-5);
/// assert!((log_slope + log_slope_back).abs().max().into_scalar::<f32>() < 1e-5);
/// ```
///
/// # References
///
/// Dinh, Sohl-Dickstein, Bengio: *Density estimation using Real NVP*, 2017, arXiv:1605.08803.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Affine {
    #[module(skip)]
    bound: ScaleBound,
    settings: Settings,
}

impl Affine {
    /// What keeps the log-scale in bounds.
    pub fn bound(&self) -> ScaleBound {
        self.bound
    }
}

impl Univariate for Affine {
    fn n_parameters(&self) -> usize {
        2
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let shift = parameter(&parameters, 0);
        let log_scale = self.bound.log_scale(parameter(&parameters, 1));
        (z * log_scale.clone().exp() + shift, log_scale)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let shift = parameter(&parameters, 0);
        let log_slope = -self.bound.log_scale(parameter(&parameters, 1));
        ((x - shift) * log_slope.clone().exp(), log_slope)
    }

    fn pull_back(
        &self,
        z: Tensor<2>,
        parameters: Tensor<3>,
        gradient: Tensor<2>,
    ) -> Option<(Tensor<2>, Tensor<3>)> {
        let raw = parameter(&parameters, 1);
        let of_z = gradient.clone() * self.bound.log_scale(raw.clone()).exp();
        // The log-slope is the log-scale itself.
        let of_raw = (of_z.clone() * z + 1.0) * self.bound.slope(raw);
        Some((of_z, Tensor::stack(vec![gradient, of_raw], 1)))
    }

    fn kernel(&self) -> Option<KernelMap> {
        Some(KernelMap::Affine(self.bound))
    }
}

impl ModuleDisplay for Affine {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.settings.text()).optional()
    }
}

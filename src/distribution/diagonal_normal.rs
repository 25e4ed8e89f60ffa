//! [`DiagonalNormal`]: independent normals with a location and a scale each.

use std::f64::consts::TAU;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{DType, Device, Tensor, TensorData, assert_shape};
use rand::Rng;

use super::interface::Distribution;
use super::noise::Noise;
use super::ranges::{check_finite, check_lengths, check_positive};
use crate::error::{Error, or_panic};
use crate::parameters::{Place, Settings};

/// Configuration of a [`DiagonalNormal`].
#[derive(Config, Debug)]
pub struct DiagonalNormalConfig {
    /// The location of each feature, in the units of the data.
    pub loc: Vec<f64>,
    /// The standard deviation of each feature, above 0, in the units of the data.
    pub scale: Vec<f64>,
    /// Whether locations and scales are trained.
    #[config(default = false)]
    pub learnable: bool,
}

impl DiagonalNormalConfig {
    /// Locations 0 and scales 1, to be trained.
    pub fn standard_learnable(d_features: usize) -> Self {
        Self::new(vec![0.0; d_features], vec![1.0; d_features]).with_learnable(true)
    }

    /// Builds the distribution on a device.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> DiagonalNormal {
        or_panic(self.validate());
        let log_scale: Vec<f64> = self.scale.iter().map(|scale| scale.ln()).collect();
        let (trained, texts) = if self.learnable {
            let parameter = |values: Vec<f64>| {
                let data = TensorData::new(values, [self.loc.len()]);
                Param::from_tensor(Tensor::from_data(data, device))
            };
            let (loc, log_scale) = (parameter(self.loc.clone()), parameter(log_scale.clone()));
            (Some(Trained { loc, log_scale }), vec!["learnable".to_string()])
        } else {
            let Self { loc, scale, .. } = self;
            (None, vec![format!("loc = {loc:?}"), format!("scale = {scale:?}")])
        };
        let texts = ["diagonal normal".to_string()].into_iter().chain(texts);
        let settings = Settings::new(texts, device);
        DiagonalNormal { trained, loc: self.loc.clone(), log_scale, settings }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no features, if `loc` and `scale` differ in length, or if a
    /// value is not finite or a scale not above 0.
    pub fn validate(&self) -> Result<(), Error> {
        check_lengths([("loc", &self.loc), ("scale", &self.scale)])?;
        check_finite("loc", &self.loc)?;
        check_positive("scale", &self.scale)
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        self.loc.len()
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// Independent normal distributions with a location and a scale for each feature, fixed or
/// learnable.
///
/// ```text
/// log p(x) = -½ Σ_i ((x_i - loc_i) / scale_i)² - Σ_i log scale_i - ½ d_features log 2π
/// ```
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{DiagonalNormalConfig, Distribution};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let height = DiagonalNormalConfig::new(vec![175.0], vec![10.0])
///     .init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let log_prob = height.log_prob(Tensor::from_data([[175.0]], &device)).into_scalar::<f32>();
/// assert!((log_prob + 10f32.ln() + 0.918939).abs() < 1e-5); // -log 10 - ½ log 2π
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct DiagonalNormal {
    trained: Option<Trained>,
    /// As configured: a fixed one has these and no parameters, which an optimiser, `perturb` or
    /// quantisation would take for weights.
    #[module(skip)]
    loc: Vec<f64>,
    #[module(skip)]
    log_scale: Vec<f64>,
    settings: Settings,
}

/// What a learnable [`DiagonalNormal`] trains.
#[derive(Module, Debug)]
struct Trained {
    loc: Param<Tensor<1>>,
    log_scale: Param<Tensor<1>>,
}

impl DiagonalNormal {
    /// The location of each feature: `[d_features]`.
    pub fn loc(&self) -> Tensor<1> {
        let place = Place::of(self).unwrap_or_default();
        self.loc_and_log_scale(&place.device, place.float_type()).0
    }

    /// The logarithm of the standard deviation of each feature: `[d_features]`.
    pub fn log_scale(&self) -> Tensor<1> {
        let place = Place::of(self).unwrap_or_default();
        self.loc_and_log_scale(&place.device, place.float_type()).1
    }

    /// The parameters, or the fixed numbers where they are needed and in the float type there.
    fn loc_and_log_scale(&self, device: &Device, dtype: DType) -> (Tensor<1>, Tensor<1>) {
        match &self.trained {
            Some(Trained { loc, log_scale }) => (loc.val(), log_scale.val()),
            None => {
                let fixed = |values: &[f64]| {
                    let data = TensorData::new(values.to_vec(), [values.len()]);
                    Tensor::from_data(data, (device, dtype))
                };
                (fixed(&self.loc), fixed(&self.log_scale))
            }
        }
    }
}

impl Distribution for DiagonalNormal {
    fn d_features(&self) -> usize {
        self.loc.len()
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        let (loc, log_scale) = self.loc_and_log_scale(&x.device(), x.dtype());
        let noise = (x - loc.unsqueeze()) * (-log_scale.clone()).exp().unsqueeze::<2>();
        let squares: Tensor<1> = noise.square().sum_dim(1).squeeze_dim(1);
        squares * -0.5 - log_scale.sum() - 0.5 * d_features as f64 * TAU.ln()
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let noise = noise.standard_normal([n, self.d_features()]);
        let (loc, log_scale) = self.loc_and_log_scale(&noise.device(), noise.dtype());
        noise * log_scale.exp().unsqueeze::<2>() + loc.unsqueeze::<2>()
    }
}

impl ModuleDisplay for DiagonalNormal {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"diagonal normal").optional()
    }
}

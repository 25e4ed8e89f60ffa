//! [`Uniform`]: an interval for each feature.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, assert_shape};
use rand::{Rng, RngExt};

use super::interface::Distribution;
use super::noise::Noise;
use super::ranges::{check_ends, is_inside};
use crate::error::{Error, or_panic};
use crate::parameters::Settings;

/// Configuration of a [`Uniform`] distribution.
#[derive(Config, Debug)]
pub struct UniformConfig {
    /// The lower end of each feature, in the units of the data.
    pub low: Vec<f64>,
    /// The upper end of each feature, above the lower.
    pub high: Vec<f64>,
}

impl UniformConfig {
    /// Builds the distribution on a device.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> Uniform {
        or_panic(self.validate());
        let Self { low, high } = self.clone();
        let texts = ["uniform".to_owned(), format!("low = {low:?}"), format!("high = {high:?}")];
        Uniform { low, high, settings: Settings::new(texts, device) }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no features, if `low` and `high` differ in length, or if a lower end is
    /// not below its upper end, or one of them not finite.
    pub fn validate(&self) -> Result<(), Error> {
        check_ends(&self.low, &self.high)
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        self.low.len()
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// Independent features that are uniform between two ends: a base for flows that map a box to itself, as splines
/// on an interval do. Outside of the box the log-density is minus infinity.
///
/// ```text
/// log p(x) = -Σ_i log(high_i - low_i)    where low_i <= x_i <= high_i for all i
/// ```
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, UniformConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let die = UniformConfig::new(vec![0.0], vec![6.0]).init(&device, &mut rng);
/// let log_prob = die.log_prob(Tensor::from_floats([[2.0], [7.0]], &device));
/// let log_prob: Vec<f32> = log_prob.into_data().iter().collect();
/// assert!((log_prob[0] + 6f32.ln()).abs() < 1e-6 && log_prob[1] == f32::NEG_INFINITY);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Uniform {
    #[module(skip)]
    low: Vec<f64>,
    #[module(skip)]
    high: Vec<f64>,
    /// Also knows the device.
    settings: Settings,
}

impl Distribution for Uniform {
    fn d_features(&self) -> usize {
        self.low.len()
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.low.len();
        assert_shape!(x, [_, d_features]);
        let inside = is_inside(&x, &self.low, &self.high);
        let log_volume: f64 =
            self.low.iter().zip(&self.high).map(|(low, high)| (high - low).ln()).sum();
        let outside = inside.clone().bool_not();
        let terms = x.mask_fill(inside, 0.0).mask_fill(outside, f64::NEG_INFINITY);
        terms.sum_dim(1).squeeze_dim::<1>(1) - log_volume
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let ends: Vec<[f64; 2]> = self.low.iter().zip(&self.high).map(|(&a, &b)| [a, b]).collect();
        let draws =
            (0..n).flat_map(|_| &ends).map(|&[low, high]| noise.rng().random_range(low..high));
        let values = draws.collect();
        noise.tensor(values, [n, self.low.len()])
    }
}

impl ModuleDisplay for Uniform {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"uniform".to_owned()).optional()
    }
}

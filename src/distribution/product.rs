//! [`Product`]: another base for each group of features.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, assert_shape};
use rand::Rng;

use super::base::{Base, BaseConfig};
use super::interface::Distribution;
use super::noise::Noise;
use crate::error::{Error, ensure, or_panic};
use crate::flow::common_d_context;
use crate::parameters::Place;

/// Configuration of a [`Product`].
///
/// # Example
///
/// An angle, a number with heavy tails and two others:
///
/// ```
/// use normalizing_flows::distribution::{
///     Distribution, LocationScaleConfig, ProductConfig, StandardNormalConfig, VonMisesConfig,
/// };
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let config = ProductConfig::new(vec![
///     VonMisesConfig::new(vec![0.0], vec![2.0]).into(),
///     LocationScaleConfig::student_t(vec![3.0]).into(),
///     StandardNormalConfig::new(2).into(),
/// ]);
/// let base = config.init(&device, &mut rng);
/// assert_eq!(base.log_prob(Tensor::zeros([5, 4], &device)).dims(), [5]);
/// ```
#[derive(Config, Debug)]
pub struct ProductConfig {
    /// The distributions of the first features, of the next ones, and so on; at least one, and all of those that
    /// take a context of the same.
    pub parts: Vec<BaseConfig>,
}

impl ProductConfig {
    /// Builds the distribution on a device, its parts one after another.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Product {
        or_panic(self.validate());
        Product { parts: self.parts.iter().map(|part| part.init(device, rng)).collect() }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no part, if two take different contexts, and what the parts give.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(!self.parts.is_empty(), "`parts` must have at least 1 distribution, got 0");
        self.parts.iter().try_for_each(BaseConfig::validate)?;
        common_d_context(self.parts.iter().map(BaseConfig::d_context)).map(|_| ())
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        self.parts.iter().map(BaseConfig::d_features).sum()
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        self.parts.iter().map(BaseConfig::d_context).max().unwrap_or(0)
    }
}

/// Independent groups of features, each with a distribution of its own.
///
/// # Shapes
///
/// As for [`Distribution`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Product {
    /// The distributions, in the order of their features.
    pub parts: Vec<Base>,
}

/// The context, for a part that takes one.
fn wanted<'c>(part: &Base, context: Option<&'c Tensor<2>>) -> Option<&'c Tensor<2>> {
    context.filter(|_| part.d_context() > 0)
}

/// The columns of each part.
fn columns(parts: &[Base], x: &Tensor<2>) -> Vec<Tensor<2>> {
    let mut first = 0;
    let of_part = |part: &Base| {
        let d = part.d_features();
        first += d;
        x.clone().narrow(1, first - d, d)
    };
    parts.iter().map(of_part).collect()
}

impl Distribution for Product {
    fn d_features(&self) -> usize {
        self.parts.iter().map(Distribution::d_features).sum()
    }

    fn d_context(&self) -> usize {
        self.parts.iter().map(Distribution::d_context).max().unwrap_or(0)
    }

    fn is_reparameterized(&self) -> bool {
        self.parts.iter().all(Distribution::is_reparameterized)
    }

    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        let terms = self.parts.iter().zip(columns(&self.parts, &x));
        let terms = terms.map(|(part, x)| part.log_density(x, wanted(part, context)));
        terms.reduce(|sum, term| sum + term).expect("there is at least one part")
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let parts = self.parts.iter();
        Tensor::cat(parts.map(|part| part.draw(n, wanted(part, context), noise)).collect(), 1)
    }

    fn draw_with_log_density<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> (Tensor<2>, Tensor<1>) {
        let parts = self.parts.iter();
        let drawn = parts.map(|part| part.draw_with_log_density(n, wanted(part, context), noise));
        let (x, terms): (Vec<_>, Vec<_>) = drawn.unzip();
        let log_density = terms.into_iter().reduce(|sum, term| sum + term);
        (Tensor::cat(x, 1), log_density.expect("there is at least one part"))
    }

    fn is_calibrated(&self) -> bool {
        self.parts.iter().all(Distribution::is_calibrated)
    }

    fn calibrated(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        let columns = columns(&self.parts, &x);
        let parts = self.parts.into_iter().zip(columns).map(|(part, x)| {
            let context = wanted(&part, context);
            part.calibrated(x, context)
        });
        Self { parts: parts.collect() }
    }

    fn place(&self) -> Option<Place> {
        Place::first(self.parts.iter().map(Distribution::place))
    }
}

impl ModuleDisplay for Product {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add("parts", &self.parts).optional()
    }
}

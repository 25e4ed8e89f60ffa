//! [`LocationScale`]: independent features of one [`Family`], with a location and a scale each.
//!
//! - `family`: the densities of location 0 and scale 1
//! - `gamma`: the quantile of the gamma distribution, for samples that are smooth in a shape

mod family;
mod gamma;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, assert_shape};
use rand::Rng;

use super::interface::Distribution;
use super::noise::Noise;
use super::ranges::{check_finite, check_lengths, check_positive};
use super::without_value;
use crate::error::{Error, or_panic};
use crate::parameters::{Settings, Vector};

pub use family::Family;

/// Configuration of a [`LocationScale`] distribution.
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, LocationScaleConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let cauchy = LocationScaleConfig::student_t(vec![1.0]).init(&device, &mut rng);
/// let log_prob = cauchy.log_prob(Tensor::from_floats([[0.0], [1.0]], &device));
/// let log_prob: Vec<f32> = log_prob.into_data().iter().collect();
/// // 1/π and 1/2π
/// assert!((log_prob[0] + 1.144730).abs() < 1e-5 && (log_prob[1] + 1.837877).abs() < 1e-5);
/// ```
#[derive(Config, Debug)]
pub struct LocationScaleConfig {
    /// What each feature is at location 0 and scale 1.
    pub family: Family,
    /// The location of each feature, in the units of the data.
    pub loc: Vec<f64>,
    /// The scale of each feature, above 0, in the units of the data; the standard deviation is a multiple of it.
    pub scale: Vec<f64>,
    /// Whether locations and scales are trained, and what shapes the family.
    #[config(default = false)]
    pub learnable: bool,
}

impl LocationScaleConfig {
    /// Of a family at location 0 and scale 1.
    pub fn standard(family: Family, d_features: usize) -> Self {
        Self::new(family, vec![0.0; d_features], vec![1.0; d_features])
    }

    /// Laplace's distribution of so many features, at location 0 and scale 1.
    pub fn laplace(d_features: usize) -> Self {
        Self::standard(Family::Laplace, d_features)
    }

    /// The logistic distribution of so many features, at location 0 and scale 1.
    pub fn logistic(d_features: usize) -> Self {
        Self::standard(Family::Logistic, d_features)
    }

    /// Student's t of these degrees of freedom, at location 0 and scale 1.
    pub fn student_t(df: Vec<f64>) -> Self {
        let d_features = df.len();
        Self::standard(Family::StudentT { df }, d_features)
    }

    /// The generalised normal distribution of these powers, at location 0 and scale 1.
    pub fn generalized_normal(power: Vec<f64>) -> Self {
        let d_features = power.len();
        Self::standard(Family::GeneralizedNormal { power }, d_features)
    }

    /// The same with other locations, one for each feature.
    #[must_use]
    pub fn with_loc(self, loc: Vec<f64>) -> Self {
        Self { loc, ..self }
    }

    /// The same with other scales, one for each feature, above 0.
    #[must_use]
    pub fn with_scale(self, scale: Vec<f64>) -> Self {
        Self { scale, ..self }
    }

    /// Builds the distribution on a device.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> LocationScale {
        or_panic(self.validate());
        let logs = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value.ln()).collect() };
        let Self { family, loc, scale, learnable } = self;
        let (name, shape) = (family.name(), family.shape());
        let texts = if *learnable {
            vec![name.to_owned(), "learnable".to_owned()]
        } else {
            let shape = shape.map(|(name, values)| format!("{name} = {values:?}"));
            let place = [format!("loc = {loc:?}"), format!("scale = {scale:?}")];
            [name.to_owned()].into_iter().chain(place).chain(shape).collect()
        };
        let vector = |values: Vec<f64>| Vector::new(values, *learnable, device);
        LocationScale {
            family: family.clone(),
            loc: vector(loc.clone()),
            log_scale: vector(logs(scale)),
            log_shape: shape.map(|(_, values)| vector(logs(values))),
            settings: Settings::new(texts, device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no features, if vectors differ in length, or if a value is not finite,
    /// or a scale, degrees of freedom or a power not above 0.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { family, loc, scale, .. } = self;
        check_finite("loc", loc)?;
        for (name, values) in [("scale", &scale[..])].into_iter().chain(family.shape()) {
            check_lengths([("loc", loc), (name, values)])?;
            check_positive(name, values)?;
        }
        Ok(())
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

/// Independent features of one [`Family`], with a location and a scale each, fixed or learnable: Laplace's,
/// the logistic, Student's t (with learnable degrees of freedom) and the generalised normal distribution.
///
/// ```text
/// log p(x) = Σ_i log f((x_i - loc_i) / scale_i) - log scale_i
/// ```
///
/// Heavy tails in the base are how a flow of layers that are linear far out, as splines with straight tails,
/// models heavy tails in the data.
///
/// Where something shapes the family, each call reads its values back to the host, from a GPU too. Samples are
/// reparameterized. Those of learnable degrees of freedom or powers are quantiles of the gamma
/// distribution, whose slope by the shape follows from the implicit function theorem, which is slower to
/// draw than what is fixed.
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # References
///
/// Jaini et al.: *Tails of Lipschitz Triangular Flows*, 2020, arXiv:1907.04481; Figurnov, Mohamed, Mnih:
/// *Implicit Reparameterization Gradients*, 2018, arXiv:1805.08498.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct LocationScale {
    #[module(skip)]
    family: Family,
    loc: Vector,
    log_scale: Vector,
    /// Of what shapes the family, if anything does.
    log_shape: Option<Vector>,
    settings: Settings,
}

impl LocationScale {
    /// The family, with the values that it was configured with.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// The location of each feature.
    pub fn loc(&self) -> Vec<f64> {
        self.loc.host()
    }

    /// The scale of each feature.
    pub fn scale(&self) -> Vec<f64> {
        self.log_scale.host().into_iter().map(f64::exp).collect()
    }

    /// What shapes the family, for each feature: degrees of freedom, or powers; none for the others.
    pub fn shape(&self) -> Option<Vec<f64>> {
        self.log_shape.as_ref().map(|shape| shape.host().into_iter().map(shape_of).collect())
    }
}

/// The least and the largest logarithm of degrees of freedom or of a power: 0.001 to 1e12. Beyond, a number counts as
/// the nearer end.
const LOG_SHAPES: [f64; 2] = [-6.9, 27.6];

fn shape_of(log_shape: f64) -> f64 {
    log_shape.clamp(LOG_SHAPES[0], LOG_SHAPES[1]).exp()
}

impl Distribution for LocationScale {
    fn d_features(&self) -> usize {
        self.loc.len()
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        let (device, dtype) = (x.device(), x.dtype());
        let log_scale = self.log_scale.tensor(&device, dtype);
        let log_shape = self.log_shape.as_ref();
        let log_shape = log_shape.map(|shape| {
            let [low, high] = LOG_SHAPES;
            shape.tensor(&device, dtype).clamp(low, high)
        });
        let t = x - self.loc.tensor(&device, dtype).unsqueeze();
        let t = t * log_scale.clone().neg().exp().unsqueeze::<2>();
        let log_density: Tensor<1> =
            self.family.log_density(t, log_shape).sum_dim(1).squeeze_dim(1);
        log_density - log_scale.sum()
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let d_features = self.d_features();
        let trained_shape = self.log_shape.as_ref().filter(|shape| shape.is_trained());
        let shapes: Vec<f64> = match &self.log_shape {
            Some(log_shape) => log_shape.host().into_iter().map(shape_of).collect(),
            None => vec![1.0; d_features],
        };
        let draws = (0..n).flat_map(|_| &shapes).map(|&shape| match trained_shape {
            Some(_) => self.family.draw_by_shape(shape, noise.rng()),
            None => (self.family.draw(shape, noise.rng()), 0.0),
        });
        let (t, slopes): (Vec<f64>, Vec<f64>) = draws.unzip();
        let mut t = noise.tensor(t, [n, d_features]);
        let (device, dtype) = (t.device(), t.dtype());
        if let Some(log_shape) = trained_shape {
            let slopes = noise.tensor(slopes, [n, d_features]);
            t = t + slopes * without_value(&log_shape.tensor(&device, dtype)).unsqueeze::<2>();
        }
        let scale = self.log_scale.tensor(&device, dtype).exp().unsqueeze::<2>();
        t * scale + self.loc.tensor(&device, dtype).unsqueeze::<2>()
    }
}

impl ModuleDisplay for LocationScale {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.family.name().to_owned()).optional()
    }
}

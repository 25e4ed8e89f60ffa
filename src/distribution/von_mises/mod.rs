//! [`VonMises`]: a normal distribution's kin on the circle. `circle`: its numbers on the host.

mod circle;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};
use rand::{Rng, RngExt};
use rand_distr::Open01;

use super::interface::Distribution;
use super::noise::Noise;
use super::ranges::{check_finite, check_lengths, check_positive};
use super::without_value;
use crate::error::{Error, or_panic};
use crate::parameters::{Settings, Vector};
use circle::{Circle, log_i0};

/// Configuration of a [`VonMises`] distribution.
#[derive(Config, Debug)]
pub struct VonMisesConfig {
    /// The mean direction of each feature, in radians.
    pub loc: Vec<f64>,
    /// The concentration of each feature, above 0: near 0 it is uniform, and where it is large a normal of
    /// standard deviation `1 / √concentration`.
    pub concentration: Vec<f64>,
    /// Whether both are trained.
    #[config(default = false)]
    pub learnable: bool,
}

impl VonMisesConfig {
    /// Builds the distribution on a device.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> VonMises {
        or_panic(self.validate());
        let Self { loc, concentration, learnable } = self;
        let mut texts = vec!["von Mises".to_owned()];
        if *learnable {
            texts.push("learnable".to_owned());
        } else {
            texts.push(format!("loc = {loc:?}"));
            texts.push(format!("concentration = {concentration:?}"));
        }
        let logs = concentration.iter().map(|value| value.ln()).collect();
        VonMises {
            loc: Vector::new(loc.clone(), *learnable, device),
            log_concentration: Vector::new(logs, *learnable, device),
            settings: Settings::new(texts, device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no features, if `loc` and `concentration` differ in length, or if a value is
    /// not finite or a concentration not above 0.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { loc, concentration, .. } = self;
        check_lengths([("loc", loc), ("concentration", concentration)])?;
        check_finite("loc", loc)?;
        check_positive("concentration", concentration)
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

/// Independent angles around a direction each, fixed or learnable.
///
/// ```text
/// log p(x) = Σ_i concentration_i cos(x_i - loc_i) - log 2π I₀(concentration_i)
/// ```
///
/// An angle and the same angle some turns further are one point: the density is periodic and integrates to 1 over
/// one turn. Samples are from -π to π. They are reparameterized: quantiles, whose slope by the concentration
/// follows from the implicit function theorem.
///
/// # Shapes
///
/// As for [`Distribution`]; in radians.
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, VonMisesConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let wind = VonMisesConfig::new(vec![1.0], vec![2.0]).init(&device, &mut rng);
/// let log_prob = wind.log_prob(Tensor::from_floats([[1.0], [1.0 + 6.2831855]], &device));
/// let log_prob: Vec<f32> = log_prob.into_data().iter().collect();
/// // 2 - log 2π I₀(2), at both.
/// assert!(log_prob.iter().all(|found| (found + 0.661871).abs() < 1e-5));
/// ```
///
/// # References
///
/// Mardia, Jupp: *Directional Statistics*, 2000.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct VonMises {
    loc: Vector,
    log_concentration: Vector,
    settings: Settings,
}

impl VonMises {
    /// The mean direction of each feature, in radians.
    pub fn loc(&self) -> Vec<f64> {
        self.loc.host()
    }

    /// The concentration of each feature.
    pub fn concentration(&self) -> Vec<f64> {
        self.log_concentration.host().into_iter().map(f64::exp).collect()
    }
}

impl Distribution for VonMises {
    fn d_features(&self) -> usize {
        self.loc.len()
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        let options = (&x.device(), x.dtype());
        let log_concentration = self.log_concentration.tensor(options.0, options.1);
        let (logs, slopes): (Vec<f64>, Vec<f64>) = self
            .log_concentration
            .host()
            .into_iter()
            .map(f64::exp)
            .map(|concentration| {
                let (log, slope) = log_i0(concentration);
                (log, slope * concentration)
            })
            .unzip();
        let constant = |values| Tensor::from_data(TensorData::new(values, [d_features]), options);
        let normaliser: Tensor<1> =
            constant(logs) + constant(slopes) * without_value(&log_concentration);
        // `cos(y) - 1` by the half, which keeps the digits of small angles.
        let half = (x - self.loc.tensor(options.0, options.1).unsqueeze()) * 0.5;
        let bend = half.sin().square() * -2.0;
        let terms = bend * log_concentration.exp().unsqueeze::<2>();
        let constants = normaliser.sum() + d_features as f64 * std::f64::consts::TAU.ln();
        terms.sum_dim(1).squeeze_dim::<1>(1) - constants
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let d_features = self.d_features();
        let concentrations: Vec<f64> = self.concentration();
        let circles: Vec<Circle> = concentrations.iter().map(|&value| Circle::new(value)).collect();
        let draws = (0..n).flat_map(|_| circles.iter().zip(&concentrations));
        let draws = draws.map(|(circle, concentration)| {
            let (y, slope) = circle.quantile(noise.rng().sample(Open01));
            (y, slope * concentration)
        });
        let (y, slopes): (Vec<f64>, Vec<f64>) = draws.unzip();
        let mut y = noise.tensor(y, [n, d_features]);
        let (device, dtype) = (y.device(), y.dtype());
        if self.log_concentration.is_trained() {
            let parameter = self.log_concentration.tensor(&device, dtype);
            y = y + noise.tensor(slopes, [n, d_features])
                * without_value(&parameter).unsqueeze::<2>();
        }
        let x = y + self.loc.tensor(&device, dtype).unsqueeze::<2>();
        let turns = (x.clone().detach() / std::f64::consts::TAU).round();
        x - turns * std::f64::consts::TAU
    }
}

impl ModuleDisplay for VonMises {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"von Mises".to_owned()).optional()
    }
}

//! [`PartlyPeriodic`]: the base of angles and other numbers.

use std::f64::consts::{PI, TAU};

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};
use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, StandardNormal};

use super::interface::Distribution;
use super::noise::Noise;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::Settings;

/// Configuration of a [`PartlyPeriodic`] distribution.
#[derive(Config, Debug)]
pub struct PartlyPeriodicConfig {
    /// Whether each feature is an angle; at least one feature.
    pub periodic: Vec<bool>,
}

impl PartlyPeriodicConfig {
    /// Builds the distribution on a device.
    ///
    /// # Panics
    ///
    /// If there is no feature.
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> PartlyPeriodic {
        or_panic(self.validate());
        let settings = Settings::new([format!("periodic = {:?}", self.periodic)], device);
        PartlyPeriodic { periodic: self.periodic.clone(), settings }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no feature.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(!self.periodic.is_empty(), "`periodic` must have at least 1 feature, got 0");
        Ok(())
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        self.periodic.len()
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// Independent features: angles that are uniform on the circle, the others standard normal.
///
/// ```text
/// log p(x) = - n_angles log 2π - ½ Σ_i x_i² - ½ n_others log 2π,    i over the others
/// ```
///
/// An angle and the same angle some turns further are one point: the density of angles is periodic
/// and integrates to 1 over one turn. Samples are from -π to π.
///
/// It is the base of layers that keep angles angles, as a coupling of splines with
/// [`BoundarySlopes::Periodic`](crate::univariate::BoundarySlopes::Periodic) slopes on the interval
/// from -π to π whose networks are [`PeriodicMlp`](crate::conditioner::PeriodicMlp)s.
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # References
///
/// Rezende et al.: *Normalizing Flows on Tori and Spheres*, 2020, arXiv:2002.02428.
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, PartlyPeriodicConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let base = PartlyPeriodicConfig::new(vec![true]).init(&device, &mut rng);
/// let log_prob = base.log_prob(Tensor::from_floats([[0.0], [3.0], [9.0]], &device));
/// let log_prob: Vec<f32> = log_prob.into_data().iter().collect();
/// assert!(log_prob.iter().all(|x| (x + 1.837877).abs() < 1e-5)); // -log 2π
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct PartlyPeriodic {
    #[module(skip)]
    periodic: Vec<bool>,
    /// Also knows the device.
    settings: Settings,
}

impl Distribution for PartlyPeriodic {
    fn d_features(&self) -> usize {
        self.periodic.len()
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.periodic.len();
        assert_shape!(x, [_, d_features]);
        let factor: Vec<f64> =
            self.periodic.iter().map(|&periodic| if periodic { 0.0 } else { 0.5 }).collect();
        let options = (&x.device(), x.dtype());
        let factor = Tensor::<2>::from_data(TensorData::new(factor, [1, d_features]), options);
        // An angle that is no number still shows: 0 times it is none.
        let terms = -(x.clone() * factor) * x;
        let n_angles = self.periodic.iter().filter(|&&periodic| periodic).count();
        // An angle has the whole of `log 2π`, a normal one half.
        terms.sum_dim(1).squeeze_dim(1) - 0.5 * (d_features + n_angles) as f64 * TAU.ln()
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let features = (0..n).flat_map(|_| &self.periodic);
        let draw = |rng: &mut R, &periodic: &bool| -> f64 {
            if periodic { rng.random_range(-PI..PI) } else { StandardNormal.sample(rng) }
        };
        let values = features.map(|periodic| draw(noise.rng(), periodic)).collect();
        noise.tensor(values, [n, self.periodic.len()])
    }
}

impl ModuleDisplay for PartlyPeriodic {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let n_angles = self.periodic.iter().filter(|&&periodic| periodic).count();
        let n_others = self.periodic.len() - n_angles;
        let text = format!("{n_angles} angles uniform, {n_others} others standard normal");
        content.add_formatted(&text).optional()
    }
}

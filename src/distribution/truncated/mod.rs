//! [`Truncated`]: a bell that is cut off at two ends. `interval`: its numbers on the host.

mod interval;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};
use rand::{Rng, RngExt};
use rand_distr::Open01;

use super::interface::Distribution;
use super::location_scale::Family;
use super::noise::Noise;
use super::ranges::{check_ends, check_finite, check_lengths, check_positive, is_inside};
use super::without_value;
use crate::error::{Error, or_panic};
use crate::parameters::{Settings, Vector};
use interval::Interval;

pub use interval::Bell;

/// Configuration of a [`Truncated`] distribution.
#[derive(Config, Debug)]
pub struct TruncatedConfig {
    /// What is cut off.
    pub bell: Bell,
    /// The lower end of each feature, in the units of the data.
    pub low: Vec<f64>,
    /// The upper end of each feature, above the lower.
    pub high: Vec<f64>,
    /// The location of each feature; by default the middle.
    pub loc: Option<Vec<f64>>,
    /// The scale of each feature, above 0; by default a quarter of the width.
    pub scale: Option<Vec<f64>>,
    /// Whether locations and scales are trained; the ends are not.
    #[config(default = false)]
    pub learnable: bool,
}

impl TruncatedConfig {
    /// Builds the distribution on a device.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> Truncated {
        or_panic(self.validate());
        let (loc, scale) = (self.loc(), self.scale());
        let Self { bell, low, high, learnable, .. } = self;
        let ends = [format!("low = {low:?}"), format!("high = {high:?}")];
        let mut texts = vec![format!("truncated {bell:?}")];
        texts.extend(ends);
        if *learnable {
            texts.push("learnable".to_owned());
        } else {
            texts.extend([format!("loc = {loc:?}"), format!("scale = {scale:?}")]);
        }
        let logs = scale.iter().map(|scale| scale.ln()).collect();
        Truncated {
            bell: *bell,
            low: low.clone(),
            high: high.clone(),
            loc: Vector::new(loc, *learnable, device),
            log_scale: Vector::new(logs, *learnable, device),
            settings: Settings::new(texts, device),
        }
    }

    fn ends(&self) -> impl Iterator<Item = (f64, f64)> {
        self.low.iter().copied().zip(self.high.iter().copied())
    }

    fn loc(&self) -> Vec<f64> {
        let middle = || self.ends().map(|(low, high)| 0.5 * (low + high)).collect();
        self.loc.clone().unwrap_or_else(middle)
    }

    fn scale(&self) -> Vec<f64> {
        let quarter = || self.ends().map(|(low, high)| 0.25 * (high - low)).collect();
        self.scale.clone().unwrap_or_else(quarter)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no features, if vectors differ in length, if a lower end is not below its
    /// upper end, or if a value is not finite or a scale not above 0.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { low, high, .. } = self;
        check_ends(low, high)?;
        let (loc, scale) = (self.loc(), self.scale());
        check_lengths([("low", low), ("loc", &loc)])?;
        check_lengths([("low", low), ("scale", &scale)])?;
        check_finite("loc", &loc)?;
        check_positive("scale", &scale)
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

/// Independent features whose density is a bell between two ends and nothing beyond them, where the log-density is
/// minus infinity.
///
/// ```text
/// log p(x) = Σ_i log f((x_i - loc_i) / scale_i) - log scale_i - log (F(b_i) - F(a_i))
/// ```
///
/// with `a` and `b` the standardised ends. Samples are quantiles, and so reparameterized. The logarithms of the
/// masses are computed in f64 from the end that is nearer: the ends may be far out in a tail.
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Bell, Distribution, TruncatedConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let half = TruncatedConfig::new(Bell::Laplace, vec![0.0], vec![1e3])
///     .with_loc(Some(vec![0.0]))
///     .with_scale(Some(vec![1.0]))
///     .init(&device, &mut rng);
/// let log_prob = half.log_prob(Tensor::from_floats([[2.0], [-1.0]], &device));
/// let log_prob: Vec<f32> = log_prob.into_data().iter().collect();
/// // An exponential distribution.
/// assert!((log_prob[0] + 2.0).abs() < 1e-5 && log_prob[1] == f32::NEG_INFINITY);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Truncated {
    #[module(skip)]
    bell: Bell,
    #[module(skip)]
    low: Vec<f64>,
    #[module(skip)]
    high: Vec<f64>,
    loc: Vector,
    log_scale: Vector,
    settings: Settings,
}

/// What a number that depends on the standardised ends is, and how it changes with location and log-scale.
type WithSlopes = (f64, [f64; 2]);

impl Truncated {
    /// The interval of each feature, and its scale.
    fn intervals(&self) -> Vec<(Interval, [f64; 2], f64)> {
        let places = self.loc.host().into_iter().zip(self.log_scale.host());
        let ends = self.low.iter().zip(&self.high);
        let interval = |((loc, log_scale), (low, high)): ((f64, f64), (&f64, &f64))| {
            let scale = log_scale.exp();
            let ends = [low, high].map(|end| (end - loc) / scale);
            (Interval::new(self.bell, ends), ends, scale)
        };
        places.zip(ends).map(interval).collect()
    }
}

/// From slopes by the standardised ends to those by location and log-scale.
fn by_place(slopes: [f64; 2], ends: [f64; 2], scale: f64) -> [f64; 2] {
    [-(slopes[0] + slopes[1]) / scale, -(slopes[0] * ends[0] + slopes[1] * ends[1])]
}

impl Distribution for Truncated {
    fn d_features(&self) -> usize {
        self.low.len()
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        if x.dims()[0] == 0 {
            // Some operations take no empty tensors.
            return x.sum_dim(1).squeeze_dim(1);
        }
        let options = (&x.device(), x.dtype());
        let (loc, log_scale) =
            (self.loc.tensor(options.0, options.1), self.log_scale.tensor(options.0, options.1));
        let masses = self.intervals().into_iter().map(|(interval, ends, scale)| -> WithSlopes {
            let (log_mass, slopes) = interval.log_mass();
            (log_mass, by_place(slopes, ends, scale))
        });
        let (values, slopes): (Vec<f64>, Vec<[f64; 2]>) = masses.unzip();
        let constant = |values: Vec<f64>| -> Tensor<1> {
            Tensor::from_data(TensorData::new(values, [d_features]), options)
        };
        let slope = |which: usize| constant(slopes.iter().map(|slopes| slopes[which]).collect());
        let log_mass = constant(values)
            + slope(0) * without_value(&loc)
            + slope(1) * without_value(&log_scale);
        let row = |values: &[f64]| constant(values.to_vec()).unsqueeze::<2>();
        let inside = is_inside(&x, &self.low, &self.high);
        let outside = inside.bool_not();
        // Clamped first, so that nothing from outside reaches a gradient.
        let middle = self.low.iter().zip(&self.high).map(|(low, high)| 0.5 * (low + high));
        let within = x.clone().mask_where(
            outside.clone(),
            row(&middle.collect::<Vec<_>>()).expand([x.dims()[0], d_features]),
        );
        let t = (within - loc.unsqueeze()) * log_scale.clone().neg().exp().unsqueeze::<2>();
        let log_density = match self.bell {
            Bell::Normal => t.square() * -0.5 - 0.5 * std::f64::consts::TAU.ln(),
            Bell::Laplace => Family::Laplace.log_density(t, None),
            Bell::Logistic => Family::Logistic.log_density(t, None),
        };
        let terms = log_density.mask_fill(outside, f64::NEG_INFINITY);
        terms.sum_dim(1).squeeze_dim::<1>(1) - (log_scale + log_mass).sum()
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let d_features = self.d_features();
        let intervals = self.intervals();
        let (mut values, mut by_loc, mut by_log_scale) = (vec![], vec![], vec![]);
        for _ in 0..n {
            for (interval, ends, scale) in &intervals {
                let (t, slopes) = interval.quantile(noise.rng().sample(Open01));
                let [of_loc, of_log_scale] = by_place(slopes, *ends, *scale);
                values.push(t);
                by_loc.push(of_loc);
                by_log_scale.push(of_log_scale);
            }
        }
        let shape = [n, d_features];
        let mut t = noise.tensor(values, shape);
        let (device, dtype) = (t.device(), t.dtype());
        let (loc, log_scale) =
            (self.loc.tensor(&device, dtype), self.log_scale.tensor(&device, dtype));
        if self.loc.is_trained() {
            t = t
                + noise.tensor(by_loc, shape) * without_value(&loc).unsqueeze::<2>()
                + noise.tensor(by_log_scale, shape) * without_value(&log_scale).unsqueeze::<2>();
        }
        let x = t * log_scale.exp().unsqueeze::<2>() + loc.unsqueeze::<2>();
        // Roundings may pass an end.
        let ends = |values: &[f64]| noise.tensor(values.repeat(n), shape);
        x.max_pair(ends(&self.low)).min_pair(ends(&self.high))
    }
}

impl ModuleDisplay for Truncated {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&format!("truncated {:?}", self.bell)).optional()
    }
}

//! [`ActNorm`]: a shift and a scale per feature, set by the first batch.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};
use rand::Rng;

use super::affine::apply;
use super::calibrated::Calibrated;
use crate::direction::Direction;
use crate::error::{Error, ensure, or_panic};
use crate::flow::Flow;
use crate::flow::run::directions_by_transform;
use crate::kernel::{KernelMap, Operation, Program, Reason};
use crate::parameters::{full, with_values};
use crate::univariate::ScaleBound;

/// Configuration of an [`ActNorm`].
#[derive(Config, Debug)]
pub struct ActNormConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
}

impl ActNormConfig {
    /// Builds the layer on a device, not calibrated yet.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> ActNorm {
        or_panic(self.validate());
        let zeros = TensorData::zeros::<f32, _>([2, self.d_features]);
        ActNorm {
            parameters: Param::from_data(zeros, device),
            calibrated: Calibrated::not_yet(device),
        }
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
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.d_features)
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// Activation normalisation: shifts and scales each feature so that the first batch comes out with a
/// mean of 0 and a standard deviation of 1, and learns on from there.
///
/// ```text
/// x_i = z_i exp(s_i) + b_i        log |det ∂x/∂z| = Σ_i s_i
/// ```
///
/// The first batch sets it, by [`calibrate`](Flow::calibrate): `fit` calls that, and in a loop of your own
/// [`NormalizingFlow::calibrate`](crate::NormalizingFlow::calibrate) does. Later calls change nothing, and a
/// layer that was saved is loaded as set. Data that come in are standardised going to the latents;
/// latents that come in (`calibrate` in the direction of `forward`) going to the data. The mean and the
/// standard deviation are of the values that are finite, and computed in f64; a feature with one value
/// only has a scale of 1. Each direction costs `O(d_features)`, and the kernels compute it.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If it was not calibrated, or the input has the wrong number of features.
/// [`Checked`](crate::distribution::Checked) returns [`Error::Uncalibrated`] for the former.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Direction, Flow};
/// use normalizing_flows::normalization::ActNormConfig;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let layer = ActNormConfig::new(1).init(&device, &mut rng);
/// let batch = Tensor::from_data([[8.0], [12.0]], &device);
/// let layer = layer.calibrate(batch.clone(), None, Direction::Inverse);
/// let (z, log_det) = layer.inverse(batch, None);
/// let z = z.into_data().try_into_vec::<f32>().unwrap();
/// assert!((z[0] + 1.0).abs() < 1e-6 && (z[1] - 1.0).abs() < 1e-6);
/// assert!((log_det.narrow(0, 0, 1).into_scalar::<f32>() + 2_f32.ln()).abs() < 1e-6);
/// ```
///
/// # References
///
/// Kingma, Dhariwal: *Glow: Generative Flow with Invertible 1x1 Convolutions*, 2018, arXiv:1807.03039.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct ActNorm {
    /// `b` and `s`, `[2, d_features]`.
    pub parameters: Param<Tensor<2>>,
    calibrated: Calibrated,
}

/// A standard deviation that is a rounding: its reciprocal would leave the range of f32.
const LEAST_DEVIATION: f64 = 1e-30;

impl ActNorm {
    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        if !self.is_calibrated() {
            or_panic(Err(Error::Uncalibrated))
        }
        apply(full(&self.parameters), direction, input)
    }
}

impl Flow for ActNorm {
    directions_by_transform!();

    fn d_features(&self) -> Option<usize> {
        Some(self.parameters.dims()[1])
    }

    fn calibrate(self, input: Tensor<2>, _: Option<&Tensor<2>>, direction: Direction) -> Self {
        let [_, d_features] = self.parameters.dims();
        assert_shape!(input, [_, d_features]);
        let [batch, _] = input.dims();
        if batch == 0 || self.is_calibrated() {
            return self;
        }
        let values: Vec<f64> = input.into_data().iter::<f64>().collect();
        let moments: Vec<(f64, f64)> =
            (0..d_features).map(|feature| moments(&values[feature..], d_features)).collect();
        let (shifts, log_scales): (Vec<f64>, Vec<f64>) = moments
            .into_iter()
            .map(|(mean, deviation)| match direction {
                Direction::Inverse => (mean, deviation.ln()),
                Direction::Forward => (-mean / deviation, -deviation.ln()),
            })
            .unzip();
        Self {
            parameters: with_values(self.parameters, [shifts, log_scales].concat()),
            calibrated: self.calibrated.set(),
        }
    }

    fn is_calibrated(&self) -> bool {
        self.calibrated.get()
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        let operation = if self.is_calibrated() {
            let map = KernelMap::Affine(ScaleBound::Exp);
            Ok(Operation::Elementwise { parameters: self.parameters.val(), map })
        } else {
            Err(Reason::Uncalibrated)
        };
        program.add_layer(self, operation);
    }
}

/// The mean and the standard deviation of every `step`-th value, of those that are finite; the latter
/// is 1 where they are all equal.
fn moments(values: &[f64], step: usize) -> (f64, f64) {
    let finite: Vec<f64> =
        values.iter().step_by(step).copied().filter(|value| value.is_finite()).collect();
    let Some(&first) = finite.first() else { return (0.0, 1.0) };
    if finite.iter().all(|&value| value == first) {
        return (first, 1.0);
    }
    let n = finite.len() as f64;
    let mean = finite.iter().map(|value| value / n).sum::<f64>();
    let variance = finite.iter().map(|value| (value - mean).powi(2) / n).sum::<f64>();
    let deviation = variance.sqrt();
    (mean, if deviation > LEAST_DEVIATION { deviation } else { 1.0 })
}

/// As "ActNorm, 3 features".
impl ModuleDisplay for ActNorm {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let [_, d_features] = self.parameters.dims();
        content.add_formatted(&format!("ActNorm, {d_features} features")).optional()
    }
}

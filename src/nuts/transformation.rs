//! [`Transformation`]: the flow between two updates.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::activation::ActivationConfig;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use rand::Rng;

use crate::conditioner::MlpConfig;
use crate::coupling::Mask;
use crate::error::{Error, ensure};
use crate::flow::{Flow, Layer, Sequential};
use crate::kernel::PointFlow;
use crate::linear::HouseholderConfig;
use crate::univariate::{AffineConfig, ScaleBound};
use crate::{ElementwiseConfig, MaskedCouplingConfig, cast};

/// Configuration of a [`Transformation`] and of its updates.
///
/// Up to the first updates it is a shift and a scale of every feature; then couplings of affine maps come before those,
/// and are trained.
#[derive(Config, Debug)]
pub struct TransformationConfig {
    /// The number of coupling layers; by default twice as many as it takes for any two features to be once on
    /// different sides.
    pub n_layers: Option<usize>,
    /// The widths of the hidden layers of each coupling's network.
    #[config(default = "vec![32]")]
    pub d_hidden: Vec<usize>,
    /// The reflections of each rotation between two couplings, an even number; 0 for none. On a rotated funnel chains
    /// through flows without rotations had twice as many effective samples, on an upright one as many, after half the
    /// warm-up.
    #[config(default = 0)]
    pub n_reflections: usize,
    /// The first updates, which set shifts and scales alone.
    #[config(default = 6)]
    pub n_diagonal_updates: usize,
    /// The draws that an update is trained on: the last so many.
    #[config(default = 600)]
    pub window: usize,
    /// Passes over them, at most; the learning rate falls over so many, along a cosine to 0.
    #[config(default = 120)]
    pub max_epochs: usize,
    /// Passes without a lower loss on the fifth of the draws that is held out, after which an update ends.
    #[config(default = 40)]
    pub patience: usize,
    /// Draws per step of training.
    #[config(default = 60)]
    pub batch_size: usize,
    /// The learning rate of AdamW at the start of an update.
    #[config(default = 5e-3)]
    pub learning_rate: f64,
}

impl Default for TransformationConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl TransformationConfig {
    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        let window = self.window;
        ensure!(window >= FEWEST, "`window` must be at least {FEWEST}, got {window}");
        // The kernels take a thousand weights and biases in one pass.
        let n_layers = self.n_layers.unwrap_or(0);
        ensure!(n_layers <= 64, "`n_layers` must be at most 64, got {n_layers}");
        let counts = [
            ("max_epochs", self.max_epochs),
            ("patience", self.patience),
            ("batch_size", self.batch_size),
        ];
        for (name, value) in counts {
            ensure!(value > 0, "`{name}` must be at least 1, got 0");
        }
        let n = self.n_reflections;
        ensure!(n.is_multiple_of(2), "`n_reflections` must be even, got {n}");
        ensure!(
            self.d_hidden.iter().all(|width| *width > 0),
            "every width in `d_hidden` must be at least 1, got {:?}",
            self.d_hidden
        );
        let rate = self.learning_rate;
        ensure!(
            rate.is_finite() && rate > 0.0,
            "`learning_rate` must be finite and above 0, got {rate}"
        );
        Ok(())
    }

    /// Couplings that start at the identity, over shifts and scales.
    pub(super) fn flow<R: Rng + ?Sized>(
        &self,
        diagonal: &Diagonal,
        rng: &mut R,
    ) -> Sequential<Layer> {
        let d = diagonal.shift.len();
        let device = Device::flex();
        // Of one feature there is nothing to couple.
        let n_bits = d.next_power_of_two().trailing_zeros() as usize;
        let n_layers = if d < 2 { 0 } else { self.n_layers.unwrap_or(2 * n_bits) };
        let mut layers: Vec<Layer> = Vec::new();
        for layer in 0..n_layers {
            // The bits of the features' numbers in turn, and their complements.
            let bit = (layer / 2) % n_bits;
            let kept = (0..d).map(|feature| ((feature >> bit) & 1 == 1) == (layer % 2 == 1));
            let network = MlpConfig::new()
                .with_d_hidden(self.d_hidden.clone())
                .with_activation(ActivationConfig::Gelu);
            let coupling = MaskedCouplingConfig::new(Mask::custom(kept.collect()))
                .with_conditioner(network.into());
            layers.push(coupling.init(&device, rng).into());
            if self.n_reflections > 0 && layer + 1 < n_layers {
                let n = self.n_reflections.min(d - d % 2);
                let rotation = HouseholderConfig::new(d).with_n_reflections(Some(n));
                layers.push(rotation.init(&device, rng).into());
            }
        }
        if n_layers > 0 {
            // What is trained knows no units.
            layers.push(ElementwiseConfig::new(d).init(&device, rng).into());
        }
        layers.push(diagonal.layer(rng).no_grad());
        cast(Sequential::new(layers), FloatDType::F64)
    }
}

/// Of fewer draws nothing would be held out.
pub(super) const FEWEST: usize = 5;

/// A shift and a scale of every feature.
#[derive(Debug, Clone)]
pub(super) struct Diagonal {
    pub shift: Vec<f64>,
    pub scale: Vec<f64>,
}

impl Diagonal {
    /// Of one point and the gradient there: a normal would have a variance of about the inverse of its size.
    pub fn at(position: &[f64], gradient: &[f64]) -> Self {
        let scale = gradient.iter().map(|slope| within(slope.abs().powf(-0.5), 1.0)).collect();
        Self { shift: position.to_vec(), scale }
    }

    /// Of draws and gradients, row after row: a normal has a variance of the ratio of both standard deviations, and a
    /// mean at which the gradient vanishes. Where draws or gradients are all equal the scale stays.
    pub fn of(draws: &[f64], gradients: &[f64], before: &Self) -> Self {
        let d = before.shift.len();
        let (mut shift, mut scale) = (Vec::with_capacity(d), Vec::with_capacity(d));
        for feature in 0..d {
            let [draws, gradients] = [draws, gradients].map(|rows| moments(rows, feature, d));
            let ratio = (draws.1 / gradients.1).sqrt();
            let variance = within(ratio.sqrt(), before.scale[feature]).powi(2);
            scale.push(variance.sqrt());
            shift.push(draws.0 + variance * gradients.0);
        }
        Self { shift, scale }
    }

    fn layer<R: Rng + ?Sized>(&self, rng: &mut R) -> Layer {
        let d = self.shift.len();
        let device = Device::flex();
        let map = AffineConfig::new().with_bound(ScaleBound::Exp);
        let mut layer = ElementwiseConfig::new(d).with_univariate(map.into()).init(&device, rng);
        let logs = self.scale.iter().map(|scale| scale.ln());
        let values: Vec<f64> = self.shift.iter().copied().chain(logs).collect();
        let values = TensorData::new(values, [2, d]);
        let options = (&device, burn::tensor::DType::F64);
        layer.parameters = Param::from_tensor(Tensor::from_data(values, options));
        layer.into()
    }
}

/// A scale that is one, or else another: finite, and neither so small nor so large that nothing moves.
fn within(scale: f64, otherwise: f64) -> f64 {
    if scale.is_finite() && scale > 0.0 { scale.clamp(1e-10, 1e10) } else { otherwise }
}

/// Mean and variance of a feature.
fn moments(rows: &[f64], feature: usize, d: usize) -> (f64, f64) {
    let values = || rows.iter().skip(feature).step_by(d);
    let n = values().count() as f64;
    let mean = values().sum::<f64>() / n;
    (mean, values().map(|value| (value - mean).powi(2)).sum::<f64>() / n)
}

/// The flow of a chain, from a latent space in which the sampler moves to that of the target: what `nuts-rs` calls the
/// parameters of a flow.
pub struct Transformation {
    pub(super) flow: Sequential<Layer>,
    pub(super) point: PointFlow,
    /// Of the last update that set one.
    pub(super) diagonal: Diagonal,
    /// Counts the changes.
    pub(super) id: i64,
    /// Counts the updates, those that were not accepted too.
    pub(super) n_updates: usize,
}

impl Transformation {
    pub(super) fn new(flow: Sequential<Layer>, diagonal: Diagonal) -> Self {
        let point = point_flow(&flow);
        Self { flow, point, diagonal, id: 0, n_updates: 0 }
    }

    pub(super) fn replace(&mut self, flow: Sequential<Layer>) {
        self.point = point_flow(&flow);
        self.flow = flow;
        self.id += 1;
    }
}

fn point_flow(flow: &Sequential<Layer>) -> PointFlow {
    let d = flow.d_features().expect("its layers are of so many features");
    let plain = flow.valid();
    PointFlow::new(d, &Device::flex(), |program| plain.lower(program))
        .expect("the kernels know all of these layers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::perturb;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    /// A flow of every kind of layer, away from the identity.
    fn transformation(d: usize) -> Transformation {
        let rng = &mut ChaCha8Rng::seed_from_u64(0);
        let diagonal = Diagonal {
            shift: (0..d).map(|i| i as f64 - 1.0).collect(),
            scale: (0..d).map(|i| 0.5 + 0.3 * i as f64).collect(),
        };
        let flow = TransformationConfig::new().with_n_reflections(2).flow(&diagonal, rng);
        Transformation::new(perturb(flow, 0.3, rng), diagonal)
    }

    /// `log p(x) = Σ sin x_i`, whose gradient depends on the point.
    fn log_density(x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.iter_mut().zip(x).for_each(|(slope, x)| *slope = x.cos());
        x.iter().map(|x| x.sin()).sum()
    }

    /// Central differences with a step of 1e-6 err by 1e-12 times third derivatives, and by roundings of 1e-16 over
    /// the step.
    #[test]
    fn gradients_at_a_point_match_differences() {
        for d in [2, 3, 5] {
            let mut point = transformation(d).point;
            let z: Vec<f64> = (0..d).map(|i| 0.4 * i as f64 - 0.7).collect();
            let (mut x, mut gradient) = (vec![0.0; d], vec![0.0; d]);
            point.forward_and_back(&z, &mut x, &mut gradient, log_density);
            let mut value = |z: &[f64]| {
                let (mut x, mut unused) = (vec![0.0; d], vec![0.0; d]);
                let (log_det, log_density) =
                    point.forward_and_back(z, &mut x, &mut unused, log_density);
                log_det + log_density
            };
            for i in 0..d {
                let mut moved = |by: f64| {
                    let mut z = z.clone();
                    z[i] += by;
                    value(&z)
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let error = (gradient[i] - difference).abs();
                assert!(
                    error < 1e-8 * (1.0 + difference.abs()),
                    "{} and {difference}",
                    gradient[i]
                );
            }
        }
    }

    /// One point by the kernels, and rows by tensor operations.
    #[test]
    fn a_point_is_a_row() {
        let d = 5;
        let mut transformation = transformation(d);
        let z: Vec<f64> = (0..d).map(|i| 0.4 * i as f64 - 0.7).collect();
        let (mut x, mut gradient, mut slopes) = (vec![0.0; d], vec![0.0; d], vec![0.0; d]);
        let (log_det, _) =
            transformation.point.forward_and_back(&z, &mut x, &mut gradient, |x, slope| {
                log_density(x, slope);
                slopes.copy_from_slice(slope);
            });
        let row = |values: &[f64]| {
            let values = TensorData::new(values.to_vec(), [1, d]);
            Tensor::<2>::from_data(values, (&Device::flex(), burn::tensor::DType::F64))
        };
        let pulled =
            transformation.flow.pull_back(row(&x), row(&slopes), None).expect("it has one");
        let close = |found: &[f64], expected: Vec<f64>| {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-10, "{found} and {expected}");
            }
        };
        close(&z, pulled.z.into_data().iter().collect());
        close(&gradient, pulled.gradient.into_data().iter().collect());
        close(&[log_det], pulled.log_det.into_data().iter().collect());
        let mut again = vec![0.0; d];
        let inverse = transformation.point.inverse(&x, &mut again);
        close(&again, z);
        close(&[inverse], vec![-log_det]);
    }

    #[test]
    fn shifts_and_scales_are_those_of_a_normal() {
        // Of N(3, 2²): gradients are -(x - 3) / 4.
        let draws: Vec<f64> = (0..50).map(|i| 3.0 + 2.0 * (i as f64 * 0.7).sin()).collect();
        let gradients: Vec<f64> = draws.iter().map(|x| -(x - 3.0) / 4.0).collect();
        let before = Diagonal { shift: vec![0.0], scale: vec![7.0] };
        let Diagonal { shift, scale } = Diagonal::of(&draws, &gradients, &before);
        assert!((shift[0] - 3.0).abs() < 1e-12 && (scale[0] - 2.0).abs() < 1e-12);
        // Of one slope nothing is known.
        assert_eq!(Diagonal::of(&draws, &[1.0; 50], &before).scale, [7.0]);
    }
}

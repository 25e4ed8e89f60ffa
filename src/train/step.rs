//! One step of training: the loss, its gradients, the clipping of their global norm, AdamW.

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Tensor, TensorData};

use crate::data::Dataset;
use crate::distribution::Distribution;
use crate::optim::clip_gradient_norm;

/// The mean negative log-likelihood of rows, in nats per row, `[1]`: the loss of maximum likelihood
/// training.
///
/// # Panics
///
/// As [`log_prob`](Distribution::log_prob), and if a context is missing or not wanted.
///
/// # Example
///
/// A step of training by hand:
///
/// ```
/// use normalizing_flows::RealNvpConfig;
/// use normalizing_flows::burn::optim::GradientsParams;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::optim::{AdamWConfig, clip_gradient_norm};
/// use normalizing_flows::train::nll;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default().autodiff();
/// let model = RealNvpConfig::new(2).init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let mut optimizer = AdamWConfig::new().init();
/// let loss = nll(&model, Tensor::ones([8, 2], &device), None);
/// let mut gradients = GradientsParams::from_grads(loss.backward(), &model);
/// clip_gradient_norm(&model, &mut gradients, 5.0);
/// let model = optimizer.step(1e-3, model, gradients);
/// # let _ = model;
/// ```
pub fn nll<D: Distribution>(model: &D, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
    let log_prob = match context {
        Some(context) => model.given(context).log_prob(x),
        None => model.log_prob(x),
    };
    -log_prob.mean()
}

/// What a step did.
pub(super) struct Step<D> {
    pub model: D,
    /// The loss on the batch, before the step.
    pub loss: f64,
    /// The norm of all gradients together, before it was clipped.
    pub gradient_norm: f64,
    /// Whether the loss or the gradients were not finite, so that the model is as it was.
    pub skipped: bool,
}

/// Minimises the mean negative log-likelihood of a batch by one step.
pub(super) fn step<D: Distribution>(
    model: D,
    optimizer: &mut ModuleOptimizer,
    batch: &Dataset,
    learning_rate: f64,
    max_gradient_norm: f64,
) -> Step<D> {
    let log_prob = model.log_density(batch.x().clone(), batch.context());
    let loss = match batch.weights() {
        None => -log_prob.mean(),
        Some(weights) => {
            let weights = TensorData::new(weights.to_vec(), [weights.len()]);
            let options = (&log_prob.device(), log_prob.dtype());
            -(log_prob * Tensor::from_data(weights, options)).mean()
        }
    };
    descend(model, optimizer, loss, learning_rate, max_gradient_norm)
}

/// A step along the gradient of a loss; none if it or the loss is not finite.
pub(super) fn descend<D: Distribution>(
    model: D,
    optimizer: &mut ModuleOptimizer,
    loss: Tensor<1>,
    learning_rate: f64,
    max_gradient_norm: f64,
) -> Step<D> {
    // Always run backward: a graph that never is would stay in memory.
    let mut gradients = GradientsParams::from_grads(loss.backward(), &model);
    let gradient_norm = clip_gradient_norm(&model, &mut gradients, max_gradient_norm);
    let loss = loss.into_scalar::<f64>();
    if !loss.is_finite() || !gradient_norm.is_finite() {
        return Step { model, loss, gradient_norm, skipped: true };
    }
    let model = optimizer.step(learning_rate, model, gradients);
    Step { model, loss, gradient_norm, skipped: false }
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;
    use crate::{ElementwiseConfig, NormalizingFlow, StandardNormal};
    use burn::optim::SgdConfig;
    use burn::tensor::Device;
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    type Model = NormalizingFlow<StandardNormal, crate::Elementwise>;

    fn model() -> Model {
        let device = Device::default().autodiff();
        let flow = ElementwiseConfig::new(2).init(&device, &mut ChaCha8Rng::seed_from_u64(0));
        NormalizingFlow::new(StandardNormal::new(2, &device), flow)
    }

    fn batch(value: f64) -> Dataset {
        Dataset::new(Tensor::full([4, 2], value, &Device::default().autodiff()))
    }

    fn values(model: &Model) -> Vec<f64> {
        model.flow.parameters.val().into_data().iter::<f64>().collect()
    }

    /// The gradient of the loss at `x` for each shift is `-x`, for each log-scale `1 - x²`.
    #[test]
    fn the_global_norm_is_that_of_all_gradients_together() {
        let mut sgd = SgdConfig::new().init();
        let step = step(model(), &mut sgd, &batch(2.0), 1.0, 1e9);
        let expected = (2.0 * (2.0_f64.powi(2) + 3.0_f64.powi(2))).sqrt();
        assert!((step.gradient_norm - expected).abs() < 1e-5, "{}", step.gradient_norm);
        assert!(!step.skipped);
    }

    #[test]
    fn a_longer_gradient_is_scaled_down_to_the_bound() {
        let mut sgd = SgdConfig::new().init();
        let before = values(&model());
        let step = step(model(), &mut sgd, &batch(2.0), 1.0, 0.5);
        let after = values(&step.model);
        let moved: f64 =
            before.iter().zip(&after).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        assert!((moved - 0.5).abs() < 1e-6, "{moved}");
    }

    /// The squares of these gradients overflow f32, the gradients do not.
    #[test]
    fn huge_gradients_are_clipped_and_not_skipped() {
        let mut sgd = SgdConfig::new().init();
        let step = step(model(), &mut sgd, &batch(1e12), 1.0, 5.0);
        assert!((step.gradient_norm / (2.0_f64.sqrt() * 1e24) - 1.0).abs() < 1e-4);
        assert!(!step.skipped);
    }

    #[test]
    fn a_step_that_is_not_finite_leaves_the_model_as_it_was() {
        for value in [f64::NAN, f64::INFINITY] {
            let mut sgd = SgdConfig::new().init();
            let before = values(&model());
            let step = step(model(), &mut sgd, &batch(value), 1.0, 5.0);
            assert!(step.skipped);
            assert_eq!(before, values(&step.model));
        }
    }
}

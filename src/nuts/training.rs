//! An update of a [`Transformation`](super::Transformation): training by the Fisher divergence.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::Rng;
use rand::seq::SliceRandom;

use super::transformation::TransformationConfig;
use crate::flow::{Flow, Layer, Sequential};
use crate::optim::{AdamWConfig, clip_gradient_norm};
use crate::train::Schedule;

/// Draws of a chain and the gradients of its target there: `[n, d_features]` both.
pub(super) struct Draws {
    x: Tensor<2>,
    gradients: Tensor<2>,
}

impl Draws {
    /// Of numbers row after row.
    pub fn new(x: Vec<f64>, gradients: Vec<f64>, d: usize) -> Self {
        let n = x.len() / d;
        let rows = |values| {
            Tensor::from_data(TensorData::new(values, [n, d]), (&Device::flex(), DType::F64))
        };
        Self { x: rows(x), gradients: rows(gradients) }
    }

    fn select(&self, indices: &[usize]) -> Self {
        let indices: Vec<i64> = indices.iter().map(|index| *index as i64).collect();
        let n = indices.len();
        let indices = TensorData::new(indices, [n]);
        let indices = Tensor::<1, Int>::from_data(indices, &self.x.device());
        Self {
            x: self.x.clone().select(0, indices.clone()),
            gradients: self.gradients.clone().select(0, indices),
        }
    }

    fn n_rows(&self) -> usize {
        self.x.dims()[0]
    }
}

/// `log mean |z + ∂ log p/∂z|²`, the logarithm of the Fisher divergence of the target in latent space from a standard
/// normal, whose gradient is `-z`: `[1]`.
fn fisher_divergence(flow: &Sequential<Layer>, draws: &Draws) -> Tensor<1> {
    let pulled = flow
        .pull_back(draws.x.clone(), draws.gradients.clone(), None)
        .expect("all layers of a transformation have a formula");
    (pulled.z + pulled.gradient).square().sum_dim(1).mean().log()
}

fn value(flow: &Sequential<Layer>, draws: &Draws) -> f64 {
    fisher_divergence(&flow.valid(), draws).into_scalar::<f64>()
}

/// The flow with the lowest loss on the draws that are held out, if it is lower than before.
pub(super) fn train<R: Rng + ?Sized>(
    flow: Sequential<Layer>,
    draws: &Draws,
    config: &TransformationConfig,
    rng: &mut R,
) -> Option<Sequential<Layer>> {
    let mut order: Vec<usize> = (0..draws.n_rows()).collect();
    order.shuffle(rng);
    let n_held_out = draws.n_rows() / 5;
    let held_out = draws.select(&order[..n_held_out]);
    let train = &mut order[n_held_out..];
    let before = value(&flow, &held_out);
    // Anything is better than none.
    let mut best = if before.is_nan() { f64::INFINITY } else { before };
    let mut best_flow = None;
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
    let mut flow = flow.train();
    let mut waited = 0;
    let n_batches = train.len().div_ceil(config.batch_size);
    let n_steps = config.max_epochs.saturating_mul(n_batches);
    let schedule = Schedule { learning_rate: config.learning_rate, warm_up: 0.0, n_steps };
    for epoch in 0..config.max_epochs {
        train.shuffle(rng);
        for (i, batch) in train.chunks(config.batch_size).enumerate() {
            let loss = fisher_divergence(&flow, &draws.select(batch));
            let is_finite = loss.clone().into_scalar::<f64>().is_finite();
            let mut gradients = GradientsParams::from_grads(loss.backward(), &flow);
            let norm = clip_gradient_norm(&flow, &mut gradients, MAX_GRADIENT_NORM);
            if is_finite && norm.is_finite() {
                let rate = schedule.at(epoch * n_batches + i);
                flow = optimizer.step(rate, flow, gradients);
            }
        }
        let loss = value(&flow, &held_out);
        waited += 1;
        if loss < best {
            (best, waited) = (loss, 0);
            best_flow = Some(flow.valid());
        } else if waited >= config.patience {
            break;
        }
    }
    best_flow
}

const MAX_GRADIENT_NORM: f64 = 5.0;

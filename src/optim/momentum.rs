//! [`Momentum`]: the moments of gradients, and the step along them.

use burn::optim::AdaptiveMomentumState;
use burn::tensor::Tensor;

use crate::kernel::{self, AdamRates};

/// What Adam remembers of gradients, and what a step is divided by at least.
#[derive(Debug, Clone, Copy)]
pub(super) struct Momentum {
    /// In single precision, as burn has them.
    pub beta_1: f32,
    pub beta_2: f32,
    pub epsilon: f32,
    pub correction: Correction,
}

/// Where the moments, which begin at zero, are made unbiased: it is the same but for roundings and for what
/// `epsilon` is added to. Each optimiser has burn's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Correction {
    /// In the step.
    OfStep,
    /// In each moment.
    OfMoments,
}

impl Momentum {
    /// The numbers of a step, the first of which is number 1.
    fn rates(&self, time: usize, learning_rate: f64, keep: f64) -> AdamRates {
        let Self { beta_1, beta_2, epsilon, correction } = *self;
        let time = i32::try_from(time).unwrap_or(i32::MAX);
        // The roundings are burn's.
        let [mean, square] = [beta_1, beta_2].map(|beta| 1.0 - beta.powi(time));
        let (correction, epsilon) = match correction {
            Correction::OfStep => {
                let root = square.sqrt();
                ([f64::from(root / mean), 1.0], epsilon * root)
            }
            Correction::OfMoments => ([mean, square].map(|by| f64::from(by).recip()), epsilon),
        };
        AdamRates {
            decay: [beta_1, beta_2].map(f64::from),
            share: [1.0 - beta_1, 1.0 - beta_2].map(f64::from),
            correction,
            epsilon: f64::from(epsilon),
            keep,
            learning_rate,
        }
    }

    /// Whether [`step`](Self::step) takes the tensors: where they are, their float types and shapes.
    pub fn takes<const D: usize>(
        parameter: &Tensor<D>,
        gradient: &Tensor<D>,
        state: Option<&AdaptiveMomentumState<D>>,
    ) -> bool {
        let moments = state.into_iter().flat_map(|state| [&state.moment_1, &state.moment_2]);
        kernel::takes_adam(parameter, moments.chain([gradient]))
    }

    /// The parameter, `keep` of it, moved along its moments.
    pub fn step<const D: usize>(
        &self,
        [learning_rate, keep]: [f64; 2],
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdaptiveMomentumState<D>>,
    ) -> (Tensor<D>, AdaptiveMomentumState<D>) {
        let state = state.unwrap_or_else(|| {
            AdaptiveMomentumState::new(0, gradient.zeros_like(), gradient.zeros_like())
        });
        let AdaptiveMomentumState { time, moment_1, moment_2, max_moment_2 } = state;
        let time = time + 1;
        let rates = self.rates(time, learning_rate, keep);
        let [parameter, moment_1, moment_2] =
            kernel::adam(&rates, parameter, gradient, [moment_1, moment_2]);
        (parameter, AdaptiveMomentumState { time, moment_1, moment_2, max_moment_2 })
    }
}

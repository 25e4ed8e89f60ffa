//! [`Momentum`]: the moments of gradients, and the step along them.

use burn::optim::{
    AdamState, AdaptiveMomentumState, RecordState, StateSink, StateSource, join_path,
};
use burn::tensor::{Device, Tensor};

use crate::kernel::{self, AdamRates};

/// What Adam remembers of gradients, and what a step is divided by at least.
#[derive(Debug, Clone, Copy)]
pub(super) struct Momentum {
    /// In single precision, as burn has them.
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
}

/// What an [`Adam`](super::Adam) or [`AdamW`](super::AdamW) remembers of a parameter: burn's state, in records
/// under burn's names. Other than burn's it is loaded in the float type that it was saved in.
#[derive(Clone)]
pub struct MomentState<const D: usize>(pub AdaptiveMomentumState<D>);

impl<const D: usize> RecordState for MomentState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        // Adam's and AdamW's have the same names.
        AdamState::new(self.0.clone()).state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let prefix = join_path(prefix, "momentum");
        let time = usize::try_from(src.take_scalar(&prefix, "time")?).ok()?;
        let mut moment = |name: &str| {
            let data = src.take_tensor(&prefix, name)?;
            let options = (device, data.dtype());
            Some(Tensor::from_data(data, options))
        };
        let (moment_1, moment_2) = (moment("moment_1")?, moment("moment_2")?);
        let max_moment_2 = moment("max_moment_2");
        Some(Self(AdaptiveMomentumState { time, moment_1, moment_2, max_moment_2 }))
    }
}

/// What a step is to do beside following the gradient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decay {
    /// The share of the parameter that is added to its gradient.
    pub penalty: f64,
    /// The share of the parameter that the step takes away.
    pub rate: f64,
}

impl Momentum {
    /// # Panics
    ///
    /// If a number is not in its range.
    pub fn new([beta_1, beta_2]: [f32; 2], epsilon: f32, weight_decay: f32) -> Self {
        for (name, beta) in [("beta_1", beta_1), ("beta_2", beta_2)] {
            assert!(
                (0.0..1.0).contains(&beta),
                "`{name}` must be at least 0 and below 1, got {beta}"
            );
        }
        let is_positive = epsilon > 0.0 && epsilon.is_finite();
        assert!(is_positive, "`epsilon` must be finite and above 0, got {epsilon}");
        let is_decay = weight_decay >= 0.0 && weight_decay.is_finite();
        assert!(is_decay, "`weight_decay` must be finite and at least 0, got {weight_decay}");
        Self { beta_1, beta_2, epsilon }
    }

    /// The numbers of a step, the first of which is number 1.
    fn rates(&self, time: usize, learning_rate: f64, decay: Decay) -> AdamRates {
        let Self { beta_1, beta_2, epsilon } = *self;
        let time = i32::try_from(time).unwrap_or(i32::MAX);
        // The roundings are burn's.
        let root = (1.0 - beta_2.powi(time)).sqrt();
        AdamRates {
            penalty: decay.penalty,
            decay: [beta_1, beta_2].map(f64::from),
            share: [1.0 - beta_1, 1.0 - beta_2].map(f64::from),
            correction: f64::from(root / (1.0 - beta_1.powi(time))),
            epsilon: f64::from(epsilon * root),
            taken: decay.rate,
            learning_rate,
        }
    }

    /// Whether [`step`](Self::step) takes the tensors: where they are, their float types and shapes.
    pub fn takes<const D: usize>(
        parameter: &Tensor<D>,
        gradient: &Tensor<D>,
        state: Option<&MomentState<D>>,
    ) -> bool {
        let moments =
            state.into_iter().flat_map(|MomentState(state)| [&state.moment_1, &state.moment_2]);
        kernel::takes_adam(parameter, moments.chain([gradient]))
    }

    /// The parameter moved along its moments, by the kernels.
    pub fn step<const D: usize>(
        &self,
        (learning_rate, decay): (f64, Decay),
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<MomentState<D>>,
    ) -> (Tensor<D>, MomentState<D>) {
        let AdaptiveMomentumState { time, moment_1, moment_2, max_moment_2 } = match state {
            Some(MomentState(state)) => state,
            None => AdaptiveMomentumState::new(0, gradient.zeros_like(), gradient.zeros_like()),
        };
        let time = time + 1;
        let rates = self.rates(time, learning_rate, decay);
        let [parameter, moment_1, moment_2] =
            kernel::adam(&rates, parameter, gradient, [moment_1, moment_2]);
        let state = AdaptiveMomentumState { time, moment_1, moment_2, max_moment_2 };
        (parameter, MomentState(state))
    }
}

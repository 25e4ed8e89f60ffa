//! [`Adam`]: steps along the mean of gradients, by the root of their mean squares.

use burn::config::Config;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};

use super::momentum::{Decay, MomentState, Momentum};

/// Configuration of [`Adam`], with PyTorch's defaults.
///
/// Kingma, Ba: *Adam: A Method for Stochastic Optimization*, 2015, arXiv:1412.6980; `amsgrad`: Reddi, Kale,
/// Kumar: *On the Convergence of Adam and Beyond*, 2018, arXiv:1904.09237.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::optim::GradientsParams;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::optim::AdamConfig;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
/// use normalizing_flows::{RealNvpConfig, train::nll};
///
/// let device = Device::default().autodiff();
/// let mut model = RealNvpConfig::new(2).init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let mut adam = AdamConfig::new().init();
/// for _ in 0..3 {
///     let loss = nll(&model, Tensor::ones([8, 2], &device), None);
///     let gradients = GradientsParams::from_grads(loss.backward(), &model);
///     model = adam.step(1e-3, model, gradients);
/// }
/// ```
#[derive(Config, Debug)]
pub struct AdamConfig {
    /// How much of the mean of gradients a step keeps, at least 0 and below 1.
    #[config(default = 0.9)]
    pub beta_1: f32,
    /// How much of the mean of their squares a step keeps, at least 0 and below 1.
    #[config(default = 0.999)]
    pub beta_2: f32,
    /// Added to the root of the mean of squares, above 0. burn's own is 1e-5, which holds back parameters of
    /// small gradients.
    #[config(default = 1e-8)]
    pub epsilon: f32,
    /// The factor of the parameters that are added to their gradients: an L2 penalty, at least 0.
    #[config(default = 0.0)]
    pub weight_decay: f32,
    /// Whether steps are divided by the largest mean of squares so far: burn's step, which is slower.
    #[config(default = false)]
    pub amsgrad: bool,
}

impl AdamConfig {
    /// The optimiser of a module.
    ///
    /// # Panics
    ///
    /// If a number is not in its range.
    pub fn init(&self) -> ModuleOptimizer {
        ModuleOptimizer::from(self.build())
    }

    /// The optimiser of one tensor, for [`ModuleOptimizer::with_group`].
    ///
    /// # Panics
    ///
    /// If a number is not in its range.
    pub fn build(&self) -> Adam {
        let Self { beta_1, beta_2, epsilon, weight_decay, amsgrad } = *self;
        let decay = (weight_decay != 0.0).then(|| WeightDecayConfig::new(weight_decay));
        let burns = burn::optim::AdamConfig::new()
            .with_beta_1(beta_1)
            .with_beta_2(beta_2)
            .with_epsilon(epsilon)
            .with_weight_decay(decay)
            .with_amsgrad(amsgrad)
            .build();
        let momentum = Momentum::new([beta_1, beta_2], epsilon, weight_decay);
        Adam { momentum, weight_decay, amsgrad, burns }
    }
}

/// Adam with an L2 penalty as its weight decay; see [`AdamConfig`].
#[derive(Clone)]
pub struct Adam {
    momentum: Momentum,
    weight_decay: f32,
    amsgrad: bool,
    burns: burn::optim::Adam,
}

impl Optimizer for Adam {
    type State<const D: usize> = MomentState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<MomentState<D>>,
    ) -> (Tensor<D>, Option<MomentState<D>>) {
        if self.amsgrad || !Momentum::takes(&parameter, &gradient, state.as_ref()) {
            let state = state.map(|MomentState(state)| AdamState::new(state));
            let (parameter, state) = self.burns.step(learning_rate, parameter, gradient, state);
            return (parameter, state.map(|state| MomentState(state.momentum)));
        }
        let decay = Decay { penalty: f64::from(self.weight_decay), rate: 0.0 };
        let (parameter, state) =
            self.momentum.step((learning_rate, decay), parameter, gradient, state);
        (parameter, Some(state))
    }

    fn to_device<const D: usize>(state: MomentState<D>, device: &Device) -> MomentState<D> {
        MomentState(state.0.to_device(device))
    }
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self::new()
    }
}

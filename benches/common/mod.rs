//! What the benchmarks of whole models share: a model in training, and medians.

use std::hint::black_box;
use std::time::Instant;

use normalizing_flows::burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use normalizing_flows::burn::tensor::{Device, Tensor};
use normalizing_flows::{Distribution, StandardNormal};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const WARM_UP: usize = 5;

/// A model with its optimiser and the rows it is trained on.
pub struct Training<M> {
    model: M,
    adam: ModuleOptimizer,
    x: Tensor<2>,
    rng: ChaCha8Rng,
}

impl<M: Distribution> Training<M> {
    pub fn new(model: M, batch: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let base = StandardNormal::new(model.d_features(), &Device::default());
        let x = base.sample(batch, &mut rng);
        Self { model, adam: AdamConfig::new().init(), x, rng }
    }

    /// Loss, backward pass and Adam.
    pub fn step(mut self) -> Self {
        let loss = -self.model.log_prob(self.x.clone()).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        self.model = self.adam.step(1e-3, self.model, gradients);
        self
    }
}

/// Medians in milliseconds: training step, `log_prob`, `sample`.
pub fn timings<M: Distribution>(model: M, batch: usize, repetitions: usize) -> [f64; 3] {
    let mut training = Some(Training::new(model, batch));
    let train = median_ms(repetitions, || training = training.take().map(Training::step));
    let Training { model, x, mut rng, .. } = training.expect("every step gives it back");
    let model = model.valid();
    let log_prob = median_ms(repetitions, || drop(black_box(model.log_prob(x.clone()))));
    let sample = median_ms(repetitions, || drop(black_box(model.sample(batch, &mut rng))));
    [train, log_prob, sample]
}

fn median_ms(repetitions: usize, mut f: impl FnMut()) -> f64 {
    for _ in 0..WARM_UP {
        f();
    }
    let mut milliseconds: Vec<f64> = (0..repetitions)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    milliseconds.sort_by(f64::total_cmp);
    let median = (milliseconds[(repetitions - 1) / 2] + milliseconds[repetitions / 2]) / 2.0;
    (median * 1e4).round() / 1e4
}

//! What the benchmarks of whole models share: a model in training, and medians.

#[path = "../median/mod.rs"]
mod median;

use std::hint::black_box;
use std::time::Instant;

use median::rounded_median;
use normalizing_flows::burn::optim::{GradientsParams, ModuleOptimizer};
use normalizing_flows::burn::tensor::{Device, Tensor};
use normalizing_flows::optim::AdamConfig;
use normalizing_flows::{Distribution, StandardNormal};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The rounds of a measurement: in each, every model has its turn, so that a time in which the machine
/// is busy falls on all of them alike.
const ROUNDS: usize = 10;

/// A model with its optimiser and the rows it is trained on.
pub struct Training<M> {
    /// `None` only while a step is made.
    model: Option<M>,
    adam: ModuleOptimizer,
    x: Tensor<2>,
    rng: ChaCha8Rng,
}

impl<M: Distribution> Training<M> {
    pub fn new(model: M, batch: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let base = StandardNormal::new(model.d_features(), &Device::default());
        let x = base.sample(batch, &mut rng);
        Self { model: Some(model), adam: AdamConfig::new().init(), x, rng }
    }

    fn model(&self) -> &M {
        self.model.as_ref().expect("a step gives it back")
    }
}

/// What is timed, of a model of any type.
pub trait Timed {
    /// Loss, backward pass and Adam.
    fn step(&mut self);

    /// Ends the training: the model without autodiff from here on.
    fn finish(&mut self);

    fn log_prob(&mut self);

    fn sample(&mut self);
}

impl<M: Distribution> Timed for Training<M> {
    fn step(&mut self) {
        let loss = -self.model().log_prob(self.x.clone()).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), self.model());
        self.model = self.model.take().map(|model| self.adam.step(1e-3, model, gradients));
    }

    fn finish(&mut self) {
        self.model = Some(self.model().valid());
    }

    fn log_prob(&mut self) {
        drop(black_box(self.model().log_prob(self.x.clone())));
    }

    fn sample(&mut self) {
        let model = self.model.as_ref().expect("a step gives it back");
        drop(black_box(model.sample(self.x.dims()[0], &mut self.rng)));
    }
}

/// Medians in milliseconds of each model: training step, `log_prob`, `sample`.
pub fn timings(mut models: Vec<Box<dyn Timed>>, repetitions: usize) -> Vec<[f64; 3]> {
    let train = medians_ms(&mut models, repetitions, |model| model.step());
    models.iter_mut().for_each(|model| model.finish());
    let log_prob = medians_ms(&mut models, repetitions, |model| model.log_prob());
    let sample = medians_ms(&mut models, repetitions, |model| model.sample());
    (0..models.len()).map(|i| [train[i], log_prob[i], sample[i]]).collect()
}

fn medians_ms(
    models: &mut [Box<dyn Timed>],
    repetitions: usize,
    run: impl Fn(&mut dyn Timed),
) -> Vec<f64> {
    let mut milliseconds = vec![Vec::new(); models.len()];
    for _ in 0..ROUNDS {
        for (model, milliseconds) in models.iter_mut().zip(&mut milliseconds) {
            // Once unmeasured: the caches hold the weights of the model before.
            run(model.as_mut());
            for _ in 0..repetitions.div_ceil(ROUNDS) {
                let start = Instant::now();
                run(model.as_mut());
                milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    milliseconds.into_iter().map(rounded_median).collect()
}

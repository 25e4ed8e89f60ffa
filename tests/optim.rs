//! Adam and AdamW: burn's numbers, in place.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::{cpu, host, rng};
use normalizing_flows::burn::module::{Module, Param};
use normalizing_flows::burn::optim::decay::WeightDecayConfig;
use normalizing_flows::burn::optim::{self as burns, GradientsParams, ModuleOptimizer, Optimizer};
use normalizing_flows::burn::tensor::{DType, Tensor, TensorData};
use normalizing_flows::optim::{AdamConfig, AdamWConfig};
use rand::Rng;
use rand_distr::{Distribution as _, StandardNormal};

const LEARNING_RATE: f64 = 1e-2;

fn noise<const D: usize>(shape: [usize; D], dtype: DType, rng: &mut impl Rng) -> Tensor<D> {
    let n = shape.iter().product();
    let values: Vec<f64> = (0..n).map(|_| StandardNormal.sample(rng)).collect();
    Tensor::from_data(TensorData::new(values, shape), (&cpu(), dtype))
}

/// Twenty steps along the same gradients, of sizes that differ.
fn compare(what: &str, ours: &impl Optimizer, theirs: &impl Optimizer) {
    // The last in several parts, and not a whole number of them.
    for shape in [[1, 1], [3, 5], [271, 487]] {
        for (dtype, rounding) in [(DType::F32, f64::from(f32::EPSILON)), (DType::F64, f64::EPSILON)]
        {
            let mut rng = rng(0);
            let start = noise(shape, dtype, &mut rng);
            let (mut a, mut b) = (start.clone(), start.clone());
            let (mut of_a, mut of_b) = (None, None);
            for step in 0..20 {
                // A view that is not row after row.
                let [rows, columns] = shape;
                let gradient = noise([columns, rows], dtype, &mut rng).transpose();
                let gradient = gradient * 10.0_f64.powi(step % 7 - 5);
                (a, of_a) = ours.step(LEARNING_RATE, a, gradient.clone(), of_a);
                (b, of_b) = theirs.step(LEARNING_RATE, b, gradient, of_b);
                // Each step rounds a few numbers of the size of the parameter, which is at most 5, and of the
                // step, which is less.
                let bound = f64::from(step + 1) * 20.0 * rounding;
                for (a, b) in host(a.clone()).into_iter().zip(host(b.clone())) {
                    assert!((a - b).abs() <= bound, "{what} {shape:?} {dtype:?} {step}: {a} {b}");
                }
            }
            let moved = (a - start.clone()).abs().max().into_scalar::<f64>();
            assert!(moved > 2.0 * LEARNING_RATE, "{what}: {moved}");
            // What others hold is as it was.
            assert_eq!(host(start), host(noise(shape, dtype, &mut common::rng(0))));
        }
    }
}

#[test]
fn the_steps_are_burns() {
    for weight_decay in [0.0_f32, 0.3] {
        for amsgrad in [false, true] {
            let ours = AdamConfig::new().with_weight_decay(weight_decay).with_amsgrad(amsgrad);
            let theirs = burns::AdamConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(Some(WeightDecayConfig::new(weight_decay)))
                .with_amsgrad(amsgrad);
            compare(&format!("{ours:?}"), &ours.build(), &theirs.build());
            let ours = AdamWConfig::new().with_weight_decay(weight_decay).with_amsgrad(amsgrad);
            let theirs = burns::AdamWConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(weight_decay)
                .with_amsgrad(amsgrad);
            compare(&format!("{ours:?}"), &ours.build(), &theirs.build());
        }
    }
    let betas = AdamWConfig::new().with_beta_1(0.5).with_beta_2(0.9).with_epsilon(0.1);
    let theirs = burns::AdamWConfig::new().with_beta_1(0.5).with_beta_2(0.9).with_epsilon(0.1);
    compare("others", &betas.build(), &theirs.with_weight_decay(1e-2).build());
}

/// PyTorch's: `torch.optim.AdamW([x]).defaults`.
#[test]
fn the_defaults_are_pytorchs() {
    let AdamWConfig { beta_1, beta_2, epsilon, weight_decay, amsgrad } = AdamWConfig::new();
    assert_eq!((beta_1, beta_2, epsilon, weight_decay), (0.9, 0.999, 1e-8, 1e-2));
    assert!(!amsgrad);
    let AdamConfig { beta_1, beta_2, epsilon, weight_decay, amsgrad } = AdamConfig::new();
    assert_eq!((beta_1, beta_2, epsilon, weight_decay), (0.9, 0.999, 1e-8, 0.0));
    assert!(!amsgrad);
}

/// A parameter with steps.
#[derive(Module, Debug)]
struct Model {
    x: Param<Tensor<2>>,
}

impl Model {
    fn new() -> Self {
        let x = noise([4, 3], DType::F32, &mut rng(1));
        Self { x: Param::from_data(x.into_data(), &cpu().autodiff()) }
    }

    /// A step of `(x - 1)⁴ / 4` of each number.
    fn step(self, optimizer: &mut ModuleOptimizer) -> Self {
        let loss = (self.x.val() - 1.0).powi_scalar(4).sum() * 0.25;
        let gradients = GradientsParams::from_grads(loss.backward(), &self);
        optimizer.step(LEARNING_RATE, self, gradients)
    }
}

#[test]
fn records_go_from_ours_to_burns_and_back() {
    let adam = || AdamConfig::new().init();
    let adamw = || AdamWConfig::new().init();
    let burns_adam = || burns::AdamConfig::new().with_epsilon(1e-8).init();
    let burns_adamw =
        || burns::AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(1e-2).init();
    type New<'a> = &'a dyn Fn() -> ModuleOptimizer;
    let pairs: [(New<'_>, New<'_>); 4] = [
        (&adam, &burns_adam),
        (&burns_adam, &adam),
        (&adamw, &burns_adamw),
        (&burns_adamw, &adamw),
    ];
    for (pair, (first, second)) in pairs.into_iter().enumerate() {
        let mut optimizer = first();
        let mut model = Model::new();
        for _ in 0..5 {
            model = model.step(&mut optimizer);
        }
        let record = optimizer.into_bytes().expect("it is in memory");
        let mut other = second().from_bytes(record).expect("it is whole");
        let (mut a, mut b) = (model.clone(), model);
        for _ in 0..5 {
            a = a.step(&mut optimizer);
            b = b.step(&mut other);
        }
        // Without its record the other would begin anew.
        let fresh = {
            let mut model = Model::new();
            let mut optimizer = first();
            for _ in 0..5 {
                model = model.step(&mut optimizer);
            }
            let mut optimizer = second();
            (0..5).fold(model, |model, _| model.step(&mut optimizer))
        };
        let distance =
            |a: &Model, b: &Model| (a.x.val() - b.x.val()).abs().max().into_scalar::<f64>();
        // Ten steps of a hundredth, each of a few roundings of numbers below 5.
        assert!(distance(&a, &b) < 1e-5, "{pair}: {}", distance(&a, &b));
        assert!(distance(&a, &fresh) > 1e-4, "{pair}: {}", distance(&a, &fresh));
    }
}

/// The first step is the learning rate's length, however small the gradient.
#[test]
fn small_gradients_make_whole_steps() {
    let gradient = Tensor::<2>::full([2, 2], 1e-5, &cpu());
    let (x, _) = AdamConfig::new().build().step(0.5, Tensor::zeros([2, 2], &cpu()), gradient, None);
    assert!(host(x).iter().all(|x| (x + 0.5).abs() < 1e-3));
}

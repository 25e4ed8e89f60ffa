//! Adam and AdamW: burn's numbers, in place.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::{cpu, host, rng};
use normalizing_flows::burn::module::{Module, Param};
use normalizing_flows::burn::optim::decay::WeightDecayConfig;
use normalizing_flows::burn::optim::{self as burns, GradientsParams, ModuleOptimizer, Optimizer};
use normalizing_flows::burn::tensor::{DType, FloatDType, Tensor, TensorData};
use normalizing_flows::optim::{AdamConfig, AdamWConfig, clip_gradient_norm};
use normalizing_flows::{Distribution, RealNvpConfig, cast};
use rand::Rng;
use rand_distr::{Distribution as _, StandardNormal};

const LEARNING_RATE: f64 = 1e-2;

fn noise<const D: usize>(shape: [usize; D], dtype: DType, rng: &mut impl Rng) -> Tensor<D> {
    let n = shape.iter().product();
    let values: Vec<f64> = (0..n).map(|_| StandardNormal.sample(rng)).collect();
    Tensor::from_data(TensorData::new(values, shape), (&cpu(), dtype))
}

/// Twenty steps along the same gradients, of sizes that differ. `of_factors` is how far a step may be off, as a
/// share of itself, in f64 too.
fn compare(what: &str, of_factors: f64, ours: &impl Optimizer, theirs: &impl Optimizer) {
    // The last in several parts, and not a whole number of them.
    for shape in [[1, 1], [3, 5], [271, 487]] {
        for (dtype, rounding) in [(DType::F32, f64::from(f32::EPSILON)), (DType::F64, f64::EPSILON)]
        {
            let mut rng = rng(0);
            let [rows, columns] = shape;
            // A view of a larger tensor, which others hold.
            let larger = noise([rows + 2, columns], dtype, &mut rng);
            let start = larger.clone().narrow(0, 1, rows);
            let (mut a, mut b) = (start.clone(), start.clone());
            let (mut of_a, mut of_b) = (None, None);
            let mut first_state = None;
            for step in 0..20 {
                // Column after column.
                let scale = 10.0_f64.powi(step % 7 - 5);
                let gradient = (noise([columns, rows], dtype, &mut rng) * scale).transpose();
                (a, of_a) = ours.step(LEARNING_RATE, a, gradient.clone(), of_a);
                if step == 0 {
                    first_state = of_a.clone();
                }
                (b, of_b) = theirs.step(LEARNING_RATE, b, gradient, of_b);
                // Each step rounds a few numbers of the size of the parameter, which is at most 5, and of the
                // step, which is at most three learning rates.
                let of_step = 3.0 * LEARNING_RATE * of_factors;
                let bound = f64::from(step + 1) * (20.0 * rounding + of_step);
                for (a, b) in host(a.clone()).into_iter().zip(host(b.clone())) {
                    assert!((a - b).abs() <= bound, "{what} {shape:?} {dtype:?} {step}: {a} {b}");
                }
            }
            let moved = (a - start.clone()).abs().max().into_scalar::<f64>();
            assert!(moved > LEARNING_RATE, "{what}: {moved}");
            // What others hold is as it was: a second step from the first state is the second step.
            assert_eq!(host(larger), host(noise([rows + 2, columns], dtype, &mut common::rng(0))));
            let again = ours.step(LEARNING_RATE, start.clone(), start.clone(), first_state.clone());
            let once_more = ours.step(LEARNING_RATE, start.clone(), start, first_state);
            assert_eq!(host(again.0), host(once_more.0));
        }
    }
}

/// Those with `amsgrad` are burn's own steps: that the numbers come to them.
#[test]
fn the_steps_are_burns() {
    // burn rounds the four factors of AdamW's moments to f32, and ours are Adam's.
    let rounded = 4.0 * f64::from(f32::EPSILON);
    for weight_decay in [0.0_f32, 0.3] {
        for amsgrad in [false, true] {
            let ours = AdamConfig::new().with_weight_decay(weight_decay).with_amsgrad(amsgrad);
            let theirs = burns::AdamConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(Some(WeightDecayConfig::new(weight_decay)))
                .with_amsgrad(amsgrad);
            compare(&format!("{ours:?}"), 0.0, &ours.build(), &theirs.build());
            let ours = AdamWConfig::new().with_weight_decay(weight_decay).with_amsgrad(amsgrad);
            let theirs = burns::AdamWConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(weight_decay)
                .with_amsgrad(amsgrad);
            compare(&format!("{ours:?}"), rounded, &ours.build(), &theirs.build());
        }
    }
    let betas = AdamWConfig::new().with_beta_1(0.5).with_beta_2(0.9).with_epsilon(0.1);
    let theirs = burns::AdamWConfig::new().with_beta_1(0.5).with_beta_2(0.9).with_epsilon(0.1);
    compare("others", rounded, &betas.build(), &theirs.with_weight_decay(1e-2).build());
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

/// burn's own states come back in single precision, and the next step panics.
#[test]
fn records_keep_double_precision() {
    let device = cpu().autodiff();
    let model = RealNvpConfig::new(2).with_n_layers(2).init(&device, &mut rng(3));
    let mut model = cast(model, FloatDType::F64);
    let x = noise([20, 2], DType::F64, &mut rng(4));
    let step = |model, optimizer: &mut ModuleOptimizer| {
        let loss = -Distribution::log_prob(&model, Tensor::from_inner(x.clone())).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        optimizer.step(LEARNING_RATE, model, gradients)
    };
    let mut optimizer = AdamWConfig::new().init();
    for _ in 0..3 {
        model = step(model, &mut optimizer);
    }
    let record = optimizer.into_bytes().expect("it is in memory");
    let mut loaded = AdamWConfig::new().init().from_bytes(record).expect("it is whole");
    let (a, b) = (step(model.clone(), &mut optimizer), step(model, &mut loaded));
    let values = |model: &normalizing_flows::NormalizingFlow| {
        host(model.log_prob(Tensor::from_inner(x.clone())))
    };
    assert_eq!(values(&a), values(&b));
}

/// Parameters of several parts, one that the module holds twice, an empty one, and one without a gradient.
#[derive(Module, Debug)]
struct Many {
    large: Param<Tensor<2>>,
    shared: Vec<Param<Tensor<1>>>,
    empty: Param<Tensor<2>>,
    unused: Param<Tensor<1>>,
}

impl Many {
    fn new(dtype: DType) -> Self {
        let device = cpu().autodiff();
        let large = noise([271, 97], dtype, &mut rng(5)).into_data();
        let shared = Param::from_data(noise([5], dtype, &mut rng(6)).into_data(), &device);
        let empty = TensorData::new(Vec::<f32>::new(), [0, 3]);
        Self {
            large: Param::from_tensor(Tensor::from_data(large, (&device, dtype)).require_grad()),
            shared: vec![shared.clone(), shared],
            empty: Param::from_data(empty, &device),
            unused: Param::from_data(TensorData::ones::<f32, _>([2]), &device),
        }
    }

    /// The gradients of `Σ w x` by `x` are the weights.
    fn gradients(&self, large: f64, shared: f64) -> GradientsParams {
        let sum = self.large.val().transpose().sum() * large;
        let of_shared = self.shared[0].val().sum().cast(sum.dtype()) * shared;
        let of_empty = self.empty.val().sum().cast(sum.dtype());
        GradientsParams::from_grads((sum + of_shared + of_empty).backward(), self)
    }
}

#[test]
fn the_norm_is_that_of_all_gradients_and_each_counts_once() {
    let n = 271.0 * 97.0;
    for (dtype, large) in [(DType::F32, 0.5), (DType::F64, 0.5), (DType::F64, 1e200)] {
        let model = Many::new(dtype);
        let mut gradients = model.gradients(large, 3.0);
        let expected = (large * f64::sqrt(n)).hypot(3.0 * f64::sqrt(5.0));
        let before = clip_gradient_norm(&model, &mut gradients, 1.0);
        assert!((before / expected - 1.0).abs() < 1e-6, "{before} {expected}");
        let of_shared = host(gradients.get::<1>(model.shared[0].id).expect("it has one"));
        // To the roundings of the float type; far below the largest they are nothing.
        assert!(of_shared.iter().all(|value| (value - 3.0 / expected).abs() < 1e-6));
        let after = clip_gradient_norm(&model, &mut gradients, 1.0);
        assert!((after - 1.0).abs() < 1e-5, "{after}");
        // What is short enough stays to the bit.
        let kept = host(gradients.get::<2>(model.large.id).expect("it has one"));
        clip_gradient_norm(&model, &mut gradients, 2.0);
        assert_eq!(kept, host(gradients.get::<2>(model.large.id).expect("it has one")));
    }
}

#[test]
fn gradients_that_are_not_finite_have_an_infinite_norm_and_stay() {
    let model = Many::new(DType::F32);
    for value in [f64::NAN, f64::INFINITY] {
        let mut gradients = model.gradients(1.0, value);
        assert_eq!(clip_gradient_norm(&model, &mut gradients, 1.0), f64::INFINITY);
        let large = host(gradients.get::<2>(model.large.id).expect("it has one"));
        assert!(large.iter().all(|value| *value == 1.0));
    }
    let mut gradients = model.gradients(0.0, 0.0);
    assert_eq!(clip_gradient_norm(&model, &mut gradients, 1.0), 0.0);
}

#[test]
#[should_panic(expected = "`beta_2` must be at least 0 and below 1, got 1")]
fn a_beta_of_one_is_refused() {
    AdamConfig::new().with_beta_2(1.0).init();
}

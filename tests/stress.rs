//! A deep stack in many dimensions, trained, and then fed what it has never seen.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use std::f64::consts::TAU;

use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::conditioner::ResidualMlpConfig;
use normalizing_flows::preset::Mixing;
use normalizing_flows::testing::assert_close;
use normalizing_flows::{Distribution, Flow, NormalizingFlow, NsfConfig, RealNvpConfig};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution as _, StandardNormal};

const D: usize = 64;
const BATCH: usize = 64;

/// Rows of a mixture of two Gaussians at ±1 in every coordinate, of standard deviation 0.5.
fn mixture(n: usize, device: &Device, rng: &mut ChaCha8Rng) -> Tensor<2> {
    let mut values = Vec::with_capacity(n * D);
    for _ in 0..n {
        let centre = if rng.random() { 1.0 } else { -1.0 };
        values.extend((0..D).map(|_| {
            let normal: f64 = StandardNormal.sample(rng);
            centre + 0.5 * normal
        }));
    }
    Tensor::from_data(TensorData::new(values, [n, D]), device)
}

#[test]
fn sixty_four_layers_stay_finite_ten_standard_deviations_out() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let device = common::cpu();
    let training = device.clone().autodiff();
    let mut model =
        RealNvpConfig::new(D).with_n_layers(64).with_mixing(Mixing::Off).init(&training, &mut rng);
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let mut losses = Vec::new();
    for step in 0..200 {
        let loss = -model.log_prob(mixture(BATCH, &training, &mut rng)).mean();
        let value: f32 = loss.clone().inner().into_scalar();
        assert!(value.is_finite(), "the loss of step {step} is {value}");
        losses.push(value);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adam.step(1e-3, model, gradients);
    }
    let model = model.valid();
    // A new model is the standard normal: E x² / 2 + ½ ln 2π = 1.544 nats per feature, 98.8 in all.
    // The mixture has 47.2: ½ ln 2πe 0.5² per feature, and ln 2.
    assert!((losses[0] - 98.8).abs() < 2.0, "{losses:?}");
    assert!(losses[199] < 52.0, "{losses:?}");

    // Ten standard deviations of √(1 + 0.25) in every coordinate: to the side of the row's own
    // cluster, or to either side at random.
    let same_side = mixture(200, &device, &mut rng).sign() * 11.18;
    let signs = StandardNormal.sample_iter(&mut rng).take(200 * D).collect::<Vec<f64>>();
    let any_side = Tensor::<2>::from_data(TensorData::new(signs, [200, D]), &device).sign() * 11.18;
    for far in [same_side, any_side] {
        let far = far + mixture(200, &device, &mut rng);
        let log_prob = model.log_prob(far.clone()).into_data();
        assert!(log_prob.iter::<f64>().all(f64::is_finite), "{log_prob}");
        let (z, log_det) = model.flow.inverse(far.clone(), None);
        let (back, log_det_back) = model.flow.forward(z, None);
        assert_close("data", &back, &far, 1e-3);
        assert_close("log-determinant", &log_det, &-log_det_back, 1e-3);
    }
    let samples = model.sample(200, &mut rng).into_data();
    assert!(samples.iter::<f64>().all(f64::is_finite));
}

/// At a usual learning rate splines learn; at one far too high they learn nothing, but nothing
/// breaks.
#[test]
fn splines_stay_finite_at_any_learning_rate_and_far_out() {
    // No weights make the loss of rows within the interval of ±5 larger: their latents stay in it,
    // and each of the eight layers has splines for half of the coordinates, none steeper than twice
    // the greatest slope, 1000.
    let d = D as f64;
    let worst = d * (0.5 * 25.0 + 0.5 * TAU.ln()) + 8.0 * d / 2.0 * 2000_f64.ln();
    for learning_rate in [1e-3, 1e-2, 1.0] {
        let (model, losses) = trained_splines(learning_rate);
        if learning_rate == 1e-3 {
            assert!(losses[99] < 60.0, "{losses:?}");
        }
        let greatest = losses.iter().copied().fold(0.0, f32::max);
        assert!(f64::from(greatest) < worst, "{learning_rate}: {greatest} of {worst}");
        let (device, mut rng) = (common::cpu(), ChaCha8Rng::seed_from_u64(1));
        for scale in [1e-30, 1.0, 10.0, 1e3, 1e9] {
            let far = mixture(200, &device, &mut rng) * scale;
            let (z, log_det) = model.flow.inverse(far.clone(), None);
            let (x, log_det_forward) = model.flow.forward(far, None);
            for numbers in
                [z.into_data(), x.into_data(), log_det.into_data(), log_det_forward.into_data()]
            {
                let finite = numbers.iter::<f64>().all(f64::is_finite);
                assert!(finite, "{learning_rate}, rows of {scale}: {numbers}");
            }
        }
    }
}

fn trained_splines(learning_rate: f64) -> (NormalizingFlow, Vec<f32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let training = common::cpu().autodiff();
    let mut model = NsfConfig::new(D)
        .with_n_layers(8)
        .with_mixing(Mixing::Off)
        .with_conditioner(ResidualMlpConfig::new().into())
        .init(&training, &mut rng);
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let mut losses = Vec::new();
    for step in 0..100 {
        let loss = -model.log_prob(mixture(BATCH, &training, &mut rng)).mean();
        let value: f32 = loss.clone().inner().into_scalar();
        assert!(value.is_finite(), "{learning_rate}: the loss of step {step} is {value}");
        losses.push(value);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adam.step(learning_rate, model, gradients);
    }
    (model.valid(), losses)
}

//! Conditional flows, and contexts that are missing, not wanted or of the wrong shape.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
use normalizing_flows::burn::tensor::Tensor;
use normalizing_flows::coupling::Mask;
use normalizing_flows::preset::RealNvp;
use normalizing_flows::testing::assert_close;
use normalizing_flows::{
    Distribution, Flow, MaskedCouplingConfig, NormalizingFlow, RealNvpConfig, Reparameterized,
    Sequential, StandardNormal,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(0)
}

/// A conditional model that has learnt to put its samples around its context.
fn around_context() -> RealNvp {
    let device = common::cpu().autodiff();
    let mut rng = rng();
    let mut model = RealNvpConfig::new(2).with_d_context(1).init(&device, &mut rng);
    let base = StandardNormal::new(2, &device);
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    for _ in 0..250 {
        let context = base.sample(256, &mut rng).narrow(1, 0, 1) * 2.0;
        let x = base.sample(256, &mut rng) * 0.3 + context.clone();
        let gradients = (-model.log_prob_given(x, &context).mean()).backward();
        model = adam.step(3e-3, model.clone(), GradientsParams::from_grads(gradients, &model));
    }
    model.valid()
}

#[test]
fn samples_follow_their_context() {
    let model = around_context();
    let context = Tensor::<2>::from_data([[-2.0], [0.0], [2.0]], &common::cpu());
    let n = 2000;
    let (x, log_prob) = model.sample_with_log_prob_given(n, &context, &mut rng());
    assert_eq!((x.dims(), log_prob.dims()), ([3 * n, 2], [3 * n]));
    for (row, expected) in [-2.0, 0.0, 2.0].into_iter().enumerate() {
        let mean: f32 = x.clone().narrow(0, row * n, n).mean().into_scalar();
        assert!((mean - expected).abs() < 0.15, "the samples of context {expected} are at {mean}");
    }
    // One context for each sample, and one for all of them.
    let repeated = context.clone().unsqueeze_dim::<3>(1).expand([3, n, 1]).reshape([3 * n, 1]);
    assert_close("log-density", &log_prob, &model.log_prob_given(x.clone(), &repeated), 1e-3);
    let first = x.narrow(0, 0, n);
    let shared = model.log_prob_given(first.clone(), &context.narrow(0, 0, 1));
    assert_close("log-density", &shared, &log_prob.narrow(0, 0, n), 1e-3);
    let same = model.rsample_given(3, &Tensor::<2>::ones([4, 1], &common::cpu()), &mut rng());
    assert_eq!(same.dims(), [12, 2]);
}

#[test]
#[should_panic(expected = "call `forward_given` or `inverse_given`")]
fn a_layer_with_a_context_demands_it() {
    let coupling = MaskedCouplingConfig::new(Mask::half(2)).with_d_context(3);
    let coupling = coupling.init(&common::cpu(), &mut rng());
    let _ = coupling.forward(Tensor::ones([1, 2], &common::cpu()));
}

#[test]
#[should_panic(expected = "was built with `d_context` 3: call the method that ends in `_given`")]
fn a_density_with_a_context_demands_it() {
    let model = RealNvpConfig::new(2).with_d_context(3).init(&common::cpu(), &mut rng());
    let _ = model.log_prob(Tensor::ones([1, 2], &common::cpu()));
}

#[test]
#[should_panic(expected = "was built with `d_context` 3: call the method that ends in `_given`")]
fn sampling_with_a_context_demands_it() {
    let model = RealNvpConfig::new(2).with_d_context(3).init(&common::cpu(), &mut rng());
    let _ = model.sample(5, &mut rng());
}

#[test]
#[should_panic(expected = "neither the base nor the flow of this model takes a context")]
fn a_density_refuses_a_context_that_nothing_uses() {
    let model = RealNvpConfig::new(2).init(&common::cpu(), &mut rng());
    let x = Tensor::ones([1, 2], &common::cpu());
    let _ = model.log_prob_given(x.clone(), &x);
}

#[test]
#[should_panic(expected = "expected 4, got 5")]
fn a_context_of_another_length_is_refused() {
    let model = RealNvpConfig::new(2).with_d_context(3).init(&common::cpu(), &mut rng());
    let (x, context) = ([4, 2], [5, 3]);
    let device = common::cpu();
    let _ = model.log_prob_given(Tensor::ones(x, &device), &Tensor::ones(context, &device));
}

#[test]
#[should_panic(expected = "got parts with `d_context` 1 and 2")]
fn layers_must_agree_on_the_context() {
    let device = common::cpu();
    let coupling = |d| MaskedCouplingConfig::new(Mask::half(2)).with_d_context(d);
    let layers = [1, 2].map(|d| coupling(d).init(&device, &mut rng()));
    let _ = NormalizingFlow::new(StandardNormal::new(2, &device), Sequential::new(layers.into()));
}

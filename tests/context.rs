//! Conditional flows, and contexts that are missing, not wanted or of the wrong shape.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
use normalizing_flows::burn::tensor::Tensor;
use normalizing_flows::coupling::Mask;
use normalizing_flows::distribution::Noise;
use normalizing_flows::testing::assert_close;
use normalizing_flows::{
    Distribution, Flow, MaskedCouplingConfig, NormalizingFlow, RealNvpConfig, Sequential,
    StandardNormal,
};
use rand::Rng;
use rand::rngs::ChaCha8Rng;

fn rng() -> ChaCha8Rng {
    common::rng(0)
}

/// A conditional model that has learnt to put its samples around its context.
fn around_context() -> NormalizingFlow {
    let device = common::cpu().autodiff();
    let mut rng = rng();
    let mut model = RealNvpConfig::new(2).with_d_context(1).init(&device, &mut rng);
    let base = StandardNormal::new(2, &device);
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    for _ in 0..250 {
        let context = base.sample(256, &mut rng).narrow(1, 0, 1) * 2.0;
        let x = base.sample(256, &mut rng) * 0.3 + context.clone();
        let gradients = (-model.given(&context).log_prob(x).mean()).backward();
        model = adam.step(3e-3, model.clone(), GradientsParams::from_grads(gradients, &model));
    }
    model.valid()
}

#[test]
fn samples_follow_their_context() {
    let model = around_context();
    let context = Tensor::<2>::from_data([[-2.0], [0.0], [2.0]], &common::cpu());
    let n = 2000;
    let (x, log_prob) = model.given(&context).sample_with_log_prob(n, &mut rng());
    assert_eq!((x.dims(), log_prob.dims()), ([3 * n, 2], [3 * n]));
    for (row, centre) in [-2.0, 0.0, 2.0].into_iter().enumerate() {
        let samples = common::host(x.clone().narrow(0, row * n, n));
        for feature in [0, 1] {
            let values = samples.chunks_exact(2).map(|point| point[feature]).collect();
            let distance = common::ks_distance(values, |x| common::normal_cdf((x - centre) / 0.3));
            // What 2,000 samples allow, and 0.1 for a model of 250 training steps. Beside another
            // context's samples the distance is 1.
            assert!(distance < common::ks_bound(n) + 0.1, "context {centre}: {distance}");
        }
    }
    // One context for each sample, and one for all of them. The two directions of eight layers
    // whose scales reach ten differ by roundings of 1.2e-7 times that.
    let repeated = context.clone().unsqueeze_dim::<3>(1).expand([3, n, 1]).reshape([3 * n, 1]);
    assert_close("log-density", &log_prob, &model.given(&repeated).log_prob(x.clone()), 1e-3);
    let first = x.clone().narrow(0, 0, n);
    let one = context.clone().narrow(0, 0, 1);
    let shared = model.given(&one).log_prob(first.clone());
    assert_close("log-density", &shared, &log_prob.clone().narrow(0, 0, n), 1e-3);
    let back = model.given(&one).from_latent(model.given(&one).to_latent(first.clone()));
    assert_close("data", &back, &first, 1e-4);
    // The same draws by every way of sampling.
    assert_close("samples", &model.given(&context).sample(n, &mut rng()), &x, 0.0);
    assert_close("samples", &model.given(&context).rsample(n, &mut rng()), &x, 0.0);
    let (rx, r_log_prob) = model.given(&context).rsample_with_log_prob(n, &mut rng());
    assert_close("samples", &rx, &x, 0.0);
    assert_close("log-density", &r_log_prob, &log_prob, 0.0);
}

#[test]
fn no_rows_and_no_samples_are_fine() {
    let device = common::cpu();
    let model = RealNvpConfig::new(2).with_d_context(3).init(&device, &mut rng());
    let (none, one) = (Tensor::zeros([0, 2], &device), Tensor::ones([1, 3], &device));
    assert_eq!(model.given(&one).log_prob(none.clone()).dims(), [0]);
    assert_eq!(model.given(&Tensor::zeros([0, 3], &device)).log_prob(none).dims(), [0]);
    let several = Tensor::ones([4, 3], &device);
    assert_eq!(model.given(&several).sample(0, &mut rng()).dims(), [0, 2]);
    assert_eq!(model.given(&Tensor::zeros([0, 3], &device)).sample(2, &mut rng()).dims(), [0, 2]);
    let (x, log_prob) = model.given(&several).sample_with_log_prob(0, &mut rng());
    assert_eq!((x.dims(), log_prob.dims()), ([0, 2], [0]));
}

/// A unit normal around its context: the smallest conditional base.
#[derive(Module, Debug)]
struct Around {
    normal: StandardNormal,
}

impl Distribution for Around {
    fn d_features(&self) -> usize {
        self.normal.d_features()
    }
    fn d_context(&self) -> usize {
        self.normal.d_features()
    }
    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        self.normal.log_prob(x - context.expect("it needs its context").clone())
    }
    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        self.normal.draw(n, None, noise) + context.expect("it needs its context").clone()
    }
}

#[test]
fn a_base_with_a_context_works_under_a_flow_without_one() {
    let device = common::cpu();
    let base = Around { normal: StandardNormal::new(2, &device) };
    let model = NormalizingFlow::new(base, RealNvpConfig::new(2).init(&device, &mut rng()).flow);
    assert_eq!(model.d_context(), 2);
    let context = Tensor::<2>::from_data([[50.0, 0.0], [0.0, -50.0]], &device);
    let (x, log_prob) = model.given(&context).sample_with_log_prob(3, &mut rng());
    let repeated = context.unsqueeze_dim::<3>(1).expand([2, 3, 2]).reshape([6, 2]);
    // Eight standard deviations, and a new flow is the identity.
    let distance = (x.clone() - repeated.clone()).abs().max().into_scalar::<f32>();
    assert!(distance < 8.0, "{distance}");
    assert_close("log-density", &model.given(&repeated).log_prob(x), &log_prob, 1e-5);
}

#[test]
#[should_panic(
    expected = "was built with `d_context` 3: call it with a context of shape [batch, 3]"
)]
fn a_layer_with_a_context_demands_it() {
    let coupling = MaskedCouplingConfig::new(Mask::half(2)).with_d_context(3);
    let coupling = coupling.init(&common::cpu(), &mut rng());
    let _ = coupling.forward(Tensor::ones([1, 2], &common::cpu()), None);
}

#[test]
#[should_panic(
    expected = "was built with `d_context` 3: give it a context of shape [rows, 3], by `model.given(&context)`"
)]
fn a_density_with_a_context_demands_it() {
    let model = RealNvpConfig::new(2).with_d_context(3).init(&common::cpu(), &mut rng());
    let _ = model.log_prob(Tensor::ones([1, 2], &common::cpu()));
}

#[test]
#[should_panic(
    expected = "was built with `d_context` 3: give it a context of shape [rows, 3], by `model.given(&context)`"
)]
fn sampling_with_a_context_demands_it() {
    let model = RealNvpConfig::new(2).with_d_context(3).init(&common::cpu(), &mut rng());
    let _ = model.sample(5, &mut rng());
}

#[test]
#[should_panic(expected = "nothing in this model takes a context")]
fn a_density_refuses_a_context_that_nothing_uses() {
    let model = RealNvpConfig::new(2).init(&common::cpu(), &mut rng());
    let x = Tensor::ones([1, 2], &common::cpu());
    let _ = model.given(&x).log_prob(x.clone());
}

#[test]
#[should_panic(expected = "expected 4, got 5")]
fn a_context_of_another_length_is_refused() {
    let model = RealNvpConfig::new(2).with_d_context(3).init(&common::cpu(), &mut rng());
    let (x, context) = ([4, 2], [5, 3]);
    let device = common::cpu();
    let _ = model.given(&Tensor::ones(context, &device)).log_prob(Tensor::ones(x, &device));
}

#[test]
#[should_panic(expected = "got parts with `d_context` 1 and 2")]
fn layers_must_agree_on_the_context() {
    let device = common::cpu();
    let coupling = |d| MaskedCouplingConfig::new(Mask::half(2)).with_d_context(d);
    let layers = [1, 2].map(|d| coupling(d).init(&device, &mut rng()));
    let _ = NormalizingFlow::new(StandardNormal::new(2, &device), Sequential::new(layers.into()));
}

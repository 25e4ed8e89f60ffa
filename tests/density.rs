//! Densities that were trained, in large calls, in training, and of rows that are not finite. That
//! densities integrate to one and samples follow them is in `distribution_laws`.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::{Opaque, host, rng};
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::data::toy::{
    Checkerboard, Circles, EightGaussians, Rings, Spirals, ToyDensity, TwoMoons,
};
use normalizing_flows::distribution::{
    DiagonalNormalConfig, FullNormalConfig, LowRankNormalConfig,
};
use normalizing_flows::testing::{assert_close, perturb};
use normalizing_flows::{
    Distribution, Layer, MaskedCoupling, NiceConfig, NormalizingFlow, RealNvpConfig, Sequential,
    StandardNormal,
};

/// A small Real NVP after some steps on two moons.
fn trained(steps: usize, device: &Device) -> NormalizingFlow {
    let config = RealNvpConfig::new(2)
        .with_n_layers(6)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![32, 32]).into());
    let mut rng = rng(3);
    let training = device.clone().autodiff();
    let mut model = config.init(&training, &mut rng);
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    for _ in 0..steps {
        let x = TwoMoons::new(0.1).sample(256, &training, &mut rng);
        let gradients = (-model.log_prob(x).mean()).backward();
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = adam.step(5e-3, model, gradients);
    }
    model.valid()
}

#[test]
fn training_leaves_the_best_gaussian_far_behind() {
    let device = common::cpu();
    let x = TwoMoons::new(0.1).sample(10_000, &device, &mut rng(9));
    let nll = |model: &NormalizingFlow| host(-model.log_prob(x.clone()).mean())[0];
    let (before, after) = (nll(&trained(0, &device)), nll(&trained(300, &device)));
    // A new model is the standard normal, and E|x|² = (1 + 9/4 - 2/π) / 2 + 2 · 0.1² = 1.327.
    assert!((before - (1.327 / 2.0 + std::f64::consts::TAU.ln())).abs() < 0.02, "{before}");
    // 300 steps are few, but it must be far below the best Gaussian, which has ½ ln |Σ| + ln 2πe =
    // 1.908 nats; the data have 1.008.
    assert!(after < 1.6, "{after}");
}

#[test]
fn a_sample_comes_with_the_log_density_of_log_prob() {
    let device = common::cpu();
    let model = trained(50, &device);
    let (x, log_prob) = model.sample_with_log_prob(500, &mut rng(1));
    assert_close("log-density", &log_prob, &model.log_prob(x), 1e-4);
}

#[test]
fn latents_and_data_correspond() {
    let device = common::cpu();
    let model = trained(50, &device);
    let x = TwoMoons::new(0.1).sample(100, &device, &mut rng(1));
    let back = model.from_latent(model.to_latent(x.clone()));
    assert_close("data", &back, &x, 1e-4);
}

#[test]
fn large_calls_give_what_small_ones_give() {
    let device = common::cpu();
    let config = RealNvpConfig::new(2).with_n_layers(2).with_d_context(1);
    let model = perturb(config.init(&device, &mut rng(0)), 0.3, &mut rng(1));
    let n = 40_000;
    let x = TwoMoons::new(0.1).sample(n, &device, &mut rng(2));
    let context = x.clone().narrow(1, 0, 1) * 2.0 + 1.0;
    let log_prob = model.given(&context).log_prob(x.clone());
    let latent = model.given(&context).to_latent(x.clone());
    for start in [0, 16_000, 39_000] {
        let rows = |tensor: &Tensor<2>| tensor.clone().narrow(0, start, 1000);
        let part = model.given(&rows(&context)).log_prob(rows(&x));
        assert_close("log-density", &part, &log_prob.clone().narrow(0, start, 1000), 1e-5);
        let part = model.given(&rows(&context)).to_latent(rows(&x));
        assert_close("latent", &part, &rows(&latent), 1e-5);
    }
    // The draws do not depend on the chunks either.
    let many = model.given(&context.clone().narrow(0, 0, 1)).sample(n, &mut rng(3));
    let few = model.given(&context.narrow(0, 0, 1)).sample(100, &mut rng(3));
    assert_close("samples", &many.narrow(0, 0, 100), &few, 1e-5);
}

/// By tensor operations a call of more than 16,384 rows is cut into chunks: values, samples and
/// gradients are those of small calls.
#[test]
fn large_calls_by_tensor_operations_give_what_small_ones_give() {
    let device = common::cpu().autodiff();
    let layers =
        RealNvpConfig::new(2).with_n_layers(2).with_d_context(1).init(&device, &mut rng(0));
    let layers = perturb(layers, 0.3, &mut rng(1)).flow.layers.into_iter().map(|layer| {
        let Layer::MaskedCoupling(layer) = layer else { panic!("a Real NVP is made of couplings") };
        let (mask, network) = (layer.mask(), Opaque { inner: layer.conditioner });
        MaskedCoupling::new(&mask, network, layer.univariate, &device)
    });
    let base = StandardNormal::new(2, &device);
    let model = NormalizingFlow::new(base, Sequential::new(layers.collect()));
    let n = 20_000;
    let x = TwoMoons::new(0.1).sample(n, &device, &mut rng(2));
    let context = x.clone().narrow(1, 0, 1) * 2.0 + 1.0;
    let leaf = |tensor: &Tensor<2>| tensor.clone().detach().require_grad();
    let run = |x: &Tensor<2>, context: &Tensor<2>| {
        let (x, context) = (leaf(x), leaf(context));
        let log_prob = model.given(&context).log_prob(x.clone());
        let gradients = log_prob.clone().sum().backward();
        (log_prob.inner(), x.grad(&gradients).unwrap(), context.grad(&gradients).unwrap())
    };
    let (log_prob, of_x, of_context) = run(&x, &context);
    // On both sides of the cut, and over it.
    for start in [0, 16_000, 16_384, 19_000] {
        let rows = |tensor: &Tensor<2>| tensor.clone().narrow(0, start, 1000);
        let (part, part_of_x, part_of_context) = run(&rows(&x), &rows(&context));
        assert_close("log-density", &part, &log_prob.clone().narrow(0, start, 1000), 1e-5);
        assert_close("gradient of the rows", &part_of_x, &rows(&of_x), 1e-4);
        assert_close("gradient of the context", &part_of_context, &rows(&of_context), 1e-4);
    }
    let one = context.narrow(0, 0, 1).inner();
    let plain = model.valid();
    let many = plain.given(&one).sample(n, &mut rng(3));
    let few = plain.given(&one).sample(100, &mut rng(3));
    assert_close("samples", &many.narrow(0, 0, 100), &few, 1e-5);
}

#[test]
fn sampling_builds_no_graph_and_log_prob_and_rsample_do() {
    let device = common::cpu().autodiff();
    let model = RealNvpConfig::new(2).init(&device, &mut rng(0));
    let (x, log_prob) = model.sample_with_log_prob(4, &mut rng(0));
    assert!(!x.is_autodiff() && !log_prob.is_autodiff());
    assert!(!model.sample(4, &mut rng(0)).is_autodiff());
    // Points on the plain device are as good as points on the autodiff device.
    assert!(model.log_prob(x).is_tracked());
    assert!(model.rsample(4, &mut rng(0)).is_tracked());
    assert_eq!(
        model.rsample(4, &mut rng(0)).inner().into_data(),
        model.sample(4, &mut rng(0)).into_data()
    );
}

#[test]
fn gradients_flow_through_rsample_to_every_parameter() {
    let device = common::cpu().autodiff();
    let base = DiagonalNormalConfig::standard_learnable(2).init(&device, &mut rng(0));
    let flow = NiceConfig::new(2).init(&device, &mut rng(0)).flow;
    let model = normalizing_flows::NormalizingFlow::new(base, flow);
    let (x, log_prob) = model.rsample_with_log_prob(64, &mut rng(0));
    let loss = (log_prob + x.square().sum_dim(1).squeeze_dim(1)).mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let mut n_parameters = 0;
    struct Count<'a>(&'a mut usize);
    impl normalizing_flows::burn::module::ModuleVisitor for Count<'_> {
        fn visit_float<const D: usize>(
            &mut self,
            _: &normalizing_flows::burn::module::Param<Tensor<D>>,
        ) {
            *self.0 += 1;
        }
    }
    model.visit(&mut Count(&mut n_parameters));
    assert_eq!(gradients.len(), n_parameters);
}

#[test]
fn a_fixed_base_gets_no_gradient_and_a_learnable_one_does() {
    let device = common::cpu().autodiff();
    let x = Tensor::ones([3, 2], &device).require_grad();
    for learnable in [false, true] {
        let normal = DiagonalNormalConfig::new(vec![0.0; 2], vec![1.0; 2])
            .with_learnable(learnable)
            .init(&device, &mut rng(0));
        let gradients = normal.log_prob(x.clone()).sum().backward();
        let gradients = GradientsParams::from_grads(gradients, &normal);
        assert_eq!(gradients.len(), if learnable { 2 } else { 0 });
    }
}

#[test]
fn a_nan_row_has_a_nan_density_and_a_nan_gradient_and_leaves_the_others_alone() {
    let device = common::cpu().autodiff();
    let model = RealNvpConfig::new(2).init(&device, &mut rng(0));
    for row in [[f64::NAN, 0.5], [0.5, f64::NAN], [f64::INFINITY, 0.5]] {
        let values = [vec![0.1, 0.2], row.to_vec(), vec![-1.0, 2.0]].concat();
        let x = Tensor::<2>::from_data(TensorData::new(values, [3, 2]), &device).require_grad();
        let log_prob = model.log_prob(x.clone());
        let gradient = host(x.grad(&log_prob.clone().sum().backward()).unwrap());
        let log_prob = host(log_prob);
        assert!(log_prob[0].is_finite() && log_prob[2].is_finite(), "{log_prob:?}");
        assert!(!log_prob[1].is_finite(), "{log_prob:?}");
        assert!(gradient[..2].iter().chain(&gradient[4..]).all(|g| g.is_finite()), "{gradient:?}");
        assert!(gradient[2..4].iter().any(|g| !g.is_finite()), "{gradient:?}");
    }
}

#[test]
fn empty_batches_and_single_rows_work() {
    let device = common::cpu();
    let model = RealNvpConfig::new(3).init(&device, &mut rng(0));
    for n in [0, 1] {
        assert_eq!(model.log_prob(Tensor::zeros([n, 3], &device)).dims(), [n]);
        let (x, log_prob) = model.sample_with_log_prob(n, &mut rng(0));
        assert_eq!((x.dims(), log_prob.dims()), ([n, 3], [n]));
    }
}

#[test]
fn toy_entropies_lie_between_their_bounds() {
    let gaussian = |s: f64| 1.0 + (std::f64::consts::TAU * s * s).ln();
    let s = 0.05;
    // Distant blobs: the entropy of one and that of the choice.
    let blobs = EightGaussians::new(s).entropy().unwrap();
    assert!((blobs - gaussian(s) - 8f64.ln()).abs() < 1e-6, "{blobs}");
    // Distant thin circles: across, a Gaussian; along, the uniform choice of a point on all of
    // them.
    let across = 0.5 * gaussian(s);
    let mean_log = |radii: &[f64]| {
        let n = radii.len() as f64;
        radii.iter().map(|r| (std::f64::consts::TAU * r * n).ln()).sum::<f64>() / n
    };
    let circles = Circles::new(0.5, s).entropy().unwrap();
    assert!((circles - across - mean_log(&[1.0, 0.5])).abs() < 0.01, "{circles}");
    let rings = Rings::new(s).entropy().unwrap();
    assert!((rings - across - mean_log(&[0.75, 1.5, 2.25, 3.0])).abs() < 0.01, "{rings}");
    // The arms: ln of the speed in u, averaged; |dx/dt| = √(1 + t²)/3, dt/du = 9π²/2t.
    let n = 100_000;
    let speed = |i: usize| {
        let t = 3.0 * std::f64::consts::PI * ((i as f64 + 0.5) / n as f64).sqrt();
        (1.0 + t * t).sqrt() / 3.0 * 4.5 * std::f64::consts::PI.powi(2) / t
    };
    let along = (0..n).map(|i| speed(i).ln()).sum::<f64>() / n as f64 + 2f64.ln();
    let spirals = Spirals::new(s).entropy().unwrap();
    assert!((spirals - across - along).abs() < 0.01, "{spirals} {}", across + along);
    assert_eq!(Checkerboard.entropy(), Some(32f64.ln()));
    assert_eq!(TwoMoons::new(0.0).entropy(), None);
}

/// Means and covariances of samples in five dimensions, within five of their standard errors: of a covariance
/// `(Σ_ij² + Σ_ii Σ_jj) / n`.
#[test]
fn samples_of_normals_have_the_moments_of_their_parameters() {
    let covariance: Vec<Vec<f64>> = (0..5)
        .map(|i: i32| {
            let entry = |j: i32| 0.6_f64.powi((i - j).abs()) * f64::from((i + 1) * (j + 1)).sqrt();
            (0..5).map(entry).collect()
        })
        .collect();
    let mean = vec![1.0, -2.0, 0.0, 5.0, 0.3];
    let full =
        FullNormalConfig::new(mean.clone(), covariance.clone()).init(&common::cpu(), &mut rng(0));
    has_moments(&full, &mean, &covariance.concat());

    let low = LowRankNormalConfig::new(5, 2).init(&common::cpu(), &mut rng(0));
    let low = perturb(low, 0.7, &mut rng(1));
    let [mean, log_scale] = [&low.mean, &low.log_scale].map(|values| host(values.val()));
    let factor = host(low.factor.val());
    let entry = |i: usize, j: usize| {
        let product: f64 = (0..2).map(|k| factor[2 * i + k] * factor[2 * j + k]).sum();
        product + if i == j { (2.0 * log_scale[i]).exp() } else { 0.0 }
    };
    let covariance: Vec<f64> = (0..25).map(|at| entry(at / 5, at % 5)).collect();
    has_moments(&low, &mean, &covariance);
}

fn has_moments(base: &impl Distribution, mean: &[f64], covariance: &[f64]) {
    let (n, d) = (100_000, mean.len());
    let rows = host(base.sample(n, &mut rng(2)));
    let found = |f: &dyn Fn(&[f64]) -> f64| rows.chunks_exact(d).map(f).sum::<f64>() / n as f64;
    for i in 0..d {
        let error = (covariance[i * d + i] / n as f64).sqrt();
        let mean_found = found(&|row| row[i]);
        assert!((mean_found - mean[i]).abs() < 5.0 * error, "mean {i}: {mean_found}");
        for j in 0..d {
            let expected = covariance[i * d + j];
            let variance = expected.powi(2) + covariance[i * d + i] * covariance[j * d + j];
            let product = found(&|row| (row[i] - mean[i]) * (row[j] - mean[j]));
            let error = (variance / n as f64).sqrt();
            assert!((product - expected).abs() < 5.0 * error, "covariance {i}, {j}: {product}");
        }
    }
}

//! Objectives: gradients without bias, and variances that vanish where the model is the target.

use super::common::{cpu, host, rng};
use normalizing_flows::burn::module::{Module, ModuleVisitor, Param};
use normalizing_flows::burn::optim::GradientsParams;
use normalizing_flows::burn::tensor::{DType, FloatDType, Tensor, TensorData};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::distribution::{DiagonalNormal, DiagonalNormalConfig};
use normalizing_flows::target::{
    Target, alpha_divergence, alpha_divergence_dreg, reverse_kl, reverse_kl_path, target_fn,
    weighted_nll,
};
use normalizing_flows::testing::perturb;
use normalizing_flows::{Distribution, NormalizingFlow, RealNvpConfig, cast};
use rand::rngs::ChaCha8Rng;

/// The gradients of all parameters in one list.
fn gradients<D: Distribution>(model: &D, loss: &Tensor<1>) -> Vec<f64> {
    struct Collect(GradientsParams, Vec<f64>);
    impl ModuleVisitor for Collect {
        fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
            if let Some(gradient) = self.0.get::<N>(param.id) {
                self.1.extend(host(gradient));
            }
        }
    }
    let mut collect = Collect(GradientsParams::from_grads(loss.backward(), model), Vec::new());
    model.visit(&mut collect);
    collect.1
}

/// Mean and variance of each number over repetitions.
fn moments(n: usize, mut numbers: impl FnMut() -> Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let all: Vec<Vec<f64>> = (0..n).map(|_| numbers()).collect();
    let d = all[0].len();
    let mean: Vec<f64> = (0..d).map(|i| all.iter().map(|x| x[i]).sum::<f64>() / n as f64).collect();
    let variance = (0..d)
        .map(|i| all.iter().map(|x| (x[i] - mean[i]).powi(2)).sum::<f64>() / (n - 1) as f64)
        .collect();
    (mean, variance)
}

fn model() -> NormalizingFlow {
    let config = RealNvpConfig::new(2)
        .with_n_layers(2)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![8]).into());
    let model = perturb(config.init(&cpu().autodiff(), &mut rng(0)), 0.2, &mut rng(1));
    cast(model, FloatDType::F64)
}

fn target() -> impl Target {
    target_fn(2, |x: Tensor<2>| (x - 0.5).square().sum_dim(1).squeeze_dim(1) * -0.8)
}

/// Of two estimators of the same gradient the means differ by less than four of their standard errors, in all but one
/// in a thousand of the numbers; here no number of some tens does.
fn same_mean(
    n: usize,
    plain: impl Fn(&NormalizingFlow, &mut ChaCha8Rng) -> Tensor<1>,
    path: impl Fn(&NormalizingFlow, &mut ChaCha8Rng) -> Tensor<1>,
) {
    let model = model();
    let of = |loss: &dyn Fn(&NormalizingFlow, &mut ChaCha8Rng) -> Tensor<1>, seed: u64| {
        let mut rng = rng(seed);
        moments(n, || gradients(&model, &loss(&model, &mut rng)))
    };
    let (plain, plain_variance) = of(&plain, 2);
    let (path, path_variance) = of(&path, 3);
    assert!(plain.len() > 50, "all parameters have a gradient");
    for i in 0..plain.len() {
        let error = ((plain_variance[i] + path_variance[i]) / n as f64).sqrt();
        let difference = (plain[i] - path[i]).abs();
        assert!(difference <= 4.0 * error + 1e-12, "{} and {} ± {error}", plain[i], path[i]);
    }
}

#[test]
fn the_path_gradient_of_the_reverse_divergence_has_the_mean_of_the_plain_one() {
    same_mean(
        1000,
        |model, rng| reverse_kl(model, &target(), 16, rng),
        |model, rng| reverse_kl_path(model, &target(), 16, rng),
    );
}

#[test]
fn the_doubly_reparameterised_gradient_has_the_mean_of_the_plain_one() {
    for alpha in [0.5, 2.0] {
        same_mean(
            1000,
            |model, rng| alpha_divergence(model, &target(), alpha, 16, rng),
            |model, rng| alpha_divergence_dreg(model, &target(), alpha, 16, rng),
        );
    }
}

fn normal() -> DiagonalNormal {
    let config = DiagonalNormalConfig::new(vec![1.0, -1.0], vec![0.5, 2.0]).with_learnable(true);
    cast(config.init(&cpu().autodiff(), &mut rng(0)), FloatDType::F64)
}

/// Where the model is the target every sample says so, and the path gradient is nothing but roundings.
#[test]
fn at_the_optimum_path_gradients_do_not_vary() {
    let (model, same) = (normal(), normal().valid());
    let target = target_fn(2, |x: Tensor<2>| same.log_prob(x) + 3.0);
    let variance = |loss: &dyn Fn(&mut ChaCha8Rng) -> Tensor<1>| {
        let mut rng = rng(2);
        let (_, variance) = moments(200, || gradients(&model, &loss(&mut rng)));
        variance.into_iter().fold(0.0, f64::max)
    };
    let plain = variance(&|rng| reverse_kl(&model, &target, 16, rng));
    let path = variance(&|rng| reverse_kl_path(&model, &target, 16, rng));
    let alpha = variance(&|rng| alpha_divergence(&model, &target, 0.5, 16, rng));
    let dreg = variance(&|rng| alpha_divergence_dreg(&model, &target, 0.5, 16, rng));
    println!(
        "variances: reverse KL {plain:.2e}, by paths {path:.2e}, a factor of {:.1e}; alpha 0.5 {alpha:.2e}, doubly \
         reparameterised {dreg:.2e}, a factor of {:.1e}",
        plain / path,
        alpha / dreg
    );
    assert!(plain > 1e-2 && path < 1e-20 * plain, "{plain} and {path}");
    assert!(alpha > 1e-2 && dreg < 1e-20 * alpha, "{alpha} and {dreg}");
}

/// By hand, of the log-weights that the same samples have.
#[test]
fn values_are_those_of_their_formulas() {
    let model = model();
    let (x, log_model) = model.valid().sample_with_log_prob(100, &mut rng(4));
    let log_weights: Vec<f64> =
        host(target().log_density(x)).iter().zip(host(log_model)).map(|(p, q)| p - q).collect();
    let mean = |f: &dyn Fn(f64) -> f64| log_weights.iter().map(|log| f(*log)).sum::<f64>() / 100.0;
    let kl = -mean(&|log| log);
    let close = |loss: Tensor<1>, expected: f64| {
        let found = loss.into_scalar::<f64>();
        assert!((found - expected).abs() < 1e-12 * (1.0 + expected.abs()), "{found}, {expected}");
    };
    close(reverse_kl(&model, &target(), 100, &mut rng(4)), kl);
    close(reverse_kl_path(&model, &target(), 100, &mut rng(4)), kl);
    for alpha in [-0.5, 0.5, 2.0] {
        let expected = mean(&|log| (alpha * log).exp()).ln() / (alpha * (alpha - 1.0));
        close(alpha_divergence(&model, &target(), alpha, 100, &mut rng(4)), expected);
        close(alpha_divergence_dreg(&model, &target(), alpha, 100, &mut rng(4)), expected);
    }
}

#[test]
fn weights_count_by_their_ratios() {
    let model = normal().valid();
    let x = TensorData::new(vec![1.0, -1.0, 2.0, 0.0], [2, 2]);
    let x = Tensor::<2>::from_data(x, (&cpu(), DType::F64));
    let log_prob = host(model.log_prob(x.clone()));
    let loss = weighted_nll(&model, x, &[500.0, 500.0 + 3f64.ln()]).into_scalar::<f64>();
    assert!((loss + 0.25 * log_prob[0] + 0.75 * log_prob[1]).abs() < 1e-12);
}

#[test]
#[should_panic(expected = "`alpha` must be finite and neither 0 (that is `reverse_kl`) nor 1")]
fn an_alpha_without_a_divergence_is_refused() {
    let _ = alpha_divergence(&normal(), &target(), 1.0, 4, &mut rng(0));
}

#[test]
#[should_panic(expected = "log-weights must be finite or minus infinity, got Some(NaN)")]
fn a_weight_that_is_nan_is_refused() {
    let x = Tensor::<2>::zeros([1, 2], (&cpu(), DType::F64));
    let _ = weighted_nll(&normal().valid(), x, &[f64::NAN]);
}

//! Training towards a target in one call: what it reaches, names and survives.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::common::{cpu, host, rng};
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::tensor::{Tensor, TensorData};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::data::target::{Banana, KnownTarget, LogisticRegression};
use normalizing_flows::distribution::{DiagonalNormal, DiagonalNormalConfig, MixtureConfig};
use normalizing_flows::target::{Target, importance_sample, point_target_fn, target_fn};
use normalizing_flows::train::{
    FabConfig, FitError, Objective, StopReason, TargetFitConfig, TargetFitter, TargetReport,
    fit_target,
};
use normalizing_flows::{Distribution, NormalizingFlow, RealNvpConfig};

fn normal() -> DiagonalNormal {
    DiagonalNormalConfig::standard_learnable(1).init(&cpu(), &mut rng(0))
}

fn real_nvp(d_features: usize) -> NormalizingFlow {
    RealNvpConfig::new(d_features)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![32, 32]).into())
        .init(&cpu(), &mut rng(0))
}

/// `N(2, ½²)` times `e³`.
fn bell() -> impl Target {
    target_fn(1, |x: Tensor<2>| ((x - 2.0) * 2.0).square().squeeze_dim(1) * -0.5 + 3.0)
}

fn short() -> TargetFitConfig {
    TargetFitConfig::new()
        .with_n_steps(600)
        .with_batch_size(64)
        .with_learning_rate(2e-2)
        .with_n_evaluations(4)
        .with_n_evaluated(1000)
}

/// Every objective makes a normal of a normal: the bound is then `log Z = 3 + log(½ √(2π))`.
#[test]
fn every_objective_reaches_a_target_that_the_model_can_be() {
    let expected = 3.0 + (0.5 * std::f64::consts::TAU.sqrt()).ln();
    let objectives = [
        Objective::ReverseKl,
        Objective::ReverseKlPath,
        Objective::Alpha(0.5),
        Objective::AlphaDreg(0.5),
        Objective::Fab(FabConfig::new()),
    ];
    for objective in objectives {
        let config = short().with_objective(objective.clone());
        let fitted = fit_target(normal(), &bell(), &config).expect("nothing is wrong with it");
        let report = &fitted.report;
        assert!((report.best.bound.value - expected).abs() < 0.02, "{objective:?}: {report}");
        assert!(report.best.efficiency > 0.97, "{objective:?}: {report}");
        assert_eq!(report.history.len(), 5, "{objective:?}");
        assert_eq!(report.stop_reason, StopReason::MaxEpochs);
        assert!(report.warnings.is_empty(), "{report}");
        let json = serde_json::to_string(report).expect("it is numbers");
        assert_eq!(*report, serde_json::from_str::<TargetReport>(&json).expect("it was one"));
    }
}

/// The issue of every user of variational inference; within 2 % of a standard deviation of the exact moments, by the
/// importance weights of the model.
#[test]
fn a_posterior_has_its_moments() {
    let target = LogisticRegression::iris();
    let config = TargetFitConfig::new().with_n_steps(1000).with_batch_size(256);
    let fitted = fit_target(real_nvp(5), &target, &config).expect("nothing is wrong with it");
    assert!(fitted.report.best.efficiency > 0.9, "{}", fitted.report);
    let sample = importance_sample(&fitted.model, &target, 100_000, &mut rng(1)).expect("mass");
    let moments = target.moments().expect("known");
    let found = sample.mean().into_iter().zip(sample.standard_deviation());
    let known = moments.mean.iter().zip(&moments.standard_deviation);
    for ((mean, deviation), (known_mean, known_deviation)) in found.zip(known) {
        assert!((mean - known_mean).abs() < 0.02 * known_deviation, "{mean}, not {known_mean}");
        assert!((deviation / known_deviation - 1.0).abs() < 0.02, "{deviation}");
    }
    let log_z = sample.log_normalizer();
    assert!((log_z.value - target.log_normalizer().expect("known")).abs() < 0.01, "{log_z}");
}

#[test]
fn the_seed_decides_everything() {
    let bits = |seed| {
        let config = short().with_n_steps(20).with_seed(seed);
        let fitted = fit_target(real_nvp(2), &Banana::new(2), &config).expect("it is right");
        let x = Tensor::from_data([[0.5, 1.0], [-1.0, 2.0]], &cpu());
        host(fitted.model.log_prob(x)).into_iter().map(f64::to_bits).collect::<Vec<_>>()
    };
    assert_eq!(bits(0), bits(0));
    assert_ne!(bits(0), bits(1));
}

#[test]
fn the_callback_sees_every_evaluation_and_ends_the_training() {
    let mut steps = Vec::new();
    let fitted = TargetFitter::new(short())
        .on_evaluation(|epoch, model: &DiagonalNormal| {
            assert_eq!(model.sample(3, &mut rng(0)).dims(), [3, 1]);
            steps.push(epoch.step);
            if epoch.step >= 300 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .fit(normal(), &bell())
        .expect("nothing is wrong with it");
    assert_eq!(steps, [0, 150, 300]);
    assert_eq!(fitted.report.stop_reason, StopReason::Callback);
}

/// A bell that says something else above a point.
fn bell_with(value: f64, above: f64) -> impl Target {
    point_target_fn(1, move |x: &[f64], gradient: &mut [f64]| {
        gradient[0] = 4.0 * (2.0 - x[0]);
        if x[0] > above { value } else { -2.0 * (x[0] - 2.0).powi(2) }
    })
}

#[test]
fn values_that_are_not_finite_are_left_out_and_named() {
    let values = [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")];
    let objectives =
        [Objective::ReverseKl, Objective::AlphaDreg(0.5), Objective::Fab(FabConfig::new())];
    for objective in objectives {
        for (value, name) in values {
            let config = short().with_objective(objective.clone());
            let fitted = fit_target(normal(), &bell_with(value, 3.0), &config).expect("it goes on");
            let report = &fitted.report;
            let [warning] = &report.warnings[..] else { panic!("{report}") };
            let start = format!("the log-density of the target was {name} at ");
            assert!(warning.starts_with(&start), "{warning}");
            assert!(warning.contains("first in step ") && warning.contains(" at [3."), "{warning}");
            assert!(report.best.efficiency > 0.5, "{objective:?}, {name}: {report}");
        }
    }
}

#[test]
fn a_target_without_mass_where_the_model_starts_is_an_error() {
    for (value, name) in [(f64::NAN, "NaN"), (f64::NEG_INFINITY, "-inf")] {
        let result = fit_target(normal(), &bell_with(value, -100.0), &short());
        let sentence = result.expect_err("there is nothing to learn").to_string();
        let start = format!(
            "the target has no mass where the model starts: the log-density of the target was {name} at 1000 of 1000, \
             first at ["
        );
        assert!(sentence.starts_with(&start), "{sentence}");
    }
}

/// Wider than the target, which is uniform: as long as the model is outside the bound is below `log Z = 0`.
#[test]
fn mass_outside_of_the_support_lowers_the_bound() {
    let target = point_target_fn(1, |x: &[f64], gradient: &mut [f64]| {
        gradient[0] = 0.0;
        if (0.0..1.0).contains(&x[0]) { 0.0 } else { f64::NEG_INFINITY }
    });
    let config = DiagonalNormalConfig::new(vec![0.0], vec![10.0]).with_learnable(true);
    let model = config.init(&cpu(), &mut rng(0));
    let fitted = fit_target(model, &target, &short().with_n_steps(4)).expect("it has mass");
    let bound = fitted.report.history[0].bound;
    assert!(bound.value < 5.0 * bound.error && bound.error < 0.5, "{bound}");
}

/// The gradient of the target is infinite nearly everywhere: no step is finite.
#[test]
fn a_training_that_diverges_gives_back_the_last_finite_weights() {
    let target = point_target_fn(1, |x: &[f64], gradient: &mut [f64]| {
        gradient[0] = 1e300;
        -x[0] * x[0]
    });
    let config = short().with_objective(Objective::ReverseKl);
    let error = fit_target(normal(), &target, &config).expect_err("no step is finite");
    let sentence = error.to_string();
    assert!(sentence.contains("diverged: no finite loss or gradient from step 0 on"), "{sentence}");
    let FitError::Diverged(fitted) = error else { panic!("{sentence}") };
    // No step was taken.
    let x = || Tensor::<2>::from_data([[0.5]], &cpu());
    assert_eq!(host(fitted.model.log_prob(x())), host(normal().log_prob(x())));
    let [warning] = &fitted.report.warnings[..] else { panic!("{}", fitted.report) };
    assert!(
        warning.starts_with("the gradient of the target was not finite at 1280 of "),
        "{warning}"
    );
}

/// The target breaks down after two thirds of the evaluations: what was best before comes back.
#[test]
fn a_training_that_diverges_after_progress_gives_back_the_best_weights() {
    let n_calls = AtomicUsize::new(0);
    let target = point_target_fn(1, move |x: &[f64], gradient: &mut [f64]| {
        let is_broken = n_calls.fetch_add(1, Ordering::Relaxed) > 64 * 400;
        gradient[0] = if is_broken { 1e300 } else { 4.0 * (2.0 - x[0]) };
        -2.0 * (x[0] - 2.0).powi(2)
    });
    let config = short().with_objective(Objective::ReverseKl);
    let error = fit_target(normal(), &target, &config).expect_err("it breaks down");
    let FitError::Diverged(fitted) = error else { panic!("{error}") };
    assert!(fitted.report.history.len() > 1, "{}", fitted.report);
    // It came near the bell: the standard normal has -2.9 there.
    let there = Tensor::<2>::from_data([[2.0]], &cpu());
    let log_prob = fitted.model.log_prob(there).into_scalar::<f32>();
    assert!(log_prob > -1.0, "{log_prob}: {}", fitted.report);
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let refused = |result: Result<_, FitError<NormalizingFlow, TargetReport>>| -> String {
        result.map(|_: normalizing_flows::train::Fitted<_, _>| ()).expect_err("refused").to_string()
    };
    let config = TargetFitConfig::new().with_n_steps(0);
    let sentence = refused(fit_target(real_nvp(2), &Banana::new(2), &config));
    assert_eq!(sentence, "`n_steps` must be at least 1, got 0");
    let sentence = refused(fit_target(real_nvp(2), &Banana::new(4), &short()));
    assert_eq!(sentence, "model and target must have the same features, got `d_features` 2 and 4");
    let frozen = real_nvp(2).no_grad();
    let sentence = refused(fit_target(frozen, &Banana::new(2), &short()));
    assert_eq!(sentence, "the model has no parameter that is trained");
}

/// A mixture of models draws a component, through which no gradient flows. Annealed samples need none.
#[test]
fn a_model_without_reparameterised_samples_needs_annealed_ones() {
    let mixture = || {
        let part = RealNvpConfig::new(2).with_n_layers(2);
        let part = part.with_conditioner(MlpConfig::new().with_d_hidden(vec![8]).into());
        MixtureConfig::new(vec![part.clone().into(), part.into()]).init(&cpu(), &mut rng(0))
    };
    let result = fit_target(mixture(), &Banana::new(2), &short());
    let sentence = result.expect_err("no gradients").to_string();
    assert!(sentence.starts_with("gradients do not flow through the samples"), "{sentence}");
    let config = short().with_n_steps(8).with_objective(Objective::Fab(FabConfig::new()));
    let fitted = fit_target(mixture(), &Banana::new(2), &config).expect("it needs none");
    assert!(fitted.report.best.loss.expect("steps were taken").is_finite());
    let row = Tensor::<2>::from_data(TensorData::new(vec![0.0, 0.0], [1, 2]), &cpu());
    assert_eq!(fitted.model.log_prob(row).dims(), [1]);
}

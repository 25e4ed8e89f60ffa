//! Training in one call: what it learns, refuses, survives and resumes.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use common::{host, rng};
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::tensor::{Tensor, TensorData};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::data::Dataset;
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::distribution::{DiagonalNormal, DiagonalNormalConfig};
use normalizing_flows::train::{
    FitConfig, FitError, FitReport, Fitter, NonFiniteRows, StopReason, fit,
};
use normalizing_flows::{Distribution, Error, NormalizingFlow, RealNvpConfig, StandardNormal};

fn moons(n: usize) -> Dataset {
    Dataset::new(TwoMoons::new(0.1).sample(n, &common::cpu(), &mut rng(1)))
}

fn real_nvp(seed: u64) -> NormalizingFlow {
    RealNvpConfig::new(2)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![32, 32]).into())
        .init(&common::cpu(), &mut rng(seed))
}

fn normal() -> DiagonalNormal {
    DiagonalNormalConfig::standard_learnable(1).init(&common::cpu(), &mut rng(0))
}

fn column(values: Vec<f64>) -> Tensor<2> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n, 1]), &common::cpu())
}

fn temporary(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("nflow-fit-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

/// Log-densities of some points, by which two models are compared to the bit.
fn bits(model: &NormalizingFlow) -> Vec<u64> {
    host(model.log_prob(moons(100).x().clone())).into_iter().map(f64::to_bits).collect()
}

/// 840 steps come to about 1.25 nats, with other roundings to a little more or less; the mean of 200
/// held-out rows has a standard error of 0.1. Far below the Gaussian's 1.908.
#[test]
fn two_moons_are_learnt_and_reported() {
    let config = FitConfig::new().with_max_epochs(Some(60)).with_learning_rate(3e-3);
    let fitted = fit(real_nvp(0), &moons(2000), &config).expect("nothing is wrong with it");
    let report = &fitted.report;
    assert!(report.validation_nll < 1.6, "{report}");
    let gaussian = report.gaussian_nll.expect("the columns are independent");
    // 200 held-out rows: the standard error of their mean is 0.05.
    assert!((gaussian - 1.908).abs() < 0.2, "{report}");
    assert_eq!((report.n_train, report.n_validation, report.n_dropped), (1800, 200, 0));
    assert_eq!(report.n_parameters, fitted.model.num_params());
    assert_eq!(report.validation_nll_per_feature(), report.validation_nll / 2.0);
    assert!(report.warnings.is_empty(), "{report}");
    // The best weights are those of the best epoch, and that is where the NLL comes from.
    let nlls = report.history.iter().filter_map(|epoch| epoch.validation_nll);
    assert_eq!(report.validation_nll, nlls.fold(f64::INFINITY, f64::min));
    let best = &report.history[report.best_epoch - 1];
    assert_eq!(best.validation_nll, Some(report.validation_nll));
    // The standard error of 200 rows whose losses spread by about a nat.
    let error = report.validation_nll_error.expect("200 rows have a spread");
    assert!((0.02..0.2).contains(&error), "{report}");
    // The copula has the shape of the marginals, not that of the moons.
    let copula = report.copula_nll.expect("the columns vary");
    assert!(report.validation_nll < copula && copula < gaussian, "{report}");

    let json = serde_json::to_string(report).expect("every number is finite");
    assert_eq!(&serde_json::from_str::<FitReport>(&json).expect("it was just written"), report);
    assert!(report.to_string().contains("1800 rows trained on, 200 held out"), "{report}");
}

#[test]
fn the_weights_given_back_are_the_best_on_the_held_out_rows() {
    let data = moons(64);
    let held_out = Dataset::new(TwoMoons::new(0.1).sample(500, &common::cpu(), &mut rng(2)));
    // So few rows are overfitted soon.
    let config = FitConfig::new().with_max_epochs(Some(300)).with_learning_rate(1e-2);
    let fitted = Fitter::new(config.with_patience(Some(20)))
        .validation(&held_out)
        .fit(real_nvp(0), &data)
        .expect("nothing is wrong with it");
    let report = fitted.report;
    assert_eq!(report.stop_reason, StopReason::Patience { epochs: 20 }, "{report}");
    assert_eq!(report.history.len(), report.best_epoch + 20);
    let nll = -host(fitted.model.log_prob(held_out.x().clone()).mean())[0];
    // Roundings of an f32 mean.
    assert!((nll - report.validation_nll).abs() < 1e-5, "{nll}: {report}");
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_does_not() {
    let run = |seed| {
        let config = FitConfig::new().with_max_epochs(Some(2)).with_seed(seed);
        bits(&fit(real_nvp(0), &moons(200), &config).expect("nothing is wrong with it").model)
    };
    assert_eq!(run(0), run(0));
    assert_ne!(run(0), run(1));
}

#[test]
fn a_training_goes_on_from_its_checkpoint_to_the_same_bits() {
    let path = temporary("resumed");
    let data = moons(200);
    let config = FitConfig::new().with_max_epochs(Some(6)).with_learning_rate(1e-2);
    let unbroken = fit(real_nvp(0), &data, &config).expect("nothing is wrong with it");

    let mut best = None;
    let stopped = Fitter::new(config.clone())
        .checkpoint(&path)
        .on_epoch(|epoch, model| {
            best = Some(bits(model));
            if epoch.epoch < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .fit(real_nvp(0), &data)
        .expect("nothing is wrong with it");
    assert_eq!(stopped.report.stop_reason, StopReason::Callback);
    assert_eq!(stopped.report.history.len(), 3);
    assert_eq!(best, Some(bits(&stopped.model)));
    // Another process would start from other weights and other parameter ids.
    let resumed = Fitter::new(config.clone())
        .checkpoint(&path)
        .fit(real_nvp(7), &data)
        .expect("nothing is wrong with it");
    assert_eq!(resumed.report.history, unbroken.report.history);
    assert_eq!(bits(&resumed.model), bits(&unbroken.model));
    assert_ne!(bits(&stopped.model), bits(&unbroken.model));

    let error = |config: FitConfig, data: &Dataset, model| {
        let result = Fitter::new(config).checkpoint(&path).fit(model, data);
        result.expect_err("the checkpoint is of another training").to_string()
    };
    let other = error(config.clone().with_learning_rate(2e-2), &data, real_nvp(0));
    assert!(other.contains("another configuration; remove the file"), "{other}");
    let other = error(config.clone(), &moons(201), real_nvp(0));
    assert!(other.contains("other data"), "{other}");
    let smaller = RealNvpConfig::new(2).with_n_layers(2).init(&common::cpu(), &mut rng(0));
    let other = error(config.clone(), &data, smaller);
    assert!(other.contains("does not fit the model"), "{other}");
    std::fs::write(&path, b"nonsense").expect("it is there");
    let other = error(config, &data, real_nvp(0));
    assert!(other.contains("is not a file of normalizing-flows"), "{other}");
    std::fs::remove_file(path).expect("it is there");
}

/// Rows with noise of their epoch: a training that was stopped goes on to the same bits.
#[test]
fn rows_drawn_anew_for_every_epoch_resume_to_the_same_bits() {
    let (data, validation) = (moons(200), moons(50));
    let redraw = |epoch: usize| {
        let noise: Vec<f64> = StandardNormal::new(2, &common::cpu())
            .sample(200, &mut rng(epoch as u64))
            .into_data()
            .iter::<f64>()
            .collect();
        let noise = Tensor::from_data(TensorData::new(noise, [200, 2]), &common::cpu());
        Ok(Dataset::new(moons(200).x().clone() + noise * 0.1))
    };
    let fitter = |epochs: usize| {
        let config = FitConfig::new().with_max_epochs(Some(4)).with_learning_rate(3e-3);
        Fitter::new(config).validation(&validation).redraw(&redraw).on_epoch(move |epoch, _| {
            if epoch.epoch == epochs { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let unbroken = fitter(4).fit(real_nvp(3), &data).expect("nothing is wrong with it");
    let path = temporary("redraw");
    fitter(2).checkpoint(&path).fit(real_nvp(3), &data).expect("nothing is wrong with it");
    let resumed = fitter(4).checkpoint(&path).fit(real_nvp(3), &data).expect("it goes on");
    std::fs::remove_file(&path).expect("it was written");
    assert_eq!(bits(&resumed.model), bits(&unbroken.model));
    assert_eq!(resumed.report.copula_nll, unbroken.report.copula_nll);

    let config = FitConfig::new().with_max_epochs(Some(4)).with_learning_rate(3e-3);
    let plain = Fitter::new(config.clone()).validation(&validation).fit(real_nvp(3), &data);
    assert_ne!(bits(&plain.expect("likewise").model), bits(&unbroken.model));

    let error = Fitter::new(config.clone()).redraw(&redraw).fit(real_nvp(3), &data).unwrap_err();
    assert!(error.to_string().contains("need validation data of their own"), "{error}");
    let fewer = |_| Ok(moons(100));
    let fitter = Fitter::new(config).validation(&validation).redraw(&fewer);
    let error = fitter.fit(real_nvp(3), &data).unwrap_err().to_string();
    assert!(error.contains("rows that are drawn anew must be as many as they were"), "{error}");
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// In the environment of the process that trains until it is killed.
const TRAIN_INTO: &str = "NORMALIZING_FLOWS_TEST_TRAIN_INTO";

#[test]
fn a_training_that_is_killed_again_and_again_comes_to_the_same_bits() {
    let data = moons(400);
    let config = FitConfig::new().with_max_epochs(Some(60)).with_learning_rate(1e-2);
    if let Some(path) = std::env::var_os(TRAIN_INTO) {
        let fitted = Fitter::new(config).checkpoint(path).fit(real_nvp(3), &data);
        return drop(fitted.expect("nothing is wrong with it"));
    }
    let path = temporary("killed");
    let itself = std::env::current_exe().expect("a test has a path");
    let mut n_killed = 0;
    for milliseconds in [5, 15, 25, 35] {
        let mut child = Command::new(&itself)
            .args(["--exact", "a_training_that_is_killed_again_and_again_comes_to_the_same_bits"])
            .env(TRAIN_INTO, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the test runs itself");
        // Until it has written a checkpoint, and then a while.
        let written = modified(&path);
        for _ in 0..10_000 {
            if modified(&path) != written || child.try_wait().expect("it was started").is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(milliseconds));
        if child.try_wait().expect("it was started").is_none() {
            child.kill().expect("it still runs");
            n_killed += 1;
        }
        child.wait().expect("it was started");
    }
    assert!(n_killed > 0, "the training is too short to be killed");
    let resumed = Fitter::new(config.clone()).checkpoint(&path).fit(real_nvp(3), &data);
    let resumed = resumed.expect("the checkpoint is old or new, and whole");
    assert!(resumed.report.history.len() > n_killed, "every process came further");
    let unbroken = fit(real_nvp(3), &data, &config).expect("nothing is wrong with it");
    assert_eq!(resumed.report.history, unbroken.report.history);
    assert_eq!(bits(&resumed.model), bits(&unbroken.model));
    std::fs::remove_file(path).expect("it is there");
}

/// Rows of weight 0 are as if they were not there.
#[test]
fn rows_count_by_their_weights() {
    let values = (0..200).map(|i| f64::from(i % 2) * 6.0).collect();
    let data = Dataset::new(column(values));
    let weights = (0..200).map(|i| f64::from(i % 2)).collect();
    let config = FitConfig::new().with_max_epochs(Some(100)).with_learning_rate(0.1);
    let location = |data: &Dataset| {
        let fitted = fit(normal(), data, &config).expect("nothing is wrong with it");
        host(fitted.model.loc())[0]
    };
    // Learnt by gradient descent, so not to the last digit.
    let both = location(&data);
    assert!((both - 3.0).abs() < 0.5, "{both}");
    let weighted = location(&data.with_weights(weights));
    assert!((weighted - 6.0).abs() < 0.1, "{weighted}");
}

/// Nothing of them is looked at: not whether they are finite, nor what their density is.
#[test]
fn rows_of_weight_zero_are_as_if_they_were_not_there() {
    let mut values: Vec<f64> = (0..200).map(|i| f64::from(i % 5)).collect();
    let mut weights = vec![1.0; 200];
    for (row, value) in [(3, f64::NAN), (77, 1e30), (150, f64::INFINITY)] {
        (values[row], weights[row]) = (value, 0.0);
    }
    let data = Dataset::new(column(values.clone())).with_weights(weights.clone());
    let config = FitConfig::new().with_max_epochs(Some(2));
    let report = fit(normal(), &data, &config).expect("they do not count").report;
    assert_eq!((report.n_train + report.n_validation, report.skipped_steps), (197, 0));
    // The row of an error is that of the caller.
    values[190] = f64::NAN;
    let data = Dataset::new(column(values)).with_weights(weights);
    let error = fit(normal(), &data, &config).expect_err("row 190 counts").to_string();
    assert!(error.contains("row 190"), "{error}");
}

#[test]
fn a_model_with_nothing_to_train_and_training_rows_that_do_not_fit_are_refused() {
    let base = StandardNormal::new(2, &common::cpu());
    let error = fit(base, &moons(10), &FitConfig::new()).expect_err("it has no parameters");
    assert_eq!(error.to_string(), "the model has no parameter that is trained");
    let three = Dataset::new(Tensor::zeros([10, 3], &common::cpu()));
    let validation = moons(10);
    let error = Fitter::new(FitConfig::new()).validation(&validation).fit(real_nvp(0), &three);
    let error = error.expect_err("the training rows have three columns").to_string();
    assert!(error.contains("expected 2, got 3"), "{error}");
}

#[test]
fn a_training_that_ended_is_not_trained_further() {
    let path = temporary("ended");
    let config = FitConfig::new().with_max_epochs(Some(2));
    let run = || {
        let fitter = Fitter::new(config.clone()).checkpoint(&path);
        fitter.fit(real_nvp(0), &moons(100)).expect("nothing is wrong with it")
    };
    let (first, again) = (run(), run());
    assert_eq!(first.report.history, again.report.history);
    assert_eq!(bits(&first.model), bits(&again.model));
    std::fs::remove_file(path).expect("it is there");
}

#[test]
fn a_conditional_model_learns_from_its_contexts() {
    let contexts: Vec<f64> = (0..1000).map(|i| f64::from(i % 2) * 2.0 - 1.0).collect();
    let (x, _) = real_nvp(0).sample_with_log_prob(1000, &mut rng(5));
    let context = column(contexts);
    // Two clusters, told apart by the context.
    let data = Dataset::new(x + context.clone() * 3.0).with_context(context);
    let model = RealNvpConfig::new(2).with_d_context(1).init(&common::cpu(), &mut rng(0));
    let config = FitConfig::new().with_max_epochs(Some(40)).with_learning_rate(3e-3);
    let report = fit(model, &data, &config).expect("nothing is wrong with it").report;
    // Given the context the rows are standard normal, 2.838 nats; a linear regression knows it too.
    let gaussian = report.gaussian_nll.expect("the columns are independent");
    assert!((gaussian - 2.838).abs() < 0.3, "{report}");
    assert!(report.validation_nll < gaussian + 0.2, "{report}");
}

#[test]
fn rows_that_are_not_finite_are_refused_by_name_or_dropped() {
    let mut values: Vec<f64> = (0..100).map(f64::from).collect();
    (values[17], values[60]) = (f64::NAN, f64::NEG_INFINITY);
    let data = Dataset::new(column(values));
    let error = fit(normal(), &data, &FitConfig::new()).expect_err("row 17 is NaN");
    let FitError::Error(Error::NonFinite { row: 17, column: 0, what: "input", .. }) = &error else {
        panic!("{error}")
    };
    assert!(error.to_string().contains("the input is NaN in row 17, column 0"), "{error}");

    let config =
        FitConfig::new().with_non_finite_rows(NonFiniteRows::Drop).with_max_epochs(Some(1));
    let report = fit(normal(), &data, &config).expect("the others are finite").report;
    assert_eq!((report.n_dropped, report.n_train + report.n_validation), (2, 98));
}

#[test]
fn what_does_not_fit_the_model_is_refused_with_a_sentence() {
    let refused = |data: Dataset| {
        let config = FitConfig::new();
        fit(real_nvp(0), &data, &config).expect_err("the data do not fit").to_string()
    };
    let three = Dataset::new(Tensor::zeros([10, 3], &common::cpu()));
    assert!(refused(three).contains("expected 2, got 3"));
    let one_row = refused(moons(1));
    assert!(one_row.contains("at least two rows"), "{one_row}");
    let with_context = moons(10).with_context(Tensor::zeros([10, 1], &common::cpu()));
    assert!(refused(with_context).contains("nothing in this model takes a context"));
    let config = FitConfig::new().with_batch_size(Some(0));
    let error = fit(real_nvp(0), &moons(10), &config).expect_err("it is out of range").to_string();
    assert_eq!(error, "`batch_size` must be at least 1, got 0");
}

/// Squares of 1e30 are infinite in f32, in every batch.
#[test]
fn a_diverged_training_says_where_it_began_and_gives_the_best_weights_back() {
    let data = Dataset::new(column(vec![1e30; 64]));
    let validation = Dataset::new(column((0..64).map(|i| f64::from(i) / 64.0).collect()));
    let config = FitConfig::new().with_max_skipped_steps(3);
    let error = Fitter::new(config).validation(&validation).fit(normal(), &data);
    let error = error.expect_err("no step has a finite loss");
    let sentence = error.to_string();
    assert!(sentence.contains("no finite loss or gradient from step 0 on"), "{sentence}");
    let FitError::Diverged(fitted) = error else { panic!("{sentence}") };
    assert_eq!(fitted.report.stop_reason, StopReason::Diverged { first_step: 0 });
    assert_eq!((fitted.report.skipped_steps, fitted.report.best_epoch), (3, 0));
    assert!(host(fitted.model.loc()).iter().all(|value| value.is_finite()));
}

/// Squares of 1e30 are infinite in f32: each such row is a step that is skipped.
#[test]
fn steps_that_are_skipped_now_and_then_end_a_training_if_they_are_more_than_the_others() {
    let train = |one_of: usize, is_bad: fn(usize) -> bool| {
        let value = |i: usize| if is_bad(i % one_of) { 1e30 } else { i as f64 / 64.0 };
        let data = Dataset::new(column((0..60).map(value).collect()));
        let validation = Dataset::new(column((0..64).map(|i| f64::from(i) / 64.0).collect()));
        let config = FitConfig::new().with_batch_size(Some(1)).with_max_epochs(Some(10));
        Fitter::new(config).validation(&validation).fit(normal(), &data)
    };
    let error = train(4, |i| i > 0).expect_err("three of four steps are skipped");
    let FitError::Diverged(fitted) = error else { panic!("{error}") };
    let skipped = fitted.report.skipped_steps;
    assert!(skipped >= 20 && fitted.report.history.len() < 10, "{}", fitted.report);
    let fitted = train(4, |i| i == 0).expect("one of four steps is skipped");
    assert_eq!(fitted.report.skipped_steps, 150);
}

/// Patience ends it before the tenth of the budget after which others are warned.
#[test]
fn a_training_that_ends_early_without_having_learnt_anything_warns() {
    let config =
        FitConfig::new().with_learning_rate(1e2).with_patience(Some(2)).with_max_epochs(Some(400));
    let fitted = fit(real_nvp(0), &moons(500), &config);
    let report = match fitted {
        Ok(fitted) => fitted.report,
        Err(FitError::Diverged(fitted)) => fitted.report,
        Err(error) => panic!("{error}"),
    };
    assert!(report.history.len() < 40, "{report}");
    assert!(report.warnings.iter().any(|warning| warning.contains("learning_rate")), "{report}");
}

#[test]
fn a_learning_rate_far_too_high_warns_and_gives_finite_weights() {
    let config = FitConfig::new().with_learning_rate(1e3).with_max_epochs(Some(20));
    let (fitted, diverged) = match fit(real_nvp(0), &moons(500), &config) {
        Ok(fitted) => (fitted, false),
        Err(FitError::Diverged(fitted)) => (*fitted, true),
        Err(error) => panic!("{error}"),
    };
    let warned = fitted.report.warnings.iter().any(|warning| warning.contains("learning_rate"));
    assert!(diverged || warned, "{}", fitted.report);
    let log_prob = host(fitted.model.log_prob(moons(100).x().clone()));
    assert!(log_prob.iter().all(|value| value.is_finite()));
}

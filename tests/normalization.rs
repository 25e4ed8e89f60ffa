//! Layers that standardise: by the first batch, or each batch by itself.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::files::Folder;
use common::{cpu, host, rng};
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::tensor::{DType, FloatDType, Tensor, TensorData};
use normalizing_flows::data::Dataset;
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::distribution::Checked;
use normalizing_flows::io::{load_model, save_model};
use normalizing_flows::normalization::{ActNorm, ActNormConfig, BatchNorm, BatchNormConfig};
use normalizing_flows::train::{FitConfig, fit};
use normalizing_flows::{
    Direction, Distribution, Error, Flow, GlowConfig, Inverse, NormalizingFlow, RealNvpConfig,
    Sequential, StandardNormal, cast, with_fresh_ids,
};
use rand_distr::Distribution as _;

fn act_norm(d_features: usize) -> ActNorm {
    ActNormConfig::new(d_features).init(&cpu(), &mut rng(0))
}

/// Rows of a normal of mean 3 and deviation 5, and of one of -10 and 1e-2.
fn batch(n: usize) -> Tensor<2> {
    let mut rng = rng(1);
    let mut normal = || -> f64 { rand_distr::StandardNormal.sample(&mut rng) };
    let values: Vec<f64> =
        (0..n).flat_map(|_| [3.0 + 5.0 * normal(), -10.0 + 1e-2 * normal()]).collect();
    Tensor::from_data(TensorData::new(values, [n, 2]), &cpu())
}

/// The mean and the deviation of each of two columns.
fn moments(rows: Tensor<2>) -> [(f64, f64); 2] {
    let values = host(rows);
    [0, 1].map(|column| {
        let column: Vec<f64> = values.iter().skip(column).step_by(2).copied().collect();
        let n = column.len() as f64;
        let mean = column.iter().sum::<f64>() / n;
        (mean, (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
    })
}

#[test]
fn the_batch_comes_out_standardised_in_either_direction() {
    for direction in [Direction::Forward, Direction::Inverse] {
        let layer = act_norm(2).calibrate(batch(500), None, direction);
        let (standardised, _) = match direction {
            Direction::Forward => layer.forward(batch(500), None),
            Direction::Inverse => layer.inverse(batch(500), None),
        };
        // A logarithm of the scale has roundings of 2e-7, which at a thousand deviations are 2e-4.
        for (mean, deviation) in moments(standardised) {
            assert!(mean.abs() < 1e-3 && (deviation - 1.0).abs() < 1e-3, "{mean} {deviation}");
        }
    }
    // Through an inverse the batch enters at the other side.
    let inverse = Inverse::new(act_norm(2)).calibrate(batch(500), None, Direction::Inverse);
    let direct = act_norm(2).calibrate(batch(500), None, Direction::Forward);
    assert_eq!(host(inverse.flow.parameters.val()), host(direct.parameters.val()));
}

#[test]
fn constant_columns_and_values_that_are_not_finite_are_no_scale() {
    let batch = [[1e6, 2.0, f32::NAN], [1e6, f32::INFINITY, f32::NAN], [1e6, 4.0, f32::NAN]];
    let batch = Tensor::<2>::from_data(batch, &cpu());
    let layer = act_norm(3).calibrate(batch, None, Direction::Inverse);
    let parameters = host(layer.parameters.val());
    assert_eq!(parameters, [1e6, 3.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn what_is_set_stays_and_is_saved_as_set() {
    let layer = act_norm(2);
    assert!(!layer.is_calibrated());
    let empty = Tensor::zeros([0, 2], &cpu());
    let layer = layer.calibrate(empty, None, Direction::Inverse);
    assert!(!layer.is_calibrated(), "by no row");
    let set = layer.calibrate(batch(100), None, Direction::Inverse);
    let parameters = host(set.parameters.val());
    let again = set.clone().calibrate(batch(100) * 7.0, None, Direction::Inverse);
    assert_eq!(host(again.parameters.val()), parameters);
    // Also when the next batch comes after a training step, in another float type, on a reload.
    let loaded = act_norm(2).load_record(set.clone().into_record());
    assert!(loaded.is_calibrated() && cast(set.train(), FloatDType::F32).is_calibrated());
    let again = loaded.calibrate(batch(100) * 7.0, None, Direction::Inverse);
    assert_eq!(host(again.parameters.val()), parameters);
}

#[test]
fn a_layer_takes_over_that_it_is_not_set() {
    let set = act_norm(2).calibrate(batch(100), None, Direction::Inverse);
    assert!(set.is_calibrated());
    let loaded = set.load_record(act_norm(2).into_record());
    assert!(!loaded.is_calibrated());
}

#[test]
#[should_panic(expected = "call `model.calibrate(batch)` before")]
fn a_layer_that_is_not_set_says_so() {
    act_norm(2).inverse(batch(3), None);
}

#[test]
fn a_model_that_is_not_set_is_an_error_until_it_is() {
    let model = GlowConfig::new(2).with_n_steps(2).init(&cpu(), &mut rng(0));
    assert!(model.to_string().contains("tensor operations: not calibrated yet"), "{model}");
    let checked = Checked::new(&model, None);
    assert_eq!(checked.log_prob(batch(3)).unwrap_err(), Error::Uncalibrated);
    assert_eq!(checked.sample(3, &mut rng(0)).unwrap_err(), Error::Uncalibrated);
    assert_eq!(checked.to_latent(batch(3)).unwrap_err(), Error::Uncalibrated);
    let wrong = Tensor::zeros([3, 5], &cpu());
    assert!(matches!(checked.calibrate(wrong), Err(Error::Columns { .. })));
    let model = checked.calibrate(batch(500)).expect("two features");
    for (mean, deviation) in moments(model.to_latent(batch(500))) {
        assert!(mean.abs() < 0.1 && (deviation - 1.0).abs() < 0.1, "{mean} {deviation}");
    }

    let folder = Folder::new("glow");
    let path = folder.file("model.nflow");
    let config = GlowConfig::new(2).with_n_steps(2).flow_config().expect("in range");
    save_model(&path, &config, &model).expect("it is written");
    let (_, loaded) = load_model(&path, &cpu()).expect("it was written");
    assert_eq!(host(loaded.log_prob(batch(9))), host(model.log_prob(batch(9))));
}

/// A density of scales that no preset without calibration takes.
#[test]
fn fit_calibrates_first() {
    let model = GlowConfig::new(2).with_n_steps(2).init(&cpu(), &mut rng(0));
    let data = Dataset::new(batch(1_000));
    let config = FitConfig::new().with_max_epochs(Some(5));
    let report = fit(model.clone(), &data, &config).expect("it trains").report;
    // The entropy of the two normals: a deviation of the mean of 100 held-out rows is 0.1.
    let entropy = (5e-2_f64).ln() + (std::f64::consts::TAU.ln() + 1.0);
    assert!((report.validation_nll - entropy).abs() < 0.5, "{report}");
    let wrong = Dataset::new(Tensor::<2>::ones([30, 3], &cpu()));
    let error = fit(model, &wrong, &config).unwrap_err().to_string();
    assert!(error.contains("wrong number of columns"), "{error}");
}

/// In training, in f64.
fn batch_norm(config: &BatchNormConfig) -> BatchNorm {
    cast(config.init(&cpu().autodiff(), &mut rng(0)), FloatDType::F64)
}

fn in_training(rows: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(rows.cast(FloatDType::F64))
}

#[test]
fn a_batch_in_training_is_standardised_and_moves_the_running_statistics() {
    let layer = batch_norm(&BatchNormConfig::new(2).with_momentum(0.25).with_epsilon(1e-12));
    let rows = in_training(batch(500));
    let (z, log_det) = layer.inverse(rows.clone(), None);
    let of_data = moments(rows.inner());
    for (mean, deviation) in moments(z.inner()) {
        assert!(mean.abs() < 1e-9 && (deviation - 1.0).abs() < 1e-6, "{mean} {deviation}");
    }
    let expected = -of_data.map(|(_, deviation)| deviation.ln()).iter().sum::<f64>();
    // An epsilon of 1e-12 beside a variance of 1e-4.
    assert!((host(log_det)[0] - expected).abs() < 1e-7);
    let expected =
        [of_data.map(|(mean, _)| 0.25 * mean), of_data.map(|(_, d)| 0.75 + 0.25 * d * d)];
    let found = host(layer.statistics());
    let pairs = found.iter().zip(expected.concat());
    assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}, {expected:?}");
    // Where it is evaluated, and where latents come in, these count.
    let one = Tensor::<2>::ones([1, 2], &cpu()).cast(FloatDType::F64);
    let (x, _) = layer.valid().forward(one.clone(), None);
    let (x_in_training, _) = layer.forward(in_training(one), None);
    let expected: Vec<f64> = (0..2).map(|i| found[i] + found[2 + i].sqrt()).collect();
    for x in [host(x), host(x_in_training)] {
        assert!(x.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{x:?}, {expected:?}");
    }
}

#[test]
fn copies_have_running_statistics_of_their_own() {
    let layer = batch_norm(&BatchNormConfig::new(2));
    let before = host(layer.statistics());
    let copies = [layer.clone(), with_fresh_ids(layer.clone())];
    for copy in &copies {
        copy.inverse(in_training(batch(50)), None);
        assert_ne!(host(copy.statistics()), before);
    }
    assert_eq!(host(layer.statistics()), before);
    // Two copies with fresh identities in one stack share nothing.
    Sequential::new(with_fresh_ids(vec![layer.clone(), layer]));
}

#[test]
fn a_batch_with_an_infinite_value_moves_no_statistic_for_good() {
    let layer = batch_norm(&BatchNormConfig::new(2).with_momentum(0.5));
    let broken = [[1.0, f64::INFINITY], [3.0, 1.0]];
    let broken = Tensor::<2>::from_data(TensorData::from(broken), (&cpu(), DType::F64));
    layer.inverse(in_training(broken), None);
    // The first feature: a mean of 2 and a variance of 1.
    assert_eq!(host(layer.statistics()), [1.0, 0.0, 1.0, 1.0]);
    layer.inverse(in_training(batch(50)), None);
    assert!(host(layer.statistics()).iter().all(|value| value.is_finite()));
}

/// The rows are cut where no part has a single row.
#[test]
fn many_rows_are_standardised_in_parts_of_at_least_two() {
    let model = NormalizingFlow::new(
        StandardNormal::new(2, &cpu().autodiff()),
        BatchNormConfig::new(2).init(&cpu().autodiff(), &mut rng(0)),
    );
    let rows = Tensor::from_inner(batch((1 << 14) + 1));
    assert!(host(model.log_prob(rows)).iter().all(|value| value.is_finite()));
}

#[test]
#[should_panic(expected = "a variance of -1 for feature 1")]
fn statistics_that_are_none_are_refused() {
    let statistics = Tensor::from_data([[0.0, 0.0], [1.0, -1.0]], &cpu());
    batch_norm(&BatchNormConfig::new(2)).with_statistics(statistics);
}

#[test]
fn gradients_go_through_the_statistics_of_the_batch() {
    let layer = batch_norm(&BatchNormConfig::new(2));
    let rows = [[0.3, -1.0], [1.5, 0.2], [-0.4, 2.0], [0.9, 0.1]];
    let weights = [[1.0, -0.5], [0.3, 0.8], [-0.7, 0.1], [0.2, 1.3]];
    let training = cpu().autodiff();
    let tensor = |rows: [[f64; 2]; 4]| {
        Tensor::<2>::from_data(TensorData::from(rows), (&training, DType::F64))
    };
    let value = |x: Tensor<2>| {
        let (z, log_det) = layer.inverse(x, None);
        (z * tensor(weights)).sum() + log_det.sum()
    };
    let x = tensor(rows).require_grad();
    let gradients = value(x.clone()).backward();
    let found = host(x.grad(&gradients).expect("it is asked for"));
    let step = 1e-5;
    for (place, found) in found.iter().enumerate() {
        let moved = |by: f64| {
            let mut rows = rows;
            rows[place / 2][place % 2] += by;
            host(value(tensor(rows)))[0]
        };
        let expected = (moved(step) - moved(-step)) / (2.0 * step);
        // Third derivatives of order 10 times the square of the step.
        assert!((found - expected).abs() < 1e-7, "{place}: {found}, {expected}");
    }
}

#[test]
#[should_panic(expected = "at least 2 rows to train on, got 1")]
fn one_row_has_no_statistics() {
    let layer = batch_norm(&BatchNormConfig::new(2));
    layer.inverse(in_training(batch(1)), None);
}

#[test]
fn a_stack_with_batch_norms_is_fitted_saved_and_loaded() {
    let mut config = RealNvpConfig::new(2).with_n_layers(4).flow_config().expect("in range");
    for place in [1, 3, 5] {
        config.layers.insert(place, BatchNormConfig::new(2).into());
    }
    let mut rng = rng(0);
    let data = TwoMoons::new(0.1).sample(2000, &cpu(), &mut rng);
    let model = config.init(&cpu(), &mut rng);
    let settings = FitConfig::new().with_max_epochs(Some(20));
    let fitted = fit(model, &Dataset::new(data.clone()), &settings).expect("it trains");
    // A Gaussian has 1.9 nats, and the entropy of the data is 1.0.
    assert!(fitted.report.validation_nll < 1.6, "{}", fitted.report);
    let (z, log_det) = fitted.model.flow.inverse(data.clone(), None);
    let (x, log_det_back) = fitted.model.flow.forward(z, None);
    // Some hundred roundings of 6e-8, of values up to 3 and slopes up to 10.
    let error = (x - data.clone()).abs().max().into_scalar::<f32>();
    assert!(error < 1e-3, "{error}");
    assert!((log_det + log_det_back).abs().max().into_scalar::<f32>() < 1e-3);
    let folder = Folder::new("batch-norm");
    let path = folder.file("model.nflow");
    save_model(&path, &config, &fitted.model).expect("it is written");
    let (_, loaded) = load_model(&path, &cpu()).expect("it is whole");
    assert_eq!(host(loaded.log_prob(data.clone())), host(fitted.model.log_prob(data)));
}

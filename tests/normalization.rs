//! Layers that are set by the first batch.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::files::Folder;
use common::{cpu, host, rng};
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::tensor::{FloatDType, Tensor, TensorData};
use normalizing_flows::data::Dataset;
use normalizing_flows::distribution::Checked;
use normalizing_flows::io::{load_model, save_model};
use normalizing_flows::normalization::{ActNorm, ActNormConfig};
use normalizing_flows::train::{FitConfig, fit};
use normalizing_flows::{Direction, Distribution, Error, Flow, GlowConfig, Inverse, cast};
use rand_distr::{Distribution as _, StandardNormal};

fn act_norm(d_features: usize) -> ActNorm {
    ActNormConfig::new(d_features).init(&cpu(), &mut rng(0))
}

/// Rows of a normal of mean 3 and deviation 5, and of one of -10 and 1e-2.
fn batch(n: usize) -> Tensor<2> {
    let mut rng = rng(1);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
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

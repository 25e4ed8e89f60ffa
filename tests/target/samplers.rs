//! Samplers: constants, moments and standard errors against what is known, in data and in latent space.

use super::common::{cpu, host, ks_bound, ks_distance, normal_cdf, rng};
use normalizing_flows::burn::tensor::{FloatDType, Tensor, TensorData};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::data::target::{Banana, KnownTarget, ManyWell};
use normalizing_flows::distribution::{DiagonalNormal, DiagonalNormalConfig, UniformConfig};
use normalizing_flows::target::{
    AisConfig, Estimate, HamiltonianConfig, Pullback, SmcConfig, Target, WeightedSample,
    importance_sample, independence_metropolis, pareto_smoothed, point_target_fn, target_fn,
    weighted_nll,
};
use normalizing_flows::testing::perturb;
use normalizing_flows::{Distribution, Error, Flow, RealNvpConfig, StandardNormal, cast};

fn normal(loc: &[f64], scale: &[f64]) -> DiagonalNormal {
    // A fixed one has no parameters that could be cast.
    let config = DiagonalNormalConfig::new(loc.to_vec(), scale.to_vec()).with_learnable(true);
    cast(config.init(&cpu(), &mut rng(0)), FloatDType::F64)
}

fn is_near(estimate: Estimate, expected: f64, at_most: f64) {
    assert!(estimate.error < at_most, "{estimate}");
    assert!((estimate.value - expected).abs() < 5.0 * estimate.error, "{estimate}, not {expected}");
}

/// Weighted mean and standard deviation of the first feature of the double well, within five standard errors.
fn has_the_moments_of_the_wells(sample: &WeightedSample) {
    let moments = ManyWell::new(2).moments().expect("known");
    let values: Vec<f64> = host(sample.x().clone()).into_iter().step_by(2).collect();
    is_near(sample.expectation(&values), moments.mean[0], 0.2);
    let squares = values.iter().map(|value| (value - moments.mean[0]).powi(2));
    let squares = sample.expectation(&squares.collect::<Vec<_>>());
    is_near(squares, moments.standard_deviation[0].powi(2), 0.2);
}

#[test]
fn annealed_importance_sampling_finds_constant_and_moments() {
    let target = ManyWell::new(2);
    let expected = target.log_normalizer().expect("known");
    for moves in [HamiltonianConfig::new(), HamiltonianConfig::langevin()] {
        let config = AisConfig::new(2000).with_n_intermediate(15).with_n_moves(2).with_moves(moves);
        let mut ais = config.init();
        let (base, rng) = (normal(&[0.0; 2], &[2.0, 1.0]), &mut rng(1));
        // Step sizes adapt from one run to the next.
        for _ in 0..5 {
            ais.run(&base, &target, rng).expect("it has mass");
        }
        let sample = ais.run(&base, &target, rng).expect("it has mass");
        is_near(sample.log_normalizer(), expected, 0.05);
        has_the_moments_of_the_wells(&sample);
        let plain = importance_sample(&base, &target, 2000, rng).expect("it has mass");
        let sizes = [&sample, &plain].map(|sample| sample.effective_sample_size());
        assert!(sizes[0] > 1.5 * sizes[1], "annealed and plain: {sizes:?}");
    }
}

/// The errors of 100 runs are as large as they say: the variance of standardised errors is within four of its own
/// standard errors, √(2 / 99), of one.
#[test]
fn standard_errors_of_annealed_constants_are_right() {
    let target = Banana::new(2);
    let base = normal(&[0.0; 2], &[2.5, 2.5]);
    let mut ais = AisConfig::new(300).with_n_intermediate(5).init();
    let rng = &mut rng(2);
    for _ in 0..5 {
        ais.run(&base, &target, rng).expect("it has mass");
    }
    let squares = (0..100).map(|_| {
        let found = ais.run(&base, &target, rng).expect("it has mass").log_normalizer();
        (found.value / found.error).powi(2)
    });
    let variance = squares.sum::<f64>() / 100.0;
    assert!((variance - 1.0).abs() < 4.0 * (2.0 / 99.0f64).sqrt(), "{variance}");
}

/// At a power of 2 the weights are for `p̃² / q`: of two normals of equal width its constant is known,
/// `log ∫ p² / q = d²` for a distance `d` in standard deviations.
#[test]
fn the_path_goes_beyond_the_target() {
    let (base, distance) = (normal(&[0.0], &[1.0]), 0.7);
    let density = normal(&[distance], &[1.0]);
    let target = target_fn(1, |x: Tensor<2>| density.log_prob(x));
    let config = AisConfig::new(5000).with_n_intermediate(7).with_power(2.0);
    let sample = config.init().run(&base, &target, &mut rng(3)).expect("it has mass");
    is_near(sample.log_normalizer(), distance * distance, 0.02);
    // The product is a normal again, twice as far.
    let values = host(sample.x().clone());
    is_near(sample.expectation(&values), 2.0 * distance, 0.05);
}

#[test]
fn sequential_monte_carlo_finds_constant_and_moments() {
    let target = ManyWell::new(2);
    for moves in [HamiltonianConfig::new(), HamiltonianConfig::langevin()] {
        let config = SmcConfig::new(4000).with_moves(moves).with_n_moves(5);
        let mut smc = config.init();
        let sample = smc.run(&normal(&[0.0; 2], &[3.0, 3.0]), &target, &mut rng(4));
        let sample = sample.expect("it has mass");
        is_near(sample.log_normalizer(), target.log_normalizer().expect("known"), 0.2);
        assert!((sample.effective_sample_size() - 4000.0).abs() < 1e-6);
        let temperatures = smc.temperatures();
        assert!(temperatures.is_sorted() && temperatures.last() == Some(&1.0));
        assert!(temperatures.len() > 1, "{temperatures:?}");
        // Rows of equal ancestors are alike, so that errors are larger than those of independent rows.
        let values: Vec<f64> = host(sample.x().clone()).into_iter().step_by(2).collect();
        let mean = values.iter().sum::<f64>() / 4000.0;
        let expected = target.moments().expect("known").mean[0];
        assert!((mean - expected).abs() < 0.25, "{mean}, not {expected}");
    }
}

/// The errors of 60 runs against what they say they are; that rows move makes ancestors say more than they should
/// (Chan, Lai), so the bound is from a half to twice.
#[test]
fn standard_errors_of_sequential_constants_are_right() {
    let target = Banana::new(2);
    let base = normal(&[0.0; 2], &[4.0, 4.0]);
    let rng = &mut rng(5);
    let runs: Vec<Estimate> = (0..60)
        .map(|_| {
            let sample = SmcConfig::new(200).run(&base, &target, rng);
            sample.expect("it has mass").log_normalizer()
        })
        .collect();
    let deviation = (runs.iter().map(|run| run.value.powi(2)).sum::<f64>() / 60.0).sqrt();
    let error = (runs.iter().map(|run| run.error.powi(2)).sum::<f64>() / 60.0).sqrt();
    assert!(deviation / error > 0.5 && deviation / error < 2.0, "{deviation} and {error}");
}

/// A chain of independent proposals has the target's distribution exactly; thinned by far more than it stays.
#[test]
fn independent_metropolis_draws_from_the_target() {
    let target = target_fn(1, |x: Tensor<2>| (x.square() * -0.5).squeeze_dim(1));
    let chain = independence_metropolis(&normal(&[0.5], &[1.5]), &target, 200_000, &mut rng(6));
    let chain = chain.expect("it has mass");
    assert!(chain.acceptance > 0.6 && chain.acceptance < 0.9, "{}", chain.acceptance);
    assert!(chain.longest_stay < 40, "{}", chain.longest_stay);
    let thinned: Vec<f64> = host(chain.x).into_iter().step_by(20).collect();
    let bound = ks_bound(thinned.len());
    let distance = ks_distance(thinned, normal_cdf);
    assert!(distance < bound, "{distance}, at most {bound}");
}

/// Whatever the flow, the constant is the target's.
#[test]
fn in_latent_space_the_constant_is_the_same() {
    let config = RealNvpConfig::new(2)
        .with_n_layers(2)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![8]).into());
    let model = perturb(config.init(&cpu(), &mut rng(0)), 0.2, &mut rng(1));
    let model = cast(model, FloatDType::F64);
    let target = target_fn(2, |x: Tensor<2>| {
        (x - 1.0).square().sum_dim(1).squeeze_dim(1) * -0.5 - std::f64::consts::TAU.ln()
    });
    let latent = Pullback::new(&model.flow, &target);
    let sample = SmcConfig::new(2000).run(&model.base, &latent, &mut rng(2)).expect("it has mass");
    is_near(sample.log_normalizer(), 0.0, 0.1);
    let (x, _) = model.flow.forward(sample.x().clone(), None);
    let mean = host(x.mean_dim(0));
    assert!(mean.iter().all(|mean| (mean - 1.0).abs() < 0.15), "{mean:?}");
    let mut ais = AisConfig::new(2000).init();
    let sample = ais.run(&model.base, &latent, &mut rng(3)).expect("it has mass");
    is_near(sample.log_normalizer(), 0.0, 0.1);
}

#[test]
fn the_generator_decides_everything() {
    let target = ManyWell::new(2);
    let base = normal(&[0.0; 2], &[2.0, 2.0]);
    let run = |seed| {
        let sample = SmcConfig::new(100).run(&base, &target, &mut rng(seed)).expect("mass");
        host(sample.x().clone())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

fn sentence(result: Result<WeightedSample, Error>) -> String {
    result.expect_err("the target is none").to_string()
}

/// What a sampler says of a target that is none; the value is at every point above 1.
fn with_value(value: f64) -> impl Target {
    point_target_fn(1, move |x: &[f64], gradient: &mut [f64]| {
        gradient[0] = -x[0];
        if x[0] > 1.0 { value } else { -0.5 * x[0] * x[0] }
    })
}

#[test]
fn a_target_that_is_none_is_named_with_the_point() {
    let base = StandardNormal::new(1, &cpu());
    for (value, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let target = with_value(value);
        let results = [
            importance_sample(&base, &target, 100, &mut rng(0)),
            AisConfig::new(100).init().run(&base, &target, &mut rng(0)),
            SmcConfig::new(100).run(&base, &target, &mut rng(0)),
        ];
        for result in results {
            let sentence = sentence(result);
            assert!(
                sentence.starts_with(&format!("the log-density of the target is {name} at [1.")),
                "{sentence}"
            );
        }
    }
    let outside = with_value(f64::NEG_INFINITY);
    assert!(importance_sample(&base, &outside, 100, &mut rng(0)).is_ok());
    assert!(SmcConfig::new(100).run(&base, &outside, &mut rng(0)).is_ok());
}

#[test]
fn a_target_without_mass_where_the_base_is_is_an_error() {
    let base = StandardNormal::new(1, &cpu());
    let nowhere = point_target_fn(1, |_: &[f64], _: &mut [f64]| f64::NEG_INFINITY);
    let results = [
        importance_sample(&base, &nowhere, 100, &mut rng(0)),
        AisConfig::new(100).init().run(&base, &nowhere, &mut rng(0)),
        SmcConfig::new(100).run(&base, &nowhere, &mut rng(0)),
    ];
    for result in results {
        assert!(sentence(result).starts_with("none of the 100 rows has any weight"));
    }
}

#[test]
fn other_features_and_contexts_are_refused() {
    let target = Banana::new(4);
    let found = sentence(importance_sample(&normal(&[0.0], &[1.0]), &target, 10, &mut rng(0)));
    assert_eq!(found, "model and target must have the same features, got `d_features` 1 and 4");
    let model = RealNvpConfig::new(4).with_d_context(2).init(&cpu(), &mut rng(0));
    let found = sentence(importance_sample(&model, &target, 10, &mut rng(0)));
    assert!(found.starts_with("this model was built with `d_context` 2"), "{found}");
    let config = SmcConfig::new(10).with_threshold(1.5);
    let found = sentence(config.run(&normal(&[0.0; 4], &[1.0; 4]), &target, &mut rng(0)));
    assert_eq!(found, "`threshold` must be between 0 and 1, got 1.5");
}

#[test]
fn a_step_size_of_no_use_ends_in_an_error_and_not_for_ever() {
    let far = target_fn(1, |x: Tensor<2>| ((x - 1e4).square() * -1e6).squeeze_dim(1));
    let config = SmcConfig::new(50).with_max_steps(5);
    let found = sentence(config.run(&normal(&[0.0], &[1.0]), &far, &mut rng(0)));
    assert!(found.starts_with("after 5 steps the samples are at"), "{found}");
}

#[test]
fn resampled_rows_are_of_equal_weight() {
    let target = target_fn(1, |x: Tensor<2>| ((x - 1.0).square() * -2.0).squeeze_dim(1));
    let sample = importance_sample(&normal(&[0.0], &[2.0]), &target, 20_000, &mut rng(7));
    let rows = sample.expect("it has mass").resample(5000, &mut rng(8));
    let scaled = host(rows).into_iter().map(|x| 2.0 * (x - 1.0)).collect::<Vec<_>>();
    // Of 20,000 weighted rows some come twice: the bound is for half of them.
    assert!(ks_distance(scaled, normal_cdf) < ks_bound(2500));
}

/// Another generation of the same rows: the flow's own samples in the place of a base's.
#[test]
fn a_perfect_model_has_equal_weights() {
    let model = normal(&[1.0, 2.0], &[0.5, 3.0]);
    let target = target_fn(2, |x: Tensor<2>| model.log_prob(x) + 7.0);
    let sample = importance_sample(&model, &target, 1000, &mut rng(9)).expect("it has mass");
    assert!((sample.log_normalizer().value - 7.0).abs() < 1e-12);
    assert!((sample.effective_sample_size() - 1000.0).abs() < 1e-6);
    let row = Tensor::<2>::from_data(TensorData::new(vec![0.0], [1, 1]), &cpu());
    assert_eq!(WeightedSample::new(row, vec![0.0]).expect("a row").mean(), [0.0]);
}

/// A row without weight may be anywhere, and have any value.
#[test]
fn rows_without_weight_count_for_nothing() {
    let x = Tensor::<2>::from_data([[0.0], [f32::INFINITY]], &cpu());
    let sample = WeightedSample::new(x.clone(), vec![0.0, f64::NEG_INFINITY]).expect("a row");
    assert_eq!(sample.mean(), [0.0]);
    let expectation = sample.expectation(&[1.0, f64::NAN]);
    assert_eq!((expectation.value, expectation.error), (1.0, 0.0));
    let model = StandardNormal::new(1, &cpu());
    let loss = weighted_nll(&model, x, sample.log_weights()).into_scalar::<f32>();
    assert!((loss - 0.5 * std::f32::consts::TAU.ln()).abs() < 1e-6, "{loss}");
}

/// Between a base on an interval and a wider target: no row leaves the interval, where no weight would be right.
#[test]
fn rows_stay_inside_of_a_bounded_base() {
    let base = UniformConfig::new(vec![-1.0], vec![1.0]).init(&cpu(), &mut rng(0));
    let target = target_fn(1, |x: Tensor<2>| (x.square() * -0.5).squeeze_dim(1));
    let config = AisConfig::new(500).with_n_intermediate(1).with_power(2.0);
    let sample = config.init().run(&base, &target, &mut rng(1)).expect("it has mass");
    assert!(host(sample.x().clone()).iter().all(|x| x.abs() <= 1.0));
}

#[test]
fn weights_that_say_nothing_have_an_infinite_shape() {
    let log_weights: Vec<f64> = (0..1000).map(|i| -1000.0 * f64::from(i)).collect();
    assert_eq!(pareto_smoothed(&log_weights).shape, Some(f64::INFINITY));
}

/// One step to the target, by weights that hardly differ: the error is that of their mean.
#[test]
fn the_error_of_one_step_is_that_of_importance_sampling() {
    let base = normal(&[0.0], &[1.0]);
    let target = target_fn(1, |x: Tensor<2>| ((x - 0.1).square() * -0.5).squeeze_dim(1));
    let smc = SmcConfig::new(2000).run(&base, &target, &mut rng(1)).expect("it has mass");
    let plain = importance_sample(&base, &target, 2000, &mut rng(1)).expect("it has mass");
    let ratio = smc.log_normalizer().error / plain.log_normalizer().error;
    assert!((ratio - 1.0).abs() < 1e-3, "{ratio}");
}

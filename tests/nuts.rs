//! The no-U-turn sampler through a flow: draws from where plain samplers do not come.

#![cfg(feature = "nuts")]

mod common;

use common::{host, ks_distance, normal_cdf, rng};
use normalizing_flows::Flow;
use normalizing_flows::burn::tensor::{DType, Tensor};
use normalizing_flows::data::target::{Banana, Funnel, KnownTarget, LogisticRegression};
use normalizing_flows::nuts::{NutsConfig, NutsSample, TransformationConfig};
use normalizing_flows::target::{PointTarget, point_target_fn};

/// A feature of every so-manieth draw.
fn thinned(sample: &NutsSample, feature: usize, every: usize) -> Vec<f64> {
    sample.rows.chunks_exact(sample.d_features).step_by(every).map(|row| row[feature]).collect()
}

fn report(name: &str, sample: &NutsSample) -> f64 {
    let per_gradient = sample.effective_sample_size()[0] / sample.n_gradients_after_warm_up as f64;
    println!(
        "{name}: {} divergences, {} gradients ({} after warm-up), {:.4} effective samples per gradient, {:.1} s and \
         {:.1} s, step size {:.3}",
        sample.n_divergences,
        sample.n_gradients,
        sample.n_gradients_after_warm_up,
        per_gradient,
        sample.seconds[0],
        sample.seconds[1],
        sample.step_size
    );
    per_gradient
}

/// How far the first feature is from its distribution `N(0, scale²)` by Kolmogorov and Smirnov: the distance of thinned
/// draws, that at 1 % of so many independent ones, and that which so many as they are worth exceed once in ten thousand
/// seeds.
fn distances(sample: &NutsSample, scale: f64, every: usize) -> [f64; 3] {
    let first = thinned(sample, 0, every);
    let worth = sample.effective_sample_size()[0].min(first.len() as f64);
    let bounds = [1.628 / (first.len() as f64).sqrt(), 2.226 / worth.sqrt()];
    [ks_distance(first, |x| normal_cdf(x / scale)), bounds[0], bounds[1]]
}

/// A sampler with a scale of every feature alone.
fn plain(n_draws: usize) -> NutsConfig {
    let config = NutsConfig::new().with_transformation(None).with_micro_steps(false);
    config.with_n_warm_up(1000).with_n_draws(n_draws)
}

/// The first feature of the funnel is `N(0, 3²)`: its neck is where that is low. A chain is another one on a processor
/// with other roundings, so the bounds are wide.
#[test]
fn a_small_funnel_is_sampled_to_its_neck() {
    let transformation = TransformationConfig::new().with_max_epochs(60);
    let config = NutsConfig::new().with_transformation(Some(transformation));
    let config = config.with_n_warm_up(700).with_n_draws(1500);
    let sample = config.run(&Funnel::new(3), &[0.1; 3], &mut rng(0)).expect("it can be sampled");
    report("small funnel, through a flow", &sample);
    let [found, _, wide] = distances(&sample, 3.0, 4);
    assert!(found < wide && sample.n_divergences <= 4, "{found}, {}", sample.n_divergences);
    let lowest = thinned(&sample, 0, 1).into_iter().fold(0.0, f64::min);
    assert!(lowest < -4.5, "one and a half standard deviations into the neck: {lowest}");
    // The flow takes a standard normal, nearly, to the target.
    let flow = sample.flow.expect("one was learnt");
    let (x, _) = flow.forward(Tensor::zeros([1, 3], (&common::cpu(), DType::F64)), None);
    assert!(host(x).iter().all(|x| x.abs() < 3.0));
}

/// The same in ten features, beside a plain sampler, which has less than a tenth of the effective samples per gradient.
/// Run with `--ignored`.
#[test]
#[ignore = "takes a minute"]
fn a_funnel_is_sampled_to_its_neck() {
    let (target, start) = (Funnel::new(10), [0.1; 10]);
    let config = NutsConfig::new().with_n_draws(4000);
    let sample = config.run(&target, &start, &mut rng(0)).expect("it can be sampled");
    let by_flow = report("funnel, through a flow", &sample);
    let [found, bound, wide] = distances(&sample, 3.0, 8);
    println!(
        "distance from the truth {found:.3}, at 1 % {bound:.3}, of as many as they are worth {wide:.3}"
    );
    assert!(found < wide && sample.n_divergences <= 4, "{found}, {}", sample.n_divergences);
    let lowest = thinned(&sample, 0, 1).into_iter().fold(0.0, f64::min);
    assert!(lowest < -6.0, "two standard deviations into the neck: {lowest}");

    // At least as many gradients: a plain draw takes about 27.
    let plain = plain(4000).run(&target, &start, &mut rng(0)).expect("it can be sampled");
    assert!(plain.n_gradients > sample.n_gradients, "{}", plain.n_gradients);
    let by_plain = report("funnel, plain", &plain);
    let [missed, bound, _] = distances(&plain, 3.0, 8);
    println!("distance of the plain one {missed:.3}, at 1 % {bound:.3}");
    assert!(missed > bound, "{missed}");
    assert!(by_flow > 10.0 * by_plain);
}

/// A minute of warm-up by a build with checks; run with `--ignored`.
#[test]
#[ignore = "takes a minute"]
fn bananas_are_sampled() {
    let (target, start) = (Banana::new(20), [0.1; 20]);
    let config = NutsConfig::new().with_n_draws(2000);
    let sample = config.run(&target, &start, &mut rng(0)).expect("it can be sampled");
    let by_flow = report("bananas, through a flow", &sample);
    let [found, bound, wide] = distances(&sample, 2.0, 4);
    println!("distance from the truth {found:.3}, at 1 % {bound:.3}");
    assert!(found < wide && sample.n_divergences <= 2, "{found}, {}", sample.n_divergences);
    let plain = plain(2000).run(&target, &start, &mut rng(0)).expect("it can be sampled");
    assert!(by_flow > 3.0 * report("bananas, plain", &plain));
}

/// The known moments are of importance samples: here are those of a chain, whose means err by a third of a percent of a
/// deviation, and whose deviations by half a percent.
#[test]
fn a_long_chain_has_the_moments_of_a_posterior() {
    let target = LogisticRegression::iris();
    let sample = plain(100_000).run(&target, &[0.1; 5], &mut rng(0)).expect("it can be sampled");
    let moments = target.moments().expect("known");
    let known = moments.mean.iter().zip(&moments.standard_deviation);
    for (feature, (known_mean, known_deviation)) in known.enumerate() {
        let values = thinned(&sample, feature, 1);
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - known_mean).abs() < 0.02 * known_deviation, "{mean}, not {known_mean}");
        let ratio = variance.sqrt() / known_deviation;
        assert!((ratio - 1.0).abs() < 0.02, "feature {feature}: {ratio}");
    }
}

#[test]
fn the_generator_decides_everything() {
    let draws = |seed| {
        let config = NutsConfig::new().with_n_warm_up(300).with_n_draws(20);
        config.run(&Funnel::new(3), &[0.1; 3], &mut rng(seed)).expect("it can be sampled").rows
    };
    assert_eq!(draws(0), draws(0));
    assert_ne!(draws(0), draws(1));
}

#[test]
fn a_target_without_a_value_at_the_start_is_an_error() {
    let nowhere = point_target_fn(2, |_: &[f64], _: &mut [f64]| f64::NAN);
    let error = NutsConfig::new().run(&nowhere.0, &[0.0, 1.0], &mut rng(0)).expect_err("no value");
    let sentence = error.to_string();
    let start = "the log-density of the target is NaN at [0.0, 1.0], where the chain starts";
    assert!(sentence.starts_with(start), "{sentence}");
    let error = NutsConfig::new().run(&Banana::new(2), &[0.0, 1.0], &mut rng(0)).expect_err("flat");
    let start = "the gradient of the target is 0 in feature 0 at [0.0, 1.0]";
    assert!(error.to_string().starts_with(start), "{error}");
    let funnel = Funnel::new(3);
    let error = NutsConfig::new().run(&funnel, &[0.0], &mut rng(0)).expect_err("one feature");
    let expected = "the chain must start at a point of 3 features, as the target has, got 1";
    assert_eq!(error.to_string(), expected);
    assert_eq!(PointTarget::d_features(&funnel), 3);
}

/// A bell that has no value beyond a point: the chain stays before it, and says so.
#[test]
fn points_without_a_value_are_counted_and_the_first_is_named() {
    for (value, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let target = point_target_fn(2, move |x: &[f64], gradient: &mut [f64]| {
            gradient.copy_from_slice(&[-x[0], -x[1]]);
            if x[0] > 1.0 { value } else { -0.5 * (x[0] * x[0] + x[1] * x[1]) }
        });
        let config = NutsConfig::new().with_n_warm_up(300).with_n_draws(300);
        let sample = config.run(&target.0, &[0.1, 0.1], &mut rng(0)).expect("it can be sampled");
        assert!(sample.rows.iter().step_by(2).all(|x| *x <= 1.0));
        let [warning] = &sample.warnings[..] else { panic!("{:?}", sample.warnings) };
        let expected = format!("trajectories ended: first, the log-density is {name} at [");
        assert!(warning.starts_with("at ") && warning.contains(&expected), "{warning}");
    }
    let config = plain(100).with_n_warm_up(100);
    let sample = config.run(&Funnel::new(3), &[0.1; 3], &mut rng(0)).expect("it can be sampled");
    assert_eq!(sample.warnings, [""; 0]);
}

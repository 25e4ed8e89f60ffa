//! Every target against itself: tensors against slices, gradients against differences, truths against samples and
//! importance weights.

use super::common::{cpu, host, rng};
use normalizing_flows::burn::tensor::{DType, FloatDType, Tensor, TensorData};
use normalizing_flows::data::target::{
    Banana, Funnel, GaussianMixture, KnownTarget, LogisticRegression, ManyWell, RingMixture,
};
use normalizing_flows::distribution::{Family, FullNormalConfig, LocationScaleConfig};
use normalizing_flows::target::{
    PointTarget, Pointwise, Target, WeightedSample, importance_sample, point_target_fn, target_fn,
};
use normalizing_flows::{Distribution, cast};
use rand_distr::{Distribution as _, StandardNormal};

fn points(n: usize, d: usize, scale: f64) -> Tensor<2> {
    let values = StandardNormal.sample_iter(rng(7)).take(n * d);
    let values = values.map(|value: f64| scale * value).collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(values, [n, d]), (&cpu(), DType::F64))
}

/// Central differences with a step of 1e-5 err by 1e-10 times third derivatives, and by roundings of values over the
/// step.
fn gradient_matches_differences(target: &impl Target, x: Tensor<2>) {
    let [n, d] = x.dims();
    let (values, gradient) = target.log_density_and_gradient(x.clone());
    assert_eq!(host(values), host(target.log_density(x.clone())));
    let gradient = host(gradient);
    let step = 1e-5;
    for column in 0..d {
        let moved = |by: f64| {
            let mut shift = vec![0.0; d];
            shift[column] = by;
            let shift =
                Tensor::<2>::from_data(TensorData::new(shift, [1, d]), (&cpu(), DType::F64));
            host(target.log_density(x.clone() + shift))
        };
        let (above, below) = (moved(step), moved(-step));
        for row in 0..n {
            let difference = (above[row] - below[row]) / (2.0 * step);
            let found = gradient[row * d + column];
            let tolerance = 1e-6 * (1.0 + difference.abs() + above[row].abs() * 1e-2);
            assert!((found - difference).abs() < tolerance, "{found} against {difference}");
        }
    }
}

#[test]
fn gradients_match_differences() {
    gradient_matches_differences(&Banana::new(4), points(20, 4, 2.0));
    gradient_matches_differences(&Funnel::new(4), points(20, 4, 1.0));
    gradient_matches_differences(&ManyWell::new(4), points(20, 4, 1.0));
    gradient_matches_differences(&RingMixture::new(3), points(20, 2, 1.5));
    gradient_matches_differences(&GaussianMixture::forty(), points(20, 2, 10.0));
    gradient_matches_differences(&LogisticRegression::iris(), points(20, 5, 2.0));
}

/// The same formula in two codes, to roundings.
fn slices_agree_with_tensors<T: Target + PointTarget + Copy>(target: T, x: Tensor<2>) {
    let (values, gradient) = target.log_density_and_gradient(x.clone());
    let (by_points, gradient_by_points) = Target::log_density_and_gradient(&Pointwise(target), x);
    let pairs = [(values, by_points)].map(|(a, b)| (host(a), host(b)));
    let gradients = (host(gradient), host(gradient_by_points));
    for (a, b) in pairs.into_iter().chain([gradients]).flat_map(|(a, b)| a.into_iter().zip(b)) {
        assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()), "{a} against {b}");
    }
}

#[test]
fn slices_and_tensors_say_the_same() {
    slices_agree_with_tensors(Banana::new(6), points(50, 6, 2.0));
    slices_agree_with_tensors(Funnel::new(5), points(50, 5, 2.0));
    slices_agree_with_tensors(&LogisticRegression::iris(), points(50, 5, 5.0));
}

/// Means and squares of independent samples within five standard errors, which are those of the samples.
fn samples_have_the_moments(target: &impl KnownTarget) {
    let n = 20_000;
    let rows = host(target.sample(n, &cpu(), &mut rng(3)).expect("it can be sampled"));
    let moments = target.moments().expect("they are known");
    let d = target.d_features();
    for column in 0..d {
        let (mean, deviation) = (moments.mean[column], moments.standard_deviation[column]);
        for (what, value) in [("mean", 0.0), ("variance", deviation * deviation)] {
            let centred = rows.iter().skip(column).step_by(d).map(|value| value - mean);
            let terms: Vec<f64> = match what {
                "mean" => centred.collect(),
                _ => centred.map(|value| value * value).collect(),
            };
            let found = terms.iter().sum::<f64>() / n as f64;
            let squares = terms.iter().map(|term| (term - found).powi(2)).sum::<f64>();
            let error = (squares / n as f64 / n as f64).sqrt();
            assert!((found - value).abs() < 5.0 * error, "{what} {found} ± {error}, not {value}");
        }
    }
}

/// The funnel's variance is the mean of a heavy-tailed variable, of which samples say too little: the logarithms of
/// its features' squares are compared in its place.
#[test]
fn samples_follow_the_known_moments() {
    samples_have_the_moments(&Banana::new(2));
    samples_have_the_moments(&GaussianMixture::forty());
    samples_have_the_moments(&RingMixture::new(3));
    let n = 20_000;
    let rows = host(Funnel::new(2).sample(n, &cpu(), &mut rng(3)).expect("it can be sampled"));
    let scaled: Vec<f64> =
        rows.chunks_exact(2).map(|row| row[1] * row[1] * (-row[0]).exp()).collect();
    let mean = scaled.iter().sum::<f64>() / n as f64;
    // The square of a standard normal has a variance of 2.
    assert!((mean - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{mean}");
    let first = rows.iter().step_by(2).map(|value| value * value).sum::<f64>() / n as f64;
    assert!((first - 9.0).abs() < 5.0 * 9.0 * (2.0 / n as f64).sqrt(), "{first}");
}

/// By importance weights of a heavy-tailed proposal, within five of their standard errors.
fn constants_are_those_of_weights(
    target: &impl KnownTarget,
    proposal: &impl Distribution,
) -> WeightedSample {
    let sample = importance_sample(proposal, target, 200_000, &mut rng(5)).expect("it has mass");
    let (found, expected) = (sample.log_normalizer(), target.log_normalizer().expect("known"));
    assert!(found.error < 0.02, "{found}");
    assert!((found.value - expected).abs() < 5.0 * found.error, "{found}, not {expected}");
    sample
}

fn moments_too(target: &impl KnownTarget, proposal: &impl Distribution) {
    let sample = constants_are_those_of_weights(target, proposal);
    let moments = target.moments().expect("known");
    let rows = host(sample.x().clone());
    let d = target.d_features();
    for column in 0..d {
        let values: Vec<f64> = rows.iter().skip(column).step_by(d).copied().collect();
        let mean = sample.expectation(&values);
        assert!((mean.value - moments.mean[column]).abs() < 5.0 * mean.error, "{mean}");
        let squares = values.iter().map(|value| (value - moments.mean[column]).powi(2));
        let variance = sample.expectation(&squares.collect::<Vec<_>>());
        let expected = moments.standard_deviation[column].powi(2);
        assert!((variance.value - expected).abs() < 5.0 * variance.error, "{variance}, {expected}");
    }
}

#[test]
fn known_constants_and_moments_are_those_of_importance_weights() {
    let student = |loc: &[f64], scale: &[f64]| {
        let family = Family::StudentT { df: vec![5.0; loc.len()] };
        let config = LocationScaleConfig::new(family, loc.to_vec(), scale.to_vec());
        cast(config.init(&cpu(), &mut rng(0)), FloatDType::F64)
    };
    moments_too(&ManyWell::new(2), &student(&[0.5, 0.0], &[1.8, 1.2]));
    moments_too(&ManyWell::new(4), &student(&[0.5, 0.0].repeat(2), &[1.8, 1.2].repeat(2)));
    moments_too(&RingMixture::new(3), &student(&[0.0; 2], &[1.8; 2]));
    constants_are_those_of_weights(&GaussianMixture::forty(), &student(&[0.0; 2], &[28.0; 2]));
    moments_too(&Banana::new(2), &student(&[0.0; 2], &[2.5, 3.0]));
    // The second feature has no variance that samples would show.
    constants_are_those_of_weights(&Funnel::new(2), &student(&[0.0; 2], &[3.5, 4.0]));
    let iris = LogisticRegression::iris();
    let moments = iris.moments().expect("known");
    let wide: Vec<f64> = moments.standard_deviation.iter().map(|scale| 1.2 * scale).collect();
    moments_too(&iris, &student(&moments.mean, &wide));
}

#[test]
fn a_target_may_hold_tensors_without_autodiff() {
    let centre =
        Tensor::<2>::from_data(TensorData::new(vec![1.0, 2.0], [1, 2]), (&cpu(), DType::F64));
    let target = target_fn(2, move |x: Tensor<2>| {
        (x - centre.clone()).square().sum_dim(1).squeeze_dim(1) * -0.5
    });
    gradient_matches_differences(&target, points(5, 2, 1.0));
}

/// Outside of the support the gradient may be anything, and is not used.
#[test]
fn a_point_outside_of_the_support_spoils_no_other() {
    let target = point_target_fn(1, |x: &[f64], gradient: &mut [f64]| {
        gradient[0] = f64::NAN;
        if x[0] < 0.0 {
            return f64::NEG_INFINITY;
        }
        gradient[0] = -1.0;
        -x[0]
    });
    let x = Tensor::<2>::from_data([[-1.0], [2.0]], &cpu()).autodiff().require_grad();
    let log_density = target.log_density(x.clone());
    assert_eq!(host(log_density.clone()), [f64::NEG_INFINITY, -2.0]);
    let gradients = log_density.sum().backward();
    assert_eq!(host(x.grad(&gradients).expect("it was asked for")), [0.0, -1.0]);
}

#[test]
fn a_full_normal_is_a_target_too() {
    let covariance = vec![vec![4.0, 0.0], vec![0.0, 1.0]];
    let normal = FullNormalConfig::new(vec![1.0, -1.0], covariance).init(&cpu(), &mut rng(0));
    let target = target_fn(2, |x: Tensor<2>| normal.log_prob(x));
    let x = Tensor::<2>::from_data([[1.0, -1.0], [2.0, 0.0]], &cpu());
    let gradient = host(target.log_density_and_gradient(x).1);
    assert_eq!(gradient, [0.0, 0.0, -0.25, -1.0]);
}

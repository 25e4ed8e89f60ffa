//! Every univariate map of the crate satisfies every invariant of one, in f32 and in f64. One line
//! per case.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use normalizing_flows::burn::tensor::{FloatDType, Tensor, TensorData};
use normalizing_flows::testing::UnivariateLaws;
use normalizing_flows::univariate::{
    AdditiveConfig, Affine, AffineConfig, BernsteinPolynomial, BernsteinPolynomialConfig,
    BernsteinTails, BoundarySlopes, IntegralNetwork, IntegralNetworkConfig, LogisticMixtureConfig,
    MonotoneNetworkConfig, RationalLinearSplineConfig, RationalQuadraticSpline,
    RationalQuadraticSplineConfig, ScaleBound, SumOfSquaresConfig, Univariate, UnivariateConfig,
    UnivariateMap,
};

/// Declares a module per case, with a test per check and float type, and the list of the cases'
/// types.
macro_rules! registry {
    ($($name:ident: $laws:expr;)+) => {
        $(mod $name {
            mod in_f32 {
                use super::super::*;
                normalizing_flows::univariate_laws!(
                    $laws.with_dtype(FloatDType::F32), common::cpu());
            }
            mod in_f64 {
                use super::super::*;
                normalizing_flows::univariate_laws!(
                    $laws.with_dtype(FloatDType::F64), common::cpu());
            }
        })+

        /// The type of the map of every case.
        fn registered() -> Vec<&'static str> {
            vec![$(type_of(&$laws)),+]
        }
    };
}

registry! {
    affine_soft_clip: affine(ScaleBound::default());
    affine_tanh: affine(ScaleBound::Tanh { bound: 2.0 });
    affine_clamp: affine(ScaleBound::Clamp { min: -5.0, max: 3.0 });
    // nflows' scale starts at 0.882.
    affine_sigmoid: affine(ScaleBound::Sigmoid).with_start(nflows_start).with_rounded_start(8);
    // Without a bound the scale overflows where the parameter is large.
    affine_exp: affine(ScaleBound::Exp).with_max_abs_input(3.0);
    additive: UnivariateLaws::new(|device, rng| AdditiveConfig::new().init(device, rng));
    spline: spline(BoundarySlopes::One);
    spline_free: spline(BoundarySlopes::Free);
    spline_periodic: spline(BoundarySlopes::Periodic);
    spline_linear: UnivariateLaws::new(|device, rng| {
        let config = RationalLinearSplineConfig::new().with_n_bins(5);
        config.with_interval([-1.5, 2.0]).init(device, rng)
    }).with_rounded_start(32);
    // At zero it is a mixture all the same.
    logistic_mixture: UnivariateLaws::new(|device, rng| {
        LogisticMixtureConfig::new().with_n_components(4).init(device, rng)
    }).with_start(even_mixture).with_rounded_start(ROUNDINGS);
    sum_of_squares: UnivariateLaws::new(|device, rng| {
        SumOfSquaresConfig::new().with_n_polynomials(2).with_degree(3).init(device, rng)
    }).with_start(two_lines).with_rounded_start(ROUNDINGS);
    bernstein: bernstein(BernsteinTails::Identity);
    bernstein_linear: bernstein(BernsteinTails::Linear);
    monotone_network: UnivariateLaws::new(|device, rng| {
        MonotoneNetworkConfig::new().with_n_signals(3).with_d_hidden(vec![8, 6]).init(device, rng)
    }).with_start_at_origin().with_rounded_start(ROUNDINGS);
    monotone_network_of_each: UnivariateLaws::new(|device, rng| {
        MonotoneNetworkConfig::new()
            .with_n_signals(2)
            .with_d_hidden(vec![4])
            .with_n_features(Some(2))
            .init(device, rng)
    }).with_start_at_origin().with_rounded_start(ROUNDINGS);
    integral_network: integral(None);
    integral_network_of_each: integral(Some(2));
    in_the_enum: UnivariateLaws::new(|device, rng| -> UnivariateMap {
        UnivariateConfig::default().init(device, rng)
    });
}

fn affine(bound: ScaleBound) -> UnivariateLaws<Affine> {
    UnivariateLaws::new(move |device, rng| AffineConfig::new().with_bound(bound).init(device, rng))
}

/// Where the map is the identity, its knots are rounded to some units in the last place of the ends
/// of the interval, and the values between them a few times more.
fn spline(ends: BoundarySlopes) -> UnivariateLaws<RationalQuadraticSpline> {
    UnivariateLaws::new(move |device, rng| {
        RationalQuadraticSplineConfig::new()
            .with_n_bins(5)
            .with_interval([-1.5, 2.0])
            .with_boundary_slopes(ends)
            .init(device, rng)
    })
    .with_rounded_start(32)
}

/// What the formulas of a map round at its start.
const ROUNDINGS: u32 = 32;

fn bernstein(tails: BernsteinTails) -> UnivariateLaws<BernsteinPolynomial> {
    UnivariateLaws::new(move |device, rng| {
        let config = BernsteinPolynomialConfig::new().with_degree(9).with_bound(1.5);
        config.with_tails(tails).init(device, rng)
    })
    .with_rounded_start(ROUNDINGS)
}

/// With so many nodes the quadrature is exact to what the checks see.
fn integral(n_features: Option<usize>) -> UnivariateLaws<IntegralNetwork> {
    UnivariateLaws::new(move |device, rng| {
        IntegralNetworkConfig::new()
            .with_n_signals(2)
            .with_d_hidden(vec![6, 5])
            .with_n_nodes(64)
            .with_bound(3.0)
            .with_n_features(n_features)
            .init(device, rng)
    })
    .with_rounded_start(ROUNDINGS)
}

/// The mixture of four logistics at -1.5, -0.5, 0.5 and 1.5, found from its distribution by bisection.
fn even_mixture(z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let means = [-1.5, -0.5, 0.5, 1.5];
    let at = |x: f64| means.iter().map(|mean| logistic(x - mean)).sum::<f64>() / 4.0;
    let slope = |x: f64| {
        let density = |mean: &f64| logistic(x - mean) * logistic(mean - x);
        means.iter().map(density).sum::<f64>() / 4.0 / (at(x) * (1.0 - at(x))) + 1e-3
    };
    by_bisection(z, |x| (at(x) / (1.0 - at(x))).ln() + 1e-3 * x, slope)
}

/// The integral of `((1 + u/2)² + (1 - u/2)²) / 2 + 0.001` with `u = x / 10`.
fn two_lines(z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    by_bisection(z, |x| 1.001 * x + 0.25 * 0.01 * x * x * x / 3.0, |x| 1.001 + 0.25 * 0.01 * x * x)
}

/// The inverse of an increasing function and the sum of the logarithms of its slopes, number by number.
fn by_bisection(
    z: Tensor<2>,
    function: impl Fn(f64) -> f64,
    slope: impl Fn(f64) -> f64,
) -> (Tensor<2>, Tensor<1>) {
    let ([batch, d], options) = (z.dims(), (&z.device(), z.dtype()));
    let x: Vec<f64> = common::host(z.clone())
        .into_iter()
        .map(|z| {
            let (mut low, mut high) = (-20.0, 20.0);
            for _ in 0..80 {
                let middle = 0.5 * (low + high);
                if function(middle) < z { low = middle } else { high = middle }
            }
            0.5 * (low + high)
        })
        .collect();
    let log_det = x.chunks(d).map(|row| row.iter().map(|&x| -slope(x).ln()).sum::<f64>());
    let log_det = TensorData::new(log_det.collect::<Vec<f64>>(), [batch]);
    let x = TensorData::new(x, [batch, d]);
    (Tensor::from_data(x, options), Tensor::from_data(log_det, options))
}

/// nflows' scale starts at `sigmoid(2) + 0.001`.
fn nflows_start(z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    let scale = 1.0 / (1.0 + (-2.0_f64).exp()) + 1e-3;
    let log_det = z.clone().sum_dim(1).squeeze_dim(1).zeros_like() + 2.0 * scale.ln();
    (z * scale, log_det)
}

fn type_of<U: Univariate>(_: &UnivariateLaws<U>) -> &'static str {
    std::any::type_name::<U>()
}

/// A map that is in `UnivariateMap` but in no case above fails here.
#[test]
fn every_univariate_map_of_the_crate_is_registered() {
    common::assert_registered(UnivariateMap::NAMES, &registered());
}

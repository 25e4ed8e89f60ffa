//! Every univariate map of the crate satisfies every invariant of one, in f32 and in f64. One line
//! per case.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use normalizing_flows::burn::tensor::{FloatDType, Tensor};
use normalizing_flows::testing::UnivariateLaws;
use normalizing_flows::univariate::{
    AdditiveConfig, Affine, AffineConfig, BoundarySlopes, RationalQuadraticSpline,
    RationalQuadraticSplineConfig, ScaleBound, Univariate, UnivariateConfig, UnivariateMap,
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

//! Any coupling layer that can be configured is invertible.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use normalizing_flows::MaskedCouplingConfig;
use normalizing_flows::burn::nn::activation::ActivationConfig;
use normalizing_flows::burn::tensor::FloatDType;
use normalizing_flows::conditioner::{
    MlpConfig, NetworkConfig, ResidualMlpConfig, SeparateMlpsConfig,
};
use normalizing_flows::coupling::Mask;
use normalizing_flows::testing::Laws;
use normalizing_flows::univariate::{
    AdditiveConfig, AffineConfig, BoundarySlopes, RationalQuadraticSplineConfig, ScaleBound,
    UnivariateConfig,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn masks() -> impl Strategy<Value = Mask> {
    prop::collection::vec(any::<bool>(), 2..9)
        .prop_filter("some kept, some transformed", |kept| {
            kept.contains(&true) && kept.contains(&false)
        })
        .prop_map(Mask::custom)
}

fn univariates() -> impl Strategy<Value = UnivariateConfig> {
    let affine = |bound| AffineConfig::new().with_bound(bound).into();
    prop_oneof![
        Just(AdditiveConfig::new().into()),
        (0.1..10.0).prop_map(move |bound| affine(ScaleBound::SoftClip { bound })),
        (0.1..10.0).prop_map(move |bound| affine(ScaleBound::Tanh { bound })),
        (-5.0..-0.1, 0.1..3.0).prop_map(move |(min, max)| affine(ScaleBound::Clamp { min, max })),
        Just(affine(ScaleBound::Sigmoid)),
        splines().prop_map(UnivariateConfig::from),
    ]
}

fn splines() -> impl Strategy<Value = RationalQuadraticSplineConfig> {
    let ends = prop_oneof![
        Just(BoundarySlopes::One),
        Just(BoundarySlopes::Free),
        Just(BoundarySlopes::Periodic),
    ];
    let floors = [1e-6..0.08, 1e-6..0.08, 1e-6..0.9];
    (ends, 2..12usize, -3.0..0.0, 0.5..6.0, floors).prop_map(
        |(ends, n_bins, low, size, [width, height, slope])| {
            RationalQuadraticSplineConfig::new()
                .with_boundary_slopes(ends)
                .with_n_bins(n_bins)
                .with_interval([low, low + size])
                .with_min_bin_width(width)
                .with_min_bin_height(height)
                .with_min_slope(slope)
        },
    )
}

fn networks() -> impl Strategy<Value = NetworkConfig> {
    prop_oneof![3 => perceptrons(), 1 => residual()]
}

fn residual() -> impl Strategy<Value = NetworkConfig> {
    (1..12usize, 0..4usize).prop_map(|(d_hidden, n_blocks)| {
        ResidualMlpConfig::new()
            .with_d_hidden(d_hidden)
            .with_n_blocks(n_blocks)
            .with_activation(ActivationConfig::Tanh)
            .into()
    })
}

fn perceptrons() -> impl Strategy<Value = NetworkConfig> {
    (prop::collection::vec(1..12usize, 0..4), any::<bool>()).prop_map(|(d_hidden, separate)| {
        // A narrow network of ReLUs may be off for every row, and then ignores its context.
        let mlp = MlpConfig::new().with_d_hidden(d_hidden).with_activation(ActivationConfig::Tanh);
        if separate { SeparateMlpsConfig::new().with_mlp(mlp).into() } else { mlp.into() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        rng_seed: RngSeed::Fixed(0),
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_coupling_layer_is_invertible(
        mask in masks(),
        univariate in univariates(),
        conditioner in networks(),
        d_context in 0..4usize,
    ) {
        let d_features = mask.d_features();
        let config = MaskedCouplingConfig::new(mask)
            .with_d_context(d_context)
            .with_conditioner(conditioner)
            .with_univariate(univariate);
        let laws = Laws::new(d_features, move |device, rng| config.init(device, rng))
            .with_dtype(FloatDType::F64);
        laws.round_trips(&common::cpu());
        laws.log_dets_cancel(&common::cpu());
        laws.log_det_is_that_of_the_jacobian(&common::cpu());
        laws.ignores_or_demands_its_context(&common::cpu());
    }
}

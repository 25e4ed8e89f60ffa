//! Any coupling layer that can be configured is invertible.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use normalizing_flows::MaskedCouplingConfig;
use normalizing_flows::burn::nn::activation::ActivationConfig;
use normalizing_flows::burn::tensor::FloatDType;
use normalizing_flows::conditioner::{MlpConfig, NetworkConfig};
use normalizing_flows::coupling::Mask;
use normalizing_flows::testing::Laws;
use normalizing_flows::univariate::{AffineConfig, ScaleBound, UnivariateConfig};
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
        Just(UnivariateConfig::Additive),
        (0.1..10.0).prop_map(move |bound| affine(ScaleBound::SoftClip { bound })),
        (0.1..10.0).prop_map(move |bound| affine(ScaleBound::Tanh { bound })),
        (-5.0..-0.1, 0.1..3.0).prop_map(move |(min, max)| affine(ScaleBound::Clamp { min, max })),
        Just(affine(ScaleBound::Sigmoid)),
    ]
}

fn networks() -> impl Strategy<Value = NetworkConfig> {
    (prop::collection::vec(1..12usize, 0..4), any::<bool>()).prop_map(|(d_hidden, separate)| {
        // A narrow network of ReLUs may be off for every row, and then ignores its context.
        let mlp = MlpConfig::new().with_d_hidden(d_hidden).with_activation(ActivationConfig::Tanh);
        if separate { NetworkConfig::SeparateMlps(mlp) } else { mlp.into() }
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

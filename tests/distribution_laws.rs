//! Every distribution of the crate satisfies every invariant of one, in f32 and in f64. One line
//! per case.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use normalizing_flows::burn::tensor::{Device, FloatDType};
use normalizing_flows::conditioner::{MlpConfig, NetworkConfig, ResidualMlpConfig};
use normalizing_flows::distribution::{
    DiagonalNormal, DiagonalNormalConfig, Ensemble, Mixture, PartlyPeriodicConfig,
    StandardNormalConfig,
};
use normalizing_flows::testing::DistributionLaws;
use normalizing_flows::univariate::{
    AffineConfig, BoundarySlopes, RationalQuadraticSplineConfig, ScaleBound,
};
use normalizing_flows::{
    Base, BaseConfig, Distribution, NiceConfig, NormalizingFlow, NsfConfig, RealNvpConfig,
    StandardNormal,
};
use rand::rngs::ChaCha8Rng;

/// Declares a module per case, with a test per check and float type, and the list of the cases'
/// types.
macro_rules! registry {
    ($($name:ident: $laws:expr;)+) => {
        $(mod $name {
            mod in_f32 {
                use super::super::*;
                normalizing_flows::distribution_laws!(
                    $laws.with_dtype(FloatDType::F32), common::cpu());
            }
            mod in_f64 {
                use super::super::*;
                normalizing_flows::distribution_laws!(
                    $laws.with_dtype(FloatDType::F64), common::cpu());
            }
        })+

        /// The type of the distribution of every case.
        fn registered() -> Vec<&'static str> {
            vec![$(type_of(&$laws)),+]
        }
    };
}

// Squares of 1e9 are within f32, those of their sums over a scale of 0.1 too.
registry! {
    standard_normal: standard_normal(2);
    standard_normal_of_one_feature: standard_normal(1);
    diagonal_normal: DistributionLaws::new(2, diagonal_normal);
    diagonal_normal_fixed: DistributionLaws::new(1, |device, rng| {
        DiagonalNormalConfig::new(vec![1.0], vec![0.5]).init(device, rng)
    });
    // Periodic: over one turn.
    angles: DistributionLaws::new(2, |device, rng| {
        PartlyPeriodicConfig::new(vec![true; 2]).init(device, rng)
    }).with_region([-std::f64::consts::PI, std::f64::consts::PI]);
    no_angles: DistributionLaws::new(1, |device, rng| {
        PartlyPeriodicConfig::new(vec![false]).init(device, rng)
    });
    base: DistributionLaws::new(2, |device, rng| -> Base {
        BaseConfig::from(StandardNormalConfig::new(2)).init(device, rng)
    });
    flow: DistributionLaws::new(2, |device, rng| real_nvp().init(device, rng));
    flow_given_a_context: DistributionLaws::new(2, |device, rng| {
        real_nvp().with_d_context(2).init(device, rng)
    });
    flow_of_six_layers: DistributionLaws::new(2, |device, rng| {
        real_nvp().with_n_layers(6).init(device, rng)
    });
    spline_flow: spline_flow(BoundarySlopes::One, 2.0).with_region([-8.0, 8.0]);
    spline_flow_with_free_ends: spline_flow(BoundarySlopes::Free, 3.0);
    flow_over_a_learnt_base: DistributionLaws::new(2, |device, rng| {
        let flow = NiceConfig::new(2).with_conditioner(smooth()).init(device, rng).flow;
        NormalizingFlow::new(diagonal_normal(device, rng), flow)
    });
    mixture: DistributionLaws::new(2, |device, rng| {
        Mixture::new((0..3).map(|_| diagonal_normal(device, rng)).collect())
    });
    mixture_of_flows_given_a_context: DistributionLaws::new(2, |device, rng| {
        let config = real_nvp().with_d_context(1);
        Mixture::new((0..2).map(|_| config.init(device, rng)).collect())
    });
    ensemble: DistributionLaws::new(2, |device, rng| {
        Ensemble::new((0..3).map(|_| diagonal_normal(device, rng)).collect())
    });
}

fn standard_normal(d_features: usize) -> DistributionLaws<StandardNormal> {
    DistributionLaws::new(d_features, move |device, _| StandardNormal::new(d_features, device))
}

fn diagonal_normal(device: &Device, rng: &mut ChaCha8Rng) -> DiagonalNormal {
    DiagonalNormalConfig::standard_learnable(2).init(device, rng)
}

/// A smooth activation: no kinks for finite differences and grids to step over.
fn smooth() -> NetworkConfig {
    MlpConfig::new()
        .with_d_hidden(vec![6])
        .with_activation(normalizing_flows::burn::nn::activation::ActivationConfig::Tanh)
        .into()
}

/// Scales within e, so that the region holds the density and a grid resolves it.
fn real_nvp() -> RealNvpConfig {
    let affine = AffineConfig::new().with_bound(ScaleBound::Tanh { bound: 0.5 });
    RealNvpConfig::new(2).with_n_layers(2).with_conditioner(smooth()).with_affine(Some(affine))
}

/// Of no bin so narrow that a ridge of the density would need a finer grid than there is.
fn spline_flow(ends: BoundarySlopes, bound: f64) -> DistributionLaws<NormalizingFlow> {
    DistributionLaws::new(2, move |device, rng| {
        let spline = RationalQuadraticSplineConfig::new()
            .with_interval([-bound, bound])
            .with_boundary_slopes(ends)
            .with_min_bin_width(0.06)
            .with_min_bin_height(0.06)
            .with_min_slope(0.3);
        let network = ResidualMlpConfig::new()
            .with_d_hidden(8)
            .with_activation(normalizing_flows::burn::nn::activation::ActivationConfig::Tanh);
        NsfConfig::new(2)
            .with_n_layers(3)
            .with_conditioner(network.into())
            .with_spline(spline)
            .init(device, rng)
    })
}

fn type_of<D: Distribution>(_: &DistributionLaws<D>) -> &'static str {
    std::any::type_name::<D>()
}

/// A base that is in `Base` but in no case above fails here.
#[test]
fn every_base_of_the_crate_is_registered() {
    common::assert_registered(Base::NAMES, &registered());
}

/// Every base of two features, in the order of `Base::NAMES`.
fn bases() -> Vec<BaseConfig> {
    vec![
        StandardNormalConfig::new(2).into(),
        DiagonalNormalConfig::standard_learnable(2).into(),
        PartlyPeriodicConfig::new(vec![true, false]).into(),
    ]
}

#[test]
fn gradients_flow_through_the_samples_of_what_is_reparameterized() {
    let device = common::cpu();
    assert_eq!(bases().len(), Base::NAMES.len(), "every base promises it");
    for dtype in [FloatDType::F32, FloatDType::F64] {
        for base in bases() {
            // Under a flow, since a base may have no parameters of its own.
            DistributionLaws::new(2, move |device, rng| {
                let flow = real_nvp().init(device, rng).flow;
                NormalizingFlow::new(base.init(device, rng), flow)
            })
            .with_dtype(dtype)
            .gradients_flow_through_samples(&device);
        }
        for d_context in [0, 2] {
            DistributionLaws::new(2, move |device, rng| {
                real_nvp().with_d_context(d_context).init(device, rng)
            })
            .with_dtype(dtype)
            .gradients_flow_through_samples(&device);
        }
        DistributionLaws::new(2, |device, rng| {
            Ensemble::new((0..3).map(|_| diagonal_normal(device, rng)).collect())
        })
        .with_dtype(dtype)
        .gradients_flow_through_samples(&device);
    }
}

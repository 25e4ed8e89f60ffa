//! Every distribution of the crate satisfies every invariant of one, in f32 and in f64. One line
//! per case.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::files::Folder;
use common::host;
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::tensor::activation::softmax;
use normalizing_flows::burn::tensor::{Device, FloatDType, Tensor};
use normalizing_flows::conditioner::{MlpConfig, NetworkConfig, ResidualMlpConfig};
use normalizing_flows::distribution::{
    Bell, Checked, DiagonalNormal, DiagonalNormalConfig, Ensemble, EnsembleConfig,
    FullNormalConfig, LocationScale, LocationScaleConfig, LowRankNormalConfig, Mixture,
    MixtureConfig, NormalMixtureConfig, PartlyPeriodicConfig, ProductConfig, ResampledConfig,
    StandardNormalConfig, Truncated, TruncatedConfig, UniformConfig, VonMises, VonMisesConfig,
};
use normalizing_flows::io::{load_model, save_model};
use normalizing_flows::testing::{DistributionLaws, perturb};
use normalizing_flows::univariate::{
    AffineConfig, BoundarySlopes, RationalQuadraticSplineConfig, ScaleBound,
};
use normalizing_flows::{
    Base, BaseConfig, Distribution, FlowConfig, GlowConfig, NiceConfig, NormalizingFlow, NsfConfig,
    RealNvpConfig, StandardNormal, cast,
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
    full_normal: DistributionLaws::new(2, |device, rng| {
        FullNormalConfig::standard(2).init(device, rng)
    });
    low_rank_normal: DistributionLaws::new(2, |device, rng| {
        LowRankNormalConfig::new(2, 1).init(device, rng)
    });
    low_rank_normal_of_full_rank: DistributionLaws::new(2, |device, rng| {
        LowRankNormalConfig::new(2, 2).init(device, rng)
    });
    // Of one feature: a grid resolves its edge in one dimension.
    laplace: learnable(LocationScaleConfig::laplace(1)).with_region([-30.0, 30.0]);
    logistic: learnable(LocationScaleConfig::logistic(2)).with_region([-40.0, 40.0]);
    // Of so many degrees of freedom that the region holds all but a negligible part.
    student_t: learnable(LocationScaleConfig::student_t(vec![9.0, 12.0])).with_region([-40.0, 40.0]);
    generalized_normal: learnable(LocationScaleConfig::generalized_normal(vec![1.5, 3.0]));
    // Tails of one fixed shape: half of the probability is within 1, and 0.1 % beyond 640.
    cauchy: DistributionLaws::new(1, |device, rng| {
        LocationScaleConfig::student_t(vec![1.0]).init(device, rng)
    }).with_region([-1e4, 1e4]);
    von_mises: von_mises([0.7, 5.0], true);
    von_mises_fixed: von_mises([0.1, 2.0], false);
    normal_mixture: DistributionLaws::new(2, |device, rng| {
        NormalMixtureConfig::new(2, 3).init(device, rng)
    });
    normal_mixture_given_a_context: DistributionLaws::new(2, |device, rng| {
        NormalMixtureConfig::new(2, 3).with_d_context(2).with_conditioner(smooth()).init(device, rng)
    }).with_region([-40.0, 40.0]);
    product: DistributionLaws::new(2, |device, rng| product(0).init(device, rng));
    product_given_a_context: DistributionLaws::new(2, |device, rng| product(1).init(device, rng));
    resampled: DistributionLaws::new(2, |device, rng| {
        ResampledConfig::new(2).with_conditioner(smooth()).init(device, rng)
    });
    // So few draws that the last is often one that was not accepted.
    resampled_twice: DistributionLaws::new(1, |device, rng| {
        ResampledConfig::new(1).with_conditioner(smooth()).with_max_draws(2).init(device, rng)
    });
    truncated_normal: truncated(Bell::Normal, 2);
    truncated_laplace: truncated(Bell::Laplace, 1);
    truncated_logistic: truncated(Bell::Logistic, 2);
    uniform: DistributionLaws::new(2, |device, rng| {
        UniformConfig::new(vec![-3.0; 2], vec![3.0; 2]).init(device, rng)
    }).with_region([-3.0, 3.0]).with_max_abs_input(3.0);
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

fn learnable(config: LocationScaleConfig) -> DistributionLaws<LocationScale> {
    let config = config.with_learnable(true);
    DistributionLaws::new(config.loc.len(), move |device, rng| config.init(device, rng))
}

/// Periodic: over one turn. Of large angles f32 knows the number of turns only.
fn von_mises(concentration: [f64; 2], learnable: bool) -> DistributionLaws<VonMises> {
    DistributionLaws::new(2, move |device, rng| {
        VonMisesConfig::new(vec![0.5, 3.0], concentration.to_vec())
            .with_learnable(learnable)
            .init(device, rng)
    })
    .with_region([-std::f64::consts::PI, std::f64::consts::PI])
}

fn product(d_context: usize) -> ProductConfig {
    ProductConfig::new(vec![
        LocationScaleConfig::logistic(1).with_scale(vec![0.4]).with_learnable(true).into(),
        NormalMixtureConfig::new(1, 2).with_d_context(d_context).with_conditioner(smooth()).into(),
    ])
}

/// With a maximum outside of the interval.
fn truncated_config(bell: Bell, d_features: usize) -> TruncatedConfig {
    TruncatedConfig::new(bell, vec![-3.0; d_features], vec![4.0; d_features])
        .with_loc(Some(vec![-3.5; d_features]))
        .with_learnable(true)
}

fn truncated(bell: Bell, d_features: usize) -> DistributionLaws<Truncated> {
    DistributionLaws::new(d_features, move |device, rng| {
        truncated_config(bell, d_features).init(device, rng)
    })
    .with_region([-3.0, 4.0])
    .with_max_abs_input(2.9)
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
        FullNormalConfig::standard(2).into(),
        LowRankNormalConfig::new(2, 1).into(),
        LocationScaleConfig::student_t(vec![5.0, 9.0]).with_learnable(true).into(),
        truncated_config(Bell::Normal, 2).into(),
        UniformConfig::new(vec![-3.0; 2], vec![3.0; 2]).into(),
        VonMisesConfig::new(vec![0.5; 2], vec![2.0; 2]).with_learnable(true).into(),
        NormalMixtureConfig::new(2, 3).into(),
        ProductConfig::new(vec![
            LocationScaleConfig::laplace(1).with_learnable(true).into(),
            VonMisesConfig::new(vec![0.5], vec![2.0]).into(),
        ])
        .into(),
        ResampledConfig::new(2).into(),
        MixtureConfig::new(vec![real_nvp().into(); 2]).into(),
        EnsembleConfig::new(vec![real_nvp().into(); 2]).into(),
    ]
}

#[test]
fn gradients_flow_through_the_samples_of_what_is_reparameterized() {
    let device = common::cpu();
    assert_eq!(bases().len(), Base::NAMES.len(), "every base is tried");
    let is_reparameterized = |base: &BaseConfig| {
        let base = base.init(&device, &mut common::rng(0));
        let checked = Checked::new(&base, None);
        let drawn = checked.rsample(1, &mut common::rng(0));
        assert_eq!(drawn.is_ok(), base.is_reparameterized());
        drawn.is_ok()
    };
    let (bases, others): (Vec<_>, Vec<_>) = bases().into_iter().partition(is_reparameterized);
    assert!(matches!(others[..], [BaseConfig::Resampled(_), BaseConfig::Mixture(_)]), "{others:?}");
    // Of a mixture the gradients are those of no function of the noise, and right on average: see below.
    let bases: Vec<_> =
        bases.into_iter().filter(|base| !matches!(base, BaseConfig::NormalMixture(_))).collect();
    for dtype in [FloatDType::F32, FloatDType::F64] {
        for base in bases.clone() {
            // Under a flow, since a base may have no parameters of its own.
            DistributionLaws::new(2, move |device, rng| {
                let flow = real_nvp().init(device, rng).flow;
                NormalizingFlow::new(base.init(device, rng), flow)
            })
            .with_dtype(dtype)
            .gradients_flow_through_samples(&device);
        }
        for config in [
            LocationScaleConfig::laplace(2),
            LocationScaleConfig::logistic(2),
            LocationScaleConfig::student_t(vec![3.0, 0.8]),
            LocationScaleConfig::generalized_normal(vec![0.7, 3.0]),
        ] {
            learnable(config).with_dtype(dtype).gradients_flow_through_samples(&device);
        }
        for bell in [Bell::Normal, Bell::Laplace, Bell::Logistic] {
            truncated(bell, 2).with_dtype(dtype).gradients_flow_through_samples(&device);
        }
        von_mises([0.7, 5.0], true).with_dtype(dtype).gradients_flow_through_samples(&device);
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

/// The gradients of `E[f(x)]` by every parameter of a mixture of normals, through samples, are those of the sum over
/// the components, within four standard errors, and reach the context.
#[test]
fn gradients_through_samples_of_a_mixture_of_normals_are_right_on_average() {
    let device = common::cpu().autodiff();
    let mixture = NormalMixtureConfig::new(2, 3).with_spread(2.0);
    let mixture = mixture.init(&device, &mut common::rng(0));
    let mixture = cast(perturb(mixture, 0.3, &mut common::rng(1)), FloatDType::F64);
    // `x₀ + 0.5 x₀ x₁`, and its mean from weights and means.
    let value = |x: Tensor<2>| -> Tensor<1> {
        let [first, second] = [0, 1].map(|i| x.clone().narrow(1, i, 1));
        (first.clone() + first * second * 0.5).squeeze_dim(1)
    };
    let values = mixture.parameters.val();
    let weights = softmax(values.clone().narrow(0, 0, 1), 1).squeeze_dim::<1>(0);
    let means = values.narrow(0, 1, 2).transpose();
    let expected = (value(means) * weights).sum().backward();
    let expected = host(mixture.parameters.grad(&expected).expect("a gradient"));
    let batches: Vec<Vec<f64>> = (0..40)
        .map(|seed| {
            let loss = value(mixture.rsample(1_000, &mut common::rng(seed))).mean();
            host(mixture.parameters.grad(&loss.backward()).expect("a gradient"))
        })
        .collect();
    for (i, expected) in expected.into_iter().enumerate() {
        let n = batches.len() as f64;
        let mean = batches.iter().map(|batch| batch[i]).sum::<f64>() / n;
        let variance =
            batches.iter().map(|batch| (batch[i] - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let error = (variance / n).sqrt();
        // A row of zeros and ones has no variance.
        assert!((mean - expected).abs() < 4.0 * error + 1e-9, "{i}: {mean} ± {error}, {expected}");
    }
    let config = NormalMixtureConfig::new(2, 3).with_d_context(1).with_conditioner(smooth());
    let given = perturb(config.init(&device, &mut common::rng(0)), 0.3, &mut common::rng(1));
    let context = Tensor::<2>::ones([5, 1], &device).require_grad();
    let loss = value(given.given(&context).rsample(10, &mut common::rng(2))).sum();
    let gradient = host(context.grad(&loss.backward()).expect("a gradient"));
    assert!(gradient.iter().all(|gradient| *gradient != 0.0 && gradient.is_finite()));
}

#[test]
fn every_base_is_a_model_in_one_file() {
    let device = common::cpu();
    let folder = Folder::new("bases");
    for (index, base) in bases().into_iter().enumerate() {
        let config = FlowConfig::new(base, vec![]);
        let model = perturb(config.init(&device, &mut common::rng(0)), 0.2, &mut common::rng(1));
        let x = model.sample(20, &mut common::rng(2));
        let path = folder.file(&format!("{index}.nflow"));
        save_model(&path, &config, &model).expect("it is what the configuration builds");
        let (_, loaded) = load_model(&path, &device).expect("it was just written");
        assert_eq!(host(loaded.log_prob(x.clone())), host(model.log_prob(x)), "{config:?}");
    }
}

/// A base that differs in what no shape shows.
#[test]
fn a_record_of_other_settings_does_not_load() {
    let t = |df| LocationScaleConfig::student_t(vec![df]);
    let circle = |concentration| VonMisesConfig::new(vec![0.0], vec![concentration]);
    let pairs: [[BaseConfig; 2]; 7] = [
        [t(3.0).into(), t(4.0).into()],
        [t(3.0).with_learnable(true).into(), t(3.0).into()],
        [LocationScaleConfig::laplace(1).into(), LocationScaleConfig::logistic(1).into()],
        [circle(1.0).into(), circle(2.0).into()],
        [truncated_config(Bell::Normal, 1).into(), truncated_config(Bell::Laplace, 1).into()],
        [
            UniformConfig::new(vec![0.0], vec![1.0]).into(),
            UniformConfig::new(vec![0.0], vec![2.0]).into(),
        ],
        [ResampledConfig::new(1).into(), ResampledConfig::new(1).with_max_draws(50).into()],
    ];
    for configs in pairs {
        let [one, other] = configs.map(|config| config.init(&common::cpu(), &mut common::rng(0)));
        assert!(one.clone().try_load_record(one.clone().into_record()).is_ok());
        assert!(other.try_load_record(one.into_record()).is_err());
    }
}

#[test]
fn what_a_mixture_holds_is_calibrated() {
    let device = common::cpu();
    let glow = GlowConfig::new(2).with_n_steps(1).with_conditioner(smooth());
    let config = FlowConfig::new(MixtureConfig::new(vec![glow.into(); 2]).into(), vec![]);
    let model = config.init(&device, &mut common::rng(0));
    assert!(!model.is_calibrated());
    let rows = StandardNormal::new(2, &device).sample(50, &mut common::rng(1)) * 3.0;
    let model = model.calibrate(rows.clone());
    assert!(model.is_calibrated() && host(model.log_prob(rows)).iter().all(|x| x.is_finite()));
}

//! Models as values: what they refuse, what they save, where they go.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::{host, rng};
use normalizing_flows::burn::config::Config;
use normalizing_flows::burn::module::{Module, ModuleVisitor, Param};
use normalizing_flows::burn::nn::activation as nn;
use normalizing_flows::burn::nn::activation::ActivationConfig;
use normalizing_flows::burn::nn::activation::{PReluConfig, SwiGluConfig};
use normalizing_flows::burn::tensor::{Int, Tensor};
use normalizing_flows::conditioner::{
    MlpConfig, Network, NetworkConfig, ResidualMlpConfig, SeparateMlpsConfig,
};
use normalizing_flows::coupling::Mask;
use normalizing_flows::distribution::{DiagonalNormalConfig, Ensemble, Score};
use normalizing_flows::testing::{Laws, assert_close, perturb};
use normalizing_flows::univariate::{
    AdditiveConfig, AffineConfig, BoundarySlopes, RationalQuadraticSplineConfig, ScaleBound,
};
use normalizing_flows::{
    Direction, Distribution, ElementwiseConfig, Flow, FlowConfig, Inverse, InverseConfig, Layer,
    MaskedCoupling, MaskedCouplingConfig, NiceConfig, NormalizingFlow, NsfConfig, RealNvpConfig,
    Sequential, StandardNormal,
};
use rand::rngs::ChaCha8Rng;

#[test]
fn models_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<NormalizingFlow>();
    check::<NormalizingFlow<StandardNormal, Sequential<MaskedCoupling>>>();
    check::<Layer>();
    check::<Sequential<Layer>>();
}

#[test]
#[should_panic(expected = "a coupling layer needs at least 2 features, got 1: it keeps some to \
                           decide how the others are transformed. For one feature use an \
                           `Elementwise` layer, or a learnable `DiagonalNormal`")]
fn one_feature_gets_told_what_to_use() {
    let _ = RealNvpConfig::new(1).init(&common::cpu(), &mut rng(0));
}

#[test]
#[should_panic(expected = "a mask must keep at least 1 feature and transform at least 1, got 3 \
                           kept of 3")]
fn a_mask_that_transforms_nothing_is_refused() {
    let _ = Mask::custom(vec![true; 3]);
}

#[test]
#[should_panic(expected = "`bound` of a log-scale must be above 0 and finite, got -1")]
fn a_negative_bound_is_refused() {
    let affine = AffineConfig::new().with_bound(ScaleBound::Tanh { bound: -1.0 });
    let _ = affine.init(&common::cpu(), &mut rng(0));
}

#[test]
#[should_panic(expected = "`noise` must be a finite standard deviation of at least 0, got -0.5")]
fn negative_noise_is_refused() {
    let _ = normalizing_flows::data::toy::TwoMoons::new(-0.5);
}

#[test]
#[should_panic(expected = "the input has the wrong number of columns: expected 2, got 3")]
fn the_wrong_number_of_features_is_refused() {
    let model = RealNvpConfig::new(2).init(&common::cpu(), &mut rng(0));
    let _ = model.log_prob(Tensor::ones([4, 3], &common::cpu()));
}

#[test]
fn random_masks_keep_half_and_differ() {
    let masks: Vec<Mask> = (0..4).map(|seed| Mask::random(9, &mut rng(seed))).collect();
    assert!(masks.iter().all(|mask| mask.n_kept() == 5 && mask.n_transformed() == 4));
    assert!(masks.windows(2).any(|pair| pair[0] != pair[1]));
    assert_eq!(Mask::random(9, &mut rng(1)), masks[1]);
}

/// A configuration reads back as it was, and builds the same weights from the same seed.
fn survives_json<C: Config + std::fmt::Debug, M: Module>(
    config: &C,
    init: impl Fn(&C, &mut ChaCha8Rng) -> M,
) {
    let name = std::any::type_name::<C>().replace("::", "-");
    let file = std::env::temp_dir().join(format!("{name}-{}.json", std::process::id()));
    config.save(&file).unwrap();
    let loaded = C::load(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(format!("{loaded:?}"), format!("{config:?}"));
    assert_eq!(weights(&init(&loaded, &mut rng(5))), weights(&init(config, &mut rng(5))));
}

/// The values of all float and integer parameters.
fn weights<M: Module>(module: &M) -> Vec<f64> {
    struct Collector(Vec<f64>);
    impl ModuleVisitor for Collector {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f64>());
        }
        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
            self.0.extend(param.val().into_data().iter::<f64>());
        }
    }
    let mut collector = Collector(Vec::new());
    module.visit(&mut collector);
    collector.0
}

#[test]
fn configs_survive_json() {
    let device = common::cpu();
    let mlp = MlpConfig::new()
        .with_d_hidden(vec![3, 5])
        .with_activation(ActivationConfig::PRelu(PReluConfig::new()));
    let conditioner = NetworkConfig::from(SeparateMlpsConfig::new().with_mlp(mlp));
    let affine = AffineConfig::new().with_bound(ScaleBound::Clamp { min: -5.0, max: 3.0 });
    let coupling = MaskedCouplingConfig::new(Mask::random(5, &mut rng(0)))
        .with_d_context(2)
        .with_conditioner(conditioner.clone())
        .with_univariate(affine.clone().into());
    survives_json(&coupling, |config, rng| config.init(&device, rng));
    let elementwise = ElementwiseConfig::new(3).with_univariate(AdditiveConfig::new().into());
    survives_json(&elementwise, |config, rng| config.init(&device, rng));
    let real_nvp = RealNvpConfig::new(4)
        .with_n_layers(3)
        .with_conditioner(conditioner.clone())
        .with_affine(Some(affine));
    survives_json(&real_nvp, |config, rng| config.init(&device, rng));
    let spline = RationalQuadraticSplineConfig::new()
        .with_n_bins(5)
        .with_interval([-1.0, 3.0])
        .with_boundary_slopes(BoundarySlopes::Periodic)
        .with_min_slope(0.01);
    let nsf = NsfConfig::new(3)
        .with_n_layers(2)
        .with_d_context(2)
        .with_conditioner(ResidualMlpConfig::new().with_d_hidden(5).with_n_blocks(3).into())
        .with_spline(spline);
    survives_json(&nsf, |config, rng| config.init(&device, rng));
    let nice = NiceConfig::new(4).with_d_context(1).with_conditioner(conditioner);
    survives_json(&nice, |config, rng| config.init(&device, rng));
    let normal = DiagonalNormalConfig::new(vec![1.0], vec![2.0]).with_learnable(true);
    survives_json(&normal, |config, rng| config.init(&device, rng));
    let base = DiagonalNormalConfig::standard_learnable(5);
    let inverse = InverseConfig::new(vec![coupling.into()]);
    let flow = FlowConfig::new(base.into(), vec![ElementwiseConfig::new(5).into(), inverse.into()]);
    survives_json(&flow, |config, rng| config.init(&device, rng));
}

#[test]
fn a_model_survives_its_file_and_a_broken_file_is_an_error() {
    let device = common::cpu();
    let file = std::env::temp_dir().join(format!("flow-{}.bpk", std::process::id()));
    let config = RealNvpConfig::new(3);
    let model = perturb(config.init(&device, &mut rng(0)), 0.3, &mut rng(3));
    model.clone().save_file(&file).unwrap();
    let fresh = || config.init(&device, &mut rng(1));
    let loaded = fresh().try_load_file(&file).unwrap();
    let x = model.sample(10, &mut rng(2));
    assert_ne!(fresh().log_prob(x.clone()).into_data(), model.log_prob(x.clone()).into_data());
    assert_eq!(loaded.log_prob(x.clone()).into_data(), model.log_prob(x).into_data());

    let wider = RealNvpConfig::new(4).init(&device, &mut rng(1));
    assert!(wider.try_load_file(&file).is_err());
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(fresh().try_load_file(&file).is_err());
    std::fs::remove_file(&file).unwrap();
}

/// The coupling layer in a layer of a preset.
fn coupling(layer: &Layer) -> &MaskedCoupling {
    let Layer::MaskedCoupling(coupling) = layer else {
        panic!("the preset has coupling layers only");
    };
    coupling
}

#[test]
fn the_same_seed_gives_the_same_model_and_another_seed_another() {
    let device = common::cpu();
    let hidden = |seed| {
        let model = RealNvpConfig::new(2).init(&device, &mut rng(seed));
        let Network::Mlp(mlp) = &coupling(&model.flow.layers[0]).conditioner else {
            panic!("a preset has one network per layer");
        };
        mlp.hidden[1].weight.val().into_data()
    };
    assert_eq!(hidden(0), hidden(0));
    assert_ne!(hidden(0), hidden(1));
}

#[test]
fn every_activation_of_burn_makes_a_flow() {
    use ActivationConfig::*;
    let activations = [
        Identity,
        Gelu,
        GeluApproximate,
        PRelu(PReluConfig::new()),
        Relu,
        LeakyRelu(nn::LeakyReluConfig::new()),
        // Its sizes are those of the layer that it follows, not these.
        SwiGlu(SwiGluConfig::new(1, 1)),
        Selu,
        Sigmoid,
        Tanh,
        HardSigmoid(nn::HardSigmoidConfig::new()),
        HardSwish,
        Softplus(nn::SoftplusConfig::new()),
        Softsign,
        Elu(nn::EluConfig::new()),
        Celu(nn::CeluConfig::new()),
        ThresholdedRelu(nn::ThresholdedReluConfig::new()),
        HardShrink(nn::HardShrinkConfig::new()),
        SoftShrink(nn::SoftShrinkConfig::new()),
        Shrink(nn::ShrinkConfig::new()),
    ];
    for activation in activations {
        let mlp = MlpConfig::new().with_d_hidden(vec![6, 4]).with_activation(activation.clone());
        let residual =
            ResidualMlpConfig::new().with_d_hidden(5).with_activation(activation.clone());
        for conditioner in [NetworkConfig::from(mlp), residual.into()] {
            let what = format!("{conditioner:?}");
            let config = MaskedCouplingConfig::new(Mask::half(3)).with_conditioner(conditioner);
            let laws = Laws::new(3, move |device, rng| config.init(device, rng));
            let checks = || {
                laws.round_trips(&common::cpu());
                laws.log_det_is_that_of_the_jacobian(&common::cpu());
                laws.saves_and_loads(&common::cpu());
            };
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(checks))
                .unwrap_or_else(|_| panic!("{what} fails a check"));
        }
    }
}

#[test]
fn swiglu_draws_its_weights_from_the_given_generator() {
    let swiglu = ActivationConfig::SwiGlu(SwiGluConfig::new(1, 1));
    let mlp = MlpConfig::new().with_activation(swiglu.clone());
    let residual = ResidualMlpConfig::new().with_activation(swiglu);
    for conditioner in [NetworkConfig::from(mlp), residual.into()] {
        let config = RealNvpConfig::new(2).with_conditioner(conditioner);
        let of_seed = |seed| weights(&config.init(&common::cpu(), &mut rng(seed)));
        assert_eq!(of_seed(4), of_seed(4));
        assert_ne!(of_seed(4), of_seed(5));
    }
}

/// As in nflows: the network of a spline flow gets its context at the start and at every block.
#[test]
fn a_residual_network_has_a_gate_per_block_if_it_takes_a_context() {
    for (d_context, n_gates) in [(0, 0), (3, 2)] {
        let config = NsfConfig::new(2).with_n_layers(1).with_d_context(d_context);
        let model = config.init(&common::cpu(), &mut rng(0));
        let Network::ResidualMlp(network) = &coupling(&model.flow.layers[0]).conditioner else {
            panic!("the preset has residual networks");
        };
        assert_eq!(network.initial.weight.dims(), [1 + d_context, 256]);
        assert_eq!(network.blocks.iter().filter(|block| block.gate.is_some()).count(), n_gates);
        assert_eq!(network.output.weight.dims(), [256, 23]);
    }
}

#[test]
#[should_panic(expected = "`d_hidden` must be at least 1, got 0")]
fn a_residual_network_without_units_is_refused() {
    let residual = ResidualMlpConfig::new().with_d_hidden(0);
    NsfConfig::new(2).with_conditioner(residual.into()).init(&common::cpu(), &mut rng(0));
}

#[test]
fn a_trace_passes_through_every_state() {
    let device = common::cpu();
    let config = RealNvpConfig::new(2).with_n_layers(5).with_d_context(1);
    let layers = perturb(config.init(&device, &mut rng(0)).flow, 0.3, &mut rng(1));
    let z = Tensor::<2>::from_data([[0.4, -1.0], [2.0, 0.3]], &device);
    let context = Tensor::<2>::from_data([[1.0], [-2.0]], &device);
    let trace = layers.trace(Direction::Forward, z.clone(), Some(&context));
    let (x, log_det) = layers.forward(z.clone(), Some(&context));
    assert_eq!(trace.len(), 6);
    assert_close("start", &trace[0].0, &z, 0.0);
    assert_close("end", &trace[5].0, &x, 0.0);
    assert_close("log-determinant", &trace[5].1, &log_det, 1e-6);
    for (i, pair) in trace.windows(2).enumerate() {
        let (state, step) = layers.layers[i].forward(pair[0].0.clone(), Some(&context));
        assert_close("state", &pair[1].0, &state, 0.0);
        assert_close("log-determinant", &pair[1].1, &(pair[0].1.clone() + step), 1e-6);
        assert!(common::host(state) != common::host(pair[0].0.clone()), "layer {i} does nothing");
    }
    // Five layers of roundings of 1.2e-7, at scales of order one.
    let back = layers.trace(Direction::Inverse, x, Some(&context));
    assert_eq!(back.len(), 6);
    for (there, back) in trace.iter().zip(back.iter().rev()) {
        assert_close("state", &back.0, &there.0, 1e-5);
    }
}

/// Remembers the mean of what it was calibrated with, and shifts by 1.
#[derive(Module, Debug)]
struct Probe {
    mean: Param<Tensor<1>>,
}

impl Flow for Probe {
    fn forward(&self, z: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let log_det = Tensor::zeros([z.dims()[0]], &z.device());
        (z + 1.0, log_det)
    }

    fn inverse(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let log_det = Tensor::zeros([x.dims()[0]], &x.device());
        (x - 1.0, log_det)
    }

    fn d_features(&self) -> Option<usize> {
        None
    }

    fn calibrate(self, input: Tensor<2>, _: Option<&Tensor<2>>, _: Direction) -> Self {
        Self { mean: Param::from_tensor(input.mean()) }
    }
}

fn probe() -> Probe {
    Probe { mean: Param::from_data([0.0], &common::cpu()) }
}

/// The flow, calibrated with data of 10 throughout.
fn calibrated<F: Flow>(flow: F) -> F {
    let device = common::cpu();
    let model = NormalizingFlow::new(StandardNormal::new(2, &device), flow);
    model.calibrate(Tensor::<2>::ones([4, 2], &device) * 10.0).flow
}

fn mean(probe: &Probe) -> f32 {
    probe.mean.val().into_scalar()
}

#[test]
fn calibration_reaches_every_layer_with_the_data_at_its_side() {
    let flow = calibrated((probe(), Sequential::new(vec![probe(), probe()])));
    // Data enter at the last layer; each shifts them back by 1.
    assert_eq!(mean(&flow.1.layers[1]), 10.0);
    assert_eq!(mean(&flow.1.layers[0]), 9.0);
    assert_eq!(mean(&flow.0), 8.0);
}

#[test]
fn calibration_enters_an_inverse_at_its_first_layer() {
    let flow = calibrated((probe(), Inverse::new((probe(), Sequential::new(vec![probe()])))));
    // Within the inverse data pass in `forward` order, and each layer shifts them by 1.
    assert_eq!(mean(&flow.1.flow.0), 10.0);
    assert_eq!(mean(&flow.1.flow.1.layers[0]), 11.0);
    assert_eq!(mean(&flow.0), 12.0);
}

/// Two normals of one feature: log-densities in closed form, and samples far apart.
#[test]
fn an_ensemble_scores_by_either_mean_and_is_sampled_in_turn() {
    let device = common::cpu();
    let normals = || {
        let normal =
            |loc| DiagonalNormalConfig::new(vec![loc], vec![0.5]).init(&device, &mut rng(0));
        vec![normal(-100.0), normal(100.0)]
    };
    let x = Tensor::<2>::from_data([[-100.0], [-99.0]], &device);
    let first = normals()[0].log_prob(x.clone());
    let second = normals()[1].log_prob(x.clone());
    let by = |score| Ensemble::new(normals()).with_score(score);
    // The density of the second is 0 there.
    let mean_density = by(Score::MeanDensity).log_prob(x.clone());
    assert_close("mean of densities", &mean_density, &(first.clone() - 2f64.ln()), 1e-6);
    let mean_log_density = by(Score::MeanLogDensity).log_prob(x);
    assert_close("mean of log-densities", &mean_log_density, &((first + second) / 2.0), 1e-6);

    let samples = host(by(Score::MeanDensity).sample(7, &mut rng(0)));
    let signs: Vec<f64> = samples.iter().map(|x| x.signum()).collect();
    assert_eq!(signs, [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0]);
}

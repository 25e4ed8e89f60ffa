//! Parameters as others see them: burn's optimisers, quantisation, records, float types.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::{cpu, host, rng};
use normalizing_flows::burn::module::{Module, Quantizer};
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams, LBFGSConfig};
use normalizing_flows::burn::tensor::quantization::{Calibration, QuantValue};
use normalizing_flows::burn::tensor::{DType, FloatDType, Tensor};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::coupling::Mask;
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::distribution::{Checked, DiagonalNormalConfig, Ensemble, Mixture, Score};
use normalizing_flows::testing::perturb;
use normalizing_flows::univariate::{AffineConfig, RationalQuadraticSplineConfig, ScaleBound};
use normalizing_flows::{
    Base, BernsteinConfig, Distribution, ElementwiseConfig, Error, Flow, FlowConfig,
    GaussianizationConfig, GlowConfig, IafConfig, LayerConfig, MafConfig, MaskedCouplingConfig,
    NafConfig, NiceConfig, NormalizingFlow, NsfConfig, RealNvpConfig, Sequential, SosConfig,
    StandardNormal, UnafConfig, cast, with_fresh_ids,
};

/// Every preset, small, one line each.
fn presets() -> Vec<(&'static str, FlowConfig)> {
    let network = || MlpConfig::new().with_d_hidden(vec![8]).into();
    let made = || MlpConfig::new().with_d_hidden(vec![8]).into();
    let presets: Vec<(&str, FlowConfig)> = vec![
        (
            "BernsteinConfig",
            BernsteinConfig::new(2).with_n_layers(2).with_conditioner(made()).into(),
        ),
        ("GaussianizationConfig", GaussianizationConfig::new(2).with_n_layers(3).into()),
        ("NafConfig", NafConfig::new(2).with_n_layers(2).with_conditioner(made()).into()),
        ("SosConfig", SosConfig::new(2).with_n_layers(2).with_conditioner(made()).into()),
        ("UnafConfig", UnafConfig::new(2).with_n_layers(2).with_conditioner(made()).into()),
        ("GlowConfig", GlowConfig::new(2).with_n_steps(2).with_conditioner(network()).into()),
        ("IafConfig", IafConfig::new(2).with_n_layers(2).with_conditioner(made()).into()),
        ("MafConfig", MafConfig::new(2).with_n_layers(2).with_conditioner(made()).into()),
        ("NiceConfig", NiceConfig::new(2).with_n_layers(2).with_conditioner(network()).into()),
        ("NsfConfig", NsfConfig::new(2).with_n_layers(2).with_conditioner(network()).into()),
        (
            "RealNvpConfig",
            RealNvpConfig::new(2).with_n_layers(2).with_conditioner(network()).into(),
        ),
    ];
    for name in normalizing_flows::preset::NAMES {
        assert!(presets.iter().any(|(here, _)| here == name), "`{name}` has no case here");
    }
    presets
}

#[test]
fn l_bfgs_trains_every_preset() {
    for (name, preset) in presets() {
        l_bfgs_trains(name, &preset);
    }
}

#[test]
fn l_bfgs_trains_over_fixed_and_learnable_bases() {
    let layers = FlowConfig::from(NiceConfig::new(2).with_n_layers(2)).layers;
    for learnable in [false, true] {
        let base = DiagonalNormalConfig::new(vec![0.5, 0.25], vec![1.0, 0.5])
            .with_learnable(learnable)
            .into();
        l_bfgs_trains("diagonal normal", &FlowConfig { base, layers: layers.clone() });
    }
}

fn l_bfgs_trains(name: &str, config: &FlowConfig) {
    let device = cpu().autodiff();
    // The output layers start at zero: perturbed, the loss has a slope by every parameter.
    let x = TwoMoons::new(0.1).sample(64, &device, &mut rng(2));
    let model = config.init(&device, &mut rng(0)).calibrate(x.clone());
    let model = perturb(model, 0.1, &mut rng(1));
    let nll = |model: &NormalizingFlow| -model.log_prob(x.clone()).mean();
    let before = nll(&model).into_scalar::<f32>();
    let (model, _) = LBFGSConfig::new().init().step(0.1, model, |model: NormalizingFlow| {
        let loss = nll(&model);
        let value = loss.clone().into_scalar::<f32>();
        (value.into(), GradientsParams::from_grads(loss.backward(), &model))
    });
    let after = nll(&model).into_scalar::<f32>();
    assert!(after < before - 0.05, "{name}: {before} became {after}");
}

#[test]
fn a_standard_normal_has_no_parameters_and_goes_where_it_is_sent() {
    let device = cpu();
    let base = StandardNormal::new(3, &device);
    assert_eq!(base.num_params(), 0);
    let training = base.clone().train();
    assert!(!training.sample(2, &mut rng(0)).is_autodiff());
    assert_eq!(base.devices(), std::slice::from_ref(&device));
    // Under a flow it draws in the flow's float type, and in f64 numbers of f64.
    let model = RealNvpConfig::new(2).with_n_layers(2).init(&device, &mut rng(0));
    let single = model.sample(50, &mut rng(1));
    let model = cast(model, FloatDType::F64);
    let double = model.sample(50, &mut rng(1));
    assert_eq!((single.dtype(), double.dtype()), (DType::F32, DType::F64));
    let (single, double) = (host(single), host(double));
    assert!(
        single.iter().zip(&double).all(|(single, double)| *single == f64::from(*double as f32))
    );
    assert!(single != double, "noise of f64 must not be rounded to f32");
}

#[test]
fn a_quantised_model_samples_and_scores() {
    let device = cpu();
    let scheme = device.settings().quantization.scheme.with_value(QuantValue::Q8S);
    for (name, preset) in presets() {
        let batch = TwoMoons::new(0.1).sample(64, &device, &mut rng(2));
        let model = preset.init(&device, &mut rng(0)).calibrate(batch);
        let model = perturb(model, 0.1, &mut rng(2));
        let quantised =
            model.clone().quantize_weights(&mut Quantizer::new(Calibration::MinMax, scheme));
        let (x, log_prob) = quantised.sample_with_log_prob(20, &mut rng(1));
        assert_eq!((x.dims(), log_prob.dims()), ([20, 2], [20]));
        // 8 bits of the largest weight are off by half a hundredth of it. In a network of positive weights no
        // two errors cancel.
        let tolerance = if name == "NafConfig" { 0.6 } else { 0.2 };
        let expected = host(model.log_prob(x.clone()));
        for (found, expected) in host(quantised.log_prob(x)).into_iter().zip(expected) {
            assert!((found - expected).abs() < tolerance, "{name}: {found}, expected {expected}");
        }
    }
}

#[test]
fn the_weights_of_a_mixture_train_whatever_its_components() {
    let device = cpu().autodiff();
    let normal = || Base::from(StandardNormal::new(2, &device));
    let shifted = DiagonalNormalConfig::new(vec![3.0; 2], vec![1.0; 2]).with_learnable(true);
    let learnt = Base::from(shifted.init(&device, &mut rng(0)));
    for components in [vec![normal(), learnt], vec![normal(), normal()]] {
        let mixture = Mixture::new(components);
        let loss = -mixture.log_prob(Tensor::<2>::ones([4, 2], &device)).mean();
        let gradients = loss.backward();
        assert!(mixture.logits.val().grad(&gradients).is_some(), "{mixture}");
    }
}

#[test]
fn perturbing_leaves_frozen_parameters_alone() {
    for device in [cpu(), cpu().autodiff()] {
        let trained = DiagonalNormalConfig::standard_learnable(2).init(&device, &mut rng(0));
        let frozen = trained.clone().no_grad();
        assert_eq!(host(perturb(frozen, 1.0, &mut rng(1)).loc()), [0.0, 0.0]);
        assert!(host(perturb(trained, 1.0, &mut rng(1)).loc()) != [0.0, 0.0]);
    }
}

#[test]
#[should_panic(
    expected = "two layers of a stack share parameters, as clones do: an optimiser would \
                           train the first of them only. Give each copy parameters of its own by \
                           `with_fresh_ids(copies)`, or build it anew"
)]
fn copies_of_a_layer_in_a_stack_are_refused() {
    let layer = MaskedCouplingConfig::new(Mask::half(2)).init(&cpu(), &mut rng(0));
    let _ = Sequential::new(vec![layer; 3]);
}

#[test]
#[should_panic(expected = "two models of an ensemble share parameters")]
fn copies_of_a_model_in_an_ensemble_are_refused() {
    let model = RealNvpConfig::new(2).init(&cpu(), &mut rng(0));
    let _ = Ensemble::new(vec![model.clone(); 5]);
}

#[test]
#[should_panic(expected = "two components of a mixture share parameters")]
fn copies_of_a_model_in_a_mixture_are_refused() {
    let model = RealNvpConfig::new(2).init(&cpu(), &mut rng(0));
    let _ = Mixture::new(vec![model.clone(); 2]);
}

#[test]
fn copies_with_fresh_ids_all_train() {
    let device = cpu().autodiff();
    let layer = MaskedCouplingConfig::new(Mask::half(2)).init(&device, &mut rng(0));
    let stack = Sequential::new(with_fresh_ids(vec![layer.clone(); 3]));
    let mut model = NormalizingFlow::new(StandardNormal::new(2, &device), stack);
    let mut adam = AdamConfig::new().init();
    for _ in 0..5 {
        let loss = -model.log_prob(Tensor::<2>::ones([8, 2], &device)).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adam.step(1e-2, model, gradients);
    }
    for layer in &model.flow.layers {
        let moved = host(layer.forward(Tensor::ones([1, 2], &device), None).0);
        assert!(moved != [1.0, 1.0], "a layer was not trained");
    }
}

/// Loads a record of one configuration into a model of another, and gives the error.
fn refused(saved: &FlowConfig, model: &FlowConfig) -> String {
    let record = saved.init(&cpu(), &mut rng(0)).into_record();
    let loaded = model.init(&cpu(), &mut rng(1)).try_load_record(record);
    loaded.expect_err("a record of other settings must be refused").to_string()
}

#[test]
fn a_record_of_other_settings_is_an_error_that_names_them() {
    use normalizing_flows::burn::nn::activation::ActivationConfig;
    let spline = RationalQuadraticSplineConfig::new;
    let nsf = |spline| FlowConfig::from(NsfConfig::new(2).with_n_layers(2).with_spline(spline));
    for (other, name) in [
        (spline().with_interval([-3.0, 3.0]), "interval = [-3.0, 3.0]"),
        (spline().with_min_bin_width(0.01), "min_bin_width = 0.01"),
        (spline().with_min_bin_height(0.01), "min_bin_height = 0.01"),
        (spline().with_min_slope(0.01), "min_slope = 0.01"),
    ] {
        let error = refused(&nsf(spline()), &nsf(other));
        assert!(error.contains(name), "{error}");
        // And no setting that is the same.
        assert!(!error.contains("n_bins"), "{error}");
    }
    let mlp = |activation| {
        let mlp = MlpConfig::new().with_d_hidden(vec![8]).with_activation(activation);
        FlowConfig::from(RealNvpConfig::new(2).with_n_layers(2).with_conditioner(mlp.into()))
    };
    let error = refused(&mlp(ActivationConfig::Relu), &mlp(ActivationConfig::Tanh));
    assert!(error.contains("activation = Tanh"), "{error}");

    let bound = |bound| {
        let affine = AffineConfig::new().with_bound(ScaleBound::SoftClip { bound });
        FlowConfig::from(RealNvpConfig::new(2).with_n_layers(2).with_affine(Some(affine)))
    };
    let error = refused(&bound(1.0), &bound(2.0));
    assert!(error.contains("bound = SoftClip { bound: 2.0 }"), "{error}");
}

#[test]
fn a_record_of_an_ensemble_of_another_score_is_an_error_too() {
    let ensemble = || {
        let model = |seed| RealNvpConfig::new(2).with_n_layers(1).init(&cpu(), &mut rng(seed));
        Ensemble::new((0..2).map(model).collect())
    };
    let record = ensemble().into_record();
    let other = ensemble().with_score(Score::MeanLogDensity);
    let error = other.try_load_record(record).expect_err("another score").to_string();
    assert!(error.contains("score = MeanLogDensity"), "{error}");
}

/// The preset's bound depends on the depth, so that 4 trained layers are others in a stack of 8.
#[test]
fn a_record_of_another_depth_is_an_error_even_where_parts_may_be_missing() {
    let deep = |n_layers| RealNvpConfig::new(2).with_n_layers(n_layers).init(&cpu(), &mut rng(0));
    let record = deep(4).into_record().allow_partial(true);
    let error = deep(8).try_load_record(record).expect_err("another bound").to_string();
    assert!(error.contains("bound = SoftClip { bound: 3.453"), "{error}");
}

#[test]
fn other_float_types_get_a_sentence_that_names_both_and_cast() {
    let device = cpu();
    let single = RealNvpConfig::new(2).with_d_context(1).with_n_layers(2);
    let single = single.init(&device, &mut rng(0));
    let x = |dtype: DType| Tensor::<2>::zeros([3, 2], (&cpu(), dtype));
    let c = |dtype: DType| Tensor::<2>::zeros([3, 1], (&cpu(), dtype));
    let (f32, f64) = (DType::F32, DType::F64);
    let error = |model: &NormalizingFlow, x: Tensor<2>, c: Tensor<2>| {
        Checked::new(model, Some(&c)).log_prob(x).unwrap_err()
    };
    let wrong = |what, expected, found| Error::FloatType { what, expected, found };
    assert_eq!(error(&single, x(f64), c(f32)), wrong("input", f32, f64));
    assert_eq!(error(&single, x(f32), c(f64)), wrong("context", f32, f64));
    // A record keeps its float type, and makes the model it is loaded into one of that type.
    let record = cast(single.clone(), FloatDType::F64).into_record();
    let loaded = single.load_record(record);
    let found = error(&loaded, x(f32), c(f32));
    assert_eq!(found, wrong("input", f64, f32));
    assert_eq!(
        found.to_string(),
        "the input is F32 and the parameters of the model are F64: cast the input by \
         `tensor.cast(F64)`, or the model by `cast(model, FloatDType::F32)`"
    );
}

#[test]
#[should_panic(expected = "the input is F64 and the parameters of the model are F32: cast")]
fn a_layer_by_itself_says_so_too() {
    let layer = MaskedCouplingConfig::new(Mask::half(2)).init(&cpu(), &mut rng(0));
    let _ = layer.forward(Tensor::zeros([1, 2], (&cpu(), DType::F64)), None);
}

#[test]
fn an_elementwise_layer_and_a_coupling_of_other_features_do_not_stack() {
    let layers: Vec<LayerConfig> =
        vec![ElementwiseConfig::new(3).into(), MaskedCouplingConfig::new(Mask::half(2)).into()];
    let error = FlowConfig::standard(3, layers).validate().unwrap_err();
    assert_eq!(
        error.to_string(),
        "all parts of a flow must have the same features, got parts with `d_features` 3 and 2"
    );
}

#[test]
#[should_panic(expected = "all parts of a flow must have the same features, got parts with \
                           `d_features` 3 and 2")]
fn a_base_and_a_flow_that_do_not_fit_are_refused_when_they_meet() {
    let flow = RealNvpConfig::new(2).init(&cpu(), &mut rng(0)).flow;
    let _ = NormalizingFlow::new(StandardNormal::new(3, &cpu()), flow);
}

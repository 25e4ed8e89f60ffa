//! Every mask, map, activation and network that the kernels know.

use normalizing_flows::burn::nn::{Initializer, LinearConfig};

use super::*;

#[test]
fn every_mask_agrees() {
    let device = Device::flex().autodiff();
    let masks = [
        Mask::half(7),
        Mask::half(7).complement(),
        Mask::random(7, &mut rng(2)),
        Mask::custom(vec![true, false, false, false, false, false, false]),
        Mask::custom(vec![true, true, true, true, true, true, false]),
    ];
    let configs: Vec<_> = masks
        .into_iter()
        .map(|mask| MaskedCouplingConfig::new(mask).with_conditioner(relu(&[9])))
        .collect();
    let pair = pair(&configs, FloatDType::F64, &device);
    let x = noise([130, 7], FloatDType::F64, &device, &mut rng(1)).require_grad();
    compare("masks", (&pair.fused, &pair.composed), &x, None, tolerance(FloatDType::F64));
}

#[test]
fn every_map_agrees() {
    let maps: [UnivariateConfig; 6] = [
        AffineConfig::new().into(),
        AffineConfig::new().with_bound(ScaleBound::Tanh { bound: 1.5 }).into(),
        AffineConfig::new().with_bound(ScaleBound::Clamp { min: -0.1, max: 0.1 }).into(),
        AffineConfig::new().with_bound(ScaleBound::Sigmoid).into(),
        AffineConfig::new().with_bound(ScaleBound::Exp).into(),
        AdditiveConfig::new().into(),
    ];
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::F32, FloatDType::F64] {
        for map in &maps {
            let configs: Vec<_> = alternating(4, 2, &relu(&[8]))
                .into_iter()
                .map(|config| config.with_univariate(map.clone()))
                .collect();
            let pair = pair(&configs, dtype, &device);
            let x = noise([70, 4], dtype, &device, &mut rng(1)).require_grad();
            let what = format!("{map:?}, {dtype:?}");
            compare(&what, (&pair.fused, &pair.composed), &x, None, tolerance(dtype));
        }
    }
}

/// Some, all and none of the kept features angles, with and without a context.
#[test]
fn networks_of_angles_agree() {
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::F32, FloatDType::F64] {
        for flags in [[true, false, true], [true; 3], [false; 3]] {
            for d_context in [0, 2] {
                let network = PeriodicMlpConfig::new(flags.to_vec())
                    .with_mlp(MlpConfig::new().with_d_hidden(vec![9, 7]));
                let mask = Mask::custom(vec![true, false, true, false, true, false]);
                let config = |mask| {
                    MaskedCouplingConfig::new(mask)
                        .with_d_context(d_context)
                        .with_conditioner(network.clone().into())
                };
                let configs = [config(mask.complement()), config(mask)];
                let pair = pair(&configs, dtype, &device);
                let x = noise([130, 6], dtype, &device, &mut rng(1)).require_grad();
                let context = noise([130, 2], dtype, &device, &mut rng(2)).require_grad();
                let context = (d_context > 0).then_some(&context);
                let what = format!("{flags:?}, {d_context} context features, {dtype:?}");
                let flows = (&pair.fused, &pair.composed);
                compare(&what, flows, &x, context, tolerance(dtype));
            }
        }
    }
}

/// Intervals that do not contain all of the values.
fn splines() -> impl Iterator<Item = RationalQuadraticSplineConfig> {
    let ends = [BoundarySlopes::One, BoundarySlopes::Free, BoundarySlopes::Periodic];
    ends.into_iter().flat_map(|ends| {
        let config = RationalQuadraticSplineConfig::new().with_boundary_slopes(ends);
        [
            config.clone().with_interval([-1.0, 2.0]),
            config.clone().with_n_bins(2).with_min_bin_width(0.3),
            config.with_n_bins(19).with_min_bin_height(0.01).with_min_slope(0.1),
        ]
    })
}

#[test]
fn every_spline_agrees() {
    let device = Device::flex().autodiff();
    for spline in splines() {
        let network = MlpConfig::new().with_activation(ActivationConfig::Tanh).into();
        let configs: Vec<_> = alternating(5, 3, &network)
            .into_iter()
            .map(|config| config.with_univariate(spline.clone().into()))
            .collect();
        let single = pair(&configs, FloatDType::F32, &device);
        let double = composed_of(&configs, cast(single.fused.clone(), FloatDType::F64));
        for batch in [1, 70, 700] {
            let x = noise([batch, 5], FloatDType::F32, &device, &mut rng(1));
            let x_64 = x.clone().cast(DType::F64).detach().require_grad();
            let x = x.detach().require_grad();
            let what = format!("{spline:?}, batch {batch}");
            // Narrow bins amplify roundings, ten thousand times in the worst rows.
            compare(&what, (&double.fused, &double.composed), &x_64, None, 1e-9);
            compare_errors(&what, &single, &x, &double.composed, &x_64);
        }
    }
}

/// The maps of a single row take features side by side, 64 at a time.
#[test]
fn a_row_of_many_features_agrees() {
    let device = Device::flex().autodiff();
    let maps: [UnivariateConfig; 3] = [
        AffineConfig::new().into(),
        AdditiveConfig::new().into(),
        RationalQuadraticSplineConfig::new().into(),
    ];
    let network = MlpConfig::new().with_d_hidden(vec![8]);
    let network = network.with_activation(ActivationConfig::Tanh).into();
    for map in maps {
        for d in [40, 140] {
            let configs: Vec<_> = alternating(d, 2, &network)
                .into_iter()
                .map(|config| config.with_univariate(map.clone()))
                .collect();
            let pair = pair(&configs, FloatDType::F64, &device);
            let x = noise([1, d], FloatDType::F64, &device, &mut rng(1)).require_grad();
            let what = format!("{map:?}, d {d}");
            compare(&what, (&pair.fused, &pair.composed), &x, None, 1e-9);
        }
    }
}

/// Blocks may be of layers that somebody put there, narrower inside than outside or wider.
#[test]
fn blocks_of_another_inner_width_agree() {
    let device = Device::flex().autodiff();
    let dtype = FloatDType::F64;
    for d_context in [0, 2] {
        let network = ResidualMlpConfig::new().with_d_hidden(9);
        let configs: Vec<_> = alternating(3, 2, &network.into())
            .into_iter()
            .map(|config| config.with_d_context(d_context))
            .collect();
        let mut fused = pair(&configs, dtype, &device).fused;
        for (layer, d_inner) in fused.layers.iter_mut().zip([4, 20]) {
            let Network::ResidualMlp(network) = &mut layer.conditioner else {
                panic!("the configuration asked for residual networks");
            };
            for block in &mut network.blocks {
                // Zeros: burn would draw from a generator of its own.
                let linear = |d_input: usize, d_output: usize| {
                    let zeros = Initializer::Zeros;
                    LinearConfig::new(d_input, d_output).with_initializer(zeros).init(&device)
                };
                (block.first, block.second) = (linear(9, d_inner), linear(d_inner, 9));
            }
        }
        let pair = composed_of(&configs, cast(perturb(fused, 0.3, &mut rng(4)), dtype));
        let x = noise([150, 3], dtype, &device, &mut rng(1)).require_grad();
        let context = noise([150, d_context], dtype, &device, &mut rng(2)).require_grad();
        let context = (d_context > 0).then_some(&context);
        let flows = (&pair.fused, &pair.composed);
        compare(&format!("context {d_context}"), flows, &x, context, tolerance(dtype));
    }
}

#[test]
fn residual_networks_agree() {
    let device = Device::flex().autodiff();
    for (n_blocks, activation, d_context) in [
        (0, ActivationConfig::Relu, 0),
        (1, ActivationConfig::Relu, 0),
        (3, ActivationConfig::Gelu, 0),
        (0, ActivationConfig::Relu, 2),
        (2, ActivationConfig::Relu, 2),
        (2, ActivationConfig::Tanh, 2),
    ] {
        let network = ResidualMlpConfig::new()
            .with_d_hidden(11)
            .with_n_blocks(n_blocks)
            .with_activation(activation.clone());
        // A layer that takes no context among layers that do.
        let mut configs: Vec<_> = alternating(4, 3, &network.into())
            .into_iter()
            .map(|config| config.with_d_context(d_context))
            .collect();
        configs[1].d_context = 0;
        let affine = pair(&configs, FloatDType::F32, &device);
        configs[2].univariate = RationalQuadraticSplineConfig::new().into();
        let splines = pair(&configs, FloatDType::F64, &device);
        for (batch, dtype, pair) in [
            (1, FloatDType::F64, &splines),
            (150, FloatDType::F64, &splines),
            (150, FloatDType::F32, &affine),
        ] {
            let x = noise([batch, 4], dtype, &device, &mut rng(1)).require_grad();
            let context = noise([batch, d_context], dtype, &device, &mut rng(2));
            let contexts: &[Option<Tensor<2>>] = match d_context {
                0 => &[None],
                _ => &[Some(context.clone()), Some(context.require_grad())],
            };
            for context in contexts {
                let what = format!("{n_blocks} blocks, {activation:?}, batch {batch}");
                let flows = (&pair.fused, &pair.composed);
                compare(&what, flows, &x, context.as_ref(), tolerance(dtype));
            }
        }
    }
}

#[test]
fn every_activation_agrees() {
    let activations = [
        ActivationConfig::Identity,
        ActivationConfig::Relu,
        LeakyReluConfig::new().into(),
        EluConfig::new().into(),
        CeluConfig::new().with_alpha(0.7).into(),
        ActivationConfig::Selu,
        ActivationConfig::Sigmoid,
        ActivationConfig::Tanh,
        ActivationConfig::GeluApproximate,
        ActivationConfig::Gelu,
        SoftplusConfig::new().with_beta(1.7).into(),
        ActivationConfig::Softsign,
        HardSigmoidConfig::new().into(),
        ActivationConfig::HardSwish,
        ThresholdedReluConfig::new().into(),
        HardShrinkConfig::new().with_lambda(0.2).into(),
        SoftShrinkConfig::new().with_lambda(0.2).into(),
        ShrinkConfig::new().with_lambda(0.2).with_bias(0.3).into(),
    ];
    let device = Device::flex().autodiff();
    for activation in activations {
        let network =
            MlpConfig::new().with_d_hidden(vec![8, 6]).with_activation(activation.clone());
        let pair = pair(&alternating(3, 2, &network.into()), FloatDType::F32, &device);
        let x = noise([70, 3], FloatDType::F32, &device, &mut rng(1)).require_grad();
        let what = format!("{activation:?}");
        compare(&what, (&pair.fused, &pair.composed), &x, None, tolerance(FloatDType::F32));
    }
}

#[test]
fn a_softplus_whose_exponential_would_overflow_agrees() {
    let device = Device::flex().autodiff();
    // A power of two: burn's gradient of a division by a number rounds the reciprocal to `f32`.
    let softplus = SoftplusConfig::new().with_beta(4096.0).with_threshold(1e6);
    let network = MlpConfig::new().with_d_hidden(vec![8, 6]).with_activation(softplus.into());
    let pair = pair(&alternating(3, 2, &network.into()), FloatDType::F64, &device);
    let x = noise([70, 3], FloatDType::F64, &device, &mut rng(1)).require_grad();
    // The slope turns 4096 times as sharply as that of other activations.
    let tolerance = 4096.0 * tolerance(FloatDType::F64);
    compare("softplus", (&pair.fused, &pair.composed), &x, None, tolerance);
}

#[test]
fn networks_of_every_depth_agree() {
    let device = Device::flex().autodiff();
    for d_hidden in [&[][..], &[5], &[6, 11, 4, 9]] {
        for separate in [false, true] {
            let config = MlpConfig::new().with_d_hidden(d_hidden.to_vec());
            let network = match separate {
                false => NetworkConfig::from(config),
                true => SeparateMlpsConfig::new().with_mlp(config).into(),
            };
            let affine = alternating(5, 3, &network);
            let mut splines = affine.clone();
            splines[1].univariate = RationalQuadraticSplineConfig::new().with_n_bins(3).into();
            for (configs, tolerance) in [(affine, tolerance(FloatDType::F64)), (splines, 1e-11)] {
                let pair = pair(&configs, FloatDType::F64, &device);
                let x = noise([131, 5], FloatDType::F64, &device, &mut rng(1)).require_grad();
                let what = format!("{d_hidden:?}, separate {separate}");
                compare(&what, (&pair.fused, &pair.composed), &x, None, tolerance);
            }
        }
    }
}

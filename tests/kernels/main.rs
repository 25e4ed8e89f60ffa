//! The fused kernels against the tensor operations, which are the reference: the same values and
//! the same gradients, whatever the sizes, masks, maps, networks and memory layouts.
//!
//! A layer whose conditioner (or map) the kernels do not know runs by tensor operations, so each
//! test computes a model both ways.

#![cfg(feature = "flex")]

mod autoregressive;
#[path = "../common/mod.rs"]
mod common;
mod layers;
mod linear;
mod pair;
mod threads;

use common::{Opaque, host, rng};
use normalizing_flows::burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use normalizing_flows::burn::nn::activation::{
    ActivationConfig, CeluConfig, EluConfig, HardShrinkConfig, HardSigmoidConfig, LeakyReluConfig,
    ShrinkConfig, SoftShrinkConfig, SoftplusConfig, ThresholdedReluConfig,
};
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
use normalizing_flows::burn::tensor::{DType, Device, FloatDType, Gradients, Tensor, TensorData};
use normalizing_flows::conditioner::{
    MlpConfig, Network, NetworkConfig, PeriodicMlpConfig, ResidualMlpConfig, SeparateMlpsConfig,
};
use normalizing_flows::coupling::Mask;
use normalizing_flows::distribution::DiagonalNormalConfig;
use normalizing_flows::testing::perturb;
use normalizing_flows::univariate::{
    AdditiveConfig, AffineConfig, BoundarySlopes, RationalQuadraticSplineConfig, ScaleBound,
    Univariate, UnivariateConfig, UnivariateMap,
};
use normalizing_flows::{
    Distribution, Elementwise, ElementwiseConfig, Flow, Inverse, MaskedCoupling,
    MaskedCouplingConfig, NormalizingFlow, Sequential, StandardNormal, cast,
};
use pair::*;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal as Noise};

#[test]
fn every_batch_size_and_dimension_agrees() {
    for dtype in [FloatDType::F32, FloatDType::F64] {
        // Among so many hidden units in f32 the sign of some is a matter of rounding, and with ReLU
        // the gradient turns on it.
        let activation = match dtype {
            FloatDType::F64 => ActivationConfig::Relu,
            _ => ActivationConfig::Tanh,
        };
        let network = MlpConfig::new().with_d_hidden(vec![17, 24]).with_activation(activation);
        for d in [2, 3, 5, 16, 33, 65] {
            let device = Device::flex().autodiff();
            let pair = pair(&alternating(d, 3, &network.clone().into()), dtype, &device);
            // One row, odd, tiles and shards and one more, the sizes from which tiles are larger.
            for batch in [1, 2, 7, 64, 65, 128, 129, 257, 512, 513, 1025] {
                let x = noise([batch, d], dtype, &device, &mut rng(1)).require_grad();
                let what = format!("{dtype:?}, d {d}, batch {batch}");
                compare(&what, (&pair.fused, &pair.composed), &x, None, tolerance(dtype));
            }
        }
    }
}

#[test]
fn large_batches_agree() {
    let device = Device::flex().autodiff();
    let pair = pair(&alternating(3, 2, &relu(&[4])), FloatDType::F64, &device);
    // The last one is more than tensor operations take at once.
    for batch in [4097, 16_500] {
        let x = noise([batch, 3], FloatDType::F64, &device, &mut rng(1)).require_grad();
        let what = format!("batch {batch}");
        compare(&what, (&pair.fused, &pair.composed), &x, None, tolerance(FloatDType::F64));
    }
}

/// A transform keeps its tape for the backward pass as long as that is small enough, so the
/// gradients of 5,000 rows are computed in one way and those of 20,000 in the other (in f64 a row
/// takes some 5 KiB).
#[test]
fn gradients_from_a_tape_and_computed_again_agree() {
    let device = Device::flex().autodiff();
    let tanh = MlpConfig::new().with_d_hidden(vec![32, 32]).with_activation(ActivationConfig::Tanh);
    let flow = pair(&alternating(3, 8, &tanh.into()), FloatDType::F64, &device).fused;
    let z = noise([20_000, 3], FloatDType::F64, &device, &mut rng(1));
    let gradients = |z: Tensor<2>| {
        let (x, log_det) = flow.forward(z, None);
        let gradients = (x.powi_scalar(2).sum() + log_det.sum()).backward();
        let weights = flow.layers.iter().map(|layer| {
            let Network::Mlp(mlp) = &layer.conditioner else { unreachable!("asked for above") };
            let weight = mlp.output.weight.val().grad(&gradients).expect("it is trained");
            host(weight)
        });
        weights.collect::<Vec<_>>().concat()
    };
    let whole = gradients(z.clone());
    let parts = (0..4).map(|i| gradients(z.clone().narrow(0, i * 5_000, 5_000)));
    let sums = parts.reduce(|a, b| a.iter().zip(b).map(|(a, b)| a + b).collect()).expect("four");
    let scale = whole.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    for (whole, sum) in whole.iter().zip(sums) {
        assert!((whole - sum).abs() < 1e-12 * scale, "{whole} and {sum}");
    }
}

/// Weights that are transposed first, shards of a large flow, sums shared between threads.
#[test]
fn wide_networks_agree() {
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::F32, FloatDType::F64] {
        let network =
            MlpConfig::new().with_d_hidden(vec![520, 517]).with_activation(ActivationConfig::Tanh);
        let pair = pair(&alternating(5, 2, &network.into()), dtype, &device);
        let x = noise([1030, 5], dtype, &device, &mut rng(1)).require_grad();
        let what = format!("{dtype:?}");
        compare(&what, (&pair.fused, &pair.composed), &x, None, tolerance(dtype));
    }
}

/// The list of weights is padded to one of a few lengths, of which 1,022 is the greatest. Each
/// layer has four: 256 layers run in two passes of the kernels, 511 in three.
#[test]
fn stacks_of_every_depth_agree() {
    let device = Device::flex().autodiff();
    let dtype = FloatDType::F64;
    for n_layers in [1, 2, 15, 16, 63, 64, 200, 255, 256, 511] {
        let network = MlpConfig::new().with_d_hidden(vec![2]);
        let configs: Vec<_> = alternating(3, n_layers, &network.into())
            .into_iter()
            .map(|config| {
                let bound = ScaleBound::Tanh { bound: 3.0 / n_layers as f64 };
                config.with_univariate(AffineConfig::new().with_bound(bound).into())
            })
            .collect();
        let pair = pair(&configs, dtype, &device);
        let x = noise([20, 3], dtype, &device, &mut rng(1)).require_grad();
        let what = format!("{n_layers} layers");
        compare(&what, (&pair.fused, &pair.composed), &x, None, 1e-10);
    }
}

#[test]
fn an_empty_batch_gives_nothing_and_trains_nothing() {
    let device = Device::flex().autodiff();
    let configs: Vec<_> =
        alternating(3, 2, &relu(&[4])).into_iter().map(|config| config.with_d_context(2)).collect();
    let pair = pair(&configs, FloatDType::F32, &device);
    let model = NormalizingFlow::new(StandardNormal::new(3, &device), pair.fused);
    let (x, context) = (Tensor::zeros([0, 3], &device), Tensor::zeros([0, 2], &device));
    let log_prob = model.given(&context).log_prob(x.clone().require_grad());
    assert_eq!(log_prob.dims(), [0]);
    let _ = log_prob.sum().backward();
    let (z, log_det) = model.flow.inverse(x, Some(&context));
    assert_eq!((z.dims(), log_det.dims()), ([0, 3], [0]));
    let (x, log_prob) = model.given(&context).rsample_with_log_prob(2, &mut rng(0));
    assert_eq!((x.dims(), log_prob.dims()), ([0, 3], [0]));
}

#[test]
fn contexts_agree() {
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::F32, FloatDType::F64] {
        // A layer that takes no context among layers that do.
        let mut configs: Vec<_> = alternating(4, 3, &relu(&[8, 8]))
            .into_iter()
            .map(|config| config.with_d_context(3))
            .collect();
        configs[1].d_context = 0;
        let pair = pair(&configs, dtype, &device);
        for batch in [1, 131, 520] {
            let x = noise([batch, 4], dtype, &device, &mut rng(1)).require_grad();
            let context = noise([batch, 3], dtype, &device, &mut rng(2));
            let strided = noise([3, batch], dtype, &device, &mut rng(2)).transpose().detach();
            let shared = context.clone().narrow(0, 0, 1).expand([batch, 3]).detach();
            let contexts =
                [context.clone().require_grad(), context, strided.require_grad(), shared];
            for context in contexts {
                let what = format!("context, {dtype:?}, batch {batch}");
                let flows = (&pair.fused, &pair.composed);
                compare(&what, flows, &x, Some(&context), tolerance(dtype));
            }
        }
    }
}

#[test]
fn views_agree_with_copies() {
    let device = Device::flex().autodiff();
    let dtype = FloatDType::F32;
    let pair = pair(&alternating(6, 2, &relu(&[8])), dtype, &device);
    let rows = noise([200, 6], dtype, &device, &mut rng(1));
    let views = [
        ("transposed", noise([6, 200], dtype, &device, &mut rng(1)).transpose()),
        (
            "narrowed",
            noise([300, 9], dtype, &device, &mut rng(1)).narrow(0, 50, 200).narrow(1, 2, 6),
        ),
        ("flipped", rows.clone().flip([0, 1])),
        ("expanded", rows.narrow(0, 3, 1).expand([200, 6])),
    ];
    for (what, view) in views {
        // Detached: a leaf that is a view all the same.
        let view = view.detach().require_grad();
        compare(what, (&pair.fused, &pair.composed), &view, None, tolerance(dtype));
    }
}

#[test]
fn weights_may_be_views() {
    struct Transposer;
    impl ModuleMapper for Transposer {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| {
                if D < 2 {
                    return value;
                }
                // The same numbers, column after column in memory.
                let data = value.clone().swap_dims(0, 1).into_data();
                Tensor::<D>::from_data(data, &value.device())
                    .swap_dims(0, 1)
                    .detach()
                    .require_grad()
            })
        }
    }
    let device = Device::flex().autodiff();
    let configs = alternating(4, 2, &relu(&[8, 5]));
    let fused = pair(&configs, FloatDType::F32, &device).fused.map(&mut Transposer);
    let pair = composed_of(&configs, fused);
    let x = noise([130, 4], FloatDType::F32, &device, &mut rng(1)).require_grad();
    compare("views", (&pair.fused, &pair.composed), &x, None, tolerance(FloatDType::F32));
}

#[test]
fn non_finite_rows_affect_no_other_and_are_non_finite_where_composed_are() {
    let device = Device::flex().autodiff();
    let tanh = MlpConfig::new().with_activation(ActivationConfig::Tanh).into();
    for (what, configs) in [
        ("ReLU", alternating(5, 4, &relu(&[16, 16]))),
        ("tanh", alternating(5, 4, &tanh)),
        ("splines", splines_over_residual(5, 4)),
    ] {
        let pair = pair(&configs, FloatDType::F32, &device);
        let finite_x = noise([300, 5], FloatDType::F32, &device, &mut rng(1));
        let mut values = host(finite_x.clone());
        // Kept and transformed features of the first layer.
        let non_finite = [
            (0, f64::NAN),
            (129, f64::INFINITY),
            (130, f64::NEG_INFINITY),
            (131, f64::INFINITY),
            (297, f64::NAN),
            (299, f64::NAN),
        ];
        for (row, value) in non_finite {
            values[row * 5 + row % 5] = value;
        }
        let x = Tensor::<2>::from_data(TensorData::new(values, [300, 5]), &device).require_grad();
        let finite_x = finite_x.require_grad();
        for loss in [Loss::Mean, Loss::Sum, Loss::Forward, Loss::Inverse] {
            let what = format!("{what}, {loss:?}");
            let fused = outcome(loss, &pair.fused, &x, None);
            let composed = outcome(loss, &pair.composed, &x, None);
            let without = outcome(loss, &pair.fused, &finite_x, None);
            let gradient = |outcome: &Outcome| outcome.input.clone().expect("a gradient");
            for (fused, composed, without) in [
                (fused.values.clone(), composed.values.clone(), without.values.clone()),
                (gradient(&fused), gradient(&composed), gradient(&without)),
            ] {
                let width = fused.len() / 300;
                for row in 0..300 {
                    let of = |values: &[f64]| values[row * width..][..width].to_vec();
                    let (a, b) = (of(&fused), of(&composed));
                    if non_finite.iter().any(|(bad, _)| *bad == row) {
                        // Infinite or not a number: which of them is a matter of the order of
                        // operations.
                        let finite =
                            |v: &[f64]| v.iter().map(|x| x.is_finite()).collect::<Vec<_>>();
                        assert_eq!(finite(&a), finite(&b), "{what}, row {row}: {a:?} and {b:?}");
                    } else {
                        assert_eq!(a, of(&without), "{what}, row {row}");
                    }
                }
            }
        }
    }
}

/// Only the input is on a graph, or only the model.
#[test]
fn a_graph_may_begin_at_the_input_or_at_the_model() {
    let (plain, autodiff) = (Device::flex(), Device::flex().autodiff());
    let configs = alternating(3, 2, &relu(&[8]));
    let trained = pair(&configs, FloatDType::F32, &autodiff);
    let x = noise([70, 3], FloatDType::F32, &plain, &mut rng(1));
    compare("model", (&trained.fused, &trained.composed), &x, None, tolerance(FloatDType::F32));
    let evaluated = composed_of(&configs, trained.fused.valid());
    let x = x.autodiff().require_grad();
    for loss in LOSSES {
        let a = loss.of(&evaluated.fused, &x, None).1.backward();
        let b = loss.of(&evaluated.composed, &x, None).1.backward();
        let of = |gradients: &Gradients| host(x.grad(gradients).expect("a gradient"));
        assert_agree("gradient of the input", &of(&a), &of(&b), tolerance(FloatDType::F32));
    }
}

/// Zeros and NaN from above reach all gradients, as they do by tensor operations.
#[test]
fn gradients_of_zero_and_nan_are_passed_on() {
    let device = Device::flex().autodiff();
    let pair = pair(&alternating(3, 2, &relu(&[8])), FloatDType::F32, &device);
    let x = noise([70, 3], FloatDType::F32, &device, &mut rng(1));
    fn gradients<F: Flow>(flow: &F, x: &Tensor<2>, factor: f64) -> ParameterGradients {
        let base = StandardNormal::new(3, &x.device());
        let model = NormalizingFlow::new(base, flow.clone());
        gradients_of(flow, (model.log_prob(x.clone()).mean() * factor).backward())
    }
    for factor in [0.0, f64::NAN] {
        let (a, b) = (gradients(&pair.fused, &x, factor), gradients(&pair.composed, &x, factor));
        for (a, b) in a.iter().zip(&b) {
            let (a, b) = (a.as_ref().expect("a gradient"), b.as_ref().expect("a gradient"));
            assert_agree("gradient", a, b, 0.0);
            assert!(a.iter().all(|g| *g == 0.0) || factor.is_nan() && a.iter().any(|g| g.is_nan()));
        }
    }
}

#[test]
fn layers_may_share_their_parameters() {
    let device = Device::flex().autodiff();
    let configs = alternating(4, 2, &relu(&[8]));
    let first = pair(&configs, FloatDType::F64, &device);
    let twice = [configs.clone(), configs].concat();
    let layers = [first.fused.layers.clone(), first.fused.layers].concat();
    // No `Sequential::new`, which refuses layers that share parameters.
    let pair = composed_of(&twice, Sequential { layers });
    let x = noise([300, 4], FloatDType::F64, &device, &mut rng(1)).require_grad();
    compare("shared", (&pair.fused, &pair.composed), &x, None, tolerance(FloatDType::F64));
}

#[test]
fn frozen_parameters_get_no_gradient_and_change_no_other() {
    /// Freezes every third parameter.
    struct Freezer(usize);
    impl ModuleMapper for Freezer {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            param.set_require_grad(!self.0.is_multiple_of(3))
        }
    }
    let device = Device::flex().autodiff();
    let dtype = FloatDType::F64;
    let with_context = |config: MaskedCouplingConfig| config.with_d_context(2);
    let splines = splines_over_residual(4, 3).into_iter().map(with_context).collect();
    for (configs, tolerance) in
        [(alternating(4, 3, &relu(&[8, 8])), tolerance(dtype)), (splines, 1e-9)]
    {
        let context = (configs[0].d_context > 0)
            .then(|| noise([300, 2], dtype, &device, &mut rng(2)).require_grad());
        let context = context.as_ref();
        let fused = pair(&configs, dtype, &device).fused.map(&mut Freezer(0));
        let pair = composed_of(&configs, fused);
        let x = noise([300, 4], dtype, &device, &mut rng(1));
        let found = outcome(Loss::Mean, &pair.fused, &x, context).parameters;
        assert!(found.iter().any(Option::is_none) && found.iter().any(Option::is_some));
        for x in [x.clone(), x.require_grad()] {
            compare("frozen", (&pair.fused, &pair.composed), &x, context, tolerance);
        }
        // All of them: only the input and the context have a gradient.
        let fused = pair.fused.no_grad();
        let pair = composed_of(&configs, fused);
        let x = noise([300, 4], dtype, &device, &mut rng(1)).require_grad();
        compare("all frozen", (&pair.fused, &pair.composed), &x, context, tolerance);
    }
}

#[test]
fn inverses_and_elementwise_layers_agree() {
    /// A map that the kernels do not know.
    #[derive(Module, Debug)]
    struct OpaqueMap {
        inner: UnivariateMap,
    }
    impl Univariate for OpaqueMap {
        fn n_parameters(&self) -> usize {
            self.inner.n_parameters()
        }
        fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
            self.inner.forward(z, parameters)
        }
        fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
            self.inner.inverse(x, parameters)
        }
    }
    let device = Device::flex().autodiff();
    let dtype = FloatDType::F64;
    let spline = RationalQuadraticSplineConfig::new()
        .with_n_bins(5)
        .with_boundary_slopes(BoundarySlopes::Free)
        .with_interval([-1.0, 1.5]);
    // Narrow bins amplify roundings.
    for (configs, map, tolerance) in [
        (alternating(3, 3, &relu(&[8])), UnivariateConfig::default(), tolerance(dtype)),
        (splines_over_residual(3, 3), spline.into(), 1e-10),
    ] {
        let pair = pair(&configs, dtype, &device);
        let elementwise = ElementwiseConfig::new(3).with_univariate(map);
        let elementwise = elementwise.init(&device, &mut rng(0));
        let elementwise = cast(perturb(elementwise, 0.3, &mut rng(3)), dtype);
        let opaque = Elementwise {
            parameters: elementwise.parameters.clone(),
            univariate: OpaqueMap { inner: elementwise.univariate.clone() },
        };
        let fused = (elementwise.clone(), Inverse::new((elementwise, pair.fused)));
        let composed = (opaque.clone(), Inverse::new((opaque, pair.composed)));
        for batch in [1, 300] {
            let x = noise([batch, 3], dtype, &device, &mut rng(1)).require_grad();
            compare("inverse", (&fused, &composed), &x, None, tolerance);
        }
    }
}

/// The kernels run what they know before and after layers that they do not know.
#[test]
fn stacks_with_layers_that_have_no_kernel_agree() {
    let device = Device::flex().autodiff();
    let dtype = FloatDType::F64;
    for d_context in [0, 2] {
        let mut configs: Vec<_> = alternating(4, 6, &relu(&[8]))
            .into_iter()
            .map(|config| config.with_d_context(d_context))
            .collect();
        // A layer that takes no context among layers that do.
        configs[1].d_context = 0;
        let Pair { fused, composed } = pair(&configs, dtype, &device);
        let x = noise([300, 4], dtype, &device, &mut rng(1)).require_grad();
        let context = noise([300, d_context], dtype, &device, &mut rng(2)).require_grad();
        let context = (d_context > 0).then_some(&context);
        let known = |i: usize| Sequential { layers: fused.layers[2 * i..][..2].to_vec() };
        let opaque = |i: usize| Sequential { layers: composed.layers[2 * i..][..2].to_vec() };
        let case = (&composed, &x, context);
        let (y, n) = ([true; 2], [false; 2]);
        check_mixed("first", (opaque(0), known(1), known(2)), [n, y, y], case);
        check_mixed("in the middle", (known(0), opaque(1), known(2)), [y, n, y], case);
        check_mixed("last", (known(0), known(1), opaque(2)), [y, y, n], case);
        check_mixed("around", (opaque(0), known(1), opaque(2)), [n, y, n], case);
    }
}

#[track_caller]
fn check_mixed<A: Flow, B: Flow>(
    place: &str,
    mixed: A,
    by_kernels: [[bool; 2]; 3],
    (composed, x, context): (&B, &Tensor<2>, Option<&Tensor<2>>),
) {
    let mixed = Sequential::new(vec![mixed]);
    assert_eq!(runs_by_kernels(&mixed), by_kernels.concat(), "{place}");
    let what = format!("no kernel {place}, context {}", context.is_some());
    compare(&what, (&mixed, composed), x, context, tolerance(FloatDType::F64));
    let swapped = (Inverse::new(mixed), Inverse::new(composed.clone()));
    let what = format!("inverse, {what}");
    compare(&what, (&swapped.0, &swapped.1), x, context, tolerance(FloatDType::F64));
}

#[test]
fn other_bases_and_samples_with_gradients_agree() {
    let device = Device::flex().autodiff();
    let configs = alternating(3, 3, &relu(&[8, 8]));
    let pair = pair(&configs, FloatDType::F32, &device);
    let base = DiagonalNormalConfig::new(vec![0.5, -0.5, 0.0], vec![1.0, 2.0, 0.5])
        .with_learnable(true)
        .init(&device, &mut rng(0));
    let fused = NormalizingFlow::new(base.clone(), pair.fused);
    let composed = NormalizingFlow::new(base, pair.composed);
    let x = noise([300, 3], FloatDType::F32, &device, &mut rng(1));
    let both: [&dyn Fn(bool) -> (Tensor<1>, ParameterGradients); 2] = [
        &|fused_way| {
            let log_prob =
                if fused_way { fused.log_prob(x.clone()) } else { composed.log_prob(x.clone()) };
            let gradients = (-log_prob.clone().mean()).backward();
            let parameters = match fused_way {
                true => gradients_of(&fused, gradients),
                false => gradients_of(&composed, gradients),
            };
            (log_prob, parameters)
        },
        &|fused_way| {
            let (x, log_prob) = match fused_way {
                true => fused.rsample_with_log_prob(300, &mut rng(5)),
                false => composed.rsample_with_log_prob(300, &mut rng(5)),
            };
            let target = (x - 1.0).square().sum_dim(1).squeeze_dim(1) * -0.5;
            let loss = log_prob.clone() - target;
            let gradients = loss.mean().backward();
            let parameters = match fused_way {
                true => gradients_of(&fused, gradients),
                false => gradients_of(&composed, gradients),
            };
            (log_prob, parameters)
        },
    ];
    for run in both {
        let ((a, a_gradients), (b, b_gradients)) = (run(true), run(false));
        assert_agree("log-density", &host(a), &host(b), 2e-5);
        for (a, b) in a_gradients.iter().zip(&b_gradients) {
            let (a, b) = (a.as_ref().expect("a gradient"), b.as_ref().expect("a gradient"));
            assert_agree("gradient", a, b, 2e-5);
        }
    }
}

/// The loss may be made of several densities, and a density may be used twice.
#[test]
fn gradients_of_several_uses_add_up() {
    let device = Device::flex().autodiff();
    let pair = pair(&alternating(3, 2, &relu(&[8])), FloatDType::F64, &device);
    let x = noise([90, 3], FloatDType::F64, &device, &mut rng(1));
    let y = noise([50, 3], FloatDType::F64, &device, &mut rng(2));
    fn loss<F: Flow>(flow: &F, x: &Tensor<2>, y: &Tensor<2>) -> ParameterGradients {
        let base = StandardNormal::new(3, &x.device());
        let model = NormalizingFlow::new(base, flow.clone());
        let of_x = model.log_prob(x.clone());
        let difference = of_x.clone().mean() - model.log_prob(y.clone()).mean() * 0.5;
        let loss = difference + of_x.square().mean() * 0.01;
        gradients_of(flow, loss.backward())
    }
    let (a, b) = (loss(&pair.fused, &x, &y), loss(&pair.composed, &x, &y));
    for (a, b) in a.iter().zip(&b) {
        let (a, b) = (a.as_ref().expect("a gradient"), b.as_ref().expect("a gradient"));
        assert_agree("gradient", a, b, tolerance(FloatDType::F64));
    }
}

/// Plain tensors stay in the module: optimisers and records see a normal network.
#[test]
fn training_and_records_are_those_of_a_normal_network() {
    fn train<F: Flow>(flow: F, x: &Tensor<2>) -> F {
        let base = StandardNormal::new(3, &x.device());
        let mut model = NormalizingFlow::new(base, flow);
        let mut adam = AdamConfig::new().init();
        for _ in 0..20 {
            let loss = -model.log_prob(x.clone()).mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = adam.step(1e-2, model, gradients);
        }
        model.flow
    }
    let device = Device::flex().autodiff();
    let configs = alternating(3, 2, &relu(&[8]));
    let x = noise([40, 3], FloatDType::F64, &device, &mut rng(1));
    let Pair { fused, composed } = pair(&configs, FloatDType::F64, &device);
    let before = host(fused.inverse(x.clone(), None).1);
    let (fused, composed) = (train(fused, &x), train(composed, &x));
    let (a, b) =
        (host(fused.inverse(x.clone(), None).1), host(composed.inverse(x.clone(), None).1));
    assert!(a.iter().zip(&before).any(|(a, b)| (a - b).abs() > 1e-2), "nothing was learnt");
    // Twenty steps add to the roundings.
    assert_agree("trained", &a, &b, 1e-9);

    let saved = fused.clone().into_record();
    let fresh = pair(&configs, FloatDType::F64, &device).fused;
    let loaded = fresh.load_record(saved);
    assert_eq!(host(loaded.inverse(x, None).1), a);
}

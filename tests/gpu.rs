//! What differs on a GPU: the smaller set of checks that need no f64, the same numbers as on the
//! CPU, and models that move between the two. Needs a GPU or a software Vulkan driver.
//!
//! Non-finite rows are left out: WGSL may assume that there is no NaN. Finite differences need f64;
//! here the gradients are compared with the CPU's.

#![cfg(all(feature = "wgpu", any(feature = "flex", feature = "ndarray")))]

mod common;

use std::sync::OnceLock;

use normalizing_flows::burn::module::{Module, ModuleVisitor, Param};
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
use normalizing_flows::burn::tensor::{Device, FloatDType, Tensor};
use normalizing_flows::conditioner::{MlpConfig, ResidualMlpConfig};
use normalizing_flows::coupling::Mask;
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::distribution::Checked;
use normalizing_flows::elementwise::FixedMapsConfig;
use normalizing_flows::linear::{HouseholderConfig, LuLinearConfig};
use normalizing_flows::testing::{Laws, assert_close, perturb};
use normalizing_flows::univariate::{
    AdditiveConfig, BoundarySlopes, FixedMap, RationalQuadraticSplineConfig,
};
use normalizing_flows::{
    Adjacency, Distribution, ElementwiseConfig, Error, Flow, MaskedAutoregressiveConfig,
    MaskedCouplingConfig, NsfConfig, Order, RealNvpConfig, StandardNormal, cast,
};
use rand::rngs::ChaCha8Rng;

fn gpu() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let init = || Device::wgpu_options().init().expect("these tests need a Vulkan driver");
    DEVICE.get_or_init(init).clone()
}

fn rng() -> ChaCha8Rng {
    common::rng(0)
}

fn passes_the_checks_of_a_gpu<F: Flow>(laws: &Laws<F>) {
    laws.round_trips(&gpu());
    laws.log_dets_cancel(&gpu());
    laws.log_det_is_that_of_the_jacobian(&gpu());
    laws.rows_are_independent(&gpu());
    laws.takes_batches_of_0_and_1(&gpu());
    laws.stays_finite(&gpu());
    laws.starts_as_expected(&gpu());
    laws.saves_and_loads(&gpu());
    laws.ignores_or_demands_its_context(&gpu());
}

#[test]
fn an_affine_coupling_with_a_context_and_a_random_mask() {
    passes_the_checks_of_a_gpu(&Laws::new(3, |device, rng| {
        MaskedCouplingConfig::new(Mask::random(3, rng))
            .with_d_context(2)
            .with_conditioner(MlpConfig::new().with_d_hidden(vec![8]).into())
            .init(device, rng)
    }));
}

#[test]
fn an_additive_coupling() {
    passes_the_checks_of_a_gpu(&Laws::new(2, |device, rng| {
        MaskedCouplingConfig::new(Mask::half(2))
            .with_conditioner(MlpConfig::new().with_d_hidden(vec![8]).into())
            .with_univariate(AdditiveConfig::new().into())
            .init(device, rng)
    }));
}

#[test]
fn spline_couplings_over_residual_networks() {
    for ends in [BoundarySlopes::One, BoundarySlopes::Free, BoundarySlopes::Periodic] {
        let spline = RationalQuadraticSplineConfig::new()
            .with_n_bins(5)
            .with_interval([-1.5, 2.0])
            .with_boundary_slopes(ends);
        let laws = Laws::new(3, move |device, rng| {
            MaskedCouplingConfig::new(Mask::alternating(3))
                .with_d_context(2)
                .with_conditioner(ResidualMlpConfig::new().with_d_hidden(8).into())
                .with_univariate(spline.clone().into())
                .init(device, rng)
        });
        // The other checks of a coupling have no products of other shapes, which a software driver takes
        // minutes to compile.
        laws.round_trips(&gpu());
        laws.log_det_is_that_of_the_jacobian(&gpu());
        laws.stays_finite(&gpu());
    }
}

#[test]
fn an_elementwise_layer() {
    passes_the_checks_of_a_gpu(&Laws::new(2, |device, rng| {
        ElementwiseConfig::new(2).init(device, rng)
    }));
}

/// One check: a software driver takes a minute to compile what each shape of a product needs. The gradients
/// have a test of their own.
#[test]
fn a_matrix_of_some_features() {
    Laws::new(3, |device, rng| of_two().init(device, rng)).round_trips(&gpu());
}

/// Latents become data by iterations over the whole network.
#[test]
fn an_autoregressive_layer() {
    let laws = Laws::new(3, |device, rng| {
        MaskedAutoregressiveConfig::new(Adjacency::autoregressive(&Order::reversed(3)))
            .with_conditioner(MlpConfig::new().with_d_hidden(vec![8]).into())
            .init(device, rng)
    });
    laws.round_trips(&gpu());
    laws.stays_finite(&gpu());
}

/// A rotation and maps that are chosen, the latter of values that they take and of others.
#[test]
fn a_rotation_and_fixed_maps() {
    Laws::new(3, |device, rng| HouseholderConfig::new(3).init(device, rng)).round_trips(&gpu());
    let maps = vec![FixedMap::Softplus, FixedMap::Sigmoid { low: -1.0, high: 2.0 }, FixedMap::Tanh];
    let of = |device: &Device| {
        let layer = FixedMapsConfig::new(maps.clone()).init(device, &mut rng());
        let x = Tensor::from_data([[0.5, 0.5, 0.5], [2.0, -0.9, -0.7], [-1.0, 0.5, 0.5]], device);
        let (z, log_det) = layer.inverse(x, None);
        (common::host(z), common::host(log_det))
    };
    let ((z, log_det), (z_on_cpu, log_det_on_cpu)) = (of(&gpu()), of(&common::cpu()));
    // WGSL allows logarithms and exponentials some ten roundings.
    let close = |a: &f64, b: &f64| a == b || (a - b).abs() < 1e-5 * (1.0 + b.abs());
    assert!(z.iter().zip(&z_on_cpu).all(|(a, b)| close(a, b)), "{z:?}, {z_on_cpu:?}");
    assert!(
        log_det.iter().zip(&log_det_on_cpu).all(|(a, b)| close(a, b)),
        "{log_det:?}, {log_det_on_cpu:?}"
    );
    assert_eq!(log_det[2], f64::NEG_INFINITY);
}

fn of_two() -> LuLinearConfig {
    LuLinearConfig::new(3).with_mask(Some(Mask::custom(vec![false, true, false])))
}

#[test]
fn gradients_are_those_of_the_cpu() {
    let affine = RealNvpConfig::new(3)
        .with_n_layers(2)
        .with_d_context(1)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![8, 8]).into());
    gradients_agree(|device| affine.init(device, &mut rng()));
    gradients_are_close(|device| affine.init(device, &mut rng()));
    let splines = NsfConfig::new(3)
        .with_n_layers(2)
        .with_d_context(1)
        .with_conditioner(ResidualMlpConfig::new().with_d_hidden(8).into());
    gradients_agree(|device| splines.init(device, &mut rng()));
    gradients_are_close(|device| splines.init(device, &mut rng()));
    let mut mixed = affine.flow_config().expect("valid");
    mixed.layers.insert(1, of_two().into());
    gradients_agree(|device| mixed.init(device, &mut rng()));
}

/// Beside the same in `f64`, the GPU is not much further off than the CPU: how far roundings of `f32`
/// take a gradient depends on the weights, and some of these are steep.
fn gradients_agree<M: Distribution>(init: impl Fn(&Device) -> M) {
    let exact = gradients(&init, 0.3, &common::cpu(), FloatDType::F64);
    let error = |device: &Device| {
        largest_difference(&gradients(&init, 0.3, device, FloatDType::F32), &exact)
    };
    let (on_gpu, on_cpu) = (error(&gpu()), error(&common::cpu()));
    // WGSL allows `exp` some ten roundings where the CPU has one.
    let bound = 16.0 * on_cpu.max(f64::from(f32::EPSILON));
    // And the CPU's own roundings stay small beside the gradients.
    assert!(on_cpu < 1e-4, "gradients are off by {on_cpu} on the CPU");
    assert!(on_gpu <= bound, "gradients are off by {on_gpu} on the GPU, by {on_cpu} on the CPU");
}

/// Where no narrow bin amplifies the roundings, the two are as close as `f32` lets them be.
fn gradients_are_close<M: Distribution>(init: impl Fn(&Device) -> M) {
    let [on_gpu, on_cpu] =
        [gpu(), common::cpu()].map(|device| gradients(&init, 0.1, &device, FloatDType::F32));
    let difference = largest_difference(&on_gpu, &on_cpu);
    assert!(difference <= 1e-4, "the gradients differ by {difference}");
}

fn gradients<M: Distribution>(
    init: impl Fn(&Device) -> M,
    noise: f64,
    device: &Device,
    dtype: FloatDType,
) -> Vec<f64> {
    let model = cast(perturb(init(&device.clone().autodiff()), noise, &mut rng()), dtype);
    let base = StandardNormal::new(3, &common::cpu());
    let x = base.sample(32, &mut rng()).to_device(device).cast(dtype);
    let context = x.clone().narrow(1, 0, 1) + 1.0;
    let gradients = model.given(&context).log_prob(x).mean().backward();
    let mut collector = Gradients { gradients, found: Vec::new() };
    model.visit(&mut collector);
    collector.found
}

/// The largest difference, beside `1 + |b|`.
fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let errors = a.iter().zip(b).map(|(a, b)| (a - b).abs() / (1.0 + b.abs()));
    errors.fold(0.0, f64::max)
}

/// The gradients of all trained parameters.
struct Gradients {
    gradients: normalizing_flows::burn::tensor::Gradients,
    found: Vec<f64>,
}

impl ModuleVisitor for Gradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(&self.gradients) {
            self.found.extend(common::host(gradient));
        }
    }
}

#[test]
fn a_checked_model_names_both_devices() {
    let model = RealNvpConfig::new(2).init(&common::cpu(), &mut rng());
    let x = Tensor::zeros([1, 2], &gpu());
    let error = Checked::new(&model, None).log_prob(x).unwrap_err();
    assert!(matches!(error, Error::Device { what: "input", .. }), "{error}");
}

#[test]
fn a_model_trains_on_the_gpu_and_serves_on_the_cpu_with_the_same_numbers() {
    let (gpu, cpu, mut rng) = (gpu(), common::cpu(), rng());
    let config = RealNvpConfig::new(2)
        .with_n_layers(3)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![16]).into());
    let training = gpu.clone().autodiff();
    let mut model = config.init(&training, &mut rng);
    let mut adam = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..30 {
        let x = TwoMoons::new(0.1).sample(128, &training, &mut rng);
        let loss = -model.log_prob(x).mean();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adam.step(1e-2, model, gradients);
    }
    // From the standard normal's 2.50 nats; batches of 128 scatter by 0.1.
    assert!(losses[29] < losses[0] - 0.3, "{losses:?}");
    let on_gpu = model.valid();
    let moved = on_gpu.clone().to_device(&cpu);
    let bytes = on_gpu.clone().into_record().into_bytes().unwrap();
    let record = normalizing_flows::burn::store::ModuleRecord::from_bytes(bytes).unwrap();
    let loaded = config.init(&cpu, &mut rng).try_load_record(record).unwrap();

    let x = TwoMoons::new(0.1).sample(200, &cpu, &mut rng);
    let from_gpu = on_gpu.log_prob(x.clone().to_device(&gpu)).to_device(&cpu);
    // Both sum in f32, in other orders: a few hundred roundings of 1.2e-7.
    assert_close("moved", &moved.log_prob(x.clone()), &from_gpu, 1e-4);
    assert_close("loaded", &loaded.log_prob(x.clone()), &from_gpu, 1e-4);

    let mut seeded = [common::rng(7), common::rng(7)];
    let samples_gpu: Tensor<2> = on_gpu.sample(50, &mut seeded[0]).to_device(&cpu);
    let samples_cpu = moved.sample(50, &mut seeded[1]);
    assert_close("samples", &samples_gpu, &samples_cpu, 1e-4);
}

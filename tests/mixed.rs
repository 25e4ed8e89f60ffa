//! Stacks of which the kernels know some layers and not others: the runs between the unknown ones
//! go through the kernels, and give the numbers of tensor operations.

#![cfg(feature = "flex")]

mod common;

use common::{Opaque, host, rng};
use normalizing_flows::burn;
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::optim::GradientsParams;
use normalizing_flows::burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use normalizing_flows::conditioner::{MlpConfig, Network};
use normalizing_flows::coupling::Mask;
use normalizing_flows::testing::{assert_close, perturb};
use normalizing_flows::{
    Direction, Distribution, Flow, Inverse, MaskedCoupling, MaskedCouplingConfig, NormalizingFlow,
    Sequential, StandardNormal, cast,
};
use rand_distr::{Distribution as _, StandardNormal as Normal};

/// A stack of known layers and one that the kernels do not know, and all of it by tensor
/// operations.
type Known = Sequential<MaskedCoupling>;
type Unknown = Sequential<MaskedCoupling<Opaque<Network>>>;
type Mixed = (Known, Unknown, Inverse<Known>);
type Composed = (Unknown, Unknown, Inverse<Unknown>);

const D_CONTEXT: usize = 2;

fn mixed(
    device: &Device,
) -> (NormalizingFlow<StandardNormal, Mixed>, NormalizingFlow<StandardNormal, Composed>) {
    let mut rng = rng(0);
    let mut mask = Mask::alternating(3);
    let mut stack = |n: usize| -> Known {
        let layers = (0..n).map(|i| {
            mask = mask.complement();
            // Some take the context and some do not.
            MaskedCouplingConfig::new(mask.clone())
                .with_d_context(if i % 2 == 0 { D_CONTEXT } else { 0 })
                .with_conditioner(MlpConfig::new().with_d_hidden(vec![6]).into())
                .init(device, &mut rng)
        });
        Sequential::new(layers.collect())
    };
    let (first, middle, last) = (stack(3), stack(1), stack(2));
    let parts = cast((first, middle, last), FloatDType::F64);
    let (first, middle, last) = perturb(parts, 0.3, &mut common::rng(1));
    let hidden = |stack: &Known| -> Unknown {
        let layers = stack.layers.iter().map(|layer| {
            MaskedCoupling::new(
                &layer.mask(),
                Opaque { inner: layer.conditioner.clone() },
                layer.univariate.clone(),
                device,
            )
        });
        Sequential::new(layers.collect())
    };
    let composed = (hidden(&first), hidden(&middle), Inverse::new(hidden(&last)));
    let base = || StandardNormal::new(3, device);
    let middle = hidden(&middle);
    (
        NormalizingFlow::new(base(), (first, middle, Inverse::new(last))),
        NormalizingFlow::new(base(), composed),
    )
}

fn noise(rows: usize, d: usize, seed: u64, device: &Device) -> Tensor<2> {
    let values: Vec<f64> = Normal.sample_iter(rng(seed)).take(rows * d).collect();
    Tensor::from_data(TensorData::new(values, [rows, d]), (device, DType::F64))
}

#[test]
fn a_model_says_which_layers_run_by_the_kernels() {
    let (mixed, _) = mixed(&Device::flex());
    let printed = mixed.to_string();
    let by_kernels: Vec<bool> =
        printed.lines().skip(3).map(|line| line.contains("  kernels")).collect();
    assert_eq!(by_kernels, [true, true, true, false, true, true], "{printed}");
}

#[test]
fn runs_between_unknown_layers_agree_with_tensor_operations() {
    let device = Device::flex();
    let (mixed, composed) = mixed(&device);
    for rows in [1, 70, 300] {
        let (x, c) = (noise(rows, 3, 1, &device), noise(rows, D_CONTEXT, 2, &device));
        for direction in [Direction::Forward, Direction::Inverse] {
            let run = |flow: &dyn Fn(Tensor<2>) -> (Tensor<2>, Tensor<1>)| flow(x.clone());
            let (y, log_det) = match direction {
                Direction::Forward => run(&|x| mixed.flow.forward(x, Some(&c))),
                Direction::Inverse => run(&|x| mixed.flow.inverse(x, Some(&c))),
            };
            let (expected, expected_log_det) = match direction {
                Direction::Forward => run(&|x| composed.flow.forward(x, Some(&c))),
                Direction::Inverse => run(&|x| composed.flow.inverse(x, Some(&c))),
            };
            // Some hundred roundings of 2.2e-16, at scales of up to ten.
            assert_close("output", &y, &expected, 1e-12);
            assert_close("log-determinant", &log_det, &expected_log_det, 1e-12);
        }
    }
}

#[test]
fn gradients_through_mixed_stacks_agree_with_tensor_operations() {
    let device = Device::flex().autodiff();
    let (mixed, composed) = mixed(&device);
    let (x, c) = (noise(130, 3, 1, &device), noise(130, D_CONTEXT, 2, &device));
    let gradients = |log_prob: Tensor<1>, x: &Tensor<2>, c: &Tensor<2>| {
        let gradients = (-log_prob.mean()).backward();
        (host(x.grad(&gradients).unwrap()), host(c.grad(&gradients).unwrap()), gradients)
    };
    let leaf = |tensor: &Tensor<2>| -> Tensor<2> {
        Tensor::from_data(tensor.to_data(), (&device, DType::F64)).require_grad()
    };
    let (x_1, c_1, x_2, c_2) = (leaf(&x), leaf(&c), leaf(&x), leaf(&c));
    let (of_x, of_c, by_kernels) = gradients(mixed.given(&c_1).log_prob(x_1.clone()), &x_1, &c_1);
    let (expected_x, expected_c, by_operations) =
        gradients(composed.given(&c_2).log_prob(x_2.clone()), &x_2, &c_2);
    for (found, expected) in of_x.iter().chain(&of_c).zip(expected_x.iter().chain(&expected_c)) {
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    }
    // Every weight of both gets a gradient, and in the same order.
    let all = |gradients, n: usize| GradientsParams::len(&gradients) == n;
    let (n_1, n_2) = (count(&mixed), count(&composed));
    assert_eq!(n_1, n_2);
    assert!(all(GradientsParams::from_grads(by_kernels, &mixed), n_1));
    assert!(all(GradientsParams::from_grads(by_operations, &composed), n_2));
}

/// The number of float parameters.
fn count<M: Module>(module: &M) -> usize {
    struct Count(usize);
    impl burn::module::ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, _: &burn::module::Param<Tensor<D>>) {
            self.0 += 1;
        }
    }
    let mut count = Count(0);
    module.visit(&mut count);
    count.0
}

/// Tensor operations take at most 16,384 rows at once; the runs in a mixed stack too.
#[test]
fn large_calls_of_mixed_stacks_give_what_small_ones_give() {
    let device = Device::flex();
    let (mixed, _) = mixed(&device);
    let n = 40_000;
    let (x, c) = (noise(n, 3, 1, &device), noise(n, D_CONTEXT, 2, &device));
    let given = |rows: usize, start: usize| {
        let c = c.clone().narrow(0, start, rows);
        let x = x.clone().narrow(0, start, rows);
        (mixed.given(&c).log_prob(x.clone()), mixed.given(&c).to_latent(x))
    };
    let (log_prob, latent) = given(n, 0);
    for start in [0, 16_000, 39_000] {
        let (part, part_latent) = given(1000, start);
        assert_close("log-density", &part, &log_prob.clone().narrow(0, start, 1000), 1e-12);
        assert_close("latent", &part_latent, &latent.clone().narrow(0, start, 1000), 1e-12);
    }
}

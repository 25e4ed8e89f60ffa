//! What the test files share.

#![allow(dead_code, reason = "each test file uses some of it")]

pub mod files;

use normalizing_flows::burn::module::{Module, Param};
use normalizing_flows::burn::tensor::{Device, FloatDType, Tensor, TensorData};
use normalizing_flows::conditioner::{AutoregressiveConditioner, Conditioner, MlpConfig, Network};
use normalizing_flows::coupling::Mask;
use normalizing_flows::univariate::{UnivariateConfig, UnivariateMap};
use normalizing_flows::{MaskedCoupling, MaskedCouplingConfig, cast};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The CPU device of the enabled features, also when a GPU backend is enabled beside it. Where both are
/// enabled, `BURN_DEVICE=ndarray` makes it the other one.
#[cfg_attr(
    feature = "ndarray",
    expect(deprecated, reason = "the feature is offered for as long as burn has it")
)]
pub fn cpu() -> Device {
    #[cfg(all(feature = "flex", feature = "ndarray"))]
    if std::env::var("BURN_DEVICE").is_ok_and(|device| device == "ndarray") {
        return Device::ndarray();
    }
    #[cfg(feature = "flex")]
    return Device::flex();
    #[cfg(all(feature = "ndarray", not(feature = "flex")))]
    return Device::ndarray();
}

/// A generator of this seed.
pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// The values of a tensor, row by row.
pub fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Kolmogorov and Smirnov's distance of samples from a distribution function.
pub fn ks_distance(mut samples: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    samples.iter().enumerate().fold(0.0, |distance: f64, (i, &x)| {
        let expected = cdf(x);
        distance.max((expected - i as f64 / n).abs()).max(((i + 1) as f64 / n - expected).abs())
    })
}

/// The distance that a correct sampler exceeds with probability 1e-6 (Dvoretzky, Kiefer,
/// Wolfowitz).
pub fn ks_bound(n: usize) -> f64 {
    ((2.0 / 1e-6f64).ln() / (2.0 * n as f64)).sqrt()
}

/// The distribution function of the standard normal, by Simpson's rule from -8, to 1e-10.
pub fn normal_cdf(x: f64) -> f64 {
    let (from, to, n) = (-8.0, x.clamp(-8.0, 8.0), 400);
    let step = (to - from) / n as f64;
    let pdf = |t: f64| (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
    let weight = |i: usize| match i {
        0 => 1.0,
        i if i == n => 1.0,
        i if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    (0..=n).map(|i| weight(i) * pdf(from + step * i as f64)).sum::<f64>() * step / 3.0
}

/// A conditioner that the fused kernels do not know, so that its layer is computed by tensor
/// operations.
#[derive(Module, Debug)]
pub struct Opaque<C: Module> {
    pub inner: C,
}

impl<C: Conditioner> Conditioner for Opaque<C> {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        self.inner.forward(input, context)
    }

    fn d_context(&self) -> usize {
        self.inner.d_context()
    }
}

impl<C: AutoregressiveConditioner> AutoregressiveConditioner for Opaque<C> {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        self.inner.forward(input, context)
    }

    fn order(&self) -> Vec<usize> {
        self.inner.order()
    }

    fn d_context(&self) -> usize {
        self.inner.d_context()
    }
}

/// A univariate map as a flow whose context is its parameters: a coupling layer that keeps one
/// feature, transforms another, and whose network passes the context on. Once for the kernels, and
/// once for tensor operations.
pub fn map_of_its_context(
    map: UnivariateConfig,
    n_parameters: usize,
    dtype: FloatDType,
    device: &Device,
) -> (MaskedCoupling, MaskedCoupling<Opaque<Network>, UnivariateMap>) {
    let mask = Mask::custom(vec![true, false]);
    let mut fused = MaskedCouplingConfig::new(mask.clone())
        .with_d_context(n_parameters)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![]).into())
        .with_univariate(map)
        .init(device, &mut rng(0));
    let Network::Mlp(network) = &mut fused.conditioner else {
        panic!("the configuration asked for a perceptron");
    };
    let mut weight = vec![0.0_f32; (1 + n_parameters) * n_parameters];
    for i in 0..n_parameters {
        weight[(1 + i) * n_parameters + i] = 1.0;
    }
    let weight = TensorData::new(weight, [1 + n_parameters, n_parameters]);
    network.output.weight = Param::from_data(weight, device);
    let fused = cast(fused, dtype);
    let network = Opaque { inner: fused.conditioner.clone() };
    let composed = MaskedCoupling::new(&mask, network, fused.univariate.clone(), device);
    (fused, composed)
}

/// Panics unless each of the names is the outermost type of a registered case.
pub fn assert_registered(names: &[&str], registered: &[&str]) {
    for name in names {
        let is_case = |path: &&str| {
            let outer = path.split('<').next().unwrap_or_default();
            outer.rsplit("::").next() == Some(*name)
        };
        assert!(registered.iter().any(is_case), "`{name}` has no case of its own");
    }
}

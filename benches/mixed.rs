//! A stack of coupling layers, alone, with a layer in the middle that the kernels do not know, and with
//! nothing that they know: medians of a training step, of `log_prob` and of `sample`, in milliseconds.
//!
//! ```text
//! cargo bench --bench mixed
//! ```

use std::hint::black_box;
use std::time::Instant;

use normalizing_flows::burn;
use normalizing_flows::burn::module::{Module, Param};
use normalizing_flows::burn::nn::activation::{ActivationConfig, SwiGluConfig};
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::coupling::Mask;
use normalizing_flows::{
    Distribution, Flow, MaskedCoupling, MaskedCouplingConfig, NormalizingFlow, Program, Sequential,
    StandardNormal,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const N_LAYERS: usize = 8;

/// Features, hidden units, rows, and runs of each measurement.
const SIZES: [(usize, usize, usize, usize); 5] = [
    (2, 64, 1, 500),
    (2, 32, 64, 400),
    (2, 64, 256, 200),
    (16, 128, 1024, 40),
    (64, 256, 1024, 20),
];

fn main() {
    println!("d_features, d_hidden, batch; stack: training step, log_prob, sample");
    for (d_features, d_hidden, batch, runs) in SIZES {
        let relu = || ActivationConfig::Relu;
        let known = couplings(d_features, d_hidden, relu);
        let mut mixed = couplings(d_features, d_hidden, relu);
        let device = Device::default().autodiff();
        let shift =
            Shift { b: Param::from_data(TensorData::zeros::<f32, _>([d_features]), &device) };
        mixed.insert(N_LAYERS / 2, Layer::Shift(shift));
        // An activation with weights of its own, for which there is no kernel.
        let swiglu = || ActivationConfig::SwiGlu(SwiGluConfig::new(1, 1));
        let unknown = couplings(d_features, d_hidden, swiglu);
        for (name, layers) in [("known", known), ("mixed", mixed), ("unknown", unknown)] {
            let base = StandardNormal::new(d_features, &device);
            let model = NormalizingFlow::new(base, Sequential::new(layers));
            let [train, log_prob, sample] = timings(model, d_features, batch, runs);
            println!(
                "{d_features}, {d_hidden}, {batch}; {name}: {train:.3}, {log_prob:.3}, {sample:.3}"
            );
        }
    }
}

/// A layer of this crate, or one of our own.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a boxed module is no module of burn's")]
enum Layer {
    Coupling(MaskedCoupling),
    Shift(Shift),
}

/// `x = z + b`.
#[derive(Module, Debug)]
struct Shift {
    b: Param<Tensor<1>>,
}

impl Flow for Shift {
    fn forward(&self, z: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let log_det = Tensor::zeros([z.dims()[0]], (&z.device(), z.dtype()));
        (z + self.b.val().unsqueeze(), log_det)
    }

    fn inverse(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let log_det = Tensor::zeros([x.dims()[0]], (&x.device(), x.dtype()));
        (x - self.b.val().unsqueeze(), log_det)
    }

    fn d_features(&self) -> Option<usize> {
        Some(self.b.dims()[0])
    }
}

impl Flow for Layer {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        match self {
            Self::Coupling(layer) => layer.forward(z, context),
            Self::Shift(layer) => layer.forward(z, context),
        }
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        match self {
            Self::Coupling(layer) => layer.inverse(x, context),
            Self::Shift(layer) => layer.inverse(x, context),
        }
    }

    fn d_features(&self) -> Option<usize> {
        match self {
            Self::Coupling(layer) => layer.d_features(),
            Self::Shift(layer) => layer.d_features(),
        }
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        match self {
            Self::Coupling(layer) => layer.lower(program),
            Self::Shift(layer) => layer.lower(program),
        }
    }
}

fn couplings(
    d_features: usize,
    d_hidden: usize,
    activation: impl Fn() -> ActivationConfig,
) -> Vec<Layer> {
    let (device, mut rng) = (Device::default().autodiff(), ChaCha8Rng::seed_from_u64(0));
    let mut mask = Mask::alternating(d_features);
    let layers = (0..N_LAYERS).map(|_| {
        mask = mask.complement();
        let mlp = MlpConfig::new().with_d_hidden(vec![d_hidden; 2]).with_activation(activation());
        let config = MaskedCouplingConfig::new(mask.clone()).with_conditioner(mlp.into());
        Layer::Coupling(config.init(&device, &mut rng))
    });
    layers.collect()
}

type Model = NormalizingFlow<StandardNormal, Sequential<Layer>>;

fn timings(mut model: Model, d_features: usize, batch: usize, runs: usize) -> [f64; 3] {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let x = StandardNormal::new(d_features, &Device::default()).sample(batch, &mut rng);
    let mut adam = AdamConfig::new().init();
    let train = median_ms(runs, || {
        let loss = -model.log_prob(x.clone()).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adam.step(1e-4, model.clone(), gradients);
    });
    let plain = model.valid();
    let log_prob = median_ms(runs, || drop(black_box(plain.log_prob(x.clone()))));
    let sample = median_ms(runs, || drop(black_box(plain.sample(batch, &mut rng))));
    [train, log_prob, sample]
}

fn median_ms(runs: usize, mut f: impl FnMut()) -> f64 {
    (0..5).for_each(|_| f());
    let mut milliseconds: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    milliseconds.sort_by(f64::total_cmp);
    milliseconds[runs / 2]
}

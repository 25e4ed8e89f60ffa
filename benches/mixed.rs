//! Eight coupling layers, alone (`known`) and with a layer in the middle that the kernels do not
//! know: in runs around it (`runs`), and each layer by itself (`layers`). Medians of a training
//! step, of `log_prob` and of `sample`, in milliseconds, one line of JSON each.
//!
//! ```text
//! cargo bench --bench mixed                 # all sizes
//! cargo bench --bench mixed -- 2-64-256     # features, hidden units, rows
//! ```

mod common;

use common::{Timed, Training, timings};
use normalizing_flows::burn;
use normalizing_flows::burn::module::{Module, Param};
use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::coupling::Mask;
use normalizing_flows::{
    Flow, MaskedCoupling, MaskedCouplingConfig, NormalizingFlow, Program, Sequential,
    StandardNormal,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const N_LAYERS: usize = 8;

/// Features, hidden units, rows, and repetitions of each measurement.
const SIZES: [(usize, usize, usize, usize); 5] = [
    (2, 64, 1, 500),
    (2, 32, 64, 400),
    (2, 64, 256, 200),
    (16, 128, 1024, 40),
    (64, 256, 1024, 20),
];

fn main() {
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    for (d_features, d_hidden, batch, repetitions) in SIZES {
        let size = format!("{d_features}-{d_hidden}-{batch}");
        if !chosen.is_empty() && !chosen.contains(&size) {
            continue;
        }
        let device = Device::default().autodiff();
        let mixed = |in_runs: bool| {
            let zeros = TensorData::zeros::<f32, _>([d_features]);
            let shift = Shift { b: Param::from_data(zeros, &device) };
            let mut layers = couplings(d_features, d_hidden, in_runs);
            layers.insert(N_LAYERS / 2, Layer::Shift(shift));
            layers
        };
        let known = couplings(d_features, d_hidden, true);
        let stacks = [("known", known), ("runs", mixed(true)), ("layers", mixed(false))];
        let (names, stacks): (Vec<_>, Vec<_>) = stacks.into_iter().unzip();
        let models = stacks.into_iter().map(|layers| {
            let base = StandardNormal::new(d_features, &device);
            let model = NormalizingFlow::new(base, Sequential::new(layers));
            Box::new(Training::new(model, batch)) as Box<dyn Timed>
        });
        let timings = timings(models.collect(), repetitions);
        for (stack, [train, log_prob, sample]) in names.iter().zip(timings) {
            println!(
                "{{\"stack\":\"{stack}\",\"size\":\"{size}\",\"train_ms\":{train:.4},\
                 \"log_prob_ms\":{log_prob:.4},\"sample_ms\":{sample:.4}}}"
            );
        }
    }
}

/// A layer of this crate, or one of our own.
#[derive(Module, Debug)]
enum Layer {
    Coupling(MaskedCoupling),
    Alone(Alone),
    Shift(Shift),
}

/// A coupling that does not hand itself over to the kernels with its neighbours, but asks for them
/// alone.
#[derive(Module, Debug)]
struct Alone {
    coupling: MaskedCoupling,
}

impl Flow for Alone {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.coupling.forward(z, context)
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.coupling.inverse(x, context)
    }

    fn d_features(&self) -> Option<usize> {
        self.coupling.d_features()
    }
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
            Self::Alone(layer) => layer.forward(z, context),
            Self::Shift(layer) => layer.forward(z, context),
        }
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        match self {
            Self::Coupling(layer) => layer.inverse(x, context),
            Self::Alone(layer) => layer.inverse(x, context),
            Self::Shift(layer) => layer.inverse(x, context),
        }
    }

    fn d_features(&self) -> Option<usize> {
        match self {
            Self::Coupling(layer) => layer.d_features(),
            Self::Alone(layer) => layer.d_features(),
            Self::Shift(layer) => layer.d_features(),
        }
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        match self {
            Self::Coupling(layer) => layer.lower(program),
            Self::Alone(layer) => layer.lower(program),
            Self::Shift(layer) => layer.lower(program),
        }
    }
}

fn couplings(d_features: usize, d_hidden: usize, in_runs: bool) -> Vec<Layer> {
    let (device, mut rng) = (Device::default().autodiff(), ChaCha8Rng::seed_from_u64(0));
    let mut mask = Mask::alternating(d_features);
    let layers = (0..N_LAYERS).map(|_| {
        mask = mask.complement();
        let mlp = MlpConfig::new().with_d_hidden(vec![d_hidden; 2]);
        let config = MaskedCouplingConfig::new(mask.clone()).with_conditioner(mlp.into());
        let coupling = config.init(&device, &mut rng);
        if in_runs { Layer::Coupling(coupling) } else { Layer::Alone(Alone { coupling }) }
    });
    layers.collect()
}

//! The workloads of `peers/bench_peers.py`, timed as there: medians of a training step (loss,
//! backward, Adam), of `log_prob` and of `sample` (with its noise), in milliseconds.
//!
//! ```text
//! cargo bench --bench workloads                        # all workloads
//! cargo bench --bench workloads -- affine-2d affine-64d
//! ```
//!
//! Prints a line of JSON for each workload and each of two ways: `normalizing-flows` is what a user
//! gets, `normalizing-flows-composed` the same couplings or autoregressive layers by tensor operations. A
//! flag makes it print something else:
//!
//! - `--way=normalizing-flows` only one of the ways
//! - `--memory` the memory that training adds, each measured in a process of its own
//! - `--list` the workloads with the arithmetic of each measurement, in GFLOP
//! - `--peaks` the fastest arithmetic and the fastest matrix product on all cores
//!
//! `peers/compare.py` runs this and the peers in one sitting and prints the ratios.

mod common;
mod peaks;

use std::process::Command;

use common::{Timed, Training, timings};
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::tensor::{Device, Tensor};
use normalizing_flows::conditioner::{
    AutoregressiveConditioner, Conditioner, ConditionerShape, Made, MlpConfig, Network,
    NetworkConfig, ResidualMlpConfig,
};
use normalizing_flows::coupling::Mask;
use normalizing_flows::preset::Mixing;
use normalizing_flows::univariate::{
    AffineConfig, RationalQuadraticSplineConfig, ScaleBound, Univariate, UnivariateConfig,
    UnivariateMap,
};
use normalizing_flows::{
    Distribution, Layer, MafConfig, MaskedAutoregressive, MaskedCoupling, NormalizingFlow,
    NsfConfig, RealNvpConfig, Sequential, StandardNormal,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde_json::json;

/// The layers of a model.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Eight affine couplings.
    Affine,
    /// Eight couplings of rational quadratic splines of 8 bins over the interval from -5 to 5, which are
    /// their defaults.
    Spline,
    /// Five affine autoregressive layers.
    Maf,
    /// The neural spline flow of the paper: ten such couplings over residual networks, with a random
    /// permutation and a linear layer between them.
    Nsf,
}

impl Kind {
    fn n_layers(self) -> usize {
        match self {
            Self::Affine | Self::Spline => 8,
            Self::Maf => 5,
            Self::Nsf => 10,
        }
    }
}

struct Workload {
    name: &'static str,
    kind: Kind,
    d_features: usize,
    d_hidden: usize,
    batch: usize,
    /// Runs of each measurement.
    repetitions: usize,
}

#[rustfmt::skip]
const WORKLOADS: [Workload; 11] = [
    Workload { name: "affine-2d",     kind: Kind::Affine, d_features: 2,  d_hidden: 64,  batch: 256,  repetitions: 200 },
    Workload { name: "affine-2d-xl",  kind: Kind::Affine, d_features: 2,  d_hidden: 128, batch: 1024, repetitions: 80 },
    Workload { name: "affine-64d",    kind: Kind::Affine, d_features: 64, d_hidden: 256, batch: 1024, repetitions: 30 },
    Workload { name: "affine-64d-xl", kind: Kind::Affine, d_features: 64, d_hidden: 512, batch: 4096, repetitions: 7 },
    Workload { name: "affine-64d-1",  kind: Kind::Affine, d_features: 64, d_hidden: 256, batch: 1,    repetitions: 500 },
    Workload { name: "spline-2d",     kind: Kind::Spline, d_features: 2,  d_hidden: 64,  batch: 256,  repetitions: 150 },
    Workload { name: "spline-16d",    kind: Kind::Spline, d_features: 16, d_hidden: 128, batch: 1024, repetitions: 30 },
    Workload { name: "spline-64d",    kind: Kind::Spline, d_features: 64, d_hidden: 256, batch: 1024, repetitions: 10 },
    Workload { name: "maf-64d",       kind: Kind::Maf,    d_features: 64, d_hidden: 256, batch: 1000, repetitions: 20 },
    Workload { name: "nsf-16d",       kind: Kind::Nsf,    d_features: 16, d_hidden: 256, batch: 1024, repetitions: 10 },
    Workload { name: "nsf-64d",       kind: Kind::Nsf,    d_features: 64, d_hidden: 256, batch: 1024, repetitions: 10 },
];

impl Workload {
    /// Billions of additions and multiplications of the matrix products of one pass, of the
    /// coordinates that count: of a coupling half of them are kept and the other half has its
    /// parameters each.
    fn forward_gflop(&self) -> f64 {
        let (d, h) = (self.d_features, self.d_hidden);
        let n_parameters = self.univariate(&Device::default()).n_parameters();
        let per_row = match self.kind {
            Kind::Affine | Kind::Spline => d / 2 * h + h * h + h * n_parameters * d / 2,
            Kind::Maf => d * h + h * h + h * n_parameters * d,
            // Two blocks of two products each.
            Kind::Nsf => d / 2 * h + 4 * h * h + h * n_parameters * d / 2 + d * d,
        };
        (2 * self.kind.n_layers() * self.batch * per_row) as f64 / 1e9
    }

    fn univariate(&self, device: &Device) -> UnivariateMap {
        let config: UnivariateConfig = match self.kind {
            Kind::Affine => shared_bound(self.kind.n_layers().div_ceil(2)),
            Kind::Maf => shared_bound(self.kind.n_layers()),
            Kind::Spline | Kind::Nsf => RationalQuadraticSplineConfig::new().into(),
        };
        // The maps hold no weights: they draw nothing.
        config.init(device, &mut ChaCha8Rng::seed_from_u64(0))
    }

    /// Of a stack with linear layers between there is one way only.
    fn ways(&self) -> &'static [&'static str] {
        if self.kind == Kind::Nsf { &[FUSED] } else { &[FUSED, COMPOSED] }
    }

    /// The same of a training step: each product has two gradients, but for the one that reads the
    /// data, of which nobody wants the gradient.
    fn train_gflop(&self) -> f64 {
        let d_seen = if self.kind == Kind::Maf { self.d_features } else { self.d_features / 2 };
        let of_data = 2 * self.batch * d_seen * self.d_hidden;
        3.0 * self.forward_gflop() - of_data as f64 / 1e9
    }
}

/// As in the presets: so many layers that transform a feature share one bound.
fn shared_bound(n_layers: usize) -> UnivariateConfig {
    let bound = 1000f64.ln() / n_layers as f64;
    AffineConfig::new().with_bound(ScaleBound::SoftClip { bound }).into()
}

const FUSED: &str = "normalizing-flows";
const COMPOSED: &str = "normalizing-flows-composed";

fn main() -> Result<(), String> {
    let (flags, names): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    // cargo itself adds `--bench`.
    let known = |flag: &str| {
        ["--bench", "--memory", "--list", "--peaks"].contains(&flag) || flag.starts_with("--way=")
    };
    if let Some(unknown) = flags.iter().find(|flag| !known(flag)) {
        return Err(format!("there is no flag `{unknown}`; the head of {} lists them", file!()));
    }
    if let Some(unknown) = names.iter().find(|name| WORKLOADS.iter().all(|w| w.name != **name)) {
        let known: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        return Err(format!("there is no workload `{unknown}`, only {}", known.join(", ")));
    }
    if flags.iter().any(|flag| flag == "--peaks") {
        let (arithmetic, gemm) = (peaks::arithmetic_gflops(), peaks::gemm_gflops());
        println!("{}", json!({ "peak_gflops": arithmetic, "gemm_peak_gflops": gemm }));
        return Ok(());
    }
    let chosen = WORKLOADS.iter().filter(|w| names.is_empty() || names.iter().any(|n| n == w.name));
    let way = flags.iter().find_map(|flag| flag.strip_prefix("--way="));
    if let Some(unknown) = way.filter(|way| ![FUSED, COMPOSED].contains(way)) {
        return Err(format!("there is no way `{unknown}`, only {FUSED} and {COMPOSED}"));
    }
    for workload in chosen {
        if flags.iter().any(|flag| flag == "--list") {
            let (forward, train) = (workload.forward_gflop(), workload.train_gflop());
            println!(
                "{}",
                json!({
                    "workload": workload.name, "train_ms": train, "log_prob_ms": forward,
                    "sample_ms": forward,
                })
            );
            continue;
        }
        let memory = flags.iter().any(|flag| flag == "--memory");
        if let Some(way) = way.filter(|_| memory) {
            print_peak(way, workload);
            continue;
        }
        let ways = workload.ways().iter().filter(|this| way.is_none_or(|way| way == **this));
        if memory {
            for way in ways {
                // A process has one peak.
                let this = std::env::current_exe().map_err(|error| error.to_string())?;
                let arguments = ["--memory", &format!("--way={way}"), workload.name];
                let status = Command::new(this).args(arguments).status();
                let status = status.map_err(|error| error.to_string())?;
                if !status.success() {
                    return Err(format!("measuring the memory of {way} failed: {status}"));
                }
            }
            continue;
        }
        let ways: Vec<_> = ways.collect();
        let models = ways.iter().map(|way| training(way, workload)).collect();
        for (way, [train, log_prob, sample]) in
            ways.iter().zip(timings(models, workload.repetitions))
        {
            let (peer, workload) = (json!(way), json!(workload.name));
            println!(
                "{{\"peer\":{peer},\"workload\":{workload},\"train_ms\":{train},\
                 \"log_prob_ms\":{log_prob},\"sample_ms\":{sample}}}"
            );
        }
    }
    Ok(())
}

fn training(way: &str, workload: &Workload) -> Box<dyn Timed> {
    match way {
        FUSED => Box::new(Training::new(fused(workload), workload.batch)),
        _ if workload.kind == Kind::Maf => {
            Box::new(Training::new(composed_autoregressive(workload), workload.batch))
        }
        _ => Box::new(Training::new(composed(workload), workload.batch)),
    }
}

/// What a user writes.
fn fused(workload: &Workload) -> NormalizingFlow {
    let (device, mut rng) = (Device::default().autodiff(), ChaCha8Rng::seed_from_u64(0));
    match workload.kind {
        Kind::Affine => RealNvpConfig::new(workload.d_features)
            .with_n_layers(workload.kind.n_layers())
            .with_conditioner(conditioner(workload))
            .with_mixing(Mixing::Off)
            .init(&device, &mut rng),
        Kind::Spline => NsfConfig::new(workload.d_features)
            .with_n_layers(workload.kind.n_layers())
            .with_conditioner(conditioner(workload))
            .with_mixing(Mixing::Off)
            .init(&device, &mut rng),
        Kind::Maf => MafConfig::new(workload.d_features)
            .with_n_layers(workload.kind.n_layers())
            .with_conditioner(conditioner(workload).into())
            .init(&device, &mut rng),
        Kind::Nsf => NsfConfig::new(workload.d_features)
            .with_n_layers(workload.kind.n_layers())
            .with_conditioner(ResidualMlpConfig::new().with_d_hidden(workload.d_hidden).into())
            .with_mixing(Mixing::Lu)
            .init(&device, &mut rng),
    }
}

fn conditioner(workload: &Workload) -> NetworkConfig {
    MlpConfig::new().with_d_hidden(vec![workload.d_hidden; 2]).into()
}

/// A conditioner that the kernels do not know: its layer is computed by tensor operations.
#[derive(Module, Debug)]
struct Opaque<N: Module> {
    network: N,
}

impl Conditioner for Opaque<Network> {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        self.network.forward(input, context)
    }
}

impl AutoregressiveConditioner for Opaque<Made> {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        self.network.forward(input, context)
    }

    fn order(&self) -> Vec<usize> {
        self.network.order()
    }
}

/// The same model of layers that the kernels do not know.
fn composed(workload: &Workload) -> impl Distribution + use<> {
    let device = Device::default().autodiff();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let univariate = workload.univariate(&device);
    let mut mask = Mask::alternating(workload.d_features);
    let layers: Vec<MaskedCoupling<Opaque<Network>>> = (0..workload.kind.n_layers())
        .map(|_| {
            let shape = ConditionerShape {
                d_input: mask.n_kept(),
                d_context: 0,
                d_output: mask.n_transformed(),
                n_parameters: univariate.n_parameters(),
            };
            let network = conditioner(workload).init(shape, &device, &mut rng);
            let layer = MaskedCoupling::new(&mask, Opaque { network }, univariate.clone(), &device);
            mask = mask.complement();
            layer
        })
        .collect();
    let base = StandardNormal::new(workload.d_features, &device);
    NormalizingFlow::new(base, Sequential::new(layers))
}

/// The same for autoregressive layers.
fn composed_autoregressive(workload: &Workload) -> impl Distribution + use<> {
    let device = Device::default().autodiff();
    let model = fused(workload);
    let layers = model.flow.layers.into_iter().map(|layer| {
        let Layer::MaskedAutoregressive(layer) = layer else {
            unreachable!("the preset has no other")
        };
        MaskedAutoregressive::new(Opaque { network: layer.conditioner }, layer.univariate)
    });
    let base = StandardNormal::new(workload.d_features, &device);
    NormalizingFlow::new(base, Sequential::new(layers.collect()))
}

/// Prints how much three training steps add to the peak memory of this process.
fn print_peak(way: &str, workload: &Workload) {
    let mut training = training(way, workload);
    let before = peak_mib();
    for _ in 0..3 {
        training.step();
    }
    let peak = peak_mib().zip(before).map(|(after, before)| after - before);
    println!("{}", json!({ "peer": way, "workload": workload.name, "train_peak_mib": peak }));
}

/// The most memory that this process has held, in MiB; only Linux tells.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

//! What a service waits for: a model is loaded from its file and scores its first row, in a process of its own;
//! then `log_prob` of 1, 8 and 32 rows, again and again.
//!
//! ```text
//! cargo bench --bench latency                  # all models
//! cargo bench --bench latency -- affine-64d
//! ```
//!
//! Prints a line of JSON for each model, in milliseconds, medians of five processes. The models are those of the
//! workloads of the same names (`workloads.rs`); `peers/bench_peers.py --latency` times the peers' warm calls.

mod median;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use median::{median, rounded_median};
use normalizing_flows::burn::tensor::Device;
use normalizing_flows::conditioner::{MlpConfig, NetworkConfig};
use normalizing_flows::io::{load_model, save_model};
use normalizing_flows::preset::Mixing;
use normalizing_flows::{Distribution, FlowConfig, NsfConfig, RealNvpConfig, StandardNormal};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Map, Value, json};

/// Eight couplings over two hidden layers.
struct Subject {
    name: &'static str,
    is_spline: bool,
    d_features: usize,
    d_hidden: usize,
}

const SUBJECTS: [Subject; 4] = [
    Subject { name: "affine-2d", is_spline: false, d_features: 2, d_hidden: 64 },
    Subject { name: "affine-64d", is_spline: false, d_features: 64, d_hidden: 256 },
    Subject { name: "spline-2d", is_spline: true, d_features: 2, d_hidden: 64 },
    Subject { name: "spline-16d", is_spline: true, d_features: 16, d_hidden: 128 },
];

const BATCHES: [usize; 3] = [1, 8, 32];
const PROCESSES: usize = 5;
/// The time in which warm calls are repeated.
const WARM_SECONDS: f64 = 0.5;

impl Subject {
    fn config(&self) -> Result<FlowConfig, normalizing_flows::Error> {
        let network: NetworkConfig = MlpConfig::new().with_d_hidden(vec![self.d_hidden; 2]).into();
        if self.is_spline {
            let config = NsfConfig::new(self.d_features).with_n_layers(8);
            config.with_conditioner(network).with_mixing(Mixing::Off).flow_config()
        } else {
            let config = RealNvpConfig::new(self.d_features).with_n_layers(8);
            config.with_conditioner(network).with_mixing(Mixing::Off).flow_config()
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    // cargo itself adds `--bench`.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [flag, path] = &arguments[..]
        && flag == "--measure"
    {
        println!("{}", measured(Path::new(path))?);
        return Ok(());
    }
    if let Some(unknown) = arguments.iter().find(|name| SUBJECTS.iter().all(|s| s.name != **name)) {
        let known = SUBJECTS.map(|subject| subject.name).join(", ");
        return Err(format!("there is no model `{unknown}`, only {known}").into());
    }
    let chosen =
        |subject: &&Subject| arguments.is_empty() || arguments.iter().any(|n| n == subject.name);
    for subject in SUBJECTS.iter().filter(chosen) {
        let file = std::env::temp_dir().join(format!("latency-{}.nflow", std::process::id()));
        let config = subject.config()?;
        let model = config.init(&Device::default(), &mut ChaCha8Rng::seed_from_u64(0));
        save_model(&file, &config, &model)?;
        let lines = (0..PROCESSES).map(|_| in_process(&file)).collect::<Result<Vec<_>, _>>();
        std::fs::remove_file(&file)?;
        let mut medians = medians(&lines?);
        medians.insert("model".into(), json!(subject.name));
        println!("{}", Value::from(medians));
    }
    Ok(())
}

/// What a process of its own measures.
fn in_process(file: &Path) -> Result<Map<String, Value>, Failure> {
    let this = std::env::current_exe()?;
    let output = Command::new(this).arg("--measure").arg(file).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn measured(file: &Path) -> Result<Value, Failure> {
    let device = Device::default();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let start = Instant::now();
    let (_, model) = load_model(file, &device)?;
    let load = start.elapsed();
    let base = StandardNormal::new(model.d_features(), &device);
    let [one, eight, more] = BATCHES.map(|rows| base.sample(rows, &mut rng));
    let call = |x: &_| {
        let start = Instant::now();
        // A service reads the number.
        black_box(model.log_prob(Clone::clone(x)).into_data());
        start.elapsed().as_secs_f64() * 1e3
    };
    let first = call(&one);
    let warm = |x: &_| {
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed().as_secs_f64() < WARM_SECONDS {
            times.push(call(x));
        }
        median(times)
    };
    Ok(json!({
        "load_ms": load.as_secs_f64() * 1e3,
        "first_ms": first,
        "rows_1_ms": warm(&one),
        "rows_8_ms": warm(&eight),
        "rows_32_ms": warm(&more),
    }))
}

fn medians(lines: &[Map<String, Value>]) -> Map<String, Value> {
    let keys = lines.iter().flat_map(Map::keys).cloned();
    keys.map(|key| {
        let values = lines.iter().filter_map(|line| line.get(&key)?.as_f64()).collect();
        (key, json!(rounded_median(values)))
    })
    .collect()
}

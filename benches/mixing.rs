//! What stands between the layers of the presets, measured on a real table: the NLL of held-out rows, in nats
//! per row, with [`Mixing`] off, with permutations and with LU layers; of masked autoregressive flows, whose
//! order turns round from layer to layer, with random orders too. Smaller is better.
//!
//! ```text
//! cargo bench --bench mixing                 # all
//! cargo bench --bench mixing -- nsf digits16 # flows and tables
//! ```
//!
//! The tables are `tests/data/digits.csv`, 64 pixels of handwritten digits from 0 to 16, and the same with
//! each 2 × 2 of them added up. Values are dequantised and standardised; a fifth of the rows is held out for
//! the figures, a tenth of the rest for early stopping.

use normalizing_flows::autoregressive::MaskedAutoregressiveConfig;
use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::conditioner::{MlpConfig, ResidualMlpConfig};
use normalizing_flows::data::Dataset;
use normalizing_flows::preset::Mixing;
use normalizing_flows::train::{FitConfig, fit, nll};
use normalizing_flows::{
    Adjacency, FlowConfig, LayerConfig, MafConfig, NsfConfig, Order, RealNvpConfig,
};
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::json;

const SEEDS: u64 = 3;
const N_LAYERS: usize = 6;
const D_HIDDEN: usize = 64;
const MAX_EPOCHS: usize = 60;
const MIXINGS: [(&str, Mixing); 3] =
    [("off", Mixing::Off), ("permutations", Mixing::Permutations), ("lu", Mixing::Lu)];

fn main() {
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    // Of each kind of name those that were given, or all.
    let wanted = |name: &str, all: &[&str]| {
        let given = chosen.iter().any(|chosen| all.contains(&chosen.as_str()));
        !given || chosen.iter().any(|chosen| chosen == name)
    };
    let tables = ["digits16", "digits64"];
    let flows = ["real_nvp", "nsf", "maf"];
    let known = |name: &&String| tables.iter().chain(&flows).any(|known| known == name);
    if let Some(unknown) = chosen.iter().find(|name| !known(name)) {
        eprintln!("there is no `{unknown}`, only {} and {}", tables.join(", "), flows.join(", "));
        std::process::exit(1);
    }
    for table in tables.into_iter().filter(|table| wanted(table, &tables)) {
        let pixels = match table {
            "digits16" => halved(&digits()),
            _ => digits(),
        };
        for flow in flows.into_iter().filter(|flow| wanted(flow, &flows)) {
            let d = pixels[0].len();
            for (mixing, config) in configs(flow, d) {
                let nlls: Vec<f64> =
                    (0..SEEDS).map(|seed| held_out_nll(&config, &pixels, seed)).collect();
                println!(
                    "{}",
                    json!({ "table": table, "flow": flow, "mixing": mixing, "nlls": nlls })
                );
            }
        }
    }
}

/// A flow with each thing that may stand between its layers.
fn configs(flow: &str, d_features: usize) -> Vec<(&'static str, FlowConfig)> {
    let hidden = vec![D_HIDDEN, D_HIDDEN];
    match flow {
        "real_nvp" => {
            let network = MlpConfig::new().with_d_hidden(hidden);
            let config = RealNvpConfig::new(d_features)
                .with_n_layers(N_LAYERS)
                .with_conditioner(network.into());
            MIXINGS.map(|(name, mixing)| (name, config.clone().with_mixing(mixing).into())).into()
        }
        "nsf" => {
            let network = ResidualMlpConfig::new().with_d_hidden(D_HIDDEN);
            let config =
                NsfConfig::new(d_features).with_n_layers(N_LAYERS).with_conditioner(network.into());
            MIXINGS.map(|(name, mixing)| (name, config.clone().with_mixing(mixing).into())).into()
        }
        _ => {
            // As wide as 64 features need.
            let network = MlpConfig::new().with_d_hidden(vec![2 * D_HIDDEN; 2]);
            let config =
                MafConfig::new(d_features).with_n_layers(N_LAYERS).with_conditioner(network.into());
            let turning = FlowConfig::from(config);
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            let random = turning.layers.iter().map(|layer| match layer {
                LayerConfig::MaskedAutoregressive(layer) => {
                    let adjacency = Adjacency::autoregressive(&Order::random(d_features, &mut rng));
                    MaskedAutoregressiveConfig { adjacency, ..layer.clone() }.into()
                }
                other => other.clone(),
            });
            let random = random.collect();
            let random = FlowConfig { layers: random, ..turning.clone() };
            vec![("turning orders", turning), ("random orders", random)]
        }
    }
}

/// The NLL of a fifth of the rows, of a model that was fitted to the others.
fn held_out_nll(config: &FlowConfig, pixels: &[Vec<f64>], seed: u64) -> f64 {
    let device = Device::default();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = standardised(pixels, &mut rng);
    let (test, train) = rows.split_at(rows.len() / 5);
    let model = config.init(&device, &mut rng);
    let fit_config = FitConfig::new()
        .with_seed(seed)
        .with_max_epochs(Some(MAX_EPOCHS))
        .with_batch_size(Some(64));
    let fitted = fit(model, &Dataset::new(tensor(train, &device)), &fit_config)
        .unwrap_or_else(|error| panic!("the training failed: {error}"));
    let nll = nll(&fitted.model, tensor(test, &device), None).into_scalar::<f64>();
    (nll * 1e3).round() / 1e3
}

fn tensor(rows: &[Vec<f64>], device: &Device) -> Tensor<2> {
    let shape = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(rows.concat(), shape), device)
}

/// Rows of pixels, as they lie in the file.
fn digits() -> Vec<Vec<f64>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/digits.csv");
    let text = std::fs::read_to_string(path).expect("it is part of the package");
    let number = |cell: &str| cell.parse().expect("all cells are numbers");
    text.lines().skip(1).map(|line| line.split(',').map(number).collect()).collect()
}

/// Images of 4 × 4 out of 8 × 8.
fn halved(images: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let pixel = |image: &[f64], place: usize| {
        let (row, column) = (place / 4 * 2, place % 4 * 2);
        [(0, 0), (0, 1), (1, 0), (1, 1)]
            .map(|(down, right)| image[(row + down) * 8 + column + right])
            .iter()
            .sum()
    };
    images.iter().map(|image| (0..16).map(|place| pixel(image, place)).collect()).collect()
}

/// The rows in another order, with noise that makes whole numbers continuous, of mean 0 and deviation 1.
fn standardised(rows: &[Vec<f64>], rng: &mut impl Rng) -> Vec<Vec<f64>> {
    use rand::seq::SliceRandom;
    let mut rows = rows.to_vec();
    rows.shuffle(rng);
    rows.iter_mut().flatten().for_each(|value| *value += rng.random::<f64>());
    let n = rows.len() as f64;
    for column in 0..rows[0].len() {
        let mean = rows.iter().map(|row| row[column]).sum::<f64>() / n;
        let variance = rows.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / n;
        rows.iter_mut().for_each(|row| row[column] = (row[column] - mean) / variance.sqrt());
    }
    rows
}

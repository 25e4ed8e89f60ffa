//! Trains a Real NVP on two moons and shows what a normalizing flow does.
//!
//! ```text
//! cargo run --release --example two_moons
//! cargo run --release --example two_moons --features wgpu
//! ```

mod args;
mod device;
mod pictures;
mod report;
mod train;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use normalizing_flows::burn::module::Module;
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::{Distribution, RealNvpConfig};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use args::Args;
use report::Summary;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("cannot create the folder {}: {error}", args.out.display()))?;
    let (device, device_name) = device::pick()?;
    let moons = TwoMoons::new(args.noise);
    let entropy = moons.entropy().expect("the noise is above 0");

    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let config = RealNvpConfig::new(2)
        .with_n_layers(args.layers)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![args.hidden, args.hidden]).into());
    let model = config.init(&device.clone().autodiff(), &mut rng);
    println!(
        "Real NVP of {} coupling layers, {} parameters, on {device_name}",
        args.layers,
        model.flow.num_params()
    );

    let outcome = train::train(model, &moons, entropy, args.steps, &device, &mut rng)?;
    let model = outcome.model;

    let file = args.out.join("model.bpk");
    save_and_check(&model, &config, &file)?;
    let summary = Summary::measure(&model, &moons, &mut rng, |measured| Summary {
        train_seconds: outcome.seconds,
        steps: args.steps,
        seed: args.seed,
        device: device_name,
        ..measured
    });
    pictures::draw_all(&args.out, &model, &moons, &outcome.history, entropy, &mut rng)?;
    summary.write(&args.out.join("summary.json"))?;
    summary.print();
    println!("\nPictures, summary.json and model.bpk are in {}", args.out.display());
    Ok(())
}

/// Saves the model, loads it into a fresh one and compares their densities.
fn save_and_check(
    model: &normalizing_flows::preset::RealNvp,
    config: &RealNvpConfig,
    file: &Path,
) -> Result<(), Box<dyn Error>> {
    model
        .clone()
        .save_file(file)
        .map_err(|error| format!("cannot save the model to {}: {error}", file.display()))?;
    let device = model.devices().swap_remove(0);
    let mut other_seed = ChaCha8Rng::seed_from_u64(u64::MAX);
    let loaded = config.init(&device, &mut other_seed).try_load_file(file)?;
    let x = TwoMoons::new(0.1).sample(1000, &device, &mut other_seed);
    let difference = (model.log_prob(x.clone()) - loaded.log_prob(x)).abs().max();
    let difference = difference.into_scalar::<f32>();
    if difference == 0.0 {
        println!("Saved, and loaded into a fresh model: the same densities on 1000 points");
        Ok(())
    } else {
        Err(format!("the loaded model's log-densities differ by up to {difference}").into())
    }
}

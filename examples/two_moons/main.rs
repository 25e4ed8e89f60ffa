//! Trains a flow on two moons and shows what a normalizing flow does.
//!
//! ```text
//! cargo run --example two_moons
//! cargo run --example two_moons -- --flow nsf
//! cargo run --example two_moons --features wgpu
//! ```

mod args;
mod device;
mod model;
mod pictures;
mod report;
mod train;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use normalizing_flows::burn::config::Config;
use normalizing_flows::burn::module::Module;
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::{Distribution, FlowConfig, NormalizingFlow};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use args::Args;
use model::{Plan, flow_config};
use pictures::Pictures;
use report::{Figures, Summary};

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
    let (device, device_name) = device::pick()?;
    std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("cannot create the folder {}: {error}", args.out.display()))?;
    let moons = TwoMoons::new(args.noise);

    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let plan = Plan::of(args);
    let config = flow_config(args.flow, plan);
    let model = config.init(&device.clone().autodiff(), &mut rng);
    println!(
        "{} of {} layers, {} parameters, on {device_name}",
        args.flow.in_words(),
        plan.layers,
        model.num_params()
    );

    let outcome = train::train(model, &moons, plan, &device, &mut rng)?;
    let model = outcome.model;

    // The figures come first: whatever goes wrong with a picture, they are there.
    let figures = Figures::measure(&model, &moons, args.noise, &mut rng);
    let summary = Summary {
        figures,
        flow: args.flow.in_words(),
        train_seconds: outcome.seconds,
        steps: plan.steps,
        seed: args.seed,
        device: device_name,
    };
    summary.write(&args.out.join("summary.json"))?;
    summary.print();
    save_and_check(&model, &config, &moons, &args.out)?;
    let pictures = Pictures { out: &args.out, model: &model, noise: args.noise };
    pictures.draw_all(&moons, &outcome.history, &mut rng)?;
    println!("Pictures, summary.json, model.json and model.bpk are in {}", args.out.display());
    Ok(())
}

/// Saves configuration and weights, reads them into a fresh model and compares the densities.
fn save_and_check(
    model: &NormalizingFlow,
    config: &FlowConfig,
    moons: &TwoMoons,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let (json, weights) = (out.join("model.json"), out.join("model.bpk"));
    let cannot_save = |error: &dyn Error| format!("cannot save to {}: {error}", out.display());
    config.save(&json).map_err(|error| cannot_save(&error))?;
    model.clone().save_file(&weights).map_err(|error| cannot_save(&error))?;

    let device = model.devices().swap_remove(0);
    let mut other_seed = ChaCha8Rng::seed_from_u64(u64::MAX);
    let fresh = FlowConfig::load(&json)?.init(&device, &mut other_seed);
    let loaded = fresh.try_load_file(&weights)?;
    let x = moons.sample(1000, &device, &mut other_seed);
    let difference = (model.log_prob(x.clone()) - loaded.log_prob(x)).abs().max();
    let difference = difference.into_scalar::<f32>();
    // The weights are the same to the bit; a GPU may run another kernel the second time.
    if difference <= 1e-4 {
        println!("Saved, and loaded into a fresh model: log-densities differ by {difference:.0e}");
        Ok(())
    } else {
        Err(format!("the loaded model's log-densities differ by up to {difference}").into())
    }
}

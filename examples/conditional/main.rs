//! Densities that change with a context: two moons that turn, and the posterior of a small simulator,
//! checked by simulation-based calibration.
//!
//! ```text
//! cargo run --example conditional
//! ```

mod calibration;
mod pictures;
mod simulators;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use normalizing_flows::burn::tensor::Device;
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::data::Dataset;
use normalizing_flows::train::{FitConfig, Fitter};
use normalizing_flows::{NormalizingFlow, NsfConfig};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use calibration::Calibration;

/// Train conditional flows and show what they give for several contexts
#[derive(Parser, Debug)]
#[command(name = "conditional")]
struct Args {
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Rows to train on
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    rows: u64,
    /// Folder for the pictures and summary.json
    #[arg(long, default_value = "target/conditional")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
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
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    pictures::register()?;

    println!("Two moons turned by an angle, whose cosine and sine are the context");
    let data = simulators::turned_moons(args.rows as usize, &mut rng);
    let model = fit(2, &data, args.seed, &mut rng)?;
    pictures::turned_moons(&args.out.join("moons.png"), &model)?;

    println!("The damping and the frequency of an oscillation, given eight noisy readings of it");
    let data = simulators::oscillations(args.rows as usize, &mut rng);
    let model = fit(simulators::N_READINGS, &data, args.seed, &mut rng)?;
    pictures::posteriors(&args.out.join("posterior.png"), &model, &mut rng)?;

    let calibration = Calibration::measure(&model, &mut rng);
    calibration.print();
    pictures::ranks(&args.out.join("ranks.png"), &calibration)?;
    calibration.write(&args.out.join("summary.json"))?;
    println!("Pictures and summary.json are in {}", args.out.display());
    Ok(())
}

/// A neural spline flow of two features given a context.
fn fit(
    d_context: usize,
    data: &Dataset,
    seed: u64,
    rng: &mut ChaCha8Rng,
) -> Result<NormalizingFlow, Box<dyn Error>> {
    let model = NsfConfig::new(2)
        .with_d_context(d_context)
        .with_n_layers(6)
        .with_conditioner(MlpConfig::new().into())
        .init(&Device::default(), rng);
    let fitted = Fitter::new(FitConfig::new().with_seed(seed)).fit(model, data)?;
    println!("{}", fitted.report);
    Ok(fitted.model)
}

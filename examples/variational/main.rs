//! Trains a flow towards a density that is known up to a constant, and samples it with the flow's help.
//!
//! ```text
//! cargo run --example variational -- --target banana
//! cargo run --example variational -- --target gaussians
//! ```

mod args;
mod pictures;
mod recipe;
mod results;
mod train;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use normalizing_flows::burn::tensor::Device;
use rand::{SeedableRng, rngs::ChaCha8Rng};

use args::Args;
use pictures::Pictures;
use results::Results;

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
    let target = args.target.build();
    let recipe = args.target.recipe();
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let model = recipe.flow.init(&Device::default(), &mut rng);
    let fitted = train::train(model, &*target, recipe.config(args))?;
    println!("{}", fitted.report);

    let results = Results::measure(&fitted, &*target, args, &mut rng)?;
    print!("{results}");
    results.write(&args.out.join("summary.json"))?;
    let pictures = Pictures { out: &args.out, model: &fitted.model, target: &*target };
    pictures.draw(&fitted.report, &results.sample, &mut rng)?;
    println!("Pictures and summary.json are in {}", args.out.display());
    Ok(())
}

//! Fits a density to a CSV file, or uses one that was fitted.
//!
//! ```text
//! cargo run --release --example tabular -- data.csv
//! cargo run --release --example tabular -- data.csv --context species --flow real-nvp
//! cargo run --release --example tabular -- data.csv --load target/tabular/model.nflow
//! ```

mod args;
mod pictures;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use normalizing_flows::burn::tensor::Device;
use normalizing_flows::table::{
    Column, Role, Schema, Support, Table, TableConfig, TableFitter, TableModel, Values,
};
use normalizing_flows::train::{FitConfig, FitError, NonFiniteRows};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::json;

use args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.load {
        Some(model) => TableModel::load(model, &Device::default())
            .map_err(Into::into)
            .and_then(|model| score_and_sample(&args, &model)),
        None => fit(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Fits a model, and writes it with its report, pictures and samples.
fn fit(args: &Args) -> Result<(), Box<dyn Error>> {
    let table = Table::read_csv(&args.data)?;
    let schema = schema(args, &table)?;
    println!("{} rows\n\n{schema}\n", table.n_rows());
    std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("cannot create the folder {}: {error}", args.out.display()))?;

    let rows = if args.drop_missing { NonFiniteRows::Drop } else { NonFiniteRows::Refuse };
    let fit = FitConfig::new()
        .with_seed(args.seed)
        .with_max_epochs(args.epochs)
        .with_non_finite_rows(rows);
    let config = TableConfig::new().with_flow(args.flow.into()).with_fit(fit);
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{elapsed_precise} epoch {pos}: {msg}")?);
    let fitter = TableFitter::new(config).on_epoch(|epoch| {
        bar.set_position(epoch.epoch as u64);
        if let Some(nll) = epoch.validation_nll {
            bar.set_message(format!("{nll:.3} nats held out, standardised"));
        }
        std::ops::ControlFlow::Continue(())
    });
    let fitted = fitter.fit(&table, &schema, &Device::default());
    bar.finish_and_clear();
    let fitted = match fitted {
        Err(FitError::Diverged(best)) => {
            let path = args.out.join("model.nflow");
            best.model.save(&path)?;
            let reason = &best.report.stop_reason;
            return Err(format!(
                "the training {reason}; the best weights are in {}",
                path.display()
            )
            .into());
        }
        other => other?,
    };
    println!("{}\n", fitted.report);
    fitted.model.save(args.out.join("model.nflow"))?;
    let summary = json!({ "report": fitted.report, "schema": fitted.model.schema() });
    let summary = serde_json::to_string_pretty(&summary)?;
    std::fs::write(args.out.join("summary.json"), summary)?;

    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let samples = samples(&fitted.model, &table, args.samples, &mut rng)?;
    samples.write_csv(args.out.join("samples.csv"))?;
    pictures::draw_all(&args.out, &table, &samples, fitted.model.schema())?;
    println!(
        "model.nflow, summary.json, samples.csv, marginals.png and pairs.png are in {}",
        args.out.display()
    );
    Ok(())
}

/// What the columns are: inferred, then as the command line says.
fn schema(args: &Args, table: &Table) -> Result<Schema, Box<dyn Error>> {
    let mut schema = Schema::infer(table)?;
    for name in &args.context {
        schema = schema.with_context(name)?;
    }
    for name in &args.drop {
        schema = schema.without(name)?;
    }
    for text in &args.support {
        let (name, support) = args::support(text)?;
        schema = schema.with_support(&name, support)?;
    }
    if let Some(name) = &args.weight {
        schema = schema.with_weight(name)?;
    }
    Ok(schema)
}

/// Samples; of a conditional model, given the contexts of rows of the table.
fn samples(
    model: &TableModel,
    table: &Table,
    n: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Table, Box<dyn Error>> {
    let columns = model.schema().columns().iter().filter(|column| column.role == Role::Context);
    let contexts: Vec<&Values> = columns
        .map(|column| Ok(&table.column(&column.name)?.values))
        .collect::<Result<_, Box<dyn Error>>>()?;
    if contexts.is_empty() {
        return Ok(model.sample(n, rng)?);
    }
    let is_there = |values: &&Values, row: usize| match values {
        Values::Numbers(values) => values[row].is_finite(),
        Values::Text(values) => !values[row].is_empty(),
    };
    let complete: Vec<usize> = (0..table.n_rows())
        .filter(|&row| contexts.iter().all(|values| is_there(values, row)))
        .collect();
    if complete.is_empty() {
        return Err("no row of the file has all contexts".into());
    }
    let rows: Vec<usize> = (0..n).map(|_| complete[rng.random_range(0..complete.len())]).collect();
    Ok(model.sample_given(&table.select(&rows), rng)?)
}

/// Scores the rows of a file under a model that was fitted before, and samples from it.
fn score_and_sample(args: &Args, model: &TableModel) -> Result<(), Box<dyn Error>> {
    let table = Table::read_csv(&args.data)?;
    std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("cannot create the folder {}: {error}", args.out.display()))?;
    let scores = model.log_prob(&table)?;
    let inside: Vec<f64> = scores.iter().copied().filter(|score| score.is_finite()).collect();
    println!(
        "{} rows, {} outside of the supports; mean log-density of the others {:.4} nats",
        scores.len(),
        scores.len() - inside.len(),
        inside.iter().sum::<f64>() / inside.len().max(1) as f64
    );
    let mut columns = table.columns().to_vec();
    columns.push(Column { name: "log_density".to_owned(), values: Values::Numbers(scores) });
    Table::new(columns)?.write_csv(args.out.join("scores.csv"))?;
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    samples(model, &table, args.samples, &mut rng)?.write_csv(args.out.join("samples.csv"))?;
    println!("scores.csv and samples.csv are in {}", args.out.display());
    Ok(())
}

/// Whether a column has numbers to draw.
fn is_drawn(role: &Role, support: &Support) -> bool {
    *role == Role::Modelled && !matches!(support, Support::Constant(_))
}

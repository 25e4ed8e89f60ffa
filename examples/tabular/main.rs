//! Fits a density to a CSV or Parquet file, or uses one that was fitted.
//!
//! ```text
//! cargo run --example tabular -- data.csv
//! cargo run --example tabular -- data.csv --context species --flow real-nvp
//! cargo run --example tabular -- "parts/*.csv"
//! cargo run --example tabular -- data.csv --load target/tabular/model.nflow
//! cargo run --example tabular -- gaps.csv --load target/tabular/model.nflow --fill
//! ```

mod args;
mod pictures;
mod questions;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use normalizing_flows::burn::tensor::Device;
use normalizing_flows::table::{
    FittedTable, Role, Schema, Support, Table, TableConfig, TableFitter, TableModel, sample_rows,
};
use normalizing_flows::train::{FitConfig, FitError, NonFiniteRows};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::json;

use args::Args;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The rows that pictures and the schema are of where the table is not in memory.
const N_DRAWN: usize = 20_000;
const DEFAULT_CHUNK_ROWS: usize = 65_536;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.load {
        Some(model) => TableModel::load(model, &Device::default())
            .map_err(Into::into)
            .and_then(|model| questions::ask(&args, &model)),
        None => fit(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}{}", flags(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// The flags by which one does what an error about the columns asks for: the crate names none.
fn flags(error: &(dyn Error + 'static)) -> &'static str {
    let of_fit = match error.downcast_ref() {
        Some(FitError::<TableModel>::Error(error)) => Some(error),
        _ => None,
    };
    match of_fit.or_else(|| error.downcast_ref()) {
        Some(normalizing_flows::Error::Data(_)) => {
            " (by --context, --categories, --drop, --support, --jitter, --weight or --drop-missing)"
        }
        _ => "",
    }
}

/// Fits a model, and writes it with its report, pictures and samples.
fn fit(args: &Args) -> Result {
    let files = args.files()?;
    let in_chunks = args.chunk_rows.is_some() || files.paths().len() > 1;
    let table = if in_chunks { sample_rows(&files, N_DRAWN, args.seed)? } else { files.read()? };
    if !files.has_names()? {
        println!(
            "the first line holds numbers, so the columns are c0, c1, ...: names by --names true"
        );
    }
    let unread = files.unread_columns()?;
    if !unread.is_empty() {
        println!("not read, since they hold neither numbers nor strings: {}", unread.join(", "));
    }
    let schema = schema(args, &table)?;
    let what = if in_chunks { " of the files, for the schema and the pictures" } else { "" };
    println!("{} rows{what}\n\n{schema}\n", table.n_rows());
    create_folder(args)?;
    let outputs = ["model.nflow", "summary.json", "samples.csv", "marginals.png", "pairs.png"];
    let [model_path, summary_path, samples_path, ..] = outputs.map(|name| args.output(name));
    let (model_path, summary_path, samples_path) = (model_path?, summary_path?, samples_path?);

    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{elapsed_precise} epoch {pos}: {msg}")?);
    let mut fitter = TableFitter::new(config(args)).on_epoch(|epoch| {
        bar.set_position(epoch.epoch as u64);
        if let Some(nll) = epoch.validation_nll {
            bar.set_message(format!("{nll:.3} nats held out, standardised"));
        }
        std::ops::ControlFlow::Continue(())
    });
    if let Some(path) = &args.checkpoint {
        fitter = fitter.checkpoint(path);
    }
    let device = Device::default();
    let fitted = if in_chunks {
        fitter.fit_source(&files, &schema, &device)
    } else {
        fitter.fit(&table, &schema, &device)
    };
    bar.finish_and_clear();
    let FittedTable { model, report, held_out } = match fitted {
        Err(FitError::Diverged(best)) => {
            best.model.save(&model_path)?;
            let reason = &best.report.stop_reason;
            let path = model_path.display();
            return Err(format!("the training {reason}; the best weights are in {path}").into());
        }
        other => other?,
    };
    model.save(model_path)?;
    println!("{report}\n");
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    // Too few rows to tell are no reason to end.
    let diagnostics = model.diagnose(&held_out, &mut rng);
    match &diagnostics {
        Ok(diagnostics) => println!("held out, {diagnostics}\n"),
        Err(error) => println!("no diagnosis: {error}\n"),
    }
    let summary =
        json!({ "report": report, "schema": model.schema(), "diagnostics": diagnostics.ok() });
    let summary = serde_json::to_string_pretty(&summary)?;
    std::fs::write(summary_path, summary)?;

    let samples = samples(&model, &table, args.samples, &mut rng)?;
    samples.write_csv(samples_path)?;
    println!("samples\n{}\n", samples.summary(&[0.05, 0.5, 0.95])?);
    pictures::draw_all(&args.out, &table, &samples, model.schema())?;
    println!(
        "model.nflow, summary.json, samples.csv, marginals.png and pairs.png are in {}",
        args.out.display()
    );
    print_peak_memory();
    Ok(())
}

fn config(args: &Args) -> TableConfig {
    let fit = FitConfig::new()
        .with_seed(args.seed)
        .with_max_epochs(args.epochs)
        .with_non_finite_rows(missing_rows(args));
    TableConfig::new()
        .with_flow(args.flow.into())
        .with_chunk_rows(args.chunk_rows.unwrap_or(DEFAULT_CHUNK_ROWS))
        .with_fit(fit)
}

fn missing_rows(args: &Args) -> NonFiniteRows {
    if args.drop_missing { NonFiniteRows::Drop } else { NonFiniteRows::Refuse }
}

fn create_folder(args: &Args) -> Result {
    let out = &args.out;
    std::fs::create_dir_all(out)
        .map_err(|error| format!("cannot create the folder {}: {error}", out.display()).into())
}

/// What the columns are: inferred, then as the command line says.
fn schema(args: &Args, table: &Table) -> Result<Schema> {
    let mut schema = Schema::infer(table)?;
    for name in &args.context {
        schema = schema.with_context(name)?;
    }
    for name in &args.categories {
        schema = schema.with_categories(name, table)?;
    }
    for name in &args.drop {
        schema = schema.without(name)?;
    }
    for text in &args.support {
        let (name, support) = args::support(text)?;
        schema = schema.with_support(&name, support)?;
    }
    for text in &args.jitter {
        let (name, width) = args::jitter(text)?;
        schema = schema.with_jitter(&name, width)?;
    }
    if let Some(name) = &args.weight {
        schema = schema.with_weight(name)?;
    }
    Ok(schema)
}

/// Samples; of a conditional model, given the contexts of rows of the table that it can take.
fn samples(model: &TableModel, table: &Table, n: usize, rng: &mut ChaCha8Rng) -> Result<Table> {
    if !model.schema().columns().iter().any(|column| column.role == Role::Context) {
        return Ok(model.sample(n, rng)?);
    }
    let rows = model.scorable_rows(table)?;
    if rows.is_empty() {
        return Err("no row of the file has all contexts".into());
    }
    let rows: Vec<usize> = (0..n).map(|_| rows[rng.random_range(0..rows.len())]).collect();
    Ok(model.sample_given(&table.select(&rows), rng)?)
}

/// The most memory that the process has had, where the system tells.
fn print_peak_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    if let Some(kib) = kib {
        println!("at most {:.0} MiB of memory", kib / 1024.0);
    }
}

/// Whether a column has numbers to draw.
fn is_drawn(role: &Role, support: &Support) -> bool {
    *role == Role::Modelled && !matches!(support, Support::Constant(_))
}

//! What a model that was fitted before answers about a file.

use std::path::Path;

use indicatif::ProgressBar;
use normalizing_flows::table::{
    Column, CsvFormat, Explanation, Role, ScoreConfig, Table, TableFiles, TableModel, Values,
    sample_rows,
};
use normalizing_flows::train::NonFiniteRows;
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::args::Args;
use crate::{N_DRAWN, Result, create_folder, missing_rows, print_peak_memory, samples};

/// Rounds of draws where several cells of a row are missing.
const N_SWEEPS: usize = 10;
/// The columns of a row that are told.
const N_TOLD: usize = 3;

pub fn ask(args: &Args, model: &TableModel) -> Result {
    let files = args.files()?;
    create_folder(args)?;
    for path in files.paths() {
        match args.explain {
            _ if args.fill => fill(args, model, path)?,
            Some(n) => explain(args, model, path, n)?,
            None => score(args, model, path)?,
        }
    }
    if !args.fill && args.explain.is_none() {
        let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
        let files = files.with_csv(csv_for(args, model)?);
        let rows = sample_rows(&files, N_DRAWN, args.seed)?;
        let path = args.output("samples.csv")?;
        samples(model, &rows, args.samples, &mut rng)?.write_csv(path)?;
    }
    println!("the results are in {}", args.out.display());
    print_peak_memory();
    Ok(())
}

/// The format of the files, with columns that the model does not need as text: those may hold anything.
fn csv_for(args: &Args, model: &TableModel) -> Result<CsvFormat> {
    let columns = model.schema().columns();
    let is_needed = |name: &String| {
        columns.iter().any(|column| column.name == *name && column.role != Role::LeftOut)
    };
    let mut text = args.files()?.column_names()?;
    text.retain(|name| !is_needed(name));
    Ok(args.csv().with_text(text))
}

/// The name of a result: of several files each has its number and name before it.
fn result_of(args: &Args, input: &Path, what: &str) -> Result<std::path::PathBuf> {
    let end = if input.extension().is_some_and(|end| end == "parquet") { "parquet" } else { "csv" };
    let files = args.files()?;
    let stem = input.file_stem().unwrap_or_default().to_string_lossy();
    // Files of different folders may have one name.
    let index = files.paths().iter().position(|path| path == input).unwrap_or_default();
    let is_one = files.paths().len() == 1;
    let name = if is_one { what.to_owned() } else { format!("{index}-{stem}-{what}") };
    Ok(args.output(&format!("{name}.{end}"))?)
}

/// Writes the file with a column of log-densities, in chunks.
fn score(args: &Args, model: &TableModel, input: &Path) -> Result {
    let mut config = ScoreConfig::new().with_missing(missing_rows(args)).with_csv(args.csv());
    if let Some(chunk_rows) = args.chunk_rows {
        config = config.with_chunk_rows(chunk_rows);
    }
    let bar = ProgressBar::new_spinner();
    let output = result_of(args, input, "scores")?;
    let report = model.score_file(input, output, &config, |n_rows| {
        bar.set_message(format!("{n_rows} rows"));
        bar.tick();
    });
    bar.finish_and_clear();
    println!("{}: {}", input.display(), report?);
    Ok(())
}

/// Fills the missing cells by draws.
fn fill(args: &Args, model: &TableModel, input: &Path) -> Result {
    let table = TableFiles::new([input])?.with_csv(csv_for(args, model)?).read()?;
    let is_missing = |column: &Column| match &column.values {
        Values::Numbers(values) => values.iter().filter(|x| x.is_nan()).count(),
        Values::Text(_) => 0,
    };
    let n_missing: usize = table.columns().iter().map(is_missing).sum();
    let filled = model.fill(&table, N_SWEEPS, &mut ChaCha8Rng::seed_from_u64(args.seed))?;
    let output = result_of(args, input, "filled")?.with_extension("csv");
    filled.write_csv(&output)?;
    let n_left: usize = filled.columns().iter().map(is_missing).sum();
    println!("{}: {} cells filled", input.display(), n_missing - n_left);
    Ok(())
}

/// Tells which columns make the least likely rows so.
fn explain(args: &Args, model: &TableModel, input: &Path, n: usize) -> Result {
    let table = TableFiles::new([input])?.with_csv(csv_for(args, model)?).read()?;
    let is_refused = missing_rows(args) == NonFiniteRows::Refuse;
    let table = if is_refused { table } else { table.select(&model.scorable_rows(&table)?) };
    let scores = model.log_prob(&table)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    order.truncate(n);
    let rows = table.select(&order);
    let explanations = model.explain(&rows)?;
    for (row, Explanation { log_prob, columns, .. }) in explanations.iter().enumerate() {
        let told = columns.iter().take(N_TOLD).map(|column| {
            let name = &column.name;
            let value = table.numbers(name).map_or(f64::NAN, |values| values[order[row]]);
            format!("{name} = {value} (tail {:.2e})", column.tail)
        });
        let told: Vec<String> = told.collect();
        println!("{}: log-density {log_prob:.3}; {}", rows.place_of(row), told.join(", "));
    }
    // The tail of every column beside its value.
    let mut columns = rows.columns().to_vec();
    let scores = explanations.iter().map(|explanation| explanation.log_prob).collect();
    columns.push(Column { name: "log_density".to_owned(), values: Values::Numbers(scores) });
    let names: Vec<String> = explanations.first().map_or(Vec::new(), |first| {
        first.columns.iter().map(|column| column.name.clone()).collect()
    });
    for name in names {
        let tail = |explanation: &Explanation| {
            let column = explanation.columns.iter().find(|column| column.name == name);
            column.map_or(f64::NAN, |column| column.tail)
        };
        let values = Values::Numbers(explanations.iter().map(tail).collect());
        columns.push(Column { name: format!("tail_{name}"), values });
    }
    Table::new(columns)?.write_csv(result_of(args, input, "explained")?.with_extension("csv"))?;
    Ok(())
}

//! [`fit_table`] and [`TableFitter`]: from a table to a density in one call.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::config::TableConfig;
use super::epoch_rows::EpochRows;
use super::linear::Linear;
use super::report::TableReport;
use super::rows::{FitRows, Split, Usable, check_formulas, n_held_out, split, usable_rows};
use super::start::start_at_residuals;
use crate::data::Dataset;
use crate::distribution::{Checked, NormalizingFlow};
use crate::error::Error;
use crate::table::columns::{EncodedRows, Encoder, Jitter, Role, Schema, percent};
use crate::table::density::TableModel;
use crate::table::source::{Reservoir, Table, TableSource};
use crate::train::{Epoch, Evaluation, FitError, FitReport, Fitted, Fitter, gaussian_nll};

/// A density of a table, and the report of how it came to be.
#[derive(Debug, Clone)]
pub struct FittedTable {
    /// The model with the best weights.
    pub model: TableModel,
    /// What the training did.
    pub report: TableReport,
    /// The rows that were held out, as [`TableModel::diagnose`] takes them.
    pub held_out: Table,
}

/// Fits a density to the rows of a table: supports, scales and heavy tails of its columns are part
/// of the model, and so are the scales of its contexts. The flow then sees columns of a mean of 0
/// and a standard deviation of 1, and is trained as by [`fit`](crate::train::fit()). Columns that
/// others determine are found anew, by [`Schema::with_formulas`]. Weights count in the likelihood,
/// not in the scales.
///
/// # Errors
///
/// [`FitError::Error`] if a column is not what the schema says, a value is missing or not finite
/// (unless such rows are dropped), or nothing is left to model; [`FitError::Diverged`] with the
/// best weights.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
/// use normalizing_flows::table::{Schema, Table, TableConfig, fit_table};
/// use normalizing_flows::train::FitConfig;
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let rows = (0..500).map(|_| {
///     let income = (10.0 + rng.random::<f64>()).exp();
///     vec![income, (rng.random::<f64>() * 5.0).floor()]
/// });
/// let table = Table::from_rows(["income", "children"], rows.collect())?;
/// let schema = Schema::infer(&table)?;
/// let config = TableConfig::new();
/// # let config = config.with_fit(FitConfig::new().with_max_epochs(Some(2)));
/// let fitted = fit_table(&table, &schema, &config, &Device::default())?;
/// println!("{}", fitted.report);
/// let scores = fitted.model.log_prob(&table)?;
/// let samples = fitted.model.sample(100, &mut rng)?;
/// assert!(samples.numbers("income")?.iter().all(|&x| x > 0.0));
/// # assert_eq!(scores.len(), 500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fit_table(
    table: &Table,
    schema: &Schema,
    config: &TableConfig,
    device: &Device,
) -> Result<FittedTable, FitError<TableModel>> {
    TableFitter::new(config.clone()).fit(table, schema, device)
}

type Callback<'a> = Box<dyn FnMut(&Epoch) -> ControlFlow<()> + 'a>;

/// [`fit_table`] with a callback and checkpoints.
///
/// # Example
///
/// ```
/// use std::ops::ControlFlow;
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::table::{Schema, Table, TableConfig, TableFitter};
/// use normalizing_flows::train::FitConfig;
///
/// let rows = (0..100).map(|i| vec![f64::from(i * i % 37), f64::from(i % 7) + 0.5]).collect();
/// let table = Table::from_rows(["x", "y"], rows)?;
/// let config = TableConfig::new().with_fit(FitConfig::new().with_max_epochs(Some(3)));
/// let mut epochs = 0;
/// TableFitter::new(config)
///     .on_epoch(|epoch| {
///         epochs = epoch.epoch;
///         ControlFlow::Continue(())
///     })
///     .fit(&table, &Schema::infer(&table)?, &Device::default())?;
/// assert_eq!(epochs, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct TableFitter<'a> {
    config: TableConfig,
    on_epoch: Option<Callback<'a>>,
    checkpoint: Option<PathBuf>,
}

impl fmt::Debug for TableFitter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, checkpoint, .. } = self;
        f.debug_struct("TableFitter")
            .field("config", config)
            .field("checkpoint", checkpoint)
            .finish_non_exhaustive()
    }
}

impl<'a> TableFitter<'a> {
    /// A fit of this configuration.
    pub fn new(config: TableConfig) -> Self {
        Self { config, on_epoch: None, checkpoint: None }
    }

    /// Calls a function after every epoch; it can end the training by `ControlFlow::Break(())`.
    pub fn on_epoch(self, callback: impl FnMut(&Epoch) -> ControlFlow<()> + 'a) -> Self {
        Self { on_epoch: Some(Box::new(callback)), ..self }
    }

    /// Writes the state of the training to a file after every epoch and goes on from it if it is
    /// there, to the same bits; see [`Fitter::checkpoint`]. The table, the schema and the
    /// configuration must be those that the file was written for.
    pub fn checkpoint(self, path: impl Into<PathBuf>) -> Self {
        Self { checkpoint: Some(path.into()), ..self }
    }

    /// Fits a density to the rows of a table; see [`fit_table`].
    ///
    /// # Errors
    ///
    /// As [`fit_table`], and [`Error::File`] about the checkpoint.
    pub fn fit(
        self,
        table: &Table,
        schema: &Schema,
        device: &Device,
    ) -> Result<FittedTable, FitError<TableModel>> {
        self.config.validate()?;
        let config = &self.config.fit;
        let Usable { rows, n_dropped } = usable_rows(table, schema, config.non_finite_rows)?;
        let used = table.select(&rows);
        let schema = schema.clone().with_constants(&used)?.with_formulas(&used)?;
        let n_rows = rows.len();
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let Split { train, held_out, share_of_copies } =
            split(table, rows, &schema, config.validation_fraction, &mut rng)?;
        let n_train = train.n_rows();
        let rows = FitRows { n_train, n_rows, n_dropped, train, held_out, share_of_copies };
        self.run(&schema, rows, None, rng, device)
    }

    /// Fits a density to a table that may be larger than memory.
    ///
    /// One pass over the source draws [`TableConfig::chunk_rows`] rows: the scales, the tails, the
    /// baselines and the held-out rows are of those. Another finds the rows that cannot be trained on, too
    /// far from the others, before hours have gone into training. Then each epoch trains on as many of the other
    /// rows, one epoch after another through the source and again from its start; by default there
    /// are at least as many epochs as one pass needs. No more than four such chunks are in memory.
    /// Rows that follow each other in the source share an epoch: shuffle a file that is sorted, also one
    /// that is sorted by its weights.
    ///
    /// [`sample_rows`](crate::table::sample_rows) gives rows to infer the schema from.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit), and those of the source.
    ///
    /// # Example
    ///
    /// ```
    /// use normalizing_flows::burn::tensor::Device;
    /// use normalizing_flows::table::{Schema, Table, TableConfig, TableFitter, sample_rows};
    /// use normalizing_flows::train::FitConfig;
    ///
    /// let rows = (0..1000).map(|i| vec![f64::from(i * i % 37), f64::from(i % 7) + 0.5]).collect();
    /// let source = Table::from_rows(["x", "y"], rows)?; // or files
    /// let schema = Schema::infer(&sample_rows(&source, 500, 0)?)?;
    /// let fit = FitConfig::new().with_max_epochs(Some(6));
    /// let config = TableConfig::new().with_chunk_rows(200).with_fit(fit);
    /// let fitted = TableFitter::new(config).fit_source(&source, &schema, &Device::default())?;
    /// assert_eq!(fitted.report.n_train, 980);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fit_source(
        self,
        source: &dyn TableSource,
        schema: &Schema,
        device: &Device,
    ) -> Result<FittedTable, FitError<TableModel>> {
        self.config.validate()?;
        let (config, chunk_rows) = (&self.config.fit, self.config.chunk_rows);
        let treatment = config.non_finite_rows;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let mut reservoir = Reservoir::new(chunk_rows, &mut rng);
        let mut n_dropped = 0;
        for chunk in source.chunks(chunk_rows)? {
            let chunk = chunk?;
            let usable = usable_rows(&chunk, schema, treatment)?;
            n_dropped += usable.n_dropped;
            let rows = chunk.select(&usable.rows);
            check_formulas(&rows, schema)?;
            reservoir.add(&rows)?;
        }
        let n_rows = reservoir.n_seen() as usize;
        let (sample, indices) = reservoir.finish()?;
        let schema = schema.clone().with_constants(&sample)?.with_formulas(&sample)?;
        // The sample is in a random order.
        let n = sample.n_rows();
        let n_held_out = n_held_out(n, config.validation_fraction)?;
        let range = |from: usize, to: usize| sample.select(&(from..to).collect::<Vec<_>>());
        let rows = FitRows {
            train: range(n_held_out, n),
            held_out: range(0, n_held_out),
            n_train: n_rows - n_held_out,
            n_rows,
            n_dropped,
            share_of_copies: 0.0,
        };
        let held_out = indices[..n_held_out].iter().copied().collect();
        let stream = EpochRows::new(source, &schema, treatment, held_out, &rows, chunk_rows);
        self.run(&schema, rows, Some(&stream), rng, device)
    }

    /// Trains on the rows that are in memory, or on those of a stream.
    fn run(
        self,
        schema: &Schema,
        rows: FitRows,
        stream: Option<&EpochRows<'_>>,
        mut rng: ChaCha8Rng,
        device: &Device,
    ) -> Result<FittedTable, FitError<TableModel>> {
        let Self { config, mut on_epoch, checkpoint } = self;
        let FitRows { train, held_out, n_rows, .. } = &rows;
        let encoder = Encoder::fit(schema, train, &mut rng)?;
        let periodic: Vec<bool> = encoder.features().map(|(_, map)| map.is_periodic()).collect();
        let flow_config = config.flow_config(&periodic, encoder.d_context(), *n_rows, &mut rng)?;
        let mut flow = flow_config.init(device, &mut rng);
        start_at_residuals(&mut flow, &encoder, train, config.fit.seed)?;
        let datasets = Datasets::new(&encoder, schema, device);
        if let Some(stream) = stream {
            // Noise of its own, so that the training draws what it would have drawn.
            let mut rng = ChaCha8Rng::seed_from_u64(config.fit.seed);
            stream.for_each_chunk(|rows| datasets.encoded(rows, &mut rng).map(|_| ()))?;
        }
        let (validation, log_slopes) = datasets.jittered(held_out, &mut rng)?;
        // Of every epoch by itself, so that an interrupted training goes on as it would have.
        let draw = |epoch: usize| -> Result<Dataset, Error> {
            let seed = config.fit.seed ^ (epoch as u64).rotate_left(32);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let rows = stream.map(|stream| stream.of_epoch(epoch)).transpose()?;
            Ok(datasets.jittered(rows.as_ref().unwrap_or(train), &mut rng)?.0)
        };
        // Epoch 0 is of the rows in memory.
        let first = datasets.jittered(train, &mut ChaCha8Rng::seed_from_u64(config.fit.seed))?.0;
        let fit_config = match stream {
            Some(_) => config.fit.for_epochs_of(train.n_rows(), rows.n_train),
            None => config.fit.clone(),
        };
        let mut fitter =
            Fitter::new(fit_config).validation(&validation).on_epoch(
                |epoch, _| match &mut on_epoch {
                    Some(callback) => callback(epoch),
                    None => ControlFlow::Continue(()),
                },
            );
        if let Some(path) = checkpoint {
            fitter = fitter.checkpoint(path);
        }
        if encoder.is_noisy() || stream.is_some() {
            fitter = fitter.redraw(&draw);
        }
        let done = fitter.fit(flow, &first);
        let model = |flow| TableModel::new(schema.clone(), encoder.clone(), flow_config, flow);
        match done {
            Ok(Fitted { model: flow, report }) => {
                let held_out = HeldOut { validation: &validation, log_slopes: &log_slopes };
                let report = table_report(&flow, report, &held_out, &rows, &datasets, &mut rng)?;
                Ok(FittedTable { model: model(flow), report, held_out: rows.held_out })
            }
            Err(FitError::Diverged(fitted)) => {
                let Fitted { model: flow, report } = *fitted;
                Err(FitError::Diverged(Box::new(Fitted { model: model(flow), report })))
            }
            Err(FitError::Error(error)) => Err(error.into()),
        }
    }
}

/// Makes datasets of rows.
struct Datasets<'a> {
    encoder: &'a Encoder,
    schema: &'a Schema,
    device: &'a Device,
}

impl<'a> Datasets<'a> {
    fn new(encoder: &'a Encoder, schema: &'a Schema, device: &'a Device) -> Self {
        Self { encoder, schema, device }
    }

    /// Rows with noise where columns have some, and the log-slopes of their encoding.
    fn jittered(&self, rows: &Table, rng: &mut ChaCha8Rng) -> Result<(Dataset, Vec<f64>), Error> {
        let EncodedRows { features, contexts, log_slopes } = self.encoded(rows, rng)?;
        Ok((self.dataset(rows, features, contexts)?, log_slopes))
    }

    /// Rows as they are trained on.
    fn encoded(&self, rows: &Table, rng: &mut ChaCha8Rng) -> Result<EncodedRows, Error> {
        let encoded = self.encoder.encode(rows, Jitter::Drawn(rng))?;
        let EncodedRows { features, log_slopes, .. } = &encoded;
        if let Some((row, name)) = self.encoder.first_far(features) {
            return Err(Error::Data(format!(
                "{}, column `{name}`: {} is too far from the other values to train on; mend it, or \
                 leave the row out",
                rows.place_of(row),
                rows.numbers(name)?[row]
            )));
        }
        if let Some(row) = log_slopes.iter().position(|&slope| slope == f64::NEG_INFINITY) {
            return Err(Error::Data(format!(
                "{}: a column that is constant in the rows that were drawn, or that others determine \
                 there, has another value here; give it noise (jitter), or leave it out",
                rows.place_of(row)
            )));
        }
        Ok(encoded)
    }

    /// Rows as a normal is fitted to them, and the log-slopes of that.
    fn linear(
        &self,
        map: &Linear,
        rows: &Table,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Dataset, Vec<f64>), Error> {
        let (features, log_slopes) = map.features(rows, rng)?;
        Ok((self.dataset(rows, features, self.encoder.contexts(rows)?)?, log_slopes))
    }

    fn dataset(
        &self,
        rows: &Table,
        features: Vec<f64>,
        contexts: Vec<f64>,
    ) -> Result<Dataset, Error> {
        let tensor = |values: Vec<f64>, d: usize| {
            let n = values.len() / d;
            Tensor::<2>::from_data(TensorData::new(values, [n, d]), self.device)
        };
        let mut data = Dataset::new(tensor(features, self.encoder.d_features()));
        let d_context = self.encoder.d_context();
        if d_context > 0 {
            data = data.with_context(tensor(contexts, d_context));
        }
        let mut columns = self.schema.columns().iter();
        if let Some(column) = columns.find(|column| column.role == Role::Weight) {
            data = data.with_weights(rows.numbers(&column.name)?.to_vec());
        }
        Ok(data)
    }
}

/// The held-out rows as the flow sees them.
struct HeldOut<'a> {
    validation: &'a Dataset,
    log_slopes: &'a [f64],
}

/// The report in the units of the columns.
fn table_report(
    flow: &NormalizingFlow,
    mut fit: FitReport,
    held_out: &HeldOut<'_>,
    rows: &FitRows,
    datasets: &Datasets<'_>,
    rng: &mut ChaCha8Rng,
) -> Result<TableReport, Error> {
    let HeldOut { validation, log_slopes } = held_out;
    let log_prob = Checked::plain(flow, validation.context()).log_prob(validation.x().clone())?;
    let log_prob = log_prob.into_data();
    let losses = log_prob.iter::<f64>().zip(*log_slopes).map(|(log, slope)| -log - slope);
    let losses: Vec<f64> = losses.collect();
    let Evaluation { nll, error } = Evaluation::of(&losses, validation.weights());
    // In what the units of the columns differ from the standardised ones.
    let offset = fit.validation_nll - nll;
    let map = Linear::fit(datasets.encoder, &rows.train)?;
    let (linear_train, _) = datasets.linear(&map, &rows.train, rng)?;
    let (linear_held_out, log_slopes) = datasets.linear(&map, &rows.held_out, rng)?;
    let gaussian = gaussian_nll(&linear_train, &linear_held_out);
    let log_slope = Evaluation::of(&log_slopes, validation.weights()).nll;
    let gaussian = gaussian.map(|nll| nll - log_slope);
    // Its own are of the standardised columns.
    fit.warnings = warning(nll, gaussian, &fit, rows).into_iter().collect();
    Ok(TableReport {
        nll,
        nll_error: error,
        gaussian_nll: gaussian,
        copula_nll: fit.copula_nll.map(|nll| nll - offset),
        n_train: rows.n_train,
        n_dropped: rows.n_dropped,
        notes: notes(datasets.schema, datasets.encoder, rows.share_of_copies),
        fit,
    })
}

/// That the model is no better than a fitted Gaussian, and the likely reason.
fn warning(nll: f64, gaussian: Option<f64>, fit: &FitReport, rows: &FitRows) -> Option<String> {
    let (n, d) = (rows.n_train, fit.d_features);
    let Some(gaussian) = gaussian else {
        return Some(format!(
            "no Gaussian could be fitted to compare with: {n} rows of {d} columns are too few, or a \
             column has one value in all that are trained on; whether the model has learnt anything is \
             not known"
        ));
    };
    if nll <= gaussian + WORSE * d as f64 {
        return None;
    }
    let reason = if fit.skipped_steps > 0 {
        "steps were skipped because they were not finite: lower the learning rate".to_owned()
    } else if n < FEW_ROWS * d {
        format!("{n} rows are few for {d} columns: leave some out")
    } else if fit.best_epoch == 0 {
        "no epoch was better than the start: lower the learning rate".to_owned()
    } else {
        "columns that nearly determine each other are hard to fit (leave one of them out), and normal \
         ones are best fitted by a normal"
            .to_owned()
    };
    Some(format!(
        "the held-out NLL of {nll:.4} nats per row is above the {gaussian:.4} of a fitted Gaussian; {reason}"
    ))
}

/// The nats per column that a model may be worse than a Gaussian without a warning.
const WORSE: f64 = 0.01;
/// Fewer rows per column than these are few.
const FEW_ROWS: usize = 30;

/// What to know of the columns.
fn notes(schema: &Schema, encoder: &Encoder, share_of_copies: f64) -> Vec<String> {
    let mut notes = Vec::new();
    if share_of_copies > 0.0 {
        let percent = percent(share_of_copies);
        notes.push(format!(
            "{percent} of the rows are copies of others, which are held out together"
        ));
    }
    for column in schema.columns() {
        let name = &column.name;
        match &column.role {
            Role::Determined(formula) => notes
                .push(format!("`{name}` = {formula}: no density of it exists, so it is left out")),
            Role::Modelled => {
                notes.extend(column.remarks().iter().map(|note| format!("`{name}`: {note}")));
            }
            _ => {}
        }
    }
    notes.extend(encoder.notes());
    notes
}

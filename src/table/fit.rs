//! [`fit_table`] and [`TableFitter`]: from a table to a density in one call.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::config::TableConfig;
use super::data::Table;
use super::encoder::{EncodedRows, Encoder, Jitter};
use super::linear::Linear;
use super::model::TableModel;
use super::report::TableReport;
use super::rows::{Usable, split, usable_rows};
use super::schema::{Role, Schema};
use crate::data::Dataset;
use crate::distribution::Checked;
use crate::error::Error;
use crate::train::{Epoch, Evaluation, FitError, Fitted, Fitter, gaussian_nll};

/// A density of a table, and the report of how it came to be.
#[derive(Debug, Clone)]
pub struct FittedTable {
    /// The model with the best weights.
    pub model: TableModel,
    /// What the training did.
    pub report: TableReport,
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
        let Self { config, mut on_epoch, checkpoint } = self;
        config.validate()?;
        let Usable { rows, n_dropped } = usable_rows(table, schema, config.fit.non_finite_rows)?;
        let schema = &schema.clone().with_formulas(&table.select(&rows))?;
        let n_rows = rows.len();
        let mut rng = ChaCha8Rng::seed_from_u64(config.fit.seed);
        let fraction = config.fit.validation_fraction;
        let (train, held_out) = split(table, rows, fraction, &mut rng)?;
        let weights = |rows: &Table| -> Result<Option<Vec<f64>>, Error> {
            let column = schema.columns().iter().find(|column| column.role == Role::Weight);
            column.map(|column| rows.numbers(&column.name).map(<[f64]>::to_vec)).transpose()
        };
        let (train_weights, held_out_weights) = (weights(&train)?, weights(&held_out)?);

        let encoder = Encoder::fit(schema, &train, &mut rng)?;
        let (d, d_context) = (encoder.d_features(), encoder.d_context());
        let periodic: Vec<bool> = encoder.features().map(|(_, map)| map.is_periodic()).collect();
        let flow_config = config.flow_config(&periodic, d_context, n_rows)?;
        let flow = flow_config.init(device, &mut rng);
        let dataset = |encoded: EncodedRows, weights: &Option<Vec<f64>>| -> (Dataset, Vec<f64>) {
            let tensor = |values: Vec<f64>, d: usize| {
                let n = values.len() / d;
                Tensor::<2>::from_data(TensorData::new(values, [n, d]), device)
            };
            let mut data = Dataset::new(tensor(encoded.features, d));
            if d_context > 0 {
                data = data.with_context(tensor(encoded.contexts, d_context));
            }
            if let Some(weights) = weights {
                data = data.with_weights(weights.clone());
            }
            (data, encoded.log_slopes)
        };
        let (validation, log_slopes) =
            dataset(encoder.encode(&held_out, Jitter::Drawn(&mut rng))?, &held_out_weights);
        // Of every epoch by itself, so that an interrupted training goes on as it would have.
        let draw = |epoch: usize| {
            let seed = config.fit.seed ^ (epoch as u64).rotate_left(32);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let encoded = encoder.encode(&train, Jitter::Drawn(&mut rng));
            dataset(encoded.expect("the same rows were encoded before"), &train_weights).0
        };
        refuse_far_values(&encoder, &train)?;
        refuse_far_values(&encoder, &held_out)?;
        let mut fitter =
            Fitter::new(config.fit.clone()).validation(&validation).on_epoch(|epoch, _| {
                match &mut on_epoch {
                    Some(callback) => callback(epoch),
                    None => ControlFlow::Continue(()),
                }
            });
        if let Some(path) = checkpoint {
            fitter = fitter.checkpoint(path);
        }
        if encoder.is_noisy() {
            fitter = fitter.redraw(&draw);
        }
        let (fitted, diverged) = match fitter.fit(flow, &draw(0)) {
            Ok(fitted) => (fitted, false),
            Err(FitError::Diverged(fitted)) => (*fitted, true),
            Err(FitError::Error(error)) => return Err(error.into()),
        };
        let Fitted { model: flow, report: fit } = fitted;
        if diverged {
            let model = TableModel::new(schema.clone(), encoder, flow_config, flow);
            return Err(FitError::Diverged(Box::new(Fitted { model, report: fit })));
        }
        let log_prob =
            Checked::new(&flow, validation.context()).log_prob(validation.x().clone())?;
        let log_prob = log_prob.into_data();
        let losses =
            log_prob.iter::<f64>().zip(&log_slopes).map(|(log_prob, slope)| -log_prob - slope);
        let losses: Vec<f64> = losses.collect();
        let Evaluation { nll, error } = Evaluation::of(&losses, validation.weights());
        // In what the units of the columns differ from the standardised ones.
        let offset = fit.validation_nll - nll;
        let linear_map = Linear::fit(&encoder, &train)?;
        let mut linear = |rows: &Table, weights: &Option<Vec<f64>>| -> Result<Dataset, Error> {
            let features = linear_map.features(rows, &mut rng)?;
            let contexts = encoder.contexts(rows)?;
            Ok(dataset(EncodedRows { features, contexts, log_slopes: Vec::new() }, weights).0)
        };
        let gaussian =
            gaussian_nll(&linear(&train, &train_weights)?, &linear(&held_out, &held_out_weights)?)
                .map(|nll| nll - linear_map.log_slope());
        let report = TableReport {
            nll,
            nll_error: error,
            gaussian_nll: gaussian,
            copula_nll: fit.copula_nll.map(|nll| nll - offset),
            n_dropped,
            notes: notes(schema, &encoder),
            fit,
        };
        Ok(FittedTable {
            model: TableModel::new(schema.clone(), encoder, flow_config, flow),
            report,
        })
    }
}

/// An error for a value that is so far from the others that no flow can be trained on it.
fn refuse_far_values(encoder: &Encoder, rows: &Table) -> Result<(), Error> {
    let encoded = encoder.encode(rows, Jitter::<ChaCha8Rng>::Midpoint)?;
    let Some((row, name)) = encoder.first_far(&encoded) else { return Ok(()) };
    Err(Error::Data(format!(
        "{}, column `{name}`: {} is too far from the other values to train on; mend it, or leave the \
         row out",
        rows.place_of(row),
        rows.numbers(name)?[row]
    )))
}

/// What to know of the columns.
fn notes(schema: &Schema, encoder: &Encoder) -> Vec<String> {
    let mut notes = Vec::new();
    for column in schema.columns() {
        let name = &column.name;
        match &column.role {
            Role::Determined(formula) => notes
                .push(format!("`{name}` = {formula}: no density of it exists, so it is left out")),
            Role::Modelled => {
                notes.extend(column.notes.iter().map(|note| format!("`{name}`: {note}")));
            }
            _ => {}
        }
    }
    notes.extend(encoder.notes());
    notes
}

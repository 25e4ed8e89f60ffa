//! [`fit_table`]: from a table to a density in one call.

use std::fmt;
use std::ops::ControlFlow;

use burn::config::Config;
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize};

use super::column_map::dequantised;
use super::data::{Table, Values};
use super::encoder::{Encoder, Encodings, Integers};
use super::model::TableModel;
use super::schema::{Kind, Role, Schema};
use super::support::Support;
use crate::conditioner::MlpConfig;
use crate::data::Dataset;
use crate::distribution::{Checked, FlowConfig};
use crate::elementwise::{ConditionalElementwiseConfig, ElementwiseConfig};
use crate::error::{Error, ensure};
use crate::flow::LayerConfig;
use crate::preset::{NsfConfig, RealNvpConfig};
use crate::train::{
    Epoch, Evaluation, FitConfig, FitError, FitReport, Fitted, Fitter, NonFiniteRows, gaussian_nll,
};
use crate::univariate::RationalQuadraticSplineConfig;

/// The flow of a table.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableFlow {
    /// A neural spline flow.
    Nsf,
    /// RealNVP.
    RealNvp,
}

/// Configuration of [`fit_table`]. What is `None` follows from the size of the table.
#[derive(Config, Debug)]
pub struct TableConfig {
    /// The flow. A single column has a spline of 16 bins, whatever this says.
    #[config(default = "TableFlow::Nsf")]
    pub flow: TableFlow,
    /// The number of its coupling layers. By default 6.
    pub n_layers: Option<usize>,
    /// The units of each of the two hidden layers of its networks. By default from 32 below 1,000
    /// rows to 256 from 100,000 on.
    pub d_hidden: Option<usize>,
    /// The training.
    #[config(default = "FitConfig::new()")]
    pub fit: FitConfig,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl TableConfig {
    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        for (name, value) in [("n_layers", self.n_layers), ("d_hidden", self.d_hidden)] {
            ensure!(value != Some(0), "`{name}` must be at least 1, got 0");
        }
        self.fit.validate()
    }

    fn flow_config(
        &self,
        d_features: usize,
        d_context: usize,
        n_rows: usize,
    ) -> Result<FlowConfig, Error> {
        let d_hidden = self.d_hidden.unwrap_or(match n_rows {
            0..1_000 => 32,
            1_000..10_000 => 64,
            10_000..100_000 => 128,
            _ => 256,
        });
        let n_layers = self.n_layers.unwrap_or(6);
        let network = MlpConfig::new().with_d_hidden(vec![d_hidden; 2]);
        if d_features == 1 {
            // No other column to couple it with: one map, of more bins, given the context if there is
            // one.
            let spline = RationalQuadraticSplineConfig::new().with_n_bins(16);
            let layer: LayerConfig = if d_context == 0 {
                ElementwiseConfig::new(1).with_univariate(spline.into()).into()
            } else {
                ConditionalElementwiseConfig::new(1, d_context)
                    .with_conditioner(network.into())
                    .with_univariate(spline.into())
                    .into()
            };
            return Ok(FlowConfig::standard(1, vec![layer]));
        }
        let config: FlowConfig = match self.flow {
            TableFlow::Nsf => NsfConfig::new(d_features)
                .with_d_context(d_context)
                .with_n_layers(n_layers)
                .with_conditioner(network.into())
                .into(),
            TableFlow::RealNvp => RealNvpConfig::new(d_features)
                .with_d_context(d_context)
                .with_n_layers(n_layers)
                .with_conditioner(network.into())
                .into(),
        };
        config.validate()?;
        Ok(config)
    }
}

/// What [`fit_table`] did. Negative log-likelihoods (NLL) are of the held-out rows, in nats per row
/// and in the units of the table; integers are dequantised by one draw of noise, which makes them an
/// upper bound on average.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableReport {
    /// The mean NLL under the model.
    pub nll: f64,
    /// Its standard error; `None` if one row is held out.
    pub nll_error: Option<f64>,
    /// The mean NLL under the normal fitted to the modelled columns as they are.
    pub gaussian_nll: Option<f64>,
    /// The mean NLL under a Gaussian copula.
    pub copula_nll: Option<f64>,
    /// The rows that were left out, as a value was missing or not finite.
    pub n_dropped: usize,
    /// What to know of the columns: heavy tails, lumps, what others determine.
    pub notes: Vec<String>,
    /// The training, whose NLLs are those of the standardised columns.
    pub fit: FitReport,
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fit = &self.fit;
        write!(f, "{} rows trained on, {} held out", fit.n_train, fit.n_validation)?;
        if self.n_dropped > 0 {
            write!(f, ", {} left out (a value is missing)", self.n_dropped)?;
        }
        writeln!(
            f,
            "; {} parameters\n{} epochs in {:.1} s, {:.0} rows/s: {}",
            fit.n_parameters,
            fit.history.len(),
            fit.seconds,
            fit.rows_per_second,
            fit.stop_reason
        )?;
        write!(f, "held-out NLL {:.4}", self.nll)?;
        if let Some(error) = self.nll_error {
            write!(f, " ± {error:.4}")?;
        }
        let per_feature = self.nll / fit.d_features as f64;
        write!(f, " nats per row, {per_feature:.4} per modelled column")?;
        for (what, nll) in
            [("fitted Gaussian", self.gaussian_nll), ("Gaussian copula", self.copula_nll)]
        {
            if let Some(nll) = nll {
                write!(f, "\na {what} has {nll:.4}, {:+.4} beside the model", nll - self.nll)?;
            }
        }
        for note in &self.notes {
            write!(f, "\n{note}")?;
        }
        for warning in &fit.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}

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
/// and a standard deviation of 1, and is trained as by [`fit`](crate::train::fit()). Columns that others
/// determine are found anew, by [`Schema::with_formulas`]. Weights count in the likelihood, not in the
/// scales.
///
/// # Errors
///
/// [`FitError::Error`] if a column is not what the schema says, a value is missing or not finite
/// (unless such rows are dropped), or nothing is left to model; [`FitError::Diverged`] with the best
/// weights.
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
    fit_table_with(table, schema, config, device, |_| ControlFlow::Continue(()))
}

/// [`fit_table`] with a function that is called after every epoch and can end the training by
/// `ControlFlow::Break(())`.
///
/// # Errors
///
/// As [`fit_table`].
pub fn fit_table_with(
    table: &Table,
    schema: &Schema,
    config: &TableConfig,
    device: &Device,
    mut on_epoch: impl FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<FittedTable, FitError<TableModel>> {
    config.validate()?;
    let Usable { rows, n_dropped } = usable_rows(table, schema, config.fit.non_finite_rows)?;
    let schema = &schema.clone().with_formulas(&table.select(&rows))?;
    let n = rows.len();
    if n < 2 {
        return Err(Error::Data(format!(
            "there must be at least two rows, one to train on and one to hold out, got {n} \
             ({n_dropped} were dropped)"
        ))
        .into());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(config.fit.seed);
    let mut order = rows;
    order.shuffle(&mut rng);
    let n_held_out = ((n as f64 * config.fit.validation_fraction).round() as usize).clamp(1, n - 1);
    let (held_out, train) = order.split_at(n_held_out);
    let (held_out, train) = (table.select(held_out), table.select(train));
    let weights = |rows: &Table| -> Result<Option<Vec<f64>>, Error> {
        let column = schema.columns().iter().find(|column| column.role == Role::Weight);
        column.map(|column| rows.numbers(&column.name).map(<[f64]>::to_vec)).transpose()
    };
    let (train_weights, held_out_weights) = (weights(&train)?, weights(&held_out)?);

    let encoder = Encoder::fit(schema, &train, &mut rng)?;
    let (d, d_context) = (encoder.d_features(), encoder.d_context());
    let flow_config = config.flow_config(d, d_context, n)?;
    let flow = flow_config.init(device, &mut rng);
    let dataset = |encoded: Encodings, weights: &Option<Vec<f64>>| -> (Dataset, Vec<f64>) {
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
        dataset(encoder.encode(&held_out, Integers::Dequantised(&mut rng))?, &held_out_weights);
    // Of every epoch by itself, so that an interrupted training goes on as it would have.
    let draw = |epoch: usize| {
        let seed = config.fit.seed ^ (epoch as u64).rotate_left(32);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let encoded = encoder.encode(&train, Integers::Dequantised(&mut rng));
        dataset(encoded.expect("the same rows were encoded before"), &train_weights).0
    };
    for rows in [&train, &held_out] {
        let encoded = encoder.encode(rows, Integers::<ChaCha8Rng>::Midpoint)?;
        if let Some((row, name)) = encoder.first_far(&encoded) {
            return Err(Error::Data(format!(
                "{}, column `{name}`: {} is too far from the other values to train on; mend it, or \
                 leave the row out",
                rows.place_of(row),
                rows.numbers(name)?[row]
            ))
            .into());
        }
    }
    let mut fitter = Fitter::new(config.fit.clone())
        .validation(&validation)
        .on_epoch(|epoch, _| on_epoch(epoch));
    if encoder.has_integers() {
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
    let log_prob = Checked::new(&flow, validation.context()).log_prob(validation.x().clone())?;
    let log_prob = log_prob.into_data();
    let losses = log_prob.iter::<f64>().zip(&log_slopes).map(|(log_prob, slope)| -log_prob - slope);
    let losses: Vec<f64> = losses.collect();
    let Evaluation { nll, error } = Evaluation::of(&losses, validation.weights());
    // In what the units of the columns differ from the standardised ones.
    let offset = fit.validation_nll - nll;
    let linear_map = Linear::fit(&encoder, &train)?;
    let mut linear = |rows: &Table, weights: &Option<Vec<f64>>| -> Result<Dataset, Error> {
        let features = linear_map.features(rows, &mut rng)?;
        let contexts = encoder.contexts(rows)?;
        Ok(dataset(Encodings { features, contexts, log_slopes: Vec::new() }, weights).0)
    };
    let gaussian =
        gaussian_nll(&linear(&train, &train_weights)?, &linear(&held_out, &held_out_weights)?)
            .map(|nll| nll - linear_map.log_slope());
    let mut notes: Vec<String> = Vec::new();
    for column in schema.columns() {
        if let Role::Determined(formula) = &column.role {
            let name = &column.name;
            notes.push(format!("`{name}` = {formula}: no density of it exists, so it is left out"));
        }
        if column.role == Role::Modelled {
            notes.extend(column.notes.iter().map(|note| format!("`{}`: {note}", column.name)));
        }
    }
    notes.extend(encoder.notes());
    let report = TableReport {
        nll,
        nll_error: error,
        gaussian_nll: gaussian,
        copula_nll: fit.copula_nll.map(|nll| nll - offset),
        n_dropped,
        notes,
        fit,
    };
    Ok(FittedTable { model: TableModel::new(schema.clone(), encoder, flow_config, flow), report })
}

/// The rows that can be trained on, and how many others there are that should have been.
struct Usable {
    rows: Vec<usize>,
    n_dropped: usize,
}

/// The rows that have all values that the schema asks for, inside of their supports, and a weight
/// above 0.
fn usable_rows(table: &Table, schema: &Schema, treatment: NonFiniteRows) -> Result<Usable, Error> {
    let mut is_complete = vec![true; table.n_rows()];
    let mut is_weighted = vec![true; table.n_rows()];
    for column in schema.columns().iter().filter(|column| column.role != Role::LeftOut) {
        let name = &column.name;
        let place = |row: usize| format!("{}, column `{name}`", table.place_of(row));
        let mut missing = |row: usize, what: &str| -> Result<(), Error> {
            ensure!(
                as Data,
                treatment == NonFiniteRows::Drop,
                "{}: the value is {what}; fill it, leave the column out, or leave such rows out by \
                 `non_finite_rows: Drop`",
                place(row)
            );
            is_complete[row] = false;
            Ok(())
        };
        match (&table.column(name)?.values, &column.kind) {
            (Values::Text(values), Kind::Categories(_)) => {
                for row in (0..values.len()).filter(|&row| values[row].is_empty()) {
                    missing(row, "missing")?;
                }
            }
            (Values::Numbers(values), Kind::Numbers(support)) => {
                for (row, &x) in values.iter().enumerate() {
                    if x.is_nan() {
                        missing(row, "missing")?;
                    } else if x.is_infinite() {
                        missing(row, &x.to_string())?;
                    } else if column.role == Role::Modelled {
                        let inside = support.contains(x);
                        ensure!(
                            as Data,
                            inside,
                            "{}: {x} is outside of the support, {support}",
                            place(row)
                        );
                    } else if column.role == Role::Weight {
                        let is_negative = x < 0.0;
                        ensure!(
                            as Data,
                            !is_negative,
                            "{}: a weight must be at least 0, got {x}",
                            place(row)
                        );
                        is_weighted[row] = x > 0.0;
                    }
                }
            }
            _ => {
                return Err(Error::Data(format!(
                    "column `{name}` holds text where the schema says numbers, or numbers where it \
                     says text: infer the schema from this table"
                )));
            }
        }
    }
    let n_dropped = is_complete.iter().filter(|&&is_complete| !is_complete).count();
    let rows = (0..table.n_rows()).filter(|&row| is_complete[row] && is_weighted[row]).collect();
    Ok(Usable { rows, n_dropped })
}

/// The modelled columns as they are, integers dequantised, but for a mean and a standard deviation:
/// what a normal is fitted to.
struct Linear {
    /// The name and the support of each, its mean and its standard deviation.
    columns: Vec<(String, Support, f64, f64)>,
}

impl Linear {
    fn fit(encoder: &Encoder, train: &Table) -> Result<Self, Error> {
        let columns = encoder.features().map(|(name, support)| {
            let values = train.numbers(name)?;
            let n = values.len() as f64;
            let mean = values.iter().map(|x| x / n).sum::<f64>();
            let deviation = values.iter().map(|x| (x - mean).powi(2) / n).sum::<f64>().sqrt();
            // Of one value among the training rows.
            let deviation = if deviation > 0.0 { deviation } else { 1.0 };
            Ok((name.to_owned(), support, mean, deviation))
        });
        Ok(Self { columns: columns.collect::<Result<_, Error>>()? })
    }

    /// The features of all rows, row by row.
    fn features(&self, rows: &Table, rng: &mut ChaCha8Rng) -> Result<Vec<f64>, Error> {
        let d = self.columns.len();
        let mut features = vec![0.0; rows.n_rows() * d];
        for (index, (name, support, mean, deviation)) in self.columns.iter().enumerate() {
            for (row, &x) in rows.numbers(name)?.iter().enumerate() {
                features[row * d + index] = (dequantised(*support, x, rng) - mean) / deviation;
            }
        }
        Ok(features)
    }

    fn log_slope(&self) -> f64 {
        -self.columns.iter().map(|(_, _, _, deviation)| deviation.ln()).sum::<f64>()
    }
}

//! [`TableModel`]: a density of the rows of a table, in the units of its columns.

use std::fmt;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::distribution::{Distribution, FlowConfig, NormalizingFlow};
use crate::error::{Error, ensure};
use crate::io::container::{Container, Kind, problem, write_atomically};
use crate::io::model::{WEIGHTS, built, bytes_of};
use crate::table::columns::{
    BeyondRange, Encoder, Jitter, Kind as ColumnKind, Role, Schema, are_numbers,
};
use crate::table::source::Table;

/// A density of the rows of a table: supports, scales and tails of the columns, and a flow.
///
/// [`fit_table`](crate::table::fit_table) makes one. Log-densities are in nats, in the units of the
/// columns. An integer column has the density of the numbers that it was dequantised to: at a whole
/// number it is about the probability of that number, which [`log_mass`](Self::log_mass) estimates. A bound
/// that is itself a value ([`Support::AtLeast`](crate::table::Support::AtLeast)) counts by its probability.
///
/// # References
///
/// Hoogeboom, Cohen, Tomczak: *Learning Discrete Distributions by Dequantization*, 2020,
/// arXiv:2001.11235 (uniform dequantisation).
#[derive(Debug, Clone)]
pub struct TableModel {
    schema: Schema,
    encoder: Encoder,
    config: FlowConfig,
    flow: NormalizingFlow,
}

/// So many standard deviations from the others a row has no density where a flow overflows.
const MAX_DEVIATIONS: f64 = 100.0;
/// How often rows are drawn again in which a determined column is outside of its support.
const MAX_REDRAWS: usize = 1_000;

/// What a file says of a model beside its weights.
#[derive(Serialize, Deserialize)]
struct Content {
    schema: Schema,
    encoder: Encoder,
    config: FlowConfig,
}

impl TableModel {
    pub(in crate::table) fn new(
        schema: Schema,
        encoder: Encoder,
        config: FlowConfig,
        flow: NormalizingFlow,
    ) -> Self {
        Self { schema, encoder, config, flow }
    }

    /// What the columns are.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The flow of the standardised columns.
    pub fn flow(&self) -> &NormalizingFlow {
        &self.flow
    }

    /// The log-density of each row, in nats: minus infinity outside of a support. Integers, and bounds that
    /// are values, stand for the middle of the numbers that they are dequantised to.
    ///
    /// Columns are found by their names; others may be there too.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if a column is not there, a value is missing, a category was never seen, or a
    /// context is a million standard deviations from those that the model was fitted to.
    pub fn log_prob(&self, table: &Table) -> Result<Vec<f64>, Error> {
        self.log_density(table, Jitter::<rand::rngs::ChaCha8Rng>::Midpoint)
    }

    /// The log-probability of each row's integers and bounds (and the log-density of the rest), with its
    /// standard error: the mean density of the numbers that stand for one in training, estimated by
    /// `n_draws` of them.
    ///
    /// # Errors
    ///
    /// As [`log_prob`](Self::log_prob), and [`Error::Config`] for fewer than two draws.
    pub fn log_mass<R: Rng + ?Sized>(
        &self,
        table: &Table,
        n_draws: usize,
        rng: &mut R,
    ) -> Result<Vec<LogMass>, Error> {
        ensure!(n_draws >= 2, "`n_draws` must be at least 2, got {n_draws}");
        let mut sums = vec![Sums::new(); table.n_rows()];
        for _ in 0..n_draws {
            let draw = self.log_density(table, Jitter::Drawn(rng))?;
            sums.iter_mut().zip(draw).for_each(|(sums, log)| sums.add(log));
        }
        Ok(sums.into_iter().map(|sums| sums.log_mean(n_draws as f64)).collect())
    }

    fn log_density<R: Rng + ?Sized>(
        &self,
        table: &Table,
        jitter: Jitter<'_, R>,
    ) -> Result<Vec<f64>, Error> {
        if table.n_rows() == 0 {
            return Ok(Vec::new());
        }
        let encoded = self.encoder.encode(table, jitter)?;
        let rows = encoded.features.chunks(self.encoder.d_features());
        let is_far: Vec<bool> =
            rows.map(|row| row.iter().any(|z| z.abs() > MAX_DEVIATIONS)).collect();
        let log_joint = self.log_joint(encoded.features, encoded.contexts);
        let rows = log_joint.into_iter().zip(encoded.log_slopes).zip(is_far);
        let sum = |((log_joint, slope), is_far): ((f64, f64), bool)| {
            // Not minus infinity plus what is no number; and where the flow overflows, the density
            // has long been 0.
            let is_zero = slope == f64::NEG_INFINITY || is_far && log_joint.is_nan();
            if is_zero { f64::NEG_INFINITY } else { log_joint + slope }
        };
        Ok(rows.map(sum).collect())
    }

    /// The numbers of features and of context features.
    pub(in crate::table) fn sizes(&self) -> [usize; 2] {
        [self.encoder.d_features(), self.encoder.d_context()]
    }

    /// How rows become features, and back.
    pub(in crate::table) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The log-density of features under the flow, row by row, in the units of the flow.
    pub(in crate::table) fn log_joint(&self, features: Vec<f64>, contexts: Vec<f64>) -> Vec<f64> {
        let x = self.tensor(features, self.encoder.d_features());
        let log_prob = match self.context(contexts) {
            Some(context) => self.flow.given(&context).log_prob(x),
            None => self.flow.log_prob(x),
        };
        log_prob.into_data().iter::<f64>().collect()
    }

    /// Features of so many rows, row by row, each given its context if the model takes one.
    pub(in crate::table) fn sample_features<R: Rng + ?Sized>(
        &self,
        n: usize,
        contexts: &[f64],
        rng: &mut R,
    ) -> Vec<f64> {
        let samples = match self.context(contexts.to_vec()) {
            Some(context) => self.flow.given(&context).sample(1, rng),
            None => self.flow.sample(n, rng),
        };
        samples.into_data().iter::<f64>().collect()
    }

    /// Draws rows, every column inside of its support. Constant columns come back, and determined
    /// ones as their formula has them; rows in which that is outside of their support are drawn
    /// again.
    ///
    /// # Errors
    ///
    /// [`Error::MissingContext`] if the model has context columns.
    pub fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Result<Table, Error> {
        let d_context = self.encoder.d_context();
        if d_context > 0 {
            return Err(Error::MissingContext { d_context });
        }
        self.sample_rows(n, &[], None, rng)
    }

    /// Draws a row given each row of a table of contexts.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if a context column is not there, a value is missing, or a category was
    /// never seen; [`Error::UnwantedContext`] if the model has no context columns.
    pub fn sample_given<R: Rng + ?Sized>(
        &self,
        contexts: &Table,
        rng: &mut R,
    ) -> Result<Table, Error> {
        if self.encoder.d_context() == 0 {
            return Err(Error::UnwantedContext);
        }
        let encoded = self.encoder.contexts(contexts)?;
        self.sample_rows(contexts.n_rows(), &encoded, Some(contexts), rng)
    }

    /// Rows, of which those are drawn again in which a determined column is outside of its support.
    fn sample_rows<R: Rng + ?Sized>(
        &self,
        n: usize,
        encoded: &[f64],
        contexts: Option<&Table>,
        rng: &mut R,
    ) -> Result<Table, Error> {
        let [d, d_context] = self.sizes();
        let mut features = self.sample_features(n, encoded, rng);
        let mut rows = self.encoder.decode(&features, contexts)?;
        for _ in 0..MAX_REDRAWS {
            let outside = self.encoder.outside(&rows);
            if outside.is_empty() {
                return Ok(rows);
            }
            let of_row = |&row: &usize| &encoded[row * d_context..(row + 1) * d_context];
            let given: Vec<f64> = outside.iter().flat_map(of_row).copied().collect();
            let redrawn = self.sample_features(outside.len(), &given, rng);
            for (row, redrawn) in outside.into_iter().zip(redrawn.chunks_exact(d)) {
                features[row * d..(row + 1) * d].copy_from_slice(redrawn);
            }
            rows = self.encoder.decode(&features, contexts)?;
        }
        Err(Error::Data(format!(
            "a column that others determine was outside of its support {MAX_REDRAWS} times in a row: \
             give it a wider support, or leave it out"
        )))
    }

    /// The columns of contexts in which a table has numbers beyond those that the model was fitted to.
    /// There it extrapolates: its densities and samples are what the networks happen to say.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if a context column is not there.
    pub fn beyond_range(&self, table: &Table) -> Result<Vec<BeyondRange>, Error> {
        self.encoder.beyond_range(table)
    }

    /// The rows that [`log_prob`](Self::log_prob) has a density of: no value is missing, and every
    /// context is one that the model can take. Rows outside of the supports are among them.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if a column is not there, or holds text instead of numbers.
    pub fn scorable_rows(&self, table: &Table) -> Result<Vec<usize>, Error> {
        self.encoder.scorable_rows(table)
    }

    /// Saves the model in one file, as [`save_model`](crate::io::save_model) does.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        write_atomically(path, &self.to_bytes(path)?)
    }

    /// The bytes of the file at a path.
    pub(in crate::table) fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let content = Content {
            schema: self.schema.clone(),
            encoder: self.encoder.clone(),
            config: self.config.clone(),
        };
        let weights = bytes_of(path, &self.flow)?;
        let container = Container::new(content, vec![(WEIGHTS, weights)]);
        container.to_bytes(Kind::Table).map_err(|error| problem(path, error))
    }

    /// Whether a column is to be read as text: one that the model does not need may hold anything.
    pub(in crate::table) fn is_text(&self, name: &str) -> bool {
        let mut columns = self.schema.columns().iter();
        let column = columns.find(|column| column.name == name && column.role != Role::LeftOut);
        match column.map(|column| &column.kind) {
            Some(ColumnKind::Categories(names)) => !are_numbers(names),
            Some(_) => false,
            None => true,
        }
    }

    /// Loads what [`save`](Self::save) saved, onto any device.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be read, is no such model, is damaged, or was written by
    /// a newer release.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut container = Container::<Content>::read(path, Kind::Table)?;
        let weights = container.take(path, WEIGHTS)?;
        let Content { schema, encoder, config } = container.content;
        let flow = built(path, &config, weights, device)?;
        Ok(Self { schema, encoder, config, flow })
    }

    fn context(&self, values: Vec<f64>) -> Option<Tensor<2>> {
        let d_context = self.encoder.d_context();
        (d_context > 0).then(|| self.tensor(values, d_context))
    }

    fn tensor(&self, values: Vec<f64>, d: usize) -> Tensor<2> {
        let place = self.flow.place().unwrap_or_default();
        let n = values.len() / d;
        let float_type = place.float_type();
        let device = place.device.without_autodiff();
        Tensor::from_data(TensorData::new(values, [n, d]), (&device, float_type))
    }
}

impl fmt::Display for TableModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.schema)?;
        for note in self.encoder.notes() {
            writeln!(f, "{note}")?;
        }
        write!(f, "{}", self.flow)
    }
}

/// The logarithm of an estimated probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogMass {
    /// The estimate, in nats.
    pub value: f64,
    /// Its standard error, by the delta method.
    pub standard_error: f64,
}

/// Sums of densities and of their squares, beside the largest so far.
#[derive(Clone)]
struct Sums {
    largest: f64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn new() -> Self {
        Self { largest: f64::NEG_INFINITY, sum: 0.0, squares: 0.0 }
    }

    fn add(&mut self, log: f64) {
        if log > self.largest {
            let factor = (self.largest - log).exp();
            self.largest = log;
            self.sum *= factor;
            self.squares *= factor * factor;
        }
        if self.largest > f64::NEG_INFINITY {
            let density = (log - self.largest).exp();
            self.sum += density;
            self.squares += density * density;
        }
    }

    fn log_mean(&self, n: f64) -> LogMass {
        if self.largest == f64::NEG_INFINITY {
            return LogMass { value: self.largest, standard_error: 0.0 };
        }
        let mean = self.sum / n;
        let variance = (self.squares / n - mean * mean).max(0.0) * n / (n - 1.0);
        LogMass { value: self.largest + mean.ln(), standard_error: (variance / n).sqrt() / mean }
    }
}

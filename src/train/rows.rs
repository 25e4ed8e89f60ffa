//! The rows of a training: those that are finite, split and weighted.

use burn::module::Module;
use burn::tensor::Device;
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::config::{FitConfig, NonFiniteRows};
use crate::data::Dataset;
use crate::error::{Error, ensure};

/// What is trained on and what is held out, on the plain device of a model.
pub(super) struct Rows {
    pub train: Dataset,
    pub validation: Dataset,
    /// The rows that were left out.
    pub n_dropped: usize,
    /// What the weights to train on are divided by.
    mean_weight: f64,
}

impl Rows {
    /// Checks and splits the data; where validation data are given, all other rows are trained on.
    pub fn new(
        data: &Dataset,
        validation: Option<&Dataset>,
        config: &FitConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let (data, dropped) = finite(data, config.non_finite_rows)?;
        let (train, validation, n_dropped) = match validation {
            Some(validation) => {
                let (validation, also_dropped) = finite(validation, config.non_finite_rows)?;
                let n_dropped = dropped + also_dropped;
                ensure!(
                    as Data,
                    data.n_rows() > 0 && validation.n_rows() > 0,
                    "there must be at least one row to train on and one to validate on, got {} and {} \
                     ({n_dropped} were dropped as not finite; rows of weight 0 do not count)",
                    data.n_rows(),
                    validation.n_rows()
                );
                // Files are often sorted, and the first rows stand for all where some are enough.
                (shuffled(&data, config.seed), shuffled(&validation, config.seed), n_dropped)
            }
            None => {
                let n = data.n_rows();
                ensure!(
                    as Data,
                    n >= 2,
                    "there must be at least two rows, one to train on and one to hold out, got {n} \
                     ({dropped} were dropped as not finite; rows of weight 0 do not count)"
                );
                let n_held_out = (n as f64 * config.validation_fraction).round() as usize;
                let order = order(n, config.seed);
                let (held_out, train) = order.split_at(n_held_out.clamp(1, n - 1));
                (data.select(train), data.select(held_out), dropped)
            }
        };
        let mean = mean_weight(&train, "train")?;
        let train = weighted(train, mean).to_device(device);
        let of_validation = mean_weight(&validation, "validation")?;
        let validation = weighted(validation, of_validation).to_device(device);
        Ok(Self { train, validation, n_dropped, mean_weight: mean })
    }

    /// Puts other values in the place of the rows that are trained on.
    pub fn redraw(
        &mut self,
        data: &Dataset,
        config: &FitConfig,
        device: &Device,
    ) -> Result<(), Error> {
        let (data, _) = finite(data, config.non_finite_rows)?;
        let shape = |data: &Dataset| {
            let context = data.context().map(|context| (context.dims(), context.dtype()));
            (data.x().dims(), data.x().dtype(), context, data.weights().is_some())
        };
        ensure!(
            as Data,
            shape(&data) == shape(&self.train),
            "rows that are drawn anew must be as many as they were, with features, contexts and weights \
             of the same shapes and float types; they were {:?} and are {:?}",
            shape(&self.train),
            shape(&data)
        );
        // By the mean of the rows that were given: rows that are heavier in one epoch than in another
        // count for more there.
        self.train = weighted(shuffled(&data, config.seed), self.mean_weight).to_device(device);
        Ok(())
    }
}

fn order(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut epoch_rng(seed, 0));
    order
}

fn shuffled(data: &Dataset, seed: u64) -> Dataset {
    data.select(&order(data.n_rows(), seed))
}

/// The generator of an epoch, so that a training can go on from any of them.
pub(super) fn epoch_rng(seed: u64, epoch: usize) -> ChaCha8Rng {
    // Apart by the golden ratio, as SplitMix64 does it.
    ChaCha8Rng::seed_from_u64(seed.wrapping_add((epoch as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
}

/// The rows without NaN and infinities, and how many had some; without those of weight 0, which are
/// as if they were not there.
fn finite(data: &Dataset, treatment: NonFiniteRows) -> Result<(Dataset, usize), Error> {
    data.validate()?;
    let weights = data.weights().unwrap_or_default();
    let weighted: Vec<usize> = (0..weights.len()).filter(|&row| weights[row] > 0.0).collect();
    if weighted.len() < weights.len() {
        let (finite, n_dropped) = finite(&data.select(&weighted), treatment).map_err(|error| {
            // As the caller counts the rows.
            match error {
                Error::NonFinite { what, row, column, value } => {
                    Error::NonFinite { what, row: weighted[row], column, value }
                }
                other => other,
            }
        })?;
        return Ok((finite, n_dropped));
    }
    let bad = data.non_finite();
    let Some(first) = bad.first() else { return Ok((data.clone(), 0)) };
    if treatment == NonFiniteRows::Refuse {
        let (what, row, column) = (first.what, first.row, first.column);
        return Err(Error::NonFinite { what, row, column, value: first.value.to_string() });
    }
    let mut keep = vec![true; data.n_rows()];
    bad.iter().for_each(|value| keep[value.row] = false);
    let rows: Vec<usize> = (0..keep.len()).filter(|&row| keep[row]).collect();
    let n_dropped = keep.len() - rows.len();
    Ok((data.select(&rows), n_dropped))
}

/// The mean of the weights; 1 without any.
fn mean_weight(data: &Dataset, what: &str) -> Result<f64, Error> {
    let Some(weights) = data.weights() else { return Ok(1.0) };
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    ensure!(as Data, mean.is_normal(), "the weights of the {what} rows have no finite mean, got {mean}");
    Ok(mean)
}

/// Weights by their mean, so that the loss of a batch needs no more than a mean.
fn weighted(data: Dataset, mean: f64) -> Dataset {
    let Some(weights) = data.weights() else { return data };
    let weights = weights.iter().map(|weight| weight / mean).collect();
    data.with_weights(weights)
}

/// The plain device of a model.
pub(super) fn device_of<M: Module>(module: &M) -> Device {
    crate::parameters::Place::of(module).unwrap_or_default().device.without_autodiff()
}

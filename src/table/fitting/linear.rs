//! [`Linear`]: columns as they are but for a mean and a scale, which a normal is fitted to.

use rand::rngs::ChaCha8Rng;

use crate::error::Error;
use crate::table::columns::{ColumnMap, Encoder};
use crate::table::source::Table;

/// The modelled columns as they are, integers dequantised, but for a mean and a standard deviation:
/// what a normal is fitted to.
pub(in crate::table) struct Linear {
    /// The name and the map of each, its mean and its standard deviation.
    columns: Vec<(String, ColumnMap, f64, f64)>,
}

impl Linear {
    pub fn fit(encoder: &Encoder, train: &Table) -> Result<Self, Error> {
        let columns = encoder.features().map(|(name, map)| {
            let values = train.numbers(name)?;
            let n = values.len() as f64;
            // Of one value among the training rows the roundings of a mean would be the deviation.
            if values.iter().all(|x| *x == values[0]) {
                return Ok((name.to_owned(), *map, values[0], 1.0));
            }
            let mean = values.iter().map(|x| x / n).sum::<f64>();
            // Not by squares that overflow.
            let largest = values.iter().fold(f64::MIN_POSITIVE, |most, x| most.max(x.abs()));
            let variance = values.iter().map(|x| ((x - mean) / largest).powi(2) / n).sum::<f64>();
            let deviation = largest * variance.sqrt();
            let deviation = if deviation > 0.0 { deviation } else { 1.0 };
            Ok((name.to_owned(), *map, mean, deviation))
        });
        Ok(Self { columns: columns.collect::<Result<_, Error>>()? })
    }

    /// The features of all rows, row by row, and the logarithms of the slopes from the values to
    /// them, per row.
    pub fn features(
        &self,
        rows: &Table,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Vec<f64>, Vec<f64>), Error> {
        let d = self.columns.len();
        let mut features = vec![0.0; rows.n_rows() * d];
        let mut log_slopes = vec![0.0; rows.n_rows()];
        for (index, (name, map, mean, deviation)) in self.columns.iter().enumerate() {
            for (row, &x) in rows.numbers(name)?.iter().enumerate() {
                let number = map.drawn(x, rng);
                features[row * d + index] = (number - mean) / deviation;
                log_slopes[row] += map.log_width(number) - deviation.ln();
            }
        }
        Ok((features, log_slopes))
    }
}

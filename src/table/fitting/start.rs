//! [`start_at_residuals`]: where the flow of columns that are nearly determined begins.

use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::distribution::NormalizingFlow;
use crate::error::Error;
use crate::flow::Layer;
use crate::table::columns::{EncodedRows, Encoder, Jitter};
use crate::table::source::Table;

/// A column of which less than this, in standard deviations, is left by a linear fit to those before it.
const NEARLY_DETERMINED: f64 = 0.1;
/// Where no more than this is left, the rest is roundings in f32.
const MIN_LEFT: f64 = 1.2e-3;

/// Starts the matrix next to the data where the columns that others nearly determine are what a linear
/// fit leaves of them, standardised; other columns stay as they are. Steps of a training are too small to
/// get there: a weight in kilograms and in pounds, rounded, would stay a ridge.
pub(super) fn start_at_residuals(
    flow: &mut NormalizingFlow,
    encoder: &Encoder,
    train: &Table,
    seed: u64,
) -> Result<(), Error> {
    let Some(Layer::LuLinear(layer)) = flow.flow.layers.last() else { return Ok(()) };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let EncodedRows { features, .. } = encoder.encode(train, Jitter::Drawn(&mut rng))?;
    let is_mixed: Vec<bool> = encoder.features().map(|(_, map)| !map.is_periodic()).collect();
    let columns: Vec<Vec<f64>> = (0..is_mixed.len())
        .filter(|&feature| is_mixed[feature])
        .map(|feature| features.iter().skip(feature).step_by(is_mixed.len()).copied().collect())
        .collect();
    if let Some(matrix) = residuals(&columns) {
        let started = layer.clone().with_matrix(&matrix)?;
        flow.flow.layers.pop();
        flow.flow.layers.push(started.into());
    }
    Ok(())
}

/// The lower triangular matrix from standardised columns to the residuals of those that the ones before
/// nearly determine; `None` if there is none.
fn residuals(columns: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let d = columns.len();
    let n = columns.first()?.len() as f64;
    let covariance = |a: usize, b: usize| -> f64 {
        columns[a].iter().zip(&columns[b]).map(|(x, y)| x * y).sum::<f64>() / n
    };
    // Row by row the inverse of the Cholesky factor, so that each is what its column is but for the rows
    // before, in standard deviations.
    let mut whitening: Vec<Vec<f64>> = Vec::with_capacity(d);
    let mut matrix: Vec<Vec<f64>> = Vec::with_capacity(d);
    let mut is_any = false;
    for row in 0..d {
        let with_own: Vec<f64> = (0..=row).map(|other| covariance(row, other)).collect();
        let mut residual = vec![0.0; d];
        residual[row] = 1.0;
        let mut left = with_own[row];
        for before in &whitening {
            let common: f64 = before.iter().zip(&with_own).map(|(w, c)| w * c).sum();
            left -= common * common;
            residual.iter_mut().zip(before).for_each(|(residual, w)| *residual -= common * w);
        }
        let left = left.max(0.0).sqrt();
        let deviation = left.max(MIN_LEFT);
        residual.iter_mut().for_each(|entry| *entry /= deviation);
        let mut line = vec![0.0; d];
        line[row] = 1.0;
        let is_determined = left < NEARLY_DETERMINED;
        is_any |= is_determined;
        matrix.push(if is_determined { residual.clone() } else { line });
        whitening.push(residual);
    }
    is_any.then_some(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn nearly_determined_columns_become_their_residuals() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let n = 2_000;
        let x: Vec<f64> = (0..n).map(|_| normal()).collect();
        let y: Vec<f64> = (0..n).map(|_| normal()).collect();
        let z: Vec<f64> =
            x.iter().zip(&y).map(|(x, y)| 0.6 * x + 0.8 * y + 0.01 * normal()).collect();
        assert_eq!(residuals(&[x.clone(), y.clone()]), None);
        let matrix = residuals(&[x.clone(), y.clone(), z.clone()]).expect("one is determined");
        assert_eq!(matrix[..2], [vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0]]);
        // The noise is known to a part in √(2·2000) and its coefficients to 1/√2000 of it.
        let expected = [-60.0, -80.0, 100.0];
        for (found, expected) in matrix[2].iter().zip(expected) {
            assert!((found / expected - 1.0_f64).abs() < 0.08, "{matrix:?}");
        }
    }
}

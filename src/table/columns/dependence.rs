//! Columns that others determine exactly: a copy, a sum, `100 * hour + minute`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// More rows than these are not looked at to find a formula.
const MAX_ROWS: usize = 5_000;
/// What the others leave of a determined column, beside its standard deviation: roundings.
const MAX_RESIDUAL: f64 = 1e-7;
/// A coefficient below this, of standardised columns, is a rounding.
const MIN_COEFFICIENT: f64 = 1e-6;

/// How far off a value may be, beside the sizes of the terms.
const TOLERANCE: f64 = 1e-8;

/// `intercept + Σ coefficient * column`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Formula {
    intercept: f64,
    /// Names and coefficients.
    terms: Vec<(String, f64)>,
}

impl Formula {
    /// The columns that it is of.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|(name, _)| name.as_str())
    }

    /// The numbers of its [`columns`](Self::columns), as `numbers` gives them by name.
    pub(in crate::table) fn terms_of<'t>(
        &self,
        numbers: impl Fn(&str) -> Result<&'t [f64], Error>,
    ) -> Result<Vec<&'t [f64]>, Error> {
        self.columns().map(numbers).collect()
    }

    /// Its value, given those of its [`columns`](Self::columns) by their index.
    pub(in crate::table) fn value(&self, of: impl Fn(usize) -> f64) -> f64 {
        let terms = self.terms.iter().enumerate().map(|(index, (_, factor))| factor * of(index));
        self.intercept + terms.sum::<f64>()
    }

    /// The value of the term that is missing, given the formula's and those of the other terms.
    pub(in crate::table) fn solved(
        &self,
        x: f64,
        missing: usize,
        of: impl Fn(usize) -> f64,
    ) -> f64 {
        let others = self.value(|index| if index == missing { 0.0 } else { of(index) });
        (x - others) / self.terms[missing].1
    }

    /// Whether a value is that of the formula but for roundings.
    pub(in crate::table) fn holds(&self, x: f64, of: impl Fn(usize) -> f64) -> bool {
        let terms = self.terms.iter().enumerate();
        let sizes = terms.map(|(index, (_, factor))| (factor * of(index)).abs());
        let size = x.abs() + self.intercept.abs() + sizes.sum::<f64>();
        (x - self.value(of)).abs() <= TOLERANCE * size
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let constant = (self.intercept != 0.0).then_some(("", self.intercept));
        let terms = self.terms.iter().map(|(name, factor)| (name.as_str(), *factor));
        for (index, (name, factor)) in terms.chain(constant).enumerate() {
            f.write_str(match (index, factor < 0.0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            })?;
            match (name, factor.abs()) {
                ("", constant) => write!(f, "{constant}")?,
                (name, 1.0) => f.write_str(name)?,
                (name, factor) => write!(f, "{factor} * {name}")?,
            }
        }
        Ok(())
    }
}

/// A column, centred and scaled, in terms of the columns before it.
struct Kept {
    mean: f64,
    deviation: f64,
    /// What the kept columns before it do not explain, of length 1.
    residual: Vec<f64>,
    /// Its products with the residuals of the kept columns before it, and the length of its own.
    projections: Vec<f64>,
}

/// The formula of each column that the columns before it determine, by Gram and Schmidt's process
/// with a second pass; `None` for the others. Columns of one value are `None`.
pub(in crate::table) fn formulas(names: &[&str], columns: &[&[f64]]) -> Vec<Option<Formula>> {
    let mut kept: Vec<(usize, Kept)> = Vec::new();
    let mut found = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let step = column.len().div_ceil(MAX_ROWS).max(1);
        let values: Vec<f64> = column.iter().copied().step_by(step).collect();
        let n = values.len() as f64;
        let mean = values.iter().map(|x| x / n).sum::<f64>();
        let norm = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt();
        // With as many columns as rows each has a formula that says nothing.
        if norm == 0.0 || !norm.is_finite() || values.len() < 2 * (kept.len() + 2) {
            found.push(None);
            continue;
        }
        let mut residual: Vec<f64> = values.iter().map(|x| (x - mean) / norm).collect();
        let mut projections = vec![0.0; kept.len()];
        for _ in 0..2 {
            for ((_, other), projection) in kept.iter().zip(&mut projections) {
                let product = dot(&residual, &other.residual);
                *projection += product;
                residual.iter_mut().zip(&other.residual).for_each(|(r, q)| *r -= product * q);
            }
        }
        let left = dot(&residual, &residual).sqrt();
        if left > MAX_RESIDUAL {
            residual.iter_mut().for_each(|r| *r /= left);
            projections.push(left);
            kept.push((index, Kept { mean, deviation: norm, residual, projections }));
            found.push(None);
            continue;
        }
        let coefficients = solved(&kept, projections);
        let mut formula = Formula { intercept: mean, terms: Vec::new() };
        let mut of: Vec<&[f64]> = Vec::new();
        for ((other, standardised), coefficient) in kept.iter().zip(coefficients) {
            if coefficient.abs() > MIN_COEFFICIENT {
                let factor = rounded(coefficient * norm / standardised.deviation);
                formula.intercept -= factor * standardised.mean;
                formula.terms.push((names[*other].to_owned(), factor));
                of.push(columns[*other]);
            }
        }
        let size = columns[index].iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        formula.intercept = rounded_to(formula.intercept, 1e-9 * size);
        let holds = (0..column.len()).all(|row| formula.holds(column[row], |index| of[index][row]));
        found.push(holds.then_some(formula));
    }
    found
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The coefficients by standardised columns of a column with these products with their residuals:
/// a triangular system, solved from below.
fn solved(kept: &[(usize, Kept)], mut projections: Vec<f64>) -> Vec<f64> {
    for k in (0..kept.len()).rev() {
        let line = &kept[k].1.projections;
        projections[k] /= line[k];
        let coefficient = projections[k];
        projections[..k].iter_mut().zip(line).for_each(|(p, l)| *p -= coefficient * l);
    }
    projections
}

/// Without the roundings of the process, as 100 for 99.99999999997.
fn rounded(factor: f64) -> f64 {
    rounded_to(factor, 1e-9 * factor.abs())
}

/// The shortest decimal within a tolerance.
fn rounded_to(x: f64, tolerance: f64) -> f64 {
    for digits in -6..=15 {
        let unit = 10f64.powi(digits);
        let short = (x * unit).round() / unit;
        if (short - x).abs() <= tolerance {
            return short;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};

    #[test]
    fn copies_sums_and_codes_are_found_by_name() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut column = |f: &dyn Fn(&mut ChaCha8Rng) -> f64| -> Vec<f64> {
            (0..500).map(|_| f(&mut rng)).collect()
        };
        let hour = column(&|rng| f64::from(rng.next_u32() % 24));
        let minute = column(&|rng| f64::from(rng.next_u32() % 60));
        let x = column(&|rng| 1e6 * rng.random::<f64>());
        let code: Vec<f64> = hour.iter().zip(&minute).map(|(h, m)| 100.0 * h + m).collect();
        let copy = x.clone();
        let fahrenheit: Vec<f64> = x.iter().map(|x| 1.8 * x + 32.0).collect();
        let less: Vec<f64> = x.iter().zip(&minute).map(|(x, m)| m - 2.5 * x).collect();
        let noisy: Vec<f64> = x.iter().zip(&minute).map(|(x, m)| x + m * m).collect();
        let constant = vec![3.0; 500];
        let names =
            ["hour", "minute", "x", "code", "copy", "fahrenheit", "less", "noisy", "constant"];
        let columns = [&hour, &minute, &x, &code, &copy, &fahrenheit, &less, &noisy, &constant];
        let found = formulas(&names, &columns.map(Vec::as_slice));
        let words: Vec<Option<String>> =
            found.iter().map(|formula| formula.as_ref().map(ToString::to_string)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(words[..3], [None, None, None]);
        assert_eq!(words[3], some("100 * hour + minute"));
        assert_eq!(words[4], some("x"));
        assert_eq!(words[5], some("1.8 * x + 32"));
        assert_eq!(words[6], some("minute - 2.5 * x"));
        assert_eq!(words[7..], [None, None]);
    }

    /// Two independent columns with the same sentinel in one row look alike to a correlation.
    #[test]
    fn an_outlier_that_two_columns_share_determines_neither() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut column = || -> Vec<f64> {
            (0..1000).map(|row| if row == 7 { -1e9 } else { rng.random::<f64>() }).collect()
        };
        let (a, b) = (column(), column());
        assert_eq!(formulas(&["a", "b"], &[&a, &b]), [None, None]);
    }

    #[test]
    fn few_rows_determine_nothing() {
        let columns: [&[f64]; 3] = [&[1.0, 2.0, 4.0], &[3.0, 1.0, 5.0], &[2.0, 2.0, 7.0]];
        assert_eq!(formulas(&["a", "b", "c"], &columns), [None, None, None]);
    }
}

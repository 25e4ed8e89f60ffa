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

/// How far off a value may be, beside the sizes of the terms: of numbers in f64, and of such that were
/// written as f32, of which a sum has some roundings.
const TOLERANCE: f64 = 1e-8;
const SINGLE_TOLERANCE: f64 = 4.0 * f32::EPSILON as f64;
/// What the others leave of such a column, beside its standard deviation.
const MAX_SINGLE_RESIDUAL: f64 = 1e-5;

/// `intercept + Σ coefficient * column`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Formula {
    intercept: f64,
    /// Names and coefficients.
    terms: Vec<(String, f64)>,
    /// How far off a value may be, beside the sizes of the terms.
    #[serde(default = "double_tolerance")]
    tolerance: f64,
}

fn double_tolerance() -> f64 {
    TOLERANCE
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
        self.error(x, of) <= self.tolerance
    }

    /// How far off a value is, beside the sizes of the terms.
    fn error(&self, x: f64, of: impl Fn(usize) -> f64) -> f64 {
        let terms = self.terms.iter().enumerate();
        let sizes = terms.map(|(index, (_, factor))| (factor * of(index)).abs());
        let size = x.abs() + self.intercept.abs() + sizes.sum::<f64>();
        let error = (x - self.value(of)).abs();
        // Zeros are equal.
        if error == 0.0 { 0.0 } else { error / size }
    }

    /// The column that is the sum of positive multiples of the others, if it is not the formula's own:
    /// `total` in `total - part`.
    fn total(&self) -> Option<&str> {
        let mut positive = self.terms.iter().filter(|(_, factor)| *factor > 0.0);
        let (total, None) = (positive.next()?, positive.next()) else { return None };
        (self.terms.len() > 1 && self.intercept <= 0.0).then_some(&total.0)
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

/// The formula of each column that others determine, of a total and its parts that of the total:
/// whatever the parts are, it is then in its support. The first columns are contexts, which are given.
pub(in crate::table) fn formulas_of_totals(
    names: &[&str],
    columns: &[&[f64]],
    n_contexts: usize,
) -> Vec<Option<Formula>> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    let in_order = |order: &[usize]| {
        let names: Vec<&str> = order.iter().map(|&index| names[index]).collect();
        let columns: Vec<&[f64]> = order.iter().map(|&index| columns[index]).collect();
        formulas(&names, &columns)
    };
    let n_found = |found: &[Option<Formula>]| found.iter().flatten().count();
    let mut found = in_order(&order);
    // Each total moves behind its parts.
    for _ in n_contexts..names.len() {
        let place_of = |total: &str| {
            (0..order.len())
                .find(|&place| order[place] >= n_contexts && names[order[place]] == total)
        };
        let total = found.iter().flatten().filter_map(Formula::total).find_map(place_of);
        let Some(place) = total else { break };
        let mut other = order.clone();
        let total = other.remove(place);
        other.push(total);
        let of_other = in_order(&other);
        if n_found(&of_other) < n_found(&found) {
            break;
        }
        (order, found) = (other, of_other);
    }
    let mut formulas = vec![None; names.len()];
    order.into_iter().zip(found).for_each(|(index, formula)| formulas[index] = formula);
    formulas
}

/// The formula of each column that the columns before it determine, by Gram and Schmidt's process
/// with a second pass; `None` for the others. Columns of one value are `None`.
fn formulas(names: &[&str], columns: &[&[f64]]) -> Vec<Option<Formula>> {
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
        let is_single = is_single(column);
        if left > if is_single { MAX_SINGLE_RESIDUAL } else { MAX_RESIDUAL } {
            residual.iter_mut().for_each(|r| *r /= left);
            projections.push(left);
            kept.push((index, Kept { mean, deviation: norm, residual, projections }));
            found.push(None);
            continue;
        }
        let coefficients = solved(&kept, projections);
        let mut formula = Formula { intercept: mean, terms: Vec::new(), tolerance: TOLERANCE };
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
        let errors = (0..column.len()).map(|row| formula.error(column[row], |i| of[i][row]));
        let error = errors.fold(0.0, f64::max);
        if is_single {
            // Other rows may be somewhat further off.
            formula.tolerance = (4.0 * error).clamp(TOLERANCE, SINGLE_TOLERANCE);
        }
        found.push((error <= formula.tolerance).then_some(formula));
    }
    found
}

/// Whether numbers that are not whole were written as f32.
fn is_single(column: &[f64]) -> bool {
    let is_single = |&x: &f64| f64::from(x as f32) == x;
    column.iter().all(is_single) && column.iter().any(|x| x.fract() != 0.0)
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

    /// Numbers of f32 have seven digits, and so have their sums.
    #[test]
    fn sums_in_single_precision_are_found_and_near_constants_are_none() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut column = |center: f32, width: f32| -> Vec<f32> {
            (0..500).map(|_| center + width * rng.random::<f32>()).collect()
        };
        let (a, b, c) = (column(30.0, 100.0), column(0.0, 3.0), column(500.0, 20.0));
        let sum: Vec<f32> = (0..500).map(|row| a[row] + b[row] * 0.1 + c[row]).collect();
        let [near, other] = [column(1e6, 1.0), column(1e6, 1.0)];
        let columns = [a, b, c, sum, near, other]
            .map(|column| column.into_iter().map(f64::from).collect::<Vec<f64>>());
        let names = ["a", "b", "c", "sum", "near", "other"];
        let found = formulas(&names, &[0, 1, 2, 3, 4, 5].map(|index| columns[index].as_slice()));
        let is_found: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert_eq!(is_found, [false, false, false, true, false, false], "{found:?}");
        // A row that is off by more is none of the sum.
        let formula = found[3].as_ref().expect("it is found");
        let holds = |by: f64| formula.holds(columns[3][0] + by, |index| columns[index][0]);
        assert!(holds(1e-4) && !holds(1e-2));
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

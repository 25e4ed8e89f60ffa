//! [`Schema`]: what each column of a table is, inferred or said.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::dependence::{Formula, formulas};
use super::support::Support;
use crate::error::{Error, ensure};
use crate::table::source::{Column, Table, Values};

/// Fewer rows than these do not show what a column is.
const MIN_ROWS: usize = 20;
/// The share of rows that is a lump when they have the same value.
const LUMP: f64 = 0.05;
/// The share of rows at the greatest integer that makes it a bound.
const AT_BOUND: f64 = 0.01;
/// So many columns with the same greatest integer make it a bound of theirs.
const MIN_SHARING: usize = 4;

/// What is done with a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Role {
    /// The density is of it.
    Modelled,
    /// The density is given it.
    Context,
    /// The weight of each row in the likelihood.
    Weight,
    /// The other columns determine it: there is no density of it. It comes back in samples.
    Determined(Formula),
    /// Nothing.
    LeftOut,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// Numbers of a support.
    Numbers(Support),
    /// Text of so many categories, in alphabetical order.
    Categories(Vec<String>),
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSchema {
    /// Its name.
    pub name: String,
    /// What is done with it.
    pub role: Role,
    /// What it holds.
    pub kind: Kind,
    /// The width of the uniform noise that is added to it in training; 0 for none.
    pub jitter: f64,
    /// What to know of it: lumps, missing values.
    pub notes: Vec<String>,
}

/// What each column of a table is: inferred from the data, then changed by name. Prints as a list.
///
/// # Example
///
/// ```
/// use normalizing_flows::table::{Schema, Support, Table};
///
/// let rows = (0..100).map(|i| vec![f64::from(i), f64::from(i % 7) / 7.0]).collect();
/// let table = Table::from_rows(["count", "share"], rows)?;
/// let schema = Schema::infer(&table)?
///     .with_support("share", Support::Interval { low: -0.01, high: 1.0 })?
///     .with_context("count")?;
/// println!("{schema}");
/// assert!(schema.to_string().contains("share  modelled  between -0.01 and 1"));
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    columns: Vec<ColumnSchema>,
}

impl Schema {
    /// What the values look like: all modelled, but for columns that others determine.
    ///
    /// - all values equal: constant
    /// - whole numbers: integers, from 0 if none is negative, up to the greatest if a hundredth of
    ///   the rows has it, and at least five; or up to the bound that most such columns have
    /// - 20 rows or more, all from 0 to 1, on both sides of ½: between 0 and 1, with the ends if a row
    ///   has one
    /// - 20 rows or more, all from 0 on, or all up to 0: above 0 or below, with 0 if a row has it
    /// - anything else: real
    /// - no value at all: left out
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if the table has fewer than two rows.
    pub fn infer(table: &Table) -> Result<Self, Error> {
        let n = table.n_rows();
        ensure!(as Data, n >= 2, "a density needs at least 2 rows of data, got {n}");
        let mut columns: Vec<ColumnSchema> = table.columns().iter().map(infer_column).collect();
        share_bound(&mut columns, table);
        Self { columns }.with_formulas(table)
    }

    /// The same with the columns that others determine found anew, among those that are modelled or
    /// contexts: a schema that was changed need not know them any more. [`fit_table`] does so by
    /// itself.
    ///
    /// [`fit_table`]: crate::table::fit_table
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if a column is not in the table or holds text there.
    pub fn with_formulas(mut self, table: &Table) -> Result<Self, Error> {
        for column in &mut self.columns {
            if matches!(column.role, Role::Determined(_)) {
                column.role = Role::Modelled;
            }
        }
        let of_role = |role: Role| {
            let columns = self.columns.iter().enumerate().filter(move |(_, column)| {
                let varies = !matches!(column.kind, Kind::Numbers(Support::Constant(_)));
                let is_exact = varies && column.jitter == 0.0;
                is_exact && column.role == role && matches!(column.kind, Kind::Numbers(_))
            });
            columns.map(|(index, _)| index)
        };
        // What is given comes first, and may determine what is modelled.
        let numbers: Vec<usize> = of_role(Role::Context).chain(of_role(Role::Modelled)).collect();
        let names: Vec<String> = numbers.iter().map(|&i| self.columns[i].name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let columns: Vec<&[f64]> =
            names.iter().map(|name| table.numbers(name)).collect::<Result<_, _>>()?;
        // A row with a missing value shows no dependence.
        let complete: Vec<usize> = (0..table.n_rows())
            .filter(|&row| columns.iter().all(|column| column[row].is_finite()))
            .collect();
        let values: Vec<Vec<f64>> = columns
            .iter()
            .map(|column| complete.iter().map(|&row| column[row]).collect())
            .collect();
        let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        for (index, formula) in numbers.into_iter().zip(formulas(&names, &values)) {
            if let (Some(formula), Role::Modelled) = (formula, &self.columns[index].role) {
                self.columns[index].role = Role::Determined(formula);
            }
        }
        Ok(self)
    }

    /// The columns.
    pub fn columns(&self) -> &[ColumnSchema] {
        &self.columns
    }

    /// With another support of a column.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no such column or it holds text, [`Error::Config`] if the
    /// support is empty.
    pub fn with_support(mut self, name: &str, support: Support) -> Result<Self, Error> {
        support.validate()?;
        let column = self.column_mut(name)?;
        let is_text = matches!(column.kind, Kind::Categories(_));
        ensure!(as Data, !is_text, "column `{name}` holds text, which has no support of numbers");
        column.kind = Kind::Numbers(support);
        Ok(self)
    }

    /// With uniform noise of this width, from minus to plus its half, added to a column in training,
    /// anew in each epoch. So a column that others determine and one of which many rows have the same
    /// value have a density: that of the values with the noise. It takes such a column back into the
    /// density.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no such column or it holds text, integers or one value,
    /// [`Error::Config`] if the width is not above 0 and finite.
    pub fn with_jitter(mut self, name: &str, width: f64) -> Result<Self, Error> {
        let is_valid = width > 0.0 && width.is_finite();
        ensure!(is_valid, "the width of jitter must be above 0 and finite, got {width}");
        let column = self.column_mut(name)?;
        let sentence = match &column.kind {
            Kind::Categories(_) => Some("holds text, which no noise is added to"),
            Kind::Numbers(Support::Constant(_)) => Some("is constant, and in no density"),
            Kind::Numbers(support) if support.is_integer() => {
                Some("is of integers, which have noise of width 1 in any case")
            }
            Kind::Numbers(_) => None,
        };
        if let Some(sentence) = sentence {
            return Err(Error::Data(format!("column `{name}` {sentence}")));
        }
        column.jitter = width;
        if matches!(column.role, Role::Determined(_)) {
            column.role = Role::Modelled;
        }
        Ok(self)
    }

    /// With a column as context: numbers are standardised, text becomes one number per category,
    /// 1 for the one at hand and 0 for the others.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no such column.
    pub fn with_context(self, name: &str) -> Result<Self, Error> {
        self.with_role(name, Role::Context)
    }

    /// With a column as the weight of each row in the likelihood.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no such column, it holds text, or another column holds the
    /// weights.
    pub fn with_weight(self, name: &str) -> Result<Self, Error> {
        let text = self
            .columns
            .iter()
            .any(|column| column.name == name && matches!(column.kind, Kind::Categories(_)));
        ensure!(as Data, !text, "column `{name}` holds text, and weights are numbers");
        if let Some(other) = self.columns.iter().find(|column| column.role == Role::Weight) {
            let other = &other.name;
            ensure!(as Data, other == name, "`{other}` holds the weights already: leave it out first");
        }
        self.with_role(name, Role::Weight)
    }

    /// Without a column.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no such column.
    pub fn without(self, name: &str) -> Result<Self, Error> {
        self.with_role(name, Role::LeftOut)
    }

    fn with_role(mut self, name: &str, role: Role) -> Result<Self, Error> {
        let is_known = role == Role::Context;
        self.column_mut(name)?.role = role;
        if is_known {
            return Ok(self);
        }
        // What was determined by a column that is no longer there is so no longer.
        for column in &mut self.columns {
            if let Role::Determined(formula) = &column.role
                && formula.columns().any(|other| other == name)
            {
                column.role = Role::Modelled;
            }
        }
        Ok(self)
    }

    fn column_mut(&mut self, name: &str) -> Result<&mut ColumnSchema, Error> {
        let names: Vec<_> = self.columns.iter().map(|c| format!("`{}`", c.name)).collect();
        self.columns.iter_mut().find(|column| column.name == name).ok_or_else(|| {
            Error::Data(format!("there is no column `{name}`, only {}", names.join(", ")))
        })
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let names = width(&mut self.columns.iter().map(|column| column.name.chars().count()));
        let role = |column: &ColumnSchema| match &column.role {
            Role::Modelled => "modelled",
            Role::Context => "context",
            Role::Weight => "weight",
            Role::Determined(_) => "determined",
            Role::LeftOut => "left out",
        };
        let roles = width(&mut self.columns.iter().map(|column| role(column).len()));
        for (index, column) in self.columns.iter().enumerate() {
            let kind = match (&column.role, &column.kind) {
                (Role::Determined(formula), _) => format!("= {formula}"),
                (_, Kind::Numbers(support)) => support.to_string(),
                (_, Kind::Categories(names)) => format!("{} categories", names.len()),
            };
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{:<names$}  {:<roles$}  {kind}", column.name, role(column))?;
            if column.jitter > 0.0 {
                write!(f, ", with noise of width {}", column.jitter)?;
            }
            for note in &column.notes {
                write!(f, "; {note}")?;
            }
        }
        Ok(())
    }
}

fn infer_column(column: &Column) -> ColumnSchema {
    let (kind, notes) = match &column.values {
        Values::Text(values) => {
            let mut names = values.clone();
            names.sort();
            names.dedup();
            let is_missing = |value: &&String| value.is_empty();
            names.retain(|name| !name.is_empty());
            let n_missing = values.iter().filter(is_missing).count();
            let notes = (n_missing > 0).then(|| format!("{n_missing} missing"));
            (Kind::Categories(names), notes.into_iter().collect())
        }
        Values::Numbers(values) => {
            let mut finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
            finite.sort_by(f64::total_cmp);
            let support = infer_support(&finite);
            let mut notes = Vec::new();
            if finite.len() < values.len() {
                notes.push(format!("{} missing", values.len() - finite.len()));
            }
            notes.extend(lump(support, &finite));
            (Kind::Numbers(support), notes)
        }
    };
    let (name, jitter) = (column.name.clone(), 0.0);
    if let Values::Numbers(values) = &column.values
        && values.iter().all(|x| x.is_nan())
    {
        let notes = vec!["it has only empty cells".to_owned()];
        return ColumnSchema { name, role: Role::LeftOut, kind, jitter, notes };
    }
    ColumnSchema { name, role: Role::Modelled, kind, jitter, notes }
}

/// The support that sorted values have by their look.
fn infer_support(sorted: &[f64]) -> Support {
    let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else { return Support::Real };
    if min == max {
        return Support::Constant(min);
    }
    // Beyond this not every whole number is one.
    let is_exact = min.abs().max(max.abs()) < 2f64.powi(53);
    if is_exact && sorted.iter().all(|x| x.fract() == 0.0) {
        let at_max = sorted.len() - sorted.partition_point(|&x| x < max);
        let is_bound = at_max >= 5 && at_max as f64 >= AT_BOUND * sorted.len() as f64;
        return Support::Integer {
            min: (min >= 0.0).then_some(0),
            max: is_bound.then_some(max as i64),
        };
    }
    if sorted.len() < MIN_ROWS {
        return Support::Real;
    }
    let (low, high) = (0.0, 1.0);
    match () {
        () if low < min && min < 0.5 && 0.5 < max && max < high => Support::Interval { low, high },
        () if low <= min && min < 0.5 && 0.5 < max && max <= high => {
            Support::ClosedInterval { low, high }
        }
        () if min > 0.0 => Support::Above(0.0),
        () if min == 0.0 => Support::AtLeast(0.0),
        () if max < 0.0 => Support::Below(0.0),
        () if max == 0.0 => Support::AtMost(0.0),
        () => Support::Real,
    }
}

/// Gives the greatest integer that at least half of the columns without negative ones have, and four,
/// to all of them below it: of pixels from 0 to 16, some never reach 16.
fn share_bound(columns: &mut [ColumnSchema], table: &Table) {
    let greatest = |values: &Values| match values {
        Values::Numbers(values) => {
            values.iter().copied().filter(|x| x.is_finite()).fold(f64::NEG_INFINITY, f64::max)
        }
        Values::Text(_) => f64::NEG_INFINITY,
    };
    let counts: Vec<(usize, f64)> = (columns.iter().zip(table.columns()).enumerate())
        .filter(|(_, (column, _))| {
            matches!(column.kind, Kind::Numbers(Support::Integer { min: Some(0), .. }))
        })
        .map(|(index, (_, column))| (index, greatest(&column.values)))
        .collect();
    let bound = counts.iter().map(|(_, max)| *max).fold(f64::NEG_INFINITY, f64::max);
    let n_at_bound = counts.iter().filter(|(_, max)| *max == bound).count();
    if n_at_bound < MIN_SHARING || 2 * n_at_bound < counts.len() {
        return;
    }
    for (index, _) in counts {
        if let Kind::Numbers(Support::Integer { max: max @ None, .. }) = &mut columns[index].kind {
            *max = Some(bound as i64);
        }
    }
}

/// That many rows have the same value, which no density holds.
fn lump(support: Support, sorted: &[f64]) -> Option<String> {
    if support.is_integer() || matches!(support, Support::Constant(_)) || sorted.len() < MIN_ROWS {
        return None;
    }
    let largest = sorted.chunk_by(|a, b| a == b).max_by_key(|equal| equal.len())?;
    let share = largest.len() as f64 / sorted.len() as f64;
    let is_end = support.closed_ends().contains(&Some(largest[0]));
    let what = if is_end {
        "the end of its support, which has a probability of its own"
    } else {
        "a lump that a density cannot hold: it will be smoothed"
    };
    let percent = 100.0 * share;
    (share >= LUMP).then(|| format!("{percent:.0} % of the rows are {}, {what}", largest[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn support(values: &[f64]) -> Support {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        infer_support(&values)
    }

    #[test]
    fn supports_are_inferred() {
        let steps = |low: f64, high: f64| -> Vec<f64> {
            (0..50).map(|i| low + (high - low) * (f64::from(i) + 0.5) / 50.0).collect()
        };
        assert_eq!(support(&[2.5; 9]), Support::Constant(2.5));
        assert_eq!(support(&steps(-1.0, 1.0)), Support::Real);
        assert_eq!(support(&steps(0.0, 99.0)), Support::Above(0.0));
        assert_eq!(support(&steps(-3.0, -1.0)), Support::Below(0.0));
        let with = |x: f64, values: Vec<f64>| [values, vec![x]].concat();
        assert_eq!(support(&with(0.0, steps(0.0, 99.0))), Support::AtLeast(0.0));
        assert_eq!(support(&with(0.0, steps(-3.0, -1.0))), Support::AtMost(0.0));
        assert_eq!(support(&steps(0.0, 1.0)), Support::Interval { low: 0.0, high: 1.0 });
        let closed = Support::ClosedInterval { low: 0.0, high: 1.0 };
        assert_eq!(support(&with(1.0, steps(0.0, 1.0))), closed);
        // Too few to tell.
        assert_eq!(support(&[0.25, 0.75]), Support::Real);
        let integers = |f: fn(i32) -> i32| -> Vec<f64> { (0..50).map(|i| f(i).into()).collect() };
        let of = |min, max| Support::Integer { min, max };
        assert_eq!(support(&integers(|i| i)), of(Some(0), None));
        assert_eq!(support(&integers(|i| i - 9)), of(None, None));
        assert_eq!(support(&integers(|i| i % 6)), of(Some(0), Some(5)));
    }

    #[test]
    fn a_bound_of_most_integer_columns_is_one_of_all() {
        // Three rows in a thousand are no bound by themselves.
        let row = |i: i32| {
            let pixel = |n: i32| f64::from(if i % 333 == n { 16 } else { (i + n) % 7 });
            vec![pixel(1), pixel(2), pixel(3), pixel(4), f64::from(i % 5 + 3), f64::from(-i)]
        };
        let rows = (0..1000).map(row).collect::<Vec<_>>();
        let table = |d: usize| {
            let rows = rows.iter().map(|row| row[row.len() - d..].to_vec()).collect();
            Table::from_rows((0..d).map(|index| format!("x{index}")), rows).expect("valid")
        };
        let maxima = |d: usize| -> Vec<Option<i64>> {
            let schema = Schema::infer(&table(d)).expect("rows");
            let max = |column: &ColumnSchema| match column.kind {
                Kind::Numbers(Support::Integer { max, .. }) => max,
                _ => panic!("{column:?}"),
            };
            schema.columns().iter().map(max).collect()
        };
        assert_eq!(maxima(6), [Some(16), Some(16), Some(16), Some(16), Some(7), None]);
        assert_eq!(maxima(5), [None, None, None, Some(7), None]);
    }

    #[test]
    fn lumps_missing_values_and_dependent_columns_are_told_of() {
        let rows = (0..100).map(|i| {
            let x = f64::from(i) + 0.5;
            let missing = if i == 7 { f64::NAN } else { x * x };
            vec![x, missing, if i < 30 { 0.0 } else { x.sqrt() }, 2.0 * x]
        });
        let table = Table::from_rows(["x", "y", "income", "twice"], rows.collect()).expect("valid");
        let schema = Schema::infer(&table).expect("valid");
        assert_eq!(schema.columns()[1].notes, ["1 missing"]);
        assert!(schema.columns()[2].notes[0].starts_with("30 % of the rows are 0"), "{schema}");
        assert!(schema.to_string().ends_with("twice   determined  = 2 * x"), "{schema}");
        // Without the column that determines it, it is one as the others.
        let schema = schema.without("x").expect("it is there");
        assert_eq!(schema.columns()[3].role, Role::Modelled);
        // Of two copies the one remains a copy of the other.
        let copies = schema.with_formulas(&table).expect("the same table");
        assert_eq!(copies.columns()[3].role, Role::Modelled, "{copies}");
        // Given the copy there is no density of the other.
        let given = Schema::infer(&table).and_then(|schema| schema.with_context("twice"));
        let given = given.and_then(|schema| schema.with_formulas(&table)).expect("it is there");
        assert!(given.to_string().contains("x       determined  = 0.5 * twice"), "{given}");
        assert!(given.without("z").unwrap_err().to_string().contains("no column `z`, only `x`"));
    }
}

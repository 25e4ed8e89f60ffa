//! [`Schema`]: what each column of a table is, inferred or said.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::categories::{are_numbers, categories_of};
use super::dependence::{Formula, formulas_of_totals};
use super::infer::infer;
use super::support::Support;
use crate::error::{Error, ensure};
use crate::table::source::Table;

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
    /// These categories, in alphabetical order: text, or numbers that stand for things.
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
    /// What to know of it beside its lumps: missing values.
    pub notes: Vec<String>,
    /// The values that many rows have each, if it is of numbers that are not all whole.
    #[serde(default)]
    pub lumps: Vec<Lump>,
}

/// A value that one row in twenty has, or more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lump {
    /// The value.
    pub value: f64,
    /// The share of the rows, from 0 to 1.
    pub share: f64,
}

/// More lumps than these are told as one.
const MAX_LUMPS: usize = 3;

impl ColumnSchema {
    /// What to know of it, in words.
    pub(in crate::table) fn remarks(&self) -> Vec<String> {
        let mut remarks = self.notes.clone();
        let Kind::Numbers(support) = &self.kind else { return remarks };
        let is_smooth = !support.is_integer() && !matches!(support, Support::Constant(_));
        if !is_smooth || self.jitter > 0.0 {
            return remarks;
        }
        let ends = support.closed_ends();
        let (at_ends, inside): (Vec<Lump>, Vec<Lump>) =
            self.lumps.iter().partition(|lump| ends.contains(&Some(lump.value)));
        remarks.extend(at_ends.iter().map(|Lump { value, share }| {
            let percent = percent(*share);
            format!(
                "{percent} of the rows are {value}, the end of its support, which has a probability of \
                 its own"
            )
        }));
        if inside.len() > MAX_LUMPS {
            let (n, share) = (inside.len(), inside.iter().map(|lump| lump.share).sum());
            let percent = percent(share);
            remarks.push(format!(
                "{percent} of the rows have one of {n} values, lumps that a density cannot hold: they \
                 will be smoothed"
            ));
        } else {
            remarks.extend(inside.iter().map(|Lump { value, share }| {
                let percent = percent(*share);
                format!(
                    "{percent} of the rows are {value}, a lump that a density cannot hold: it will be \
                     smoothed"
                )
            }));
        }
        remarks
    }
}

/// A share in words; all are only those that are all.
pub(in crate::table) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if (99.5..100.0).contains(&percent) {
        format!("{:.1} %", (10.0 * percent).floor() / 10.0)
    } else {
        format!("{percent:.0} %")
    }
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
    /// - two whole numbers: from the one to the other
    /// - more whole numbers: integers. The least and the greatest are bounds if a hundredth of the rows
    ///   has them, at least five, and not less than half as many as the number beside them; or where
    ///   four columns and at least half of those from 0 on have the same greatest number. Otherwise 0 is
    ///   a bound of numbers that are not negative, if it is no farther from them than they from each other
    /// - 20 rows or more, all from 0 to 1, on both sides of ½: between 0 and 1, with the ends if a row
    ///   has one
    /// - 20 rows or more, all from 0 on, or all up to 0, and no farther from it than from each other:
    ///   above 0 or below, with 0 if a row has it
    /// - 20 rows or more, of which a hundredth or more has the least or the greatest value, five times as
    ///   many as another value: that end is a bound with a probability of its own
    /// - anything else: real
    /// - no value at all: left out
    ///
    /// Where data end is a guess: look at what was inferred, and say otherwise by
    /// [`with_support`](Self::with_support).
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if the table has fewer than two rows.
    pub fn infer(table: &Table) -> Result<Self, Error> {
        let n = table.n_rows();
        ensure!(as Data, n >= 2, "a density needs at least 2 rows of data, got {n}");
        Self { columns: infer(table) }.with_formulas(table)
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
        let names: Vec<&str> = numbers.iter().map(|&i| self.columns[i].name.as_str()).collect();
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
        let n_contexts = of_role(Role::Context).count();
        let found = formulas_of_totals(&names, &values, n_contexts);
        for (index, formula) in numbers.into_iter().zip(found).skip(n_contexts) {
            if let Some(formula) = formula {
                self.columns[index].role = Role::Determined(formula);
            }
        }
        Ok(self)
    }

    /// The same with the modelled columns that have one value in all of some rows as constants: others had
    /// theirs in rows that are left out.
    pub(in crate::table) fn with_constants(mut self, rows: &Table) -> Result<Self, Error> {
        for column in self.columns.iter_mut().filter(|column| column.role == Role::Modelled) {
            let Kind::Numbers(support) = column.kind else { continue };
            let values = rows.numbers(&column.name)?;
            let is_noisy = support.is_integer() || column.jitter > 0.0;
            if let (false, [first, rest @ ..]) = (is_noisy, values)
                && rest.iter().all(|x| x == first)
            {
                column.kind = Kind::Numbers(Support::Constant(*first));
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
        let is_text = matches!(&column.kind, Kind::Categories(names) if !are_numbers(names));
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

    /// With a column in the density, that was a context, the weight, left out or determined.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no such column.
    pub fn with_modelled(self, name: &str) -> Result<Self, Error> {
        self.with_role(name, Role::Modelled)
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

    /// With a column of a table as context by its categories, as text is: for numbers that stand for
    /// things, such as regions.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no such column.
    pub fn with_categories(mut self, name: &str, table: &Table) -> Result<Self, Error> {
        let names = categories_of(&table.column(name)?.values);
        self.column_mut(name)?.kind = Kind::Categories(names);
        self.with_context(name)
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
        let is_known = matches!(role, Role::Context | Role::Modelled);
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
            for remark in column.remarks() {
                write!(f, "; {remark}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let remarks = schema.columns()[2].remarks();
        assert!(remarks[0].starts_with("30 % of the rows are 0"), "{schema}");
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

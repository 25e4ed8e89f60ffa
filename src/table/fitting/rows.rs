//! The rows of a table that can be trained on, and those that are held out.

use rand::Rng;
use rand::seq::SliceRandom;

use super::copies::groups_of_copies;
use crate::error::{Error, ensure};
use crate::table::columns::{Categories, Kind, Role, Schema};
use crate::table::source::{Table, Values};
use crate::train::NonFiniteRows;

/// The rows that can be trained on, and how many others there are that should have been.
pub(in crate::table) struct Usable {
    pub rows: Vec<usize>,
    pub n_dropped: usize,
}

/// The rows that a training sees.
pub(in crate::table) struct FitRows {
    /// In memory: all that are trained on, or a sample of them.
    pub train: Table,
    pub held_out: Table,
    /// All that are trained on, and all that could be used.
    pub n_train: usize,
    pub n_rows: usize,
    /// Those with a missing value.
    pub n_dropped: usize,
    /// The share of them that are copies of others, held out together.
    pub share_of_copies: f64,
}

/// The rows that have all values that the schema asks for, inside of their supports, and a weight
/// above 0.
pub(in crate::table) fn usable_rows(
    table: &Table,
    schema: &Schema,
    treatment: NonFiniteRows,
) -> Result<Usable, Error> {
    let mut is_complete = vec![true; table.n_rows()];
    let mut is_weighted = vec![true; table.n_rows()];
    for column in schema.columns().iter().filter(|column| column.role != Role::LeftOut) {
        let name = &column.name;
        let place = |row: usize| format!("{}, column `{name}`", table.place_of(row));
        let mut missing = |row: usize, what: &str| -> Result<(), Error> {
            ensure!(
                as Data,
                treatment == NonFiniteRows::Drop,
                "{}: the value is {what}; fill it, or leave the column or such rows out",
                place(row)
            );
            is_complete[row] = false;
            Ok(())
        };
        match (&table.column(name)?.values, &column.kind) {
            (values, Kind::Categories(names)) => {
                let categories = Categories::new(names);
                for (row, index) in categories.indices(values).into_iter().enumerate() {
                    let is_missing = match values {
                        Values::Text(values) => values[row].is_empty(),
                        Values::Numbers(values) => values[row].is_nan(),
                    };
                    if is_missing {
                        missing(row, "missing")?;
                        continue;
                    }
                    if let Err(category) = index {
                        let (place, known) = (place(row), categories.in_words());
                        let what =
                            format!("the category {category} is none of the schema's, {known}");
                        return Err(Error::Data(format!("{place}: {what}")));
                    }
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
            (Values::Text(_), Kind::Numbers(_)) => {
                return Err(Error::Data(format!(
                    "column `{name}` holds text where the schema says numbers: infer the schema from \
                     this table"
                )));
            }
        }
    }
    let n_dropped = is_complete.iter().filter(|&&is_complete| !is_complete).count();
    let rows = (0..table.n_rows()).filter(|&row| is_complete[row] && is_weighted[row]).collect();
    Ok(Usable { rows, n_dropped })
}

/// That the columns that the schema says are determined are so in these rows.
pub(in crate::table) fn check_formulas(rows: &Table, schema: &Schema) -> Result<(), Error> {
    for column in schema.columns() {
        let Role::Determined(formula) = &column.role else { continue };
        let (name, own) = (&column.name, rows.numbers(&column.name)?);
        let of = formula.terms_of(|other| rows.numbers(other))?;
        let row = (0..own.len()).find(|&row| !formula.holds(own[row], |index| of[index][row]));
        if let Some(row) = row {
            return Err(Error::Data(format!(
                "{}, column `{name}`: it is {formula} in the rows that the schema was inferred from, and \
                 not here: give it noise (jitter), or leave it out",
                rows.place_of(row)
            )));
        }
    }
    Ok(())
}

/// Rows to train on, and rows that are held out.
pub(in crate::table) struct Split {
    pub train: Table,
    pub held_out: Table,
    /// The share of the rows that are copies of others.
    pub share_of_copies: f64,
}

/// The rows that are trained on and those that are held out, in a random order. Copies of a row are on
/// one side.
pub(in crate::table) fn split<R: Rng + ?Sized>(
    table: &Table,
    mut rows: Vec<usize>,
    schema: &Schema,
    validation_fraction: f64,
    rng: &mut R,
) -> Result<Split, Error> {
    let (n, n_held_out) = (rows.len(), n_held_out(rows.len(), validation_fraction)?);
    let Some(mut groups) = groups_of_copies(table, &rows, schema) else {
        rows.shuffle(rng);
        let (held_out, train) = rows.split_at(n_held_out);
        let (train, held_out) = (table.select(train), table.select(held_out));
        return Ok(Split { train, held_out, share_of_copies: 0.0 });
    };
    let share_of_copies = (n - groups.len()) as f64 / n as f64;
    groups.shuffle(rng);
    let (mut train, mut held_out) = (Vec::new(), Vec::new());
    for group in groups {
        let fits = held_out.len() + group.len() <= n_held_out;
        if fits { held_out.extend(group) } else { train.extend(group) }
    }
    // Where no group is small enough one row of the first is held out all the same.
    if held_out.is_empty() {
        held_out.extend(train.pop());
    }
    train.shuffle(rng);
    Ok(Split { train: table.select(&train), held_out: table.select(&held_out), share_of_copies })
}

/// How many of these rows are held out.
pub(in crate::table) fn n_held_out(n: usize, validation_fraction: f64) -> Result<usize, Error> {
    ensure!(
        as Data,
        n >= 2,
        "there must be at least two rows, one to train on and one to hold out, got {n} with all values \
         and a weight above 0"
    );
    Ok(((n as f64 * validation_fraction).round() as usize).clamp(1, n - 1))
}

//! [`Encoder`]: the rows of a table as the features and contexts of a model, and back.

use std::fmt;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::categories::Categories;
use super::column_map::ColumnMap;
use super::dependence::Formula;
use super::schema::{Kind, Role, Schema};
use super::support::{Support, whole};
use crate::error::{Error, ensure};
use crate::table::source::{Column, Table, Values};

/// What was fitted to each column that is not left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::table) struct Encoder {
    columns: Vec<EncodedColumn>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct EncodedColumn {
    name: String,
    encoding: Encoding,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Encoding {
    /// A feature of the model.
    Feature(ColumnMap),
    /// In no density: its one value.
    Constant(f64),
    /// In no density: its formula, and whether its values are whole numbers.
    Determined { formula: Formula, support: Support },
    /// A context feature, or the sine and cosine of an angle.
    Context(ColumnMap),
    /// A context feature for each category.
    Categories(Vec<String>),
}

/// A column of contexts with numbers beyond those that a model was fitted to: what it says there, it
/// has not learnt.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BeyondRange {
    /// The name of the column.
    pub column: String,
    /// The least and the greatest number that the model was fitted to.
    pub range: [f64; 2],
    /// The rows that are less or greater.
    pub n_rows: usize,
}

impl fmt::Display for BeyondRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, range: [least, greatest], n_rows } = self;
        let rows = if *n_rows == 1 { "row is" } else { "rows are" };
        write!(
            f,
            "context `{column}`: {n_rows} {rows} beyond the {least} to {greatest} that the model was \
             fitted to"
        )
    }
}

/// What to do about the modelled columns that hold text.
fn text_in_density(schema: &Schema) -> Error {
    let columns = schema.columns().iter().filter_map(|column| match &column.kind {
        Kind::Categories(names) if column.role == Role::Modelled => Some((&column.name, names)),
        _ => None,
    });
    let told: Vec<String> = columns
        .map(|(name, categories)| {
            let first = categories.first().map_or("", String::as_str);
            let hint =
                numbers_in_text(categories).map_or(String::new(), |hint| format!("; {hint}"));
            format!("`{name}` (such as {first:?}{hint})")
        })
        .collect();
    let (columns, hold, it) = match told.len() {
        1 => ("column", "holds", "it a context (given"),
        _ => ("columns", "hold", "each a context (given"),
    };
    Error::Data(format!(
        "{columns} {} {hold} text, and a density is of numbers: make {it}, one number per category), or \
         leave it out",
        told.join(", ")
    ))
}

/// What to do about text that stands for numbers.
fn numbers_in_text(categories: &[String]) -> Option<&'static str> {
    let all = |is: &dyn Fn(&str) -> bool| categories.iter().all(|text| is(text));
    let is_number = |text: &str| text.trim().parse::<f64>().is_ok();
    let is_choice = |text: &str| {
        let text = text.to_lowercase();
        ["true", "false", "yes", "no", "t", "f", "y", "n"].contains(&text.as_str())
    };
    let is_date = |text: &str| {
        let parts: Vec<&str> = text.split(['-', '/', ' ', 'T']).collect();
        let is_part =
            |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        parts.len() >= 3 && parts.iter().take(3).all(is_part)
    };
    match () {
        () if categories.is_empty() => None,
        () if categories.len() <= 2 && all(&is_choice) => Some("write 1 and 0 to model it"),
        () if all(&|text| text.strip_suffix('%').is_some_and(is_number)) => {
            Some("write percentages without the sign to model them")
        }
        () if all(&|text| text.matches(',').count() == 1 && is_number(&text.replace(',', "."))) => {
            Some("numbers with decimal commas: say so in the format of the file")
        }
        () if all(&is_date) => Some("write dates as numbers, such as days, to model them"),
        () => None,
    }
}

/// A standardised value beyond which a flow in f32 may overflow.
const FAR: f64 = 1e6;
/// Features end here: their squares stay within the range of f32.
const MAX_FEATURE: f64 = 1e18;

/// Rows as a model takes them.
pub(in crate::table) struct EncodedRows {
    /// The features of all rows, row by row.
    pub features: Vec<f64>,
    /// The contexts of all rows, row by row.
    pub contexts: Vec<f64>,
    /// The logarithm of the slope from the values to the features, per row; minus infinity for a
    /// row outside of the support.
    pub log_slopes: Vec<f64>,
}

/// How integers, and columns that are jittered, are encoded.
pub(in crate::table) enum Jitter<'r, R: ?Sized> {
    /// As they are: the middle of the numbers that they stand for.
    Midpoint,
    /// With the uniform noise of training.
    Drawn(&'r mut R),
}

impl Encoder {
    /// Fits the maps of the columns to rows that are all in their supports.
    pub fn fit<R: Rng + ?Sized>(schema: &Schema, rows: &Table, rng: &mut R) -> Result<Self, Error> {
        let mut columns = Vec::new();
        for column in schema.columns() {
            let name = &column.name;
            let encoding = match (&column.role, &column.kind) {
                (Role::LeftOut | Role::Weight, _) => continue,
                (Role::Modelled, Kind::Numbers(Support::Constant(value))) => {
                    Encoding::Constant(*value)
                }
                (Role::Modelled, Kind::Numbers(support)) => {
                    let values = rows.numbers(name)?;
                    Encoding::Feature(ColumnMap::fit(*support, column.jitter, values, rng))
                }
                (Role::Determined(formula), Kind::Numbers(support)) => {
                    Encoding::Determined { formula: formula.clone(), support: *support }
                }
                (Role::Context, Kind::Numbers(support)) => {
                    // Any number may come as a context.
                    let support = if support.circle().is_some() { *support } else { Support::Real };
                    Encoding::Context(ColumnMap::fit(support, 0.0, rows.numbers(name)?, rng))
                }
                (Role::Context, Kind::Categories(names)) => Encoding::Categories(names.clone()),
                (_, Kind::Categories(_)) => return Err(text_in_density(schema)),
            };
            columns.push(EncodedColumn { name: name.clone(), encoding });
        }
        let encoder = Self { columns };
        ensure!(
            as Data,
            encoder.d_features() > 0,
            "no column is left to model: all are constant, determined, contexts or left out"
        );
        Ok(encoder)
    }

    pub fn d_features(&self) -> usize {
        self.features().count()
    }

    pub fn d_context(&self) -> usize {
        let widths = self.columns.iter().map(|column| match &column.encoding {
            Encoding::Context(map) => 1 + usize::from(map.is_periodic()),
            Encoding::Categories(names) => names.len(),
            _ => 0,
        });
        widths.sum()
    }

    /// The name and the map of each feature.
    pub fn features(&self) -> impl Iterator<Item = (&str, &ColumnMap)> {
        self.columns.iter().filter_map(|column| match &column.encoding {
            Encoding::Feature(map) => Some((column.name.as_str(), map)),
            _ => None,
        })
    }

    /// The names of the features, with what is to be known of their maps.
    pub fn notes(&self) -> Vec<String> {
        let notes = self.features().filter_map(|(name, map)| {
            map.tails_in_words().map(|tails| format!("`{name}` has {tails}"))
        });
        notes.collect()
    }

    /// Whether noise is to be drawn for a column.
    pub fn is_noisy(&self) -> bool {
        self.features().any(|(_, map)| map.is_noisy())
    }

    /// The first value that is so far from the others that a model cannot be trained on it: its row
    /// and the name of its column.
    pub fn first_far(&self, features: &[f64]) -> Option<(usize, &str)> {
        let d = self.d_features();
        let index = features.iter().position(|z| z.abs() > FAR)?;
        self.features().nth(index % d).map(|(name, _)| (index / d, name))
    }

    /// The rows of a table. A value outside of its support is encoded as the mean of its column,
    /// and the row has a log-slope of minus infinity.
    pub fn encode<R: Rng + ?Sized>(
        &self,
        table: &Table,
        mut jitter: Jitter<'_, R>,
    ) -> Result<EncodedRows, Error> {
        let (n, d) = (table.n_rows(), self.d_features());
        let mut features = vec![0.0; n * d];
        let mut log_slopes = vec![0.0; n];
        for (feature, (name, map)) in self.features().enumerate() {
            for (row, &x) in numbers(table, name)?.iter().enumerate() {
                if !map.support().contains(x) {
                    log_slopes[row] = f64::NEG_INFINITY;
                    continue;
                }
                let x = match &mut jitter {
                    Jitter::Midpoint => map.midpoint(x),
                    Jitter::Drawn(rng) => map.drawn(x, &mut **rng),
                };
                let mapped = map.standardised(x);
                features[row * d + feature] = mapped.value.clamp(-MAX_FEATURE, MAX_FEATURE);
                log_slopes[row] += mapped.log_slope;
            }
        }
        for (row, _) in self.violations(table)? {
            log_slopes[row] = f64::NEG_INFINITY;
        }
        Ok(EncodedRows { features, contexts: self.contexts(table)?, log_slopes })
    }

    /// The rows in which no value is missing and every context is one that the model can take.
    pub fn scorable_rows(&self, table: &Table) -> Result<Vec<usize>, Error> {
        let mut is_scorable = vec![true; table.n_rows()];
        for EncodedColumn { name, encoding } in &self.columns {
            let values = &table.column(name)?.values;
            let rows = is_scorable.iter_mut();
            match (encoding, values) {
                (Encoding::Categories(names), _) => {
                    let found = Categories::new(names).indices(values);
                    rows.zip(found).for_each(|(scorable, index)| *scorable &= index.is_ok());
                }
                (Encoding::Context(map), Values::Numbers(values)) => {
                    let is_near = |x: &f64| context(map, *x).is_ok();
                    rows.zip(values).for_each(|(scorable, x)| *scorable &= is_near(x));
                }
                (_, Values::Numbers(values)) => {
                    rows.zip(values).for_each(|(scorable, x)| *scorable &= !x.is_nan());
                }
                // An error that tells the column.
                (_, Values::Text(_)) => {
                    table.numbers(name)?;
                }
            }
        }
        Ok((0..table.n_rows()).filter(|&row| is_scorable[row]).collect())
    }

    /// The columns of contexts with numbers beyond those that their maps were fitted to; those on a
    /// circle have none.
    pub fn beyond_range(&self, table: &Table) -> Result<Vec<BeyondRange>, Error> {
        let mut found = Vec::new();
        for EncodedColumn { name, encoding } in &self.columns {
            let Encoding::Context(map) = encoding else { continue };
            let Some([least, greatest]) = map.range().filter(|_| !map.is_periodic()) else {
                continue;
            };
            let is_beyond = |x: &&f64| **x < least || **x > greatest;
            let n_rows = table.numbers(name)?.iter().filter(is_beyond).count();
            if n_rows > 0 {
                found.push(BeyondRange { column: name.clone(), range: [least, greatest], n_rows });
            }
        }
        Ok(found)
    }

    /// The contexts of the rows of a table, row by row.
    pub fn contexts(&self, table: &Table) -> Result<Vec<f64>, Error> {
        let (n, d) = (table.n_rows(), self.d_context());
        let mut contexts = vec![0.0; n * d];
        let mut first = 0;
        for EncodedColumn { name, encoding } in &self.columns {
            let wrong = |row: usize, what: String| {
                Error::Data(format!("{}, column `{name}`: {what}", table.place_of(row)))
            };
            match encoding {
                Encoding::Context(map) => {
                    for (row, &c) in numbers(table, name)?.iter().enumerate() {
                        let value = context(map, c).map_err(|what| wrong(row, what))?;
                        let place = &mut contexts[row * d + first..];
                        if map.is_periodic() {
                            (place[0], place[1]) = value.sin_cos();
                        } else {
                            place[0] = value;
                        }
                    }
                    first += 1 + usize::from(map.is_periodic());
                }
                Encoding::Categories(names) => {
                    let categories = Categories::new(names);
                    let found = categories.indices(&table.column(name)?.values);
                    for (row, index) in found.into_iter().enumerate() {
                        let index = index.map_err(|category| {
                            let known = categories.in_words();
                            let what = "the model has never seen the category";
                            wrong(row, format!("{what} {category}, only {known}"))
                        })?;
                        contexts[row * d + first + index] = 1.0;
                    }
                    first += names.len();
                }
                _ => {}
            }
        }
        Ok(contexts)
    }

    /// The rows of these features, with the columns of a context table if there is one.
    pub fn decode(&self, features: &[f64], contexts: Option<&Table>) -> Result<Table, Error> {
        let d = self.d_features();
        let n = features.len() / d;
        let mut columns: Vec<Column> = Vec::new();
        let mut feature = 0;
        for EncodedColumn { name, encoding } in &self.columns {
            let values = match encoding {
                Encoding::Feature(map) => {
                    let of_column = features.iter().skip(feature).step_by(d);
                    feature += 1;
                    Values::Numbers(of_column.map(|&z| map.original(z)).collect())
                }
                Encoding::Constant(value) => Values::Numbers(vec![*value; n]),
                // When all others are there.
                Encoding::Determined { .. } => Values::Numbers(vec![f64::NAN; n]),
                Encoding::Context(_) | Encoding::Categories(_) => match contexts {
                    Some(contexts) => contexts.column(name)?.values.clone(),
                    None => continue,
                },
            };
            columns.push(Column { name: name.clone(), values });
        }
        self.determine(&mut columns, |_, _| true);
        Table::new(columns)
    }

    /// The rows in which a determined column is outside of its support.
    pub fn outside(&self, rows: &Table) -> Vec<usize> {
        let mut is_outside = vec![false; rows.n_rows()];
        for EncodedColumn { name, encoding } in &self.columns {
            let Encoding::Determined { support, .. } = encoding else { continue };
            let values = numbers_of(rows.columns(), name).unwrap_or_default();
            let of_row = is_outside.iter_mut().zip(values);
            // One whose contexts are not there is NaN.
            of_row.for_each(|(is_outside, x)| *is_outside |= !x.is_nan() && !support.contains(*x));
        }
        (0..rows.n_rows()).filter(|&row| is_outside[row]).collect()
    }

    /// Sets determined columns to the values of their formulas, where `is_asked` by column and row.
    fn determine(&self, columns: &mut [Column], is_asked: impl Fn(&str, usize) -> bool) {
        for EncodedColumn { name, encoding } in &self.columns {
            let Encoding::Determined { formula, support } = encoding else { continue };
            let of: Option<Vec<&[f64]>> =
                formula.columns().map(|other| numbers_of(columns, other)).collect();
            let Some(own) = numbers_of(columns, name) else { continue };
            let value = |row: usize, own: f64| {
                if !is_asked(name, row) {
                    return own;
                }
                let value =
                    of.as_ref().map_or(f64::NAN, |of| formula.value(|index| of[index][row]));
                if support.is_integer() { whole(value) } else { value }
            };
            let values = own.iter().enumerate().map(|(row, &own)| value(row, own)).collect();
            if let Some(column) = columns.iter_mut().find(|column| column.name == *name) {
                column.values = Values::Numbers(values);
            }
        }
    }

    /// Constant and determined columns that are missing in a table, by what the others hold now.
    pub fn fill_dependent(&self, columns: &mut [Column], original: &Table) -> Result<(), Error> {
        let mut missing = Vec::new();
        for EncodedColumn { name, encoding } in &self.columns {
            match encoding {
                Encoding::Constant(constant) => {
                    original.numbers(name)?;
                    let column = columns.iter_mut().find(|column| column.name == *name);
                    if let Some(Column { values: Values::Numbers(values), .. }) = column {
                        values.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = *constant);
                    }
                }
                Encoding::Determined { .. } => missing.push((name, original.numbers(name)?)),
                _ => {}
            }
        }
        self.determine(columns, |name, row| {
            missing.iter().any(|(other, values)| *other == name && values[row].is_nan())
        });
        Ok(())
    }

    /// A row in which a determined column is there and several terms of its formula are not, and the
    /// name of that column.
    pub fn underdetermined(&self, columns: &[Column]) -> Option<(usize, String)> {
        self.columns.iter().find_map(|EncodedColumn { name, encoding }| {
            let Encoding::Determined { formula, .. } = encoding else { return None };
            let own = numbers_of(columns, name)?;
            let of: Vec<&[f64]> =
                formula.columns().filter_map(|other| numbers_of(columns, other)).collect();
            let is_open = |&row: &usize| {
                !own[row].is_nan() && of.iter().filter(|values| values[row].is_nan()).count() > 1
            };
            (0..own.len()).find(is_open).map(|row| (row, name.clone()))
        })
    }

    /// The columns in which a row is outside of what is not a feature: a constant that is another
    /// value, a determined column that is.
    pub fn violations(&self, table: &Table) -> Result<Vec<(usize, &str)>, Error> {
        let mut found = Vec::new();
        for EncodedColumn { name, encoding } in &self.columns {
            match encoding {
                Encoding::Constant(value) => {
                    let own = numbers(table, name)?.iter().enumerate();
                    found.extend(own.filter(|(_, x)| *x != value).map(|(row, _)| (row, &**name)));
                }
                Encoding::Determined { formula, support } => {
                    let of = formula.terms_of(|other| numbers(table, other))?;
                    let own = numbers(table, name)?.iter().enumerate();
                    let violates = |&(row, &x): &(usize, &f64)| {
                        !support.contains(x) || !formula.holds(x, |index| of[index][row])
                    };
                    found.extend(own.filter(violates).map(|(row, _)| (row, &**name)));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Missing values that a determined column and the other terms of its formula leave no choice.
    pub fn solve_formulas(&self, columns: &mut [Column]) {
        for EncodedColumn { name, encoding } in &self.columns {
            let Encoding::Determined { formula, .. } = encoding else { continue };
            let others: Vec<&str> = formula.columns().collect();
            let of: Option<Vec<&[f64]>> =
                others.iter().map(|other| numbers_of(columns, other)).collect();
            let (Some(of), Some(own)) = (of, numbers_of(columns, name)) else { continue };
            let mut solved = Vec::new();
            for (row, &x) in own.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
                let mut missing = (0..of.len()).filter(|&term| of[term][row].is_nan());
                if let (Some(term), None) = (missing.next(), missing.next()) {
                    let value = formula.solved(x, term, |index| of[index][row]);
                    solved.push((term, row, value));
                }
            }
            for (term, row, value) in solved {
                let column = columns.iter_mut().find(|column| column.name == others[term]);
                let support = self.features().find(|(name, _)| *name == others[term]);
                let is_integer = support.is_some_and(|(_, map)| map.support().is_integer());
                if let Some(Column { values: Values::Numbers(values), .. }) = column {
                    values[row] = if is_integer { whole(value) } else { value };
                }
            }
        }
    }
}

/// A context, standardised; otherwise what is wrong with it.
fn context(map: &ColumnMap, c: f64) -> Result<f64, String> {
    if !c.is_finite() {
        return Err(format!("a context must be finite, got {c}"));
    }
    let value = map.standardised(c).value;
    if value.abs() > FAR {
        return Err(format!("{c} is too far from the contexts that the model was fitted to"));
    }
    Ok(value)
}

/// The numbers of one of some columns, if it is there and holds numbers.
fn numbers_of<'c>(columns: &'c [Column], name: &str) -> Option<&'c [f64]> {
    match &columns.iter().find(|column| column.name == name)?.values {
        Values::Numbers(values) => Some(values),
        Values::Text(_) => None,
    }
}

/// The numbers of a column, none of them missing.
fn numbers<'t>(table: &'t Table, name: &str) -> Result<&'t [f64], Error> {
    let values = table.numbers(name)?;
    match values.iter().position(|x| x.is_nan()) {
        Some(row) => Err(Error::Data(format!(
            "{}, column `{name}`: the value is missing; fill it, or leave the row out",
            table.place_of(row)
        ))),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn all_columns_of_text_are_named_with_what_to_do() {
        let text = |name: &str, values: [&str; 2]| Column {
            name: name.to_owned(),
            values: Values::Text(values.map(str::to_owned).to_vec()),
        };
        let number = Column { name: "x".to_owned(), values: Values::Numbers(vec![1.0, 2.5]) };
        let columns = [
            number,
            text("species", ["oak", "elm"]),
            text("sold", ["True", "False"]),
            text("share", ["12 %", "3.5%"]),
            text("price", ["1,5", "2,25"]),
            text("day", ["2026-11-26", "2026-11-27"]),
        ];
        let table = Table::new(columns.to_vec()).expect("columns");
        let schema = Schema::infer(&table).expect("rows");
        let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
        let error = Encoder::fit(&schema, &table, &mut rng).unwrap_err().to_string();
        for told in [
            "`species` (such as \"elm\"), ",
            "`sold` (such as \"False\"; write 1 and 0",
            "`share` (such as \"12 %\"; write percentages without the sign",
            "`price` (such as \"1,5\"; numbers with decimal commas",
            "`day` (such as \"2026-11-26\"; write dates as numbers",
        ] {
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}

//! [`Encoder`]: the rows of a table as the features and contexts of a model, and back.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::column_map::{ColumnMap, dequantised};
use super::data::{Column, Table, Values};
use super::dependence::Formula;
use super::schema::{Kind, Role, Schema};
use super::support::Support;
use crate::error::{Error, ensure};

/// What was fitted to each column that is not left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Encoder {
    columns: Vec<Encoded>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Encoded {
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
    /// A context feature.
    Context(ColumnMap),
    /// A context feature for each category.
    Categories(Vec<String>),
}

/// A standardised value beyond which a flow in f32 may overflow. Contexts end here.
pub(super) const FAR: f64 = 1e6;
/// Features end here: their squares stay within the range of f32.
const MAX_FEATURE: f64 = 1e18;

/// Rows as a model takes them.
pub(super) struct Encodings {
    /// The features of all rows, row by row.
    pub features: Vec<f64>,
    /// The contexts of all rows, row by row.
    pub contexts: Vec<f64>,
    /// The logarithm of the slope from the values to the features, per row; minus infinity for a
    /// row outside of the support.
    pub log_slopes: Vec<f64>,
}

/// How integers are encoded.
pub(super) enum Integers<'r, R: ?Sized> {
    /// As they are: the middle of the numbers that they stand for.
    Midpoint,
    /// With uniform noise.
    Dequantised(&'r mut R),
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
                    Encoding::Feature(ColumnMap::fit(*support, rows.numbers(name)?, rng))
                }
                (Role::Determined(formula), Kind::Numbers(support)) => {
                    Encoding::Determined { formula: formula.clone(), support: *support }
                }
                (Role::Context, Kind::Numbers(_)) => {
                    // Any number may come as a context.
                    Encoding::Context(ColumnMap::fit(Support::Real, rows.numbers(name)?, rng))
                }
                (Role::Context, Kind::Categories(names)) => Encoding::Categories(names.clone()),
                (_, Kind::Categories(_)) => {
                    return Err(Error::Data(format!(
                        "column `{name}` holds text, and a density is of numbers: make it a context \
                         by `with_context({name:?})`, or leave it out by `without({name:?})`"
                    )));
                }
            };
            columns.push(Encoded { name: name.clone(), encoding });
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
            Encoding::Context(_) => 1,
            Encoding::Categories(names) => names.len(),
            _ => 0,
        });
        widths.sum()
    }

    /// The name and the support of each feature.
    pub fn features(&self) -> impl Iterator<Item = (&str, Support)> {
        self.columns.iter().filter_map(|column| match &column.encoding {
            Encoding::Feature(map) => Some((column.name.as_str(), map.support)),
            _ => None,
        })
    }

    /// The names of the features, with what is to be known of their maps.
    pub fn notes(&self) -> Vec<String> {
        let notes = self.columns.iter().filter_map(|column| match &column.encoding {
            Encoding::Feature(map) => {
                map.tails_in_words().map(|tails| format!("`{}` has {tails}", column.name))
            }
            _ => None,
        });
        notes.collect()
    }

    /// Whether noise is to be drawn for a column.
    pub fn has_integers(&self) -> bool {
        self.features().any(|(_, support)| support.is_integer())
    }

    /// The first value that is so far from the others that a model cannot be trained on it: its row
    /// and the name of its column.
    pub fn first_far(&self, encoded: &Encodings) -> Option<(usize, &str)> {
        let d = self.d_features();
        let index = encoded.features.iter().position(|z| z.abs() > FAR)?;
        self.features().nth(index % d).map(|(name, _)| (index / d, name))
    }

    /// The rows of a table. A value outside of its support is encoded as the mean of its column,
    /// and the row has a log-slope of minus infinity.
    pub fn encode<R: Rng + ?Sized>(
        &self,
        table: &Table,
        mut integers: Integers<'_, R>,
    ) -> Result<Encodings, Error> {
        let (n, d) = (table.n_rows(), self.d_features());
        let mut features = vec![0.0; n * d];
        let mut log_slopes = vec![0.0; n];
        let mut feature = 0;
        for Encoded { name, encoding } in &self.columns {
            match encoding {
                Encoding::Feature(map) => {
                    for (row, &x) in numbers(table, name)?.iter().enumerate() {
                        if !map.support.contains(x) {
                            log_slopes[row] = f64::NEG_INFINITY;
                            continue;
                        }
                        let x = match &mut integers {
                            Integers::Midpoint => x,
                            Integers::Dequantised(rng) => dequantised(map.support, x, &mut **rng),
                        };
                        let mapped = map.standardised(x);
                        features[row * d + feature] = mapped.value.clamp(-MAX_FEATURE, MAX_FEATURE);
                        log_slopes[row] += mapped.log_slope;
                    }
                    feature += 1;
                }
                Encoding::Constant(value) => {
                    for (row, &x) in numbers(table, name)?.iter().enumerate() {
                        if x != *value {
                            log_slopes[row] = f64::NEG_INFINITY;
                        }
                    }
                }
                Encoding::Determined { formula, .. } => {
                    let of: Vec<(&str, &[f64])> = formula
                        .columns()
                        .map(|other| Ok((other, numbers(table, other)?)))
                        .collect::<Result<_, Error>>()?;
                    for (row, &x) in numbers(table, name)?.iter().enumerate() {
                        let value = |other: &str| {
                            let found = of.iter().find(|(name, _)| *name == other);
                            found.map_or(f64::NAN, |(_, values)| values[row])
                        };
                        if !formula.holds(x, value) {
                            log_slopes[row] = f64::NEG_INFINITY;
                        }
                    }
                }
                Encoding::Context(_) | Encoding::Categories(_) => {}
            }
        }
        Ok(Encodings { features, contexts: self.contexts(table)?, log_slopes })
    }

    /// The contexts of the rows of a table, row by row.
    pub fn contexts(&self, table: &Table) -> Result<Vec<f64>, Error> {
        let (n, d) = (table.n_rows(), self.d_context());
        let mut contexts = vec![0.0; n * d];
        let mut first = 0;
        for Encoded { name, encoding } in &self.columns {
            match encoding {
                Encoding::Context(map) => {
                    for (row, &c) in numbers(table, name)?.iter().enumerate() {
                        ensure!(
                            as Data,
                            c.is_finite(),
                            "{}, column `{name}`: a context must be finite, got {c}",
                            table.place_of(row)
                        );
                        contexts[row * d + first] = map.standardised(c).value.clamp(-FAR, FAR);
                    }
                    first += 1;
                }
                Encoding::Categories(names) => {
                    let Values::Text(values) = &table.column(name)?.values else {
                        return Err(Error::Data(format!(
                            "column `{name}` holds numbers, and the model was fitted to categories: \
                             {}",
                            names.join(", ")
                        )));
                    };
                    for (row, value) in values.iter().enumerate() {
                        let Ok(index) = names.binary_search(value) else {
                            return Err(Error::Data(format!(
                                "{}, column `{name}`: the model has never seen the category \
                                 {value:?}, only {}",
                                table.place_of(row),
                                names.join(", ")
                            )));
                        };
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
        for Encoded { name, encoding } in &self.columns {
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
        for Encoded { name, encoding } in &self.columns {
            if let Encoding::Determined { formula, support } = encoding {
                let value = |row: usize| {
                    let of = |other: &str| match columns.iter().find(|column| column.name == other)
                    {
                        Some(Column { values: Values::Numbers(values), .. }) => values[row],
                        _ => f64::NAN,
                    };
                    let value = formula.value(of);
                    if support.is_integer() { value.round() } else { value }
                };
                let values = Values::Numbers((0..n).map(value).collect());
                if let Some(column) = columns.iter_mut().find(|column| column.name == *name) {
                    column.values = values;
                }
            }
        }
        Table::new(columns)
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

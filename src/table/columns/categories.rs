//! [`Categories`]: the category of a value, by its text or its number.

use std::collections::HashMap;

use crate::table::source::Values;

/// The categories of a column, and those that are numbers by these.
pub(in crate::table) struct Categories<'n> {
    /// In alphabetical order.
    names: &'n [String],
    /// `None` for a number that is several categories, as `1` and `01` are.
    by_number: HashMap<u64, Option<usize>>,
}

impl<'n> Categories<'n> {
    pub fn new(names: &'n [String]) -> Self {
        let mut by_number = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            if let Ok(number) = name.parse::<f64>() {
                by_number
                    .entry(key(number))
                    .and_modify(|index| *index = None)
                    .or_insert(Some(index));
            }
        }
        Self { names, by_number }
    }

    /// The index of the category of each value; otherwise what is not known, in words. A column of
    /// numbers is one of categories too: a file of few rows may have only such that look like numbers.
    pub fn indices(&self, values: &Values) -> Vec<Result<usize, String>> {
        match values {
            Values::Text(values) => {
                let of = |value: &String| {
                    self.names.binary_search(value).map_err(|_| format!("{value:?}"))
                };
                values.iter().map(of).collect()
            }
            Values::Numbers(values) => values.iter().map(|&x| self.of_number(x)).collect(),
        }
    }

    fn of_number(&self, x: f64) -> Result<usize, String> {
        match self.by_number.get(&key(x)) {
            Some(Some(index)) => Ok(*index),
            Some(None) => Err(format!("\"{x} (several are this number)\"")),
            None => Err(format!("\"{x}\"")),
        }
    }

    /// The names, to tell of.
    pub fn in_words(&self) -> String {
        let told = &self.names[..self.names.len().min(MAX_TOLD)];
        let more = self.names.len() - told.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        told.join(", ") + &more
    }
}

/// More categories than these are not listed.
const MAX_TOLD: usize = 20;

/// The same for both zeros.
fn key(x: f64) -> u64 {
    (x + 0.0).to_bits()
}

/// Whether these are the categories of a column of numbers, each written as the number is.
pub(in crate::table) fn are_numbers(names: &[String]) -> bool {
    names.iter().all(|name| name.parse::<f64>().is_ok_and(|x| x.to_string() == *name))
}

/// The values of a column as categories: distinct, in alphabetical order, without those that are
/// missing.
pub(super) fn categories_of(values: &Values) -> Vec<String> {
    let mut names: Vec<String> = match values {
        Values::Text(values) => values.iter().filter(|value| !value.is_empty()).cloned().collect(),
        Values::Numbers(values) => {
            let numbers = values.iter().filter(|x| x.is_finite());
            numbers.map(|x| (x + 0.0).to_string()).collect()
        }
    };
    names.sort();
    names.dedup();
    names
}

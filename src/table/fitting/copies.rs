//! [`groups_of_copies`]: rows that are one row several times.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::table::columns::{Kind, Role, Schema, Support};
use crate::table::source::{Column, Table, Values};

/// So many times as many equal rows as chance has are copies.
const BEYOND_CHANCE: f64 = 10.0;
/// Fewer copies than this share of the rows are left where they are.
const MIN_SHARE: f64 = 0.01;
/// Where more of them are copies, equal rows are what the table is made of.
const MAX_SHARE: f64 = 0.9;

/// The rows in groups of equal ones, if some are copies of others, as in a table that was sampled with
/// replacement: with a copy in training a held-out row tells nothing. `None` where rows are equal as
/// often as independent columns would have it, few are or nearly all, or all columns are of integers.
pub(super) fn groups_of_copies(
    table: &Table,
    rows: &[usize],
    schema: &Schema,
) -> Option<Vec<Vec<usize>>> {
    let columns: Vec<_> = schema
        .columns()
        .iter()
        .filter(|column| matches!(column.role, Role::Modelled | Role::Context))
        .collect();
    let is_real = |kind: &Kind| {
        let Kind::Numbers(support) = kind else { return false };
        !support.is_integer() && !matches!(support, Support::Constant(_))
    };
    if !columns.iter().any(|column| column.role == Role::Modelled && is_real(&column.kind)) {
        return None;
    }
    let columns: Vec<&Column> =
        columns.iter().filter_map(|column| table.column(&column.name).ok()).collect();
    let groups = grouped(rows, |row| key(&columns, row));
    let pairs_by_chance: f64 = columns
        .iter()
        .map(|column| share_of_pairs(&grouped(rows, |row| key(&[*column], row)), rows.len()))
        .product();
    let n = rows.len() as f64;
    let share = (n - groups.len() as f64) / n;
    let are_copies = share_of_pairs(&groups, rows.len()) > BEYOND_CHANCE * pairs_by_chance
        && (MIN_SHARE..=MAX_SHARE).contains(&share);
    are_copies.then_some(groups)
}

/// The share of pairs of rows that are in one group.
fn share_of_pairs(groups: &[Vec<usize>], n: usize) -> f64 {
    let pairs = |n: usize| n as f64 * (n as f64 - 1.0);
    groups.iter().map(|group| pairs(group.len())).sum::<f64>() / pairs(n)
}

/// The rows by their key, in the order of the first of each.
fn grouped(rows: &[usize], key: impl Fn(usize) -> u64) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut places = HashMap::new();
    for &row in rows {
        let place = *places.entry(key(row)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(row);
    }
    groups
}

fn key(columns: &[&Column], row: usize) -> u64 {
    let mut hash = DefaultHasher::new();
    for column in columns {
        match &column.values {
            Values::Numbers(values) => (values[row] + 0.0).to_bits().hash(&mut hash),
            Values::Text(values) => values[row].hash(&mut hash),
        }
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::fitting::rows::split;
    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

    fn table(rows: Vec<Vec<f64>>) -> (Table, Schema) {
        let table = Table::from_rows(["x", "y"], rows).expect("valid");
        let schema = Schema::infer(&table).expect("rows");
        (table, schema)
    }

    #[test]
    fn copies_are_on_one_side() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let rows: Vec<Vec<f64>> =
            (0..100).map(|_| vec![rng.random::<f64>(), rng.random::<f64>()]).collect();
        let drawn: Vec<Vec<f64>> =
            (0..400).map(|_| rows[rng.random_range(0..100)].clone()).collect();
        let (table, schema) = table(drawn);
        let all = (0..400).collect();
        let split = split(&table, all, &schema, 0.1, &mut rng).expect("rows");
        assert!(split.share_of_copies > 0.7, "{}", split.share_of_copies);
        let n = split.held_out.n_rows();
        assert!((30..=40).contains(&n) && n + split.train.n_rows() == 400, "{n}");
        let train = split.train.numbers("x").expect("numbers");
        let held_out = split.held_out.numbers("x").expect("numbers");
        assert!(held_out.iter().all(|x| !train.contains(x)));
    }

    #[test]
    fn equal_rows_by_chance_are_no_copies() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut rows = |n: u32| -> Vec<Vec<f64>> {
            let mut number = |n: u32| f64::from(rng.random_range(0..n));
            (0..400).map(|_| vec![number(n) / 10.0, number(n)]).collect()
        };
        let all: Vec<usize> = (0..400).collect();
        for n in [5, 30] {
            let (table, schema) = table(rows(n));
            assert_eq!(groups_of_copies(&table, &all, &schema), None, "{n}");
        }
        // One column tells nothing about that.
        let column =
            Table::from_rows(["x"], (0..400).map(|i| vec![f64::from(i / 2) + 0.5]).collect());
        let column = column.expect("valid");
        let schema = Schema::infer(&column).expect("rows");
        assert_eq!(groups_of_copies(&column, &all, &schema), None);
    }
}

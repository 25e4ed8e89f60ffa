//! [`infer()`]: what the values of columns look like.

use super::categories::categories_of;
use super::schema::{ColumnSchema, Kind, Role};
use super::support::Support;
use crate::table::source::{Column, Table, Values};

/// Fewer rows than these do not show what a column is.
const MIN_ROWS: usize = 20;
/// The share of rows that is a lump when they have the same value.
const LUMP: f64 = 0.05;
/// The share of rows at the greatest integer that makes it a bound.
const AT_BOUND: f64 = 0.01;
/// So many columns with the same greatest integer make it a bound of theirs.
const MIN_SHARING: usize = 4;

/// What each column of a table looks like by itself, and integers beside each other.
pub(super) fn infer(table: &Table) -> Vec<ColumnSchema> {
    let mut columns: Vec<ColumnSchema> = table.columns().iter().map(infer_column).collect();
    share_bound(&mut columns, table);
    columns
}

fn infer_column(column: &Column) -> ColumnSchema {
    let (kind, notes) = match &column.values {
        Values::Text(values) => {
            let n_missing = values.iter().filter(|value| value.is_empty()).count();
            let notes = (n_missing > 0).then(|| format!("{n_missing} missing"));
            (Kind::Categories(categories_of(&column.values)), notes.into_iter().collect())
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
    use super::super::schema::Schema;
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
}

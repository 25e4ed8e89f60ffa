//! [`infer()`]: what the values of columns look like.

use super::categories::categories_of;
use super::schema::{ColumnSchema, Kind, Lump, Role};
use super::support::Support;
use crate::table::source::{Column, Table, Values};

/// Fewer rows than these do not show what a column is.
const MIN_ROWS: usize = 20;
/// The share of rows that is a lump when they have the same value.
const LUMP: f64 = 0.05;
/// The share of rows, and the number of them, that make the least or the greatest value a bound.
const AT_BOUND: f64 = 0.01;
const MIN_AT_BOUND: usize = 5;
/// An end that is a bound has so many times the rows of the other values, on average.
const LUMPED: f64 = 5.0;
/// So many columns with the same greatest integer make it a bound of theirs.
const MIN_SHARING: usize = 4;

/// What each column of a table looks like by itself, and integers beside each other.
pub(super) fn infer(table: &Table) -> Vec<ColumnSchema> {
    let mut columns: Vec<ColumnSchema> = table.columns().iter().map(infer_column).collect();
    share_bound(&mut columns, table);
    columns
}

fn infer_column(column: &Column) -> ColumnSchema {
    let (kind, n_missing, lumps) = match &column.values {
        Values::Text(values) => {
            let n_missing = values.iter().filter(|value| value.is_empty()).count();
            (Kind::Categories(categories_of(&column.values)), n_missing, Vec::new())
        }
        Values::Numbers(values) => {
            let mut finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
            finite.sort_by(f64::total_cmp);
            let support = infer_support(&finite);
            (Kind::Numbers(support), values.len() - finite.len(), lumps(support, &finite))
        }
    };
    let (name, jitter) = (column.name.clone(), 0.0);
    if let Values::Numbers(values) = &column.values
        && values.iter().all(|x| x.is_nan())
    {
        let notes = vec!["it has only empty cells".to_owned()];
        return ColumnSchema { name, role: Role::LeftOut, kind, jitter, notes, lumps };
    }
    let notes = (n_missing > 0).then(|| format!("{n_missing} missing")).into_iter().collect();
    ColumnSchema { name, role: Role::Modelled, kind, jitter, notes, lumps }
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
        return infer_integer(sorted, min, max);
    }
    if sorted.len() < MIN_ROWS {
        return Support::Real;
    }
    if (0.0..0.5).contains(&min) && 0.5 < max && max <= 1.0 {
        return match min > 0.0 && max < 1.0 {
            true => Support::Interval { low: 0.0, high: 1.0 },
            false => Support::ClosedInterval { low: 0.0, high: 1.0 },
        };
    }
    let [low, high] = [Side::Least, Side::Greatest].map(|side| side.bound(sorted));
    match (low, high) {
        (Bound::None, Bound::None) => Support::Real,
        (Bound::Open(bound), Bound::None) => Support::Above(bound),
        (Bound::Closed(bound), Bound::None) => Support::AtLeast(bound),
        (Bound::None, Bound::Open(bound)) => Support::Below(bound),
        (Bound::None, Bound::Closed(bound)) => Support::AtMost(bound),
        (Bound::Open(low) | Bound::Closed(low), Bound::Open(high) | Bound::Closed(high)) => {
            Support::ClosedInterval { low, high }
        }
    }
}

/// Two integers are a choice; of others an end is a bound if it has about as many rows as the one beside
/// it, and 0 is one if values are never negative and some are near it.
fn infer_integer(sorted: &[f64], min: f64, max: f64) -> Support {
    let counts: Vec<(f64, usize)> =
        sorted.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len())).collect();
    let is_choice = counts.len() == 2 && (sorted.len() >= MIN_ROWS || max - min == 1.0);
    let is_bound = |(_, end): (f64, usize), (_, beside): (f64, usize)| {
        is_choice || is_frequent(end, sorted.len()) && 2 * end >= beside
    };
    let n = counts.len();
    let least = is_bound(counts[0], counts[1]).then_some(min as i64);
    let greatest = is_bound(counts[n - 1], counts[n - 2]).then_some(max as i64);
    let is_count = 0.0 <= min && min <= max - min;
    Support::Integer { min: least.or(is_count.then_some(0)), max: greatest }
}

fn is_frequent(n_equal: usize, n: usize) -> bool {
    n_equal >= MIN_AT_BOUND && n_equal as f64 >= AT_BOUND * n as f64
}

/// Where the values of a column end.
enum Bound {
    None,
    /// Without the bound itself.
    Open(f64),
    Closed(f64),
}

#[derive(Clone, Copy)]
enum Side {
    Least,
    Greatest,
}

impl Side {
    /// The bound that values which are not all whole seem to have on this side.
    fn bound(self, sorted: &[f64]) -> Bound {
        let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
        let (end, is_positive) = match self {
            Self::Least => (min, min >= 0.0),
            Self::Greatest => (max, max <= 0.0),
        };
        let n_at_end = sorted.iter().filter(|&&x| x == end).count();
        let n_others = sorted.chunk_by(|a, b| a == b).count() - 1;
        let of_others = (sorted.len() - n_at_end) as f64 / n_others as f64;
        let is_lump = is_frequent(n_at_end, sorted.len()) && n_at_end as f64 > LUMPED * of_others;
        match () {
            () if end == 0.0 || is_lump => Bound::Closed(end + 0.0),
            // Far from 0 beside their spread, values are not near a bound there.
            () if is_positive && end.abs() <= max - min => Bound::Open(0.0),
            () => Bound::None,
        }
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

/// The values that many rows have each.
fn lumps(support: Support, sorted: &[f64]) -> Vec<Lump> {
    if support.is_integer() || sorted.len() < MIN_ROWS {
        return Vec::new();
    }
    let lumps = sorted.chunk_by(|a, b| a == b).map(|equal| {
        let share = equal.len() as f64 / sorted.len() as f64;
        Lump { value: equal[0], share }
    });
    lumps.filter(|lump| lump.share >= LUMP).collect()
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
    fn bounds_far_from_the_values_are_none() {
        let steps = |low: f64, high: f64| -> Vec<f64> {
            (0..50).map(|i| low + (high - low) * (f64::from(i) + 0.5) / 50.0).collect()
        };
        assert_eq!(support(&steps(150.0, 200.0)), Support::Real);
        assert_eq!(support(&steps(40.0, 120.0)), Support::Above(0.0));
        assert_eq!(support(&steps(-200.0, -150.0)), Support::Real);
        let of = |min, max| Support::Integer { min, max };
        let ids: Vec<f64> = (0..50).map(|i| f64::from(1_000_000 + i)).collect();
        assert_eq!(support(&ids), of(None, None));
    }

    #[test]
    fn an_end_that_many_values_have_is_a_bound() {
        let steps = |low: f64, high: f64| -> Vec<f64> {
            (0..500).map(|i| low + (high - low) * f64::from(i) / 500.0 + 0.01).collect()
        };
        let with = |x: f64, n: usize, values: Vec<f64>| [values, vec![x; n]].concat();
        // A measurement that ends at 90, one that starts at -20, and one that does both.
        let capped = Support::ClosedInterval { low: 0.0, high: 90.0 };
        assert_eq!(support(&with(90.0, 40, steps(1.0, 80.0))), capped);
        assert_eq!(support(&with(90.0, 40, steps(-10.0, 80.0))), Support::AtMost(90.0));
        assert_eq!(support(&with(-20.0, 40, steps(-10.0, 80.0))), Support::AtLeast(-20.0));
        let both = with(90.0, 40, with(-20.0, 40, steps(-10.0, 80.0)));
        assert_eq!(support(&both), Support::ClosedInterval { low: -20.0, high: 90.0 });
        // On a coarse grid all values are so frequent.
        let grid: Vec<f64> = (0..500).map(|i| f64::from(i % 20) / 10.0 - 0.5).collect();
        assert_eq!(support(&grid), Support::Real);
    }

    /// Choices and scales have bounds, and counts have none above.
    #[test]
    fn the_greatest_of_counts_is_no_bound() {
        let of = |min, max| Support::Integer { min, max };
        let repeated = |counts: &[(i32, usize)]| -> Vec<f64> {
            counts.iter().flat_map(|&(x, n)| vec![f64::from(x); n]).collect()
        };
        // A rare choice, and one of two codes.
        assert_eq!(support(&repeated(&[(0, 998), (1, 2)])), of(Some(0), Some(1)));
        assert_eq!(support(&repeated(&[(1, 30), (2, 70)])), of(Some(1), Some(2)));
        assert_eq!(support(&[2.0, 9.0]), of(Some(0), None));
        let stars = repeated(&[(1, 60), (2, 40), (3, 150), (4, 400), (5, 350)]);
        assert_eq!(support(&stars), of(Some(1), Some(5)));
        // Poisson of mean 3: the last has one row in a hundred, the one before it twice as many.
        let counts = [50, 149, 224, 224, 168, 101, 50, 22, 10];
        let counts: Vec<(i32, usize)> = (0..).zip(counts).collect();
        assert_eq!(support(&repeated(&counts[..7])), of(Some(0), None));
        assert_eq!(support(&repeated(&counts[..])), of(Some(0), None));
    }

    #[test]
    fn lumps_are_told_each() {
        let values = [vec![0.0; 30], vec![2.5; 20], (1..51).map(f64::from).collect()].concat();
        let column = Column { name: "x".to_owned(), values: Values::Numbers(values) };
        let column = infer_column(&column);
        assert_eq!(column.kind, Kind::Numbers(Support::AtLeast(0.0)));
        let remarks = column.remarks();
        assert!(remarks[0].starts_with("30 % of the rows are 0, the end"), "{remarks:?}");
        assert!(remarks[1].starts_with("20 % of the rows are 2.5, a lump"), "{remarks:?}");
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

//! What a density of a table answers: which columns make a row unlikely, what missing cells may be,
//! and whether samples are like the rows.

#![cfg(feature = "flex")]

mod common;

use std::sync::OnceLock;

use common::{cpu, rng};
use normalizing_flows::rand::{Rng, RngExt};
use normalizing_flows::table::{
    Column, FittedTable, Schema, Support, Table, TableConfig, Values, fit_table,
};
use normalizing_flows::train::FitConfig;
use rand_distr::{Distribution, StandardNormal};

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

const NAMES: [&str; 6] = ["height", "weight", "shoe", "hour", "double", "year"];

/// A weight that goes with the height, a shoe size likewise, an hour by itself, twice the height, and
/// a constant.
fn row(rng: &mut impl Rng) -> Vec<f64> {
    let height = 170.0 + 10.0 * normal(rng);
    let weight = (4.0 + 0.02 * (height - 170.0) + 0.05 * normal(rng)).exp();
    let shoe = (40.0 + 0.25 * (height - 170.0) + 0.5 * normal(rng)).round();
    let hour = (4.0 * normal(rng)).rem_euclid(24.0);
    vec![height, weight, shoe, hour, 2.0 * height, 2024.0]
}

fn fitted() -> &'static FittedTable {
    static FITTED: OnceLock<FittedTable> = OnceLock::new();
    FITTED.get_or_init(|| {
        let mut rng = rng(0);
        let rows = (0..4_000).map(|_| row(&mut rng)).collect();
        let table = Table::from_rows(NAMES, rows).expect("a table");
        let circle = Support::Periodic { low: 0.0, high: 24.0 };
        let schema = Schema::infer(&table).and_then(|schema| schema.with_support("hour", circle));
        let config = TableConfig::new().with_fit(FitConfig::new().with_max_epochs(Some(25)));
        fit_table(&table, &schema.expect("it is there"), &config, &cpu()).expect("it trains")
    })
}

fn one(row: [f64; 6]) -> Table {
    Table::from_rows(NAMES, vec![row.to_vec()]).expect("a table")
}

/// The conditional density by another way: the joint one on a fine grid in the units of the column.
#[test]
fn the_density_of_a_column_given_the_others_is_the_joint_one_by_its_integral() {
    let model = &fitted().model;
    let here = [172.0, 51.0, 40.0, 5.0, 344.0, 2024.0];
    let explanation = &model.explain(&one(here)).expect("all columns")[0];
    // Of a positive column the logarithm is standardised, of an angle itself.
    let log_slope = |index: usize, x: f64| if index == 1 { x.ln() } else { 0.0 };
    for (index, from, to, n) in [(1, 30.0, 110.0, 2_000), (3, 0.0, 24.0, 2_000)] {
        let step = (to - from) / f64::from(n);
        let rows = (0..n).map(|i| {
            let mut row = here.to_vec();
            row[index] = from + (f64::from(i) + 0.5) * step;
            row
        });
        let line = Table::from_rows(NAMES, rows.collect()).expect("a table");
        let densities = model.log_prob(&line).expect("all columns");
        let integral: f64 = densities.iter().map(|log| log.exp() * step).sum();
        let expected = explanation.log_prob - integral.ln();
        let name = NAMES[index];
        let column = explanation.columns.iter().find(|column| column.name == name);
        let column = column.expect("it is modelled");
        // By another grid of the same line.
        assert!((column.log_prob - expected).abs() < 0.01, "{name}: {column:?} {expected}");
        let standardised = explanation.log_prob + log_slope(index, here[index]);
        let values = (0..n).map(|i| from + (f64::from(i) + 0.5) * step);
        let below = densities.iter().zip(values);
        let below = below.filter(|(log, x)| *log + log_slope(index, *x) <= standardised);
        let tail: f64 = below.map(|(log, _)| log.exp() * step / integral).sum();
        assert!((column.tail / tail - 1.0).abs() < 0.05, "{name}: {column:?} {tail}");
    }
}

#[test]
fn the_column_that_does_not_fit_the_others_is_named() {
    let model = &fitted().model;
    let usual = [170.0, 54.6, 40.0, 1.0, 340.0, 2024.0];
    // Each of the values is a common one by itself.
    let light = [185.0, 50.0, 44.0, 1.0, 370.0, 2024.0];
    let noon = [170.0, 54.6, 40.0, 12.0, 340.0, 2024.0];
    let rows = [usual, light, noon].map(|row| row.to_vec()).to_vec();
    let table = Table::from_rows(NAMES, rows).expect("a table");
    let [usual, light, noon] = &model.explain(&table).expect("all columns")[..] else { panic!() };
    assert!(usual.columns.iter().all(|column| column.tail > 0.05), "{usual:?}");
    assert_eq!((light.columns[0].name.as_str(), light.columns.len()), ("weight", 4));
    assert!(light.columns[0].tail < 1e-3 && light.log_prob < usual.log_prob - 10.0, "{light:?}");
    assert_eq!(noon.columns[0].name, "hour");
    assert!(noon.columns[0].tail < 0.02 && noon.columns[1].tail > 0.05, "{noon:?}");
    assert_eq!(usual.log_prob, model.log_prob(&table).expect("all columns")[0]);

    let outside = model.explain(&one([170.0, -1.0, 40.0, 1.0, 340.0, 2024.0])).expect("columns");
    assert_eq!(outside[0].log_prob, f64::NEG_INFINITY);
    assert_eq!((outside[0].columns[0].name.as_str(), outside[0].columns[0].tail), ("weight", 0.0));
}

#[test]
fn a_missing_cell_is_drawn_given_the_others() {
    let model = &fitted().model;
    let gap = [180.0, f64::NAN, 43.0, 1.0, 360.0, f64::NAN];
    let rows = Table::from_rows(NAMES, vec![gap.to_vec(); 400]).expect("a table");
    let filled = model.fill(&rows, 3, &mut rng(1)).expect("it is filled");
    let log: Vec<f64> = filled.numbers("weight").expect("numbers").iter().map(|w| w.ln()).collect();
    let mean = log.iter().sum::<f64>() / 400.0;
    let deviation = (log.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 400.0).sqrt();
    // 4.2 ± 0.05 in truth.
    assert!((mean - 4.2).abs() < 0.03 && (deviation - 0.05).abs() < 0.025, "{mean} {deviation}");
    assert_eq!(filled.numbers("year"), Ok(&[2024.0; 400][..]));
    for name in ["height", "shoe", "hour", "double"] {
        assert_eq!(filled.numbers(name), rows.numbers(name), "{name} stays as it was");
    }
}

#[test]
fn several_missing_cells_fit_each_other_and_what_is_known() {
    let model = &fitted().model;
    let nan = f64::NAN;
    // Weight and shoe given the height, then the height and the shoe given the weight.
    let short = vec![vec![155.0, nan, nan, nan, 310.0, 2024.0]; 150];
    let heavy = vec![vec![nan, (4.3f64).exp(), nan, 3.0, nan, 2024.0]; 150];
    let rows = Table::from_rows(NAMES, [short, heavy].concat()).expect("a table");
    let filled = model.fill(&rows, 8, &mut rng(2)).expect("it is filled");
    let mean = |name: &str, from: usize| {
        filled.numbers(name).expect("numbers")[from..from + 150].iter().sum::<f64>() / 150.0
    };
    assert!((mean("shoe", 0) - 36.25).abs() < 0.5, "{}", mean("shoe", 0));
    assert!((mean("weight", 0).ln() - 3.7).abs() < 0.06, "{}", mean("weight", 0));
    // By the regression of a normal on another: 15 = 0.3 / 0.02, and 16/17 of it.
    assert!((mean("height", 150) - 184.1).abs() < 2.0, "{}", mean("height", 150));
    assert!((mean("shoe", 150) - 43.5).abs() < 1.0, "{}", mean("shoe", 150));
    let shoes = filled.numbers("shoe").expect("numbers");
    assert!(shoes.iter().all(|shoe| shoe.fract() == 0.0), "{shoes:?}");
    let (height, double) = (filled.numbers("height"), filled.numbers("double"));
    let pairs = height.expect("numbers").iter().zip(double.expect("numbers"));
    assert!(pairs.into_iter().all(|(height, double)| (2.0 * height - double).abs() < 1e-9));
    let scores = model.log_prob(&filled).expect("all columns");
    assert!(scores.iter().all(|score| score.is_finite()));

    // What a formula leaves no choice is no draw.
    let known = model.fill(&one([nan, 55.0, 40.0, 1.0, 344.0, 2024.0]), 1, &mut rng(3));
    assert_eq!(known.expect("it follows").numbers("height"), Ok(&[172.0][..]));
    // Nothing known at all: samples.
    let all = Table::from_rows(NAMES, vec![vec![nan; 6]; 100]).expect("a table");
    let all = model.fill(&all, 2, &mut rng(4)).expect("it is filled");
    let mean = all.numbers("height").expect("numbers").iter().sum::<f64>() / 100.0;
    assert!((mean - 170.0).abs() < 5.0, "{mean}");
}

#[test]
fn what_cannot_be_filled_is_told_of() {
    let model = &fitted().model;
    let error = model.fill(&one([f64::NAN, -1.0, 40.0, 1.0, 340.0, 2024.0]), 5, &mut rng(0));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("column `weight`: -1 is outside of the support, above 0"), "{error}");
    let error = model.fill(&one([170.0; 6]), 0, &mut rng(0)).unwrap_err().to_string();
    assert!(error.contains("`n_sweeps` must be at least 1"), "{error}");
    let other = Table::from_rows(["x"], vec![vec![1.0]]).expect("a table");
    assert!(model.fill(&other, 1, &mut rng(0)).unwrap_err().to_string().contains("no column"));
}

/// Given a far `b`, what determines `c` is outside of what its support allows; given one yet farther,
/// squares in the log-density leave no digits for `a`.
#[test]
fn nothing_is_drawn_where_nothing_fits_or_a_value_is_too_far() {
    let mut rng = rng(0);
    let mut row = || {
        let a = normal(&mut rng);
        vec![a, a + 0.1 * normal(&mut rng), 2.0 * a]
    };
    let rows = (0..1_000).map(|_| row()).collect();
    let table = Table::from_rows(["a", "b", "c"], rows).expect("a table");
    let inside = Support::Interval { low: -20.0, high: 20.0 };
    let schema = Schema::infer(&table).and_then(|schema| schema.with_support("c", inside));
    let config = TableConfig::new().with_fit(FitConfig::new().with_max_epochs(Some(20)));
    let model = fit_table(&table, &schema.expect("it is there"), &config, &cpu());
    let model = model.expect("it trains").model;
    let gaps = |b: f64| {
        Table::from_rows(["a", "b", "c"], vec![vec![f64::NAN, b, f64::NAN]]).expect("a table")
    };
    let filled = model.fill(&gaps(1.0), 2, &mut rng).expect("it is filled");
    assert!(inside.contains(filled.numbers("c").expect("numbers")[0]));
    let error = model.fill(&gaps(300.0), 2, &mut rng).unwrap_err().to_string();
    assert!(error.contains("in 20 draws of the missing cells a column"), "{error}");
    let error = model.fill(&gaps(1e5), 2, &mut rng).unwrap_err().to_string();
    assert!(error.contains("column `b`: 100000 is too far from the values"), "{error}");
    // Where there is no gap nothing is drawn.
    let whole = Table::from_rows(["a", "b", "c"], vec![vec![1.0, 1e5, 2.0]]).expect("a table");
    let filled = model.fill(&whole, 2, &mut rng).expect("it is whole");
    assert_eq!(filled.numbers("b"), Ok(&[1e5][..]));
}

#[test]
fn a_diagnosis_tells_rows_like_the_training_rows_from_others() {
    let FittedTable { model, held_out, .. } = fitted();
    let found = model.diagnose(held_out, &mut rng(0)).expect("rows");
    assert_eq!((found.n_rows, found.n_outside, found.columns.len()), (400, 0, 4));
    // The model is not quite the truth, and there are five tests.
    assert!(found.energy.p_value > 0.02, "{found}");
    assert!(found.columns.iter().all(|column| column.p_value > 1e-3), "{found}");
    let scores = model.log_prob(held_out).expect("all columns");
    assert!((found.nll + scores.iter().sum::<f64>() / 400.0).abs() < 1e-9, "{found}");
    assert!(found.to_string().contains("energy distance"), "{found}");

    // The same heights and weights, but of other people.
    let mut columns = held_out.columns().to_vec();
    if let Values::Numbers(values) = &mut columns[1].values {
        values.rotate_left(200);
    }
    let mixed = model.diagnose(&Table::new(columns).expect("a table"), &mut rng(0)).expect("rows");
    assert!(mixed.energy.p_value < 0.01, "{mixed}");
    assert!(mixed.columns.iter().all(|column| column.p_value > 1e-3), "{mixed}");

    let few = held_out.select(&[0, 1, 2]);
    let error = model.diagnose(&few, &mut rng(0)).unwrap_err().to_string();
    assert!(error.contains("at least 10 rows"), "{error}");
}

/// Given a context, every answer is about that context.
#[test]
fn contexts_are_given_to_every_question() {
    let mut rng = rng(5);
    let (mut x, mut y, mut tree) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..2_000 {
        let oak: bool = rng.random();
        let middle = if oak { 3.0 } else { -3.0 };
        x.push(middle + 0.3 * normal(&mut rng));
        y.push(2.0 * middle + 0.3 * normal(&mut rng));
        tree.push(if oak { "oak" } else { "elm" }.to_owned());
    }
    let numbers =
        |name: &str, values| Column { name: name.into(), values: Values::Numbers(values) };
    let tree = Column { name: "tree".into(), values: Values::Text(tree) };
    let table = Table::new(vec![numbers("x", x), numbers("y", y), tree]).expect("a table");
    let schema = Schema::infer(&table).and_then(|schema| schema.with_context("tree"));
    let config = TableConfig::new().with_fit(FitConfig::new().with_max_epochs(Some(25)));
    let fitted = fit_table(&table, &schema.expect("it is there"), &config, &cpu());
    let FittedTable { model, held_out, .. } = fitted.expect("it trains");
    let of = |x: f64, y: f64, tree: &str| {
        let tree = Column { name: "tree".into(), values: Values::Text(vec![tree.into()]) };
        Table::new(vec![numbers("x", vec![x]), numbers("y", vec![y]), tree]).expect("a table")
    };
    let elm = &model.explain(&of(-3.0, -6.0, "elm")).expect("all columns")[0];
    let oak = &model.explain(&of(-3.0, 6.0, "oak")).expect("all columns")[0];
    assert!(elm.columns[0].tail > 0.1 && oak.columns[0].tail < 1e-3, "{elm:?} {oak:?}");
    assert_eq!(oak.columns[0].name, "x");
    for (tree, middle) in [("oak", 6.0), ("elm", -6.0)] {
        let filled = model.fill(&of(f64::NAN, f64::NAN, tree), 5, &mut rng).expect("filled");
        let y = filled.numbers("y").expect("numbers")[0];
        assert!((y - middle).abs() < 2.5, "{tree}: {y}");
    }
    let found = model.diagnose(&held_out, &mut rng).expect("rows");
    assert!(found.energy.p_value > 0.01, "{found}");
    // The model is not quite the truth.
    assert!(found.columns.iter().all(|column| column.p_value > 1e-4), "{found}");
    assert_eq!(found.n_effective, 200.0);
    // Rows of one context under the other's name are not, though all together look the same.
    let mut columns = held_out.columns().to_vec();
    if let Values::Text(trees) = &mut columns[2].values {
        let other = |tree: &str| if tree == "oak" { "elm" } else { "oak" }.to_owned();
        trees.iter_mut().for_each(|tree| *tree = other(tree));
    }
    let swapped = model.diagnose(&Table::new(columns).expect("a table"), &mut rng).expect("rows");
    assert!(swapped.columns.iter().all(|column| column.p_value < 1e-6), "{swapped}");
    let missing = of(f64::NAN, 1.0, "");
    assert!(model.fill(&missing, 1, &mut rng).is_err(), "a missing context is an error");
}

//! From a table to a density: supports, scales and tails are part of the model.

#![cfg(feature = "flex")]

mod common;

use std::ops::ControlFlow;
use std::path::Path;

use common::files::Folder;
use common::{cpu, rng};
use normalizing_flows::GlowConfig;
use normalizing_flows::rand::{Rng, RngExt};
use normalizing_flows::table::{
    Column, Schema, Support, Table, TableConfig, TableFitter, TableFlow, TableModel, Values,
    fit_table,
};
use normalizing_flows::train::{FitConfig, FitError, NonFiniteRows};
use rand_distr::{Beta, Cauchy, Distribution, LogNormal, Poisson, StandardNormal};

fn epochs(n: usize) -> TableConfig {
    TableConfig::new().with_fit(FitConfig::new().with_max_epochs(Some(n)))
}

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// The columns of the synthetic table, and the log-density of a row.
const NAMES: [&str; 8] =
    ["large", "small", "cauchy", "income", "share", "angle", "count", "constant"];

fn row(rng: &mut impl Rng) -> Vec<f64> {
    let z = normal(rng);
    let small = 1e-3 * (0.6 * z + 0.8 * normal(rng));
    let cauchy = Cauchy::new(3.0, 2.0).expect("valid").sample(rng);
    let income = LogNormal::new(10.0 + 0.5 * z, 0.8).expect("valid").sample(rng);
    let share = Beta::new(2.0, 5.0).expect("valid").sample(rng);
    // Von Mises around π with a concentration of 1, by rejection.
    let angle = loop {
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        if rng.random::<f64>() < (-angle.cos() - 1.0).exp() {
            break angle;
        }
    };
    let count = Poisson::new(4.0).expect("valid").sample(rng);
    vec![1e6 * (2.0 + z), small, cauchy, income, share, angle, count, 7.0]
}

fn log_density(row: &[f64]) -> f64 {
    let log_normal = |x: f64, mean: f64, deviation: f64| {
        -0.5 * ((x - mean) / deviation).powi(2) - deviation.ln() - 0.5 * std::f64::consts::TAU.ln()
    };
    let z = row[0] / 1e6 - 2.0;
    let factorial = (1..=row[6] as u32).map(f64::from).map(f64::ln).sum::<f64>();
    [
        log_normal(row[0], 2e6, 1e6),
        log_normal(row[1], 0.6e-3 * z, 0.8e-3),
        -(std::f64::consts::PI * 2.0 * (1.0 + ((row[2] - 3.0) / 2.0).powi(2))).ln(),
        log_normal(row[3].ln(), 10.0 + 0.5 * z, 0.8) - row[3].ln(),
        // The beta function of 2 and 5 is 1/30.
        30f64.ln() + row[4].ln() + 4.0 * (-row[4]).ln_1p(),
        // The modified Bessel function of the first kind, of order 0, at 1.
        -row[5].cos() - (std::f64::consts::TAU * 1.266_065_877_752_008_4).ln(),
        row[6] * 4f64.ln() - 4.0 - factorial,
    ]
    .iter()
    .sum()
}

fn synthetic(n: usize, seed: u64) -> (Table, Vec<f64>) {
    let mut rng = rng(seed);
    let rows: Vec<Vec<f64>> = (0..n).map(|_| row(&mut rng)).collect();
    let log_densities = rows.iter().map(|row| log_density(row)).collect();
    (Table::from_rows(NAMES, rows).expect("a table"), log_densities)
}

fn synthetic_schema(table: &Table) -> Schema {
    let schema = Schema::infer(table).expect("a table");
    let circle = Support::Periodic { low: 0.0, high: std::f64::consts::TAU };
    schema.with_support("angle", circle).expect("a column")
}

#[test]
fn columns_of_all_kinds_come_near_their_true_density() {
    let (table, _) = synthetic(10_000, 0);
    let schema = synthetic_schema(&table);
    let printed = schema.to_string();
    for line in [
        "large     modelled  real",
        "cauchy    modelled  real",
        "income    modelled  above 0",
        "share     modelled  between 0 and 1",
        "angle     modelled  periodic from 0 to 6.28",
        "count     modelled  integer from 0",
        "constant  modelled  always 7",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let fitted = fit_table(&table, &schema, &epochs(40), &cpu()).expect("it trains");
    let notes = fitted.report.notes.join("\n");
    assert!(notes.contains("`cauchy` has heavy tails") && !notes.contains("`large`"), "{notes}");

    let (fresh, expected) = synthetic(4_000, 1);
    let found = fitted.model.log_prob(&fresh).expect("the same columns");
    // A fresh Cauchy column lies far outside of what was trained on, and still has a density.
    assert!(found.iter().all(|x| x.is_finite()));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let gap = mean(&expected) - mean(&found);
    // The divergence, in nats per row; what is below 0 of it is the noise of 4,000 rows.
    assert!(gap < 0.1 && gap > -0.05, "{gap} nats; {}", fitted.report);

    let samples = fitted.model.sample(2_000, &mut rng(2)).expect("no contexts");
    let inside = fitted.model.log_prob(&samples).expect("the same columns");
    assert!(inside.iter().all(|x| x.is_finite()), "a sample left a support");
    assert_eq!(samples.numbers("constant"), Ok(&[7.0; 2_000][..]));
    assert!(samples.numbers("income").expect("numbers").iter().all(|&x| x > 0.0));
    assert!(samples.numbers("count").expect("numbers").iter().all(|x| x.fract() == 0.0));
}

#[test]
fn old_faithful_is_better_than_a_gaussian_and_a_copula() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/faithful.csv");
    let table = Table::read_csv(path).expect("a CSV file");
    let schema = Schema::infer(&table).expect("a table");
    let fitted = fit_table(&table, &schema, &epochs(100), &cpu()).expect("it trains");
    let report = &fitted.report;
    // Found: 0.6 and 0.3.
    assert!(report.gaussian_nll.expect("it exists") > report.nll + 0.3, "{report}");
    assert!(report.copula_nll.expect("it exists") > report.nll + 0.1, "{report}");
    // The whole table by the means of the report: 27 rows are held out and 245 trained on.
    let scores = fitted.model.log_prob(&table).expect("the same table");
    let nll = -scores.iter().sum::<f64>() / scores.len() as f64;
    assert!((nll - report.nll).abs() < 0.6, "{nll}: {report}");
    let samples = fitted.model.sample(2_000, &mut rng(1)).expect("no contexts");
    let waiting = samples.numbers("waiting").expect("numbers");
    assert!(samples.numbers("eruptions").expect("numbers").iter().all(|&x| x > 0.0));
    assert!(waiting.iter().all(|&x| x >= 0.0 && x.fract() == 0.0));
    // Two humps: few wait for between 62 and 68 minutes, of the samples as of the rows.
    let share = |values: &[f64]| {
        values.iter().filter(|x| (62.0..=68.0).contains(*x)).count() as f64 / values.len() as f64
    };
    let shares = [waiting, table.numbers("waiting").expect("numbers")].map(share);
    assert!((shares[0] - shares[1]).abs() < 0.06 && shares[1] < 0.14, "{shares:?}");
}

fn small_model() -> (Table, TableModel) {
    let mut rng = rng(0);
    let rows: Vec<Vec<f64>> = (0..200)
        .map(|_| {
            let (x, k) = (normal(&mut rng), f64::from(rng.next_u32() % 5));
            vec![x.exp(), k, 2.0 * k, 3.0, x + normal(&mut rng)]
        })
        .collect();
    let table = Table::from_rows(["income", "kids", "twice", "year", "y"], rows).expect("a table");
    let schema = Schema::infer(&table).expect("a table");
    let fitted = fit_table(&table, &schema, &epochs(3), &cpu()).expect("it trains");
    (table, fitted.model)
}

#[test]
fn rows_outside_of_the_supports_have_minus_infinity_and_never_nan() {
    let (_, model) = small_model();
    let score = |row: [f64; 5]| {
        let names = ["income", "kids", "twice", "year", "y"];
        let table = Table::from_rows(names, vec![row.to_vec()]).expect("a table");
        model.log_prob(&table).expect("all columns")[0]
    };
    assert!(score([1.0, 2.0, 4.0, 3.0, 0.5]).is_finite());
    for outside in [
        [-1.0, 2.0, 4.0, 3.0, 0.5],
        [0.0, 2.0, 4.0, 3.0, 0.5],
        [1.0, -1.0, -2.0, 3.0, 0.5],
        [1.0, 1.5, 3.0, 3.0, 0.5],
        // No longer twice, another constant, infinite.
        [1.0, 2.0, 5.0, 3.0, 0.5],
        [1.0, 2.0, 4.0, 3.5, 0.5],
        [1.0, 2.0, 4.0, 3.0, f64::INFINITY],
        [f64::INFINITY, 2.0, 4.0, 3.0, 0.5],
    ] {
        assert_eq!(score(outside), f64::NEG_INFINITY, "{outside:?}");
    }
    for far in [1e300, -1e300, 1e-300] {
        let found = score([1.0, 2.0, 4.0, 3.0, far]);
        assert!(!found.is_nan(), "{far}: {found}");
    }
}

#[test]
fn determined_and_constant_columns_come_back_in_samples() {
    let (_, model) = small_model();
    let samples = model.sample(50, &mut rng(1)).expect("no contexts");
    let (kids, twice) = (samples.numbers("kids"), samples.numbers("twice"));
    let pairs = kids.expect("numbers").iter().zip(twice.expect("numbers"));
    assert!(pairs.into_iter().all(|(kids, twice)| 2.0 * kids == *twice));
    assert_eq!(samples.numbers("year"), Ok(&[3.0; 50][..]));
}

#[test]
fn a_saved_model_scores_and_samples_the_same() {
    let (table, model) = small_model();
    let folder = std::env::temp_dir().join(format!("nflow-table-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("model.nflow");
    model.save(&path).expect("it is written");
    let loaded = TableModel::load(&path, &cpu()).expect("it is whole");
    assert_eq!(loaded.log_prob(&table), model.log_prob(&table));
    assert_eq!(loaded.sample(20, &mut rng(3)), model.sample(20, &mut rng(3)));
    assert_eq!(loaded.schema(), model.schema());

    // Cut or changed anywhere, it is refused.
    let bytes = std::fs::read(&path).expect("it is there");
    for i in 0..200 {
        let mut other = bytes.clone();
        let index = i * bytes.len() / 200;
        if i % 2 == 0 {
            other.truncate(index);
        } else {
            other[index] ^= 1;
        }
        std::fs::write(&path, other).expect("a file");
        assert!(TableModel::load(&path, &cpu()).is_err(), "variant {i}");
    }
    std::fs::remove_dir_all(folder).expect("the folder is there");
}

/// The share of whole numbers in a uniform on five of them is a fifth each, whatever the midpoint.
#[test]
fn the_log_mass_of_integers_adds_up_to_one() {
    let mut rng = rng(0);
    let rows = (0..400).map(|_| vec![f64::from(rng.next_u32() % 5)]).collect();
    let table = Table::from_rows(["k"], rows).expect("a table");
    let schema = Schema::infer(&table).expect("a table");
    let fitted = fit_table(&table, &schema, &epochs(20), &cpu()).expect("it trains");
    let all = Table::from_rows(["k"], (0..5).map(|k| vec![f64::from(k)]).collect()).expect("rows");
    let masses = fitted.model.log_mass(&all, 2_000, &mut rng).expect("integers");
    let total: f64 = masses.iter().map(|mass| mass.value.exp()).sum();
    let errors = masses.iter().map(|mass| mass.value.exp() * mass.standard_error);
    let error = errors.map(|error| error * error).sum::<f64>().sqrt();
    assert!((total - 1.0).abs() < 5.0 * error + 1e-3, "{total} ± {error}: {masses:?}");
    assert!(fitted.model.log_mass(&all, 1, &mut rng).is_err());
}

#[test]
fn contexts_of_any_scale_and_categories_condition_the_density() {
    let mut rng = rng(0);
    let (mut year, mut species, mut x, mut y) = (vec![], vec![], vec![], vec![]);
    for _ in 0..2_000 {
        let (t, oak) = (normal(&mut rng), rng.random::<f64>() < 0.5);
        year.push(1e4 * t);
        species.push(if oak { "oak" } else { "elm" }.to_owned());
        x.push(3.0 * t + if oak { 4.0 } else { -4.0 } + 0.1 * normal(&mut rng));
        y.push(normal(&mut rng));
    }
    let columns = [("year", year), ("x", x), ("y", y)]
        .map(|(name, values)| Column { name: name.to_owned(), values: Values::Numbers(values) });
    let species = Column { name: "species".to_owned(), values: Values::Text(species) };
    let table = Table::new(columns.into_iter().chain([species]).collect()).expect("a table");
    let schema = Schema::infer(&table).expect("a table");

    let error = fit_table(&table, &schema, &epochs(1), &cpu()).unwrap_err().to_string();
    assert!(error.contains("column `species` (such as \"elm\") holds text"), "{error}");

    let schema = schema.with_context("species").and_then(|schema| schema.with_context("year"));
    let schema = schema.expect("both are there");
    let config = epochs(30).with_flow(TableFlow::RealNvp);
    let fitted = fit_table(&table, &schema, &config, &cpu()).expect("it trains");
    // The entropy of the noise: ln 0.1 and two standard normals.
    let entropy = 0.1f64.ln() + (std::f64::consts::TAU * std::f64::consts::E).ln();
    assert!(fitted.report.nll < entropy + 0.5, "{}", fitted.report);
    // Linear in the year and the species, and so is the table.
    let gaussian = fitted.report.gaussian_nll.expect("given the categories");
    assert!((gaussian - entropy).abs() < 0.3, "{gaussian} {entropy}");

    let given = table.select(&[0, 1, 2]);
    let samples = fitted.model.sample_given(&given, &mut rng).expect("contexts");
    assert_eq!(samples.column("species"), given.column("species"));
    for (found, expected) in
        samples.numbers("x").expect("numbers").iter().zip(given.numbers("x").expect("numbers"))
    {
        assert!((found - expected).abs() < 2.0, "{found} {expected}");
    }
    assert!(fitted.model.sample(1, &mut rng).is_err());
    let birch = Column { name: "species".to_owned(), values: Values::Text(vec!["birch".into()]) };
    let year = Column { name: "year".to_owned(), values: Values::Numbers(vec![0.0]) };
    let unseen = Table::new(vec![birch, year]).expect("a table");
    let error = fitted.model.sample_given(&unseen, &mut rng).unwrap_err().to_string();
    assert!(error.contains("never seen the category \"birch\", only elm, oak"), "{error}");
    let mut columns = table.select(&[0]).columns().to_vec();
    columns[0].values = Values::Numbers(vec![1e300]);
    let error = fitted.model.log_prob(&Table::new(columns).expect("a table")).unwrap_err();
    let expected = "row 0 (from 0), column `year`: 1000000";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert!(error.to_string().contains("is too far from the contexts that the model"), "{error}");
}

#[test]
fn flows_by_name_and_of_ones_own() {
    let mut rng = rng(0);
    let rows = (0..500).map(|_| {
        let (t, x) = (normal(&mut rng), normal(&mut rng));
        vec![10.0 * t, x + t, x + 0.3 * normal(&mut rng), 5.0 * normal(&mut rng)]
    });
    let table = Table::from_rows(["t", "x", "y", "z"], rows.collect()).expect("a table");
    let schema = Schema::infer(&table).and_then(|schema| schema.with_context("t"));
    let schema = schema.expect("it is there");
    let own = |d_context| GlowConfig::new(3).with_n_steps(4).with_d_context(d_context);
    let configs = [
        epochs(12).with_flow(TableFlow::Maf),
        epochs(12).with_flow(TableFlow::NsfAutoregressive),
        epochs(12).with_model(Some(own(1).into())),
    ];
    let folder = Folder::new("flows");
    for (index, config) in configs.into_iter().enumerate() {
        let fitted = fit_table(&table, &schema, &config, &cpu()).expect("it trains");
        let gaussian = fitted.report.gaussian_nll.expect("all columns are modelled");
        assert!(fitted.report.nll < gaussian + 0.15, "{index}: {}", fitted.report);
        let path = folder.file(&format!("{index}.nflow"));
        fitted.model.save(&path).expect("it can be written");
        let loaded = TableModel::load(&path, &cpu()).expect("it was just written");
        let rows = table.select(&[0, 1, 2]);
        assert_eq!(loaded.log_prob(&rows), fitted.model.log_prob(&rows));
    }
    let config = epochs(1).with_model(Some(own(0).into()));
    let error = fit_table(&table, &schema, &config, &cpu()).unwrap_err().to_string();
    let expected =
        "`model` must have 3 features and 1 context features for this table, got 3 and 0";
    assert_eq!(error, expected);
    let circle = Support::Periodic { low: -20.0, high: 20.0 };
    let schema = schema.with_support("z", circle).expect("it is there");
    let config = epochs(1).with_flow(TableFlow::Maf);
    let error = fit_table(&table, &schema, &config, &cpu()).unwrap_err().to_string();
    assert!(error.contains("for a table with periodic columns, got `Maf`"), "{error}");
}

/// `y = x + 0.5 noise`: one column given another.
#[test]
fn a_single_column_has_a_density_given_a_context() {
    let mut rng = rng(0);
    let rows = (0..2_000).map(|_| {
        let x = 100.0 * normal(&mut rng);
        vec![x, 0.01 * x + 0.5 * normal(&mut rng)]
    });
    let table = Table::from_rows(["x", "y"], rows.collect()).expect("a table");
    let schema = Schema::infer(&table).and_then(|schema| schema.with_context("x"));
    let fitted =
        fit_table(&table, &schema.expect("it is there"), &epochs(30), &cpu()).expect("it trains");
    let entropy = 0.5f64.ln() + 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln();
    // Four standard errors of the mean of the 200 rows held out, and what is left to learn.
    let tolerance = 4.0 * (0.5f64 / 200.0).sqrt() + 0.1;
    assert!((fitted.report.nll - entropy).abs() < tolerance, "{entropy}: {}", fitted.report);
}

#[test]
fn missing_values_are_refused_by_their_place_or_dropped_and_counted() {
    let path = std::env::temp_dir().join(format!("nflow-missing-{}.csv", std::process::id()));
    let rows: String = (0..60).map(|i| format!("{}.5,{}\n", i * i % 17, i % 7)).collect();
    std::fs::write(&path, format!("x,k\n{rows}NA,3\n{rows}")).expect("a file");
    let table = Table::read_csv(&path).expect("a CSV file");
    std::fs::remove_file(&path).expect("it is there");
    let schema = Schema::infer(&table).expect("a table");
    let error = fit_table(&table, &schema, &epochs(1), &cpu()).unwrap_err().to_string();
    assert!(error.starts_with("line 62, column `x`: the value is missing"), "{error}");
    let config = TableConfig::new().with_fit(
        FitConfig::new().with_max_epochs(Some(1)).with_non_finite_rows(NonFiniteRows::Drop),
    );
    let fitted = fit_table(&table, &schema, &config, &cpu()).expect("it trains");
    assert_eq!(fitted.report.n_dropped, 1);
    let error = fitted.model.log_prob(&table).unwrap_err().to_string();
    assert!(error.starts_with("line 62, column `x`: the value is missing"), "{error}");
}

/// The report is of the rows that were held out, and each row's share of it is its log-density.
#[test]
fn the_standard_error_is_that_of_log_densities_in_the_units_of_the_columns() {
    let mut rng = rng(0);
    // Slopes of the logarithm that differ between rows by far more than the flow's losses do.
    let rows = (0..1_000).map(|_| vec![(3.0 * normal(&mut rng)).exp(), normal(&mut rng)]);
    let table = Table::from_rows(["x", "y"], rows.collect()).expect("a table");
    let schema = Schema::infer(&table).expect("a table");
    let fitted = fit_table(&table, &schema, &epochs(5), &cpu()).expect("it trains");
    let scores = fitted.model.log_prob(&table).expect("the same table");
    let mean = scores.iter().sum::<f64>() / 1e3;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / 1e3;
    // 100 rows are held out; their variance is within a third of that of all.
    let expected = (variance / 100.0).sqrt();
    let found = fitted.report.nll_error.expect("more than one row");
    assert!((found / expected - 1.0).abs() < 0.34, "{found} {expected}");
    assert!((fitted.report.nll + mean).abs() < 4.0 * expected, "{}: {mean}", fitted.report);
}

#[test]
fn weights_count_and_bad_ones_are_refused_by_their_place() {
    let table = |weight: fn(i32) -> f64| {
        let rows = (0..600).map(|i| {
            let in_first = i % 2 == 0;
            let x = f64::from(i * 7919 % 601) / 601.0 + if in_first { 5.0 } else { -5.0 };
            vec![x, weight(i), f64::from(i * 31 % 17) + 0.5]
        });
        Table::from_rows(["x", "w", "y"], rows.collect()).expect("a table")
    };
    let fit = |table: &Table| {
        let schema = Schema::infer(table).and_then(|schema| schema.with_weight("w"));
        fit_table(table, &schema.expect("it is there"), &epochs(10), &cpu())
    };
    // Rows of weight 0 are as if they were not there.
    let fitted = fit(&table(|i| if i % 2 == 0 { 1.0 + f64::from(i % 3) } else { 0.0 }));
    let fitted = fitted.expect("it trains");
    assert_eq!(fitted.report.fit.n_train + fitted.report.fit.n_validation, 300);
    let samples = fitted.model.sample(200, &mut rng(0)).expect("no contexts");
    let x = samples.numbers("x").expect("numbers");
    assert!(x.iter().sum::<f64>() / 200.0 > 4.0, "{x:?}");

    let error = fit(&table(|i| if i == 5 { -1.0 } else { 1.5 })).unwrap_err().to_string();
    assert!(error.contains("row 5 (from 0), column `w`: a weight must be at least 0"), "{error}");
    let schema = Schema::infer(&table(|_| 1.0)).and_then(|schema| schema.with_weight("w"));
    let error = schema.and_then(|schema| schema.with_weight("y")).unwrap_err().to_string();
    assert!(error.contains("`w` holds the weights already"), "{error}");
}

#[test]
fn a_value_that_nothing_can_be_trained_on_is_named() {
    let mut rng = rng(0);
    let mut rows: Vec<Vec<f64>> =
        (0..200).map(|_| vec![normal(&mut rng), normal(&mut rng)]).collect();
    rows[17][1] = 1e300;
    let table = Table::from_rows(["x", "y"], rows).expect("a table");
    let schema = Schema::infer(&table).expect("a table");
    let (mut n_trained, mut n_refused) = (0, 0);
    for seed in 0..100 {
        let fit = FitConfig::new().with_max_epochs(Some(1)).with_seed(seed);
        let config = TableConfig::new().with_fit(fit).with_d_hidden(Some(4));
        match fit_table(&table, &schema, &config, &cpu()) {
            // Among the rows that are trained on it makes the tail of its column, and that is told
            // of.
            Ok(fitted) => {
                let notes = fitted.report.notes.join("\n");
                assert!(notes.contains("`y` has heavy tails"), "{notes}");
                assert!(fitted.report.nll.is_finite(), "{}", fitted.report);
                n_trained += 1;
            }
            // Among those that are held out it is too far from all others.
            Err(error) => {
                let error = error.to_string();
                assert!(error.starts_with("row 17 (from 0), column `y`: 1000"), "{error}");
                n_refused += 1;
            }
        }
        if n_trained > 0 && n_refused > 0 {
            return;
        }
    }
    panic!("a tenth of the rows is held out: {n_trained} and {n_refused}");
}

#[test]
fn a_training_that_diverges_hands_back_its_best_weights() {
    let (table, _) = synthetic(600, 0);
    let fit = FitConfig::new().with_max_epochs(Some(40)).with_learning_rate(1e3);
    let config = TableConfig::new().with_fit(fit);
    let best = match fit_table(&table, &synthetic_schema(&table), &config, &cpu()) {
        Err(FitError::Diverged(best)) => {
            assert!(best.report.stop_reason.to_string().contains("step"), "{}", best.report);
            best.model
        }
        // Bounded scales may keep every step finite: then it says that it learnt nothing.
        Ok(fitted) => {
            let report = &fitted.report;
            assert!(!report.fit.warnings.is_empty(), "{report}");
            fitted.model
        }
        Err(error) => panic!("{error}"),
    };
    let scores = best.log_prob(&table).expect("the same table");
    assert!(scores.iter().all(|score| score.is_finite()), "finite weights");
}

/// Integers are dequantised by noise of their epoch.
#[test]
fn a_training_goes_on_from_its_checkpoint_to_the_same_bits() {
    let (table, model) = small_model();
    let schema = model.schema();
    let fitter = |epochs: usize| {
        TableFitter::new(self::epochs(4)).on_epoch(move |epoch| {
            if epoch.epoch == epochs { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let unbroken = fitter(4).fit(&table, schema, &cpu()).expect("it trains");
    let path = std::env::temp_dir().join(format!("nflow-table-{}.ckpt", std::process::id()));
    let _ = std::fs::remove_file(&path);
    fitter(2).checkpoint(&path).fit(&table, schema, &cpu()).expect("it trains");
    let resumed = fitter(4).checkpoint(&path).fit(&table, schema, &cpu()).expect("it goes on");
    std::fs::remove_file(&path).expect("it was written");
    assert_eq!(resumed.report.fit.history.len(), 4);
    assert_eq!(resumed.model.log_prob(&table), unbroken.model.log_prob(&table));
}

#[test]
fn configurations_out_of_range_are_errors() {
    let (table, model) = small_model();
    for config in [
        TableConfig::new().with_n_layers(Some(0)),
        TableConfig::new().with_d_hidden(Some(0)),
        TableConfig::new().with_fit(FitConfig::new().with_learning_rate(-1.0)),
    ] {
        assert!(config.validate().is_err());
        assert!(fit_table(&table, model.schema(), &config, &cpu()).is_err());
    }
}

#[test]
fn a_table_of_constants_has_nothing_to_model() {
    let table = Table::from_rows(["a", "b"], vec![vec![1.0, 2.0]; 30]).expect("a table");
    let schema = Schema::infer(&table).expect("a table");
    let error = fit_table(&table, &schema, &epochs(1), &cpu()).unwrap_err().to_string();
    assert!(error.contains("no column is left to model"), "{error}");
}

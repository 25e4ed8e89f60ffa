//! Models of tables in files: whatever is done to the file, the process, the backend or the release.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use std::path::Path;

use common::files::{Folder, damage_is_told_of, kill_while_saving, saves_until_killed};
use common::{cpu, rng};
use normalizing_flows::rand::{Rng, RngExt};
use normalizing_flows::table::{
    Column, Schema, Support, Table, TableConfig, TableModel, Values, fit_table,
};
use normalizing_flows::train::FitConfig;
use rand_distr::{Cauchy, Distribution, StandardNormal};

const FILE: &str = "model.nflow";

/// Columns of every kind.
fn table(n: usize, seed: u64) -> Table {
    let mut rng = rng(seed);
    let mut columns: Vec<(&str, Vec<f64>)> =
        ["real", "heavy", "above", "below", "share", "count", "wind", "month", "twice", "year"]
            .map(|name| (name, Vec::new()))
            .to_vec();
    let (mut given, mut tree) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let (a, b, c) = (normal(), normal(), normal());
        let heavy = Cauchy::new(0.0, 1.0).expect("valid").sample(&mut rng);
        let values = [
            1e4 * a,
            heavy,
            b.exp(),
            -c.exp(),
            rng.random(),
            f64::from(rng.next_u32() % 6),
            (40.0 * b).rem_euclid(360.0),
            f64::from(rng.next_u32() % 12 + 1),
            2e4 * a,
            2026.0,
        ];
        columns.iter_mut().zip(values).for_each(|((_, column), value)| column.push(value));
        given.push(a + c);
        tree.push(["elm", "oak"][(rng.next_u32() % 2) as usize].to_owned());
    }
    columns.push(("given", given));
    let numbers = columns.into_iter().map(|(name, values)| {
        let values = Values::Numbers(values);
        Column { name: name.to_owned(), values }
    });
    let tree = Column { name: "tree".to_owned(), values: Values::Text(tree) };
    Table::new(numbers.chain([tree]).collect()).expect("a table")
}

fn model(seed: u64) -> TableModel {
    let table = table(400, 0);
    let schema = Schema::infer(&table)
        .and_then(|schema| schema.with_support("wind", Support::Periodic { low: 0.0, high: 360.0 }))
        .and_then(|schema| {
            schema.with_support("month", Support::PeriodicInteger { min: 1, max: 12 })
        })
        .and_then(|schema| schema.with_context("month"))
        .and_then(|schema| schema.with_context("given"))
        .and_then(|schema| schema.with_context("tree"))
        .and_then(|schema| schema.with_jitter("share", 0.01))
        .expect("all are there");
    let fit = FitConfig::new().with_max_epochs(Some(1)).with_seed(seed);
    let config = TableConfig::new().with_fit(fit).with_n_layers(Some(2)).with_d_hidden(Some(8));
    fit_table(&table, &schema, &config, &cpu()).expect("it trains").model
}

fn log_densities(model: &TableModel) -> Vec<f64> {
    model.log_prob(&table(8, 1)).expect("all columns")
}

fn error(path: &Path) -> String {
    match TableModel::load(path, &cpu()) {
        Ok(_) => panic!("{} was loaded", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_damaged_file_is_an_error_and_no_panic() {
    let folder = Folder::new("table-damaged");
    model(0).save(folder.file(FILE)).expect("the folder is there");
    damage_is_told_of(&folder.file(FILE), error);
}

/// The old file or the new, never anything else.
#[test]
fn a_process_killed_while_it_saves_leaves_a_file_that_loads() {
    let load = |path: &Path| TableModel::load(path, &cpu()).expect("old or new");
    if let Some((path, first)) = saves_until_killed() {
        // Two that were saved before: training them again would take longer than saving.
        let models = ["0.nflow", "1.nflow"].map(|name| load(&path.with_file_name(name)));
        for model in models.iter().cycle().skip(first) {
            model.save(&path).expect("the folder is there");
        }
    }
    let folder = Folder::new("table-killed");
    let path = folder.file(FILE);
    let models = [model(0), model(1)];
    for (seed, model) in models.iter().enumerate() {
        model.save(folder.file(&format!("{seed}.nflow"))).expect("the folder is there");
    }
    models[0].save(&path).expect("the folder is there");
    let expected = models.map(|model| log_densities(&model));
    assert_ne!(expected[0], expected[1]);
    kill_while_saving("a_process_killed_while_it_saves_leaves_a_file_that_loads", &path, || {
        let found = log_densities(&load(&path));
        let seen = expected.iter().position(|expected| *expected == found);
        seen.expect("it is one of the two")
    });
}

/// The file that is written next: a release, and what is new in it.
const NEWEST: &str = "0.1.0-matrices";

/// What releases wrote, with the log-densities that they had of eight rows on the backend `flex`.
const RELEASES: [(&str, [f64; 8]); 2] =
    [("0.1.0", LOG_DENSITIES_0_1_0), ("0.1.0-matrices", LOG_DENSITIES_0_1_0_MATRICES)];

const LOG_DENSITIES_0_1_0: [f64; 8] = [
    -21.412028238523575,
    -20.242996069441066,
    -20.373009142206968,
    -19.732208423345618,
    -20.156577733383976,
    -21.794125422908543,
    -22.781586029287862,
    -22.96266930899839,
];

const LOG_DENSITIES_0_1_0_MATRICES: [f64; 8] = [
    -21.51308815215883,
    -20.555721136579738,
    -20.418690141962827,
    -19.790051631658606,
    -20.411821988449894,
    -21.80942998833823,
    -22.85367713188796,
    -22.996160443641944,
];

/// The same on every backend, to what roundings of f32 do.
#[test]
fn files_of_all_releases_load_and_have_the_densities_that_they_had() {
    for (release, expected) in RELEASES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
        let path = path.join(format!("{release}-table.nflow"));
        let model = TableModel::load(path, &cpu()).expect("it must load for ever");
        let found = log_densities(&model);
        for (found, expected) in found.iter().zip(expected) {
            let difference = (found - expected).abs() / (1.0 + expected.abs());
            assert!(difference < 1e-5, "{release}: {found} for {expected}");
        }
        let samples = model.sample_given(&table(100, 2), &mut rng(0)).expect("all contexts");
        let inside = model.log_prob(&samples).expect("all columns");
        assert!(inside.iter().all(|score| score.is_finite()), "{release}: {inside:?}");
    }
}

/// Once before a release whose files differ: `cargo test --test table_model_file -- --ignored`.
#[test]
#[ignore = "writes the file of this release"]
fn write_the_file_of_this_release() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let path = path.join(format!("{NEWEST}-table.nflow"));
    assert!(!path.exists(), "a file of a release is never written again");
    let model = model(0);
    model.save(path).expect("the folder is there");
    println!("{:?}", log_densities(&model));
}

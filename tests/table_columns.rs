//! Columns that are no plain numbers: on circles, without a density, determined by others.

#![cfg(feature = "flex")]

mod common;

use std::f64::consts::TAU;

use common::{cpu, rng};
use normalizing_flows::rand::rngs::ChaCha8Rng;
use normalizing_flows::rand::{Rng, RngExt};
use normalizing_flows::table::{Schema, Support, Table, TableConfig, TableFlow, fit_table};
use normalizing_flows::train::{FitConfig, NonFiniteRows};
use rand_distr::{Beta, Distribution, StandardNormal};

fn epochs(n: usize) -> TableConfig {
    TableConfig::new().with_fit(FitConfig::new().with_max_epochs(Some(n)))
}

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// A wind that comes from around the north, by hours that it turns with: a density on a torus whose
/// mass lies across the jumps of both angles.
#[test]
fn angles_have_a_density_on_the_circle() {
    let mut rng = rng(0);
    let von_mises = |concentration: f64, rng: &mut ChaCha8Rng| loop {
        let angle = std::f64::consts::TAU * (rng.random::<f64>() - 0.5);
        if rng.random::<f64>() < (concentration * (angle.cos() - 1.0)).exp() {
            break angle.to_degrees();
        }
    };
    // The modified Bessel functions of the first kind, of order 0, at 2 and at 4.
    let (bessel_2, bessel_4) = (2.279_585_302_336_067, 11.301_921_952_136_33);
    let log_von_mises = |angle: f64, concentration: f64, bessel: f64| {
        concentration * angle.to_radians().cos() - f64::ln(360.0 * bessel)
    };
    let mut expected = Vec::new();
    let rows = (0..6_000).map(|_| {
        let (hour, turn) = (von_mises(2.0, &mut rng), von_mises(4.0, &mut rng));
        expected.push(log_von_mises(hour, 2.0, bessel_2) + log_von_mises(turn, 4.0, bessel_4));
        let speed = normal(&mut rng) + hour.to_radians().cos();
        expected.push(
            -0.5 * (speed - hour.to_radians().cos()).powi(2) - 0.5 * std::f64::consts::TAU.ln(),
        );
        vec![hour.rem_euclid(360.0), (hour + turn).rem_euclid(360.0), speed]
    });
    let table = Table::from_rows(["hour", "wind", "speed"], rows.collect()).expect("a table");
    let circle = Support::Periodic { low: 0.0, high: 360.0 };
    let schema = Schema::infer(&table)
        .and_then(|schema| schema.with_support("hour", circle))
        .and_then(|schema| schema.with_support("wind", circle))
        .expect("both are there");
    for flow in [TableFlow::Nsf, TableFlow::RealNvp] {
        let fitted = fit_table(&table, &schema, &epochs(30).with_flow(flow), &cpu());
        let fitted = fitted.expect("it trains");
        let found = fitted.model.log_prob(&table).expect("the same table");
        let gap = (expected.iter().sum::<f64>() - found.iter().sum::<f64>()) / 6_000.0;
        assert!(gap < 0.1, "{flow:?}: {gap} nats; {}", fitted.report);

        // The two ends are one point, with one density.
        let ends = [0.0, 360.0].map(|hour| vec![hour, 10.0, 0.5]);
        let ends = Table::from_rows(["hour", "wind", "speed"], ends.to_vec()).expect("a table");
        let at_ends = fitted.model.log_prob(&ends).expect("the same columns");
        assert!((at_ends[0] - at_ends[1]).abs() < 1e-4, "{flow:?}: {at_ends:?}");
        // And at the jump the density is continuous, wherever it is.
        let steps = (0..3_600).map(|step| vec![0.1 * f64::from(step), 10.0, 0.5]);
        let steps = Table::from_rows(["hour", "wind", "speed"], steps.collect()).expect("a table");
        let along = fitted.model.log_prob(&steps).expect("the same columns");
        let next = along.iter().skip(1).chain(&along[..1]);
        let largest = along.iter().zip(next).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(largest < 0.5, "{flow:?}: the log-density jumps by {largest}");

        let samples = fitted.model.sample(2_000, &mut rng).expect("no contexts");
        let inside = fitted.model.log_prob(&samples).expect("the same columns");
        assert!(inside.iter().all(|x| x.is_finite()), "a sample left the circle");
        let (hours, winds) = (samples.numbers("hour"), samples.numbers("wind"));
        let turns = hours.expect("numbers").iter().zip(winds.expect("numbers"));
        // The mean of the cosine of a von Mises of concentration 4 is 0.86.
        let mean = turns.map(|(h, w)| (w - h).to_radians().cos()).sum::<f64>() / 2_000.0;
        assert!((mean - 0.8635).abs() < 0.05, "{flow:?}: {mean}");
    }
}

#[test]
fn hours_are_integers_on_a_circle_as_columns_and_as_contexts() {
    let mut rng = rng(0);
    let rows = (0..3_000).map(|_| {
        let hour = (3.0 * normal(&mut rng)).rem_euclid(24.0).floor();
        let x = 3.0 * (std::f64::consts::TAU * hour / 24.0).cos() + 0.2 * normal(&mut rng);
        vec![hour, x]
    });
    let table = Table::from_rows(["hour", "x"], rows.collect()).expect("a table");
    let hours = Support::PeriodicInteger { min: 0, max: 23 };
    let schema = Schema::infer(&table).and_then(|schema| schema.with_support("hour", hours));
    let schema = schema.expect("it is there");
    let fitted = fit_table(&table, &schema, &epochs(20), &cpu()).expect("it trains");
    let samples = fitted.model.sample(1_000, &mut rng).expect("no contexts");
    let found = samples.numbers("hour").expect("numbers");
    assert!(found.iter().all(|&hour| hours.contains(hour)), "{found:?}");
    // Three hours on either side of midnight hold two thirds.
    let near = found.iter().filter(|&&hour| !(3.0..21.0).contains(&hour)).count();
    assert!((600..=760).contains(&near), "{near}");

    let schema = schema.with_context("hour").expect("it is there");
    let fitted = fit_table(&table, &schema, &epochs(20), &cpu()).expect("it trains");
    // Midnight and one turn further are the same context, and x is near 3 there.
    let given = Table::from_rows(["hour"], vec![vec![0.0], vec![24.0]]).expect("a table");
    let draws = |rng: u64| fitted.model.sample_given(&given, &mut common::rng(rng)).expect("hours");
    let mean = (0..200).map(|seed| draws(seed).numbers("x").expect("numbers")[1]).sum::<f64>();
    assert!((mean / 200.0 - 3.0).abs() < 0.3, "{mean}");
    let at = |hour: f64| {
        let row = Table::from_rows(["hour", "x"], vec![vec![hour, 2.9]]).expect("a table");
        fitted.model.log_prob(&row).expect("both columns")[0]
    };
    assert!((at(0.0) - at(24.0)).abs() < 1e-4);
}

/// A copy and a column of which a third is 0: no density holds either, but that of the values with
/// noise.
/// Rain that is often 0, an answered share that may be all or none, and a number that depends on
/// both; and the log-density of the row, where a bound counts by its probability.
fn bounded_row(rng: &mut impl Rng) -> (Vec<f64>, f64) {
    let log_normal = |x: f64, mean: f64, deviation: f64| {
        -0.5 * ((x - mean) / deviation).powi(2) - deviation.ln() - 0.5 * TAU.ln()
    };
    let (rain, log_rain) = if rng.random::<f64>() < 0.4 {
        (0.0, 0.4_f64.ln())
    } else {
        let log = 1.0 + 1.2 * normal(rng);
        (log.exp(), 0.6_f64.ln() + log_normal(log, 1.0, 1.2) - log)
    };
    let kind = rng.random::<f64>();
    let (share, log_share) = if kind < 0.1 {
        (0.0, 0.1_f64.ln())
    } else if kind < 0.3 {
        (1.0, 0.2_f64.ln())
    } else {
        let share = Beta::new(2.0, 3.0).expect("valid").sample(rng);
        (share, (0.7_f64 * 12.0 * share * (1.0 - share).powi(2)).ln())
    };
    let mean = if rain == 0.0 { 3.0 } else { 0.0 } - 2.0 * share;
    let y = mean + normal(rng);
    (vec![rain, share, y], log_rain + log_share + log_normal(y, mean, 1.0))
}

#[test]
fn bounds_that_are_values_have_their_probability() {
    let mut rng = rng(0);
    let mut table = |n: usize| {
        let rows = (0..n).map(|_| bounded_row(&mut rng));
        let (rows, log_densities): (Vec<_>, Vec<f64>) = rows.unzip();
        (Table::from_rows(["rain", "share", "y"], rows).expect("a table"), log_densities)
    };
    let ((train, _), (fresh, expected)) = (table(8_000), table(4_000));
    let schema = Schema::infer(&train).expect("rows");
    let printed = schema.to_string();
    for line in [
        "rain   modelled  at least 0; 40 % of the rows are 0, the end of its support",
        "share  modelled  from 0 to 1; 11 % of the rows are 0, the end of its support",
        "; 20 % of the rows are 1, the end of its support",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let fitted = fit_table(&train, &schema, &epochs(40), &cpu()).expect("it trains");
    let found = fitted.model.log_prob(&fresh).expect("the same columns");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let gap = mean(&expected) - mean(&found);
    // The divergence, in nats per row; what is below 0 of it is the noise of 4,000 rows.
    assert!(gap < 0.1 && gap > -0.05, "{gap} nats; {}", fitted.report);
    // The Gaussian counts bounds in the same way: on the logarithm it could not be this near.
    let gaussian = fitted.report.gaussian_nll.expect("it exists");
    assert!((0.3..4.0).contains(&(gaussian - fitted.report.nll)), "{}", fitted.report);

    let samples = fitted.model.sample(10_000, &mut rng).expect("no contexts");
    let [rain, share] = ["rain", "share"].map(|name| samples.numbers(name).expect("numbers"));
    let are = |values: &[f64], x: f64| values.iter().filter(|value| **value == x).count();
    let counts = [are(rain, 0.0), are(share, 0.0), are(share, 1.0)];
    for (count, expected) in counts.into_iter().zip([4_000, 1_000, 2_000]) {
        // A deviation of a probability of 0.4 is 90 of the 8,000 rows, 49 of the samples.
        assert!(count.abs_diff(expected) < 300, "{counts:?}");
    }
    assert!(rain.iter().all(|x| *x >= 0.0) && share.iter().all(|x| (0.0..=1.0).contains(x)));
    // What is given at a bound is kept, and what is missing is drawn given it.
    let gaps = Table::from_rows(["rain", "share", "y"], vec![vec![0.0, 0.5, f64::NAN]; 400]);
    let filled = fitted.model.fill(&gaps.expect("a table"), 1, &mut rng).expect("it can be");
    let y = filled.numbers("y").expect("numbers");
    assert!((mean(y) - 2.0).abs() < 0.4, "{}", mean(y));
    let outside = Table::from_rows(["rain", "share", "y"], vec![vec![-0.1, 0.5, 0.0]]);
    let outside = fitted.model.log_prob(&outside.expect("a table"));
    assert_eq!(outside, Ok(vec![f64::NEG_INFINITY]));
}

#[test]
fn columns_without_a_density_are_jittered_as_asked() {
    let mut rng = rng(0);
    let rows = (0..1_000).map(|i| {
        let x = 10.0 * normal(&mut rng);
        vec![x, 2.0 * x, if i % 3 == 0 { 0.0 } else { normal(&mut rng).exp() }]
    });
    let table = Table::from_rows(["x", "twice", "rain"], rows.collect()).expect("a table");
    let schema = Schema::infer(&table)
        .and_then(|schema| schema.with_jitter("twice", 1.0))
        .and_then(|schema| schema.with_jitter("rain", 0.1))
        .expect("all are there");
    assert!(
        schema.to_string().contains("twice  modelled  real, with noise of width 1"),
        "{schema}"
    );
    let fitted = fit_table(&table, &schema, &epochs(40), &cpu()).expect("it trains");
    let samples = fitted.model.sample(500, &mut rng).expect("no contexts");
    let (x, twice) = (samples.numbers("x"), samples.numbers("twice"));
    let off: Vec<f64> = x
        .expect("numbers")
        .iter()
        .zip(twice.expect("numbers"))
        .map(|(x, twice)| (twice - 2.0 * x).abs())
        .collect();
    let mean = off.iter().sum::<f64>() / 500.0;
    // Uniform noise of width 1 is off by a quarter; the flow smooths it, and the columns scatter by 10
    // and 20.
    assert!(mean > 0.1 && mean < 2.0, "{mean}");
    let error = schema.with_jitter("rain", 0.0).unwrap_err().to_string();
    assert!(error.contains("the width of jitter must be above 0 and finite, got 0"), "{error}");
}

/// Three shares of a whole: the last is what the others leave, and never below 0.
/// Whatever the order of the columns: a part that is the rest of a total could be sampled below 0.
#[test]
fn of_a_total_and_its_parts_the_total_is_left_out() {
    let mut rng = rng(0);
    let rows: Vec<Vec<f64>> = (0..500)
        .map(|_| {
            let [food, rent] = [1.0, 2.0].map(|mean| (mean + normal(&mut rng)).exp());
            vec![food + rent, food, 12.0 * (food + rent), rent]
        })
        .collect();
    let names = ["total", "food", "year", "rent"];
    let table = Table::from_rows(names, rows).expect("a table");
    let schema = Schema::infer(&table).expect("rows");
    let printed = schema.to_string();
    assert!(printed.contains("total  determined  = food + rent"), "{printed}");
    assert!(printed.contains("year   determined  = 12 * food + 12 * rent"), "{printed}");
    // Given the total there is nothing else to leave out than a part.
    let given = schema.with_context("total").and_then(|schema| schema.with_formulas(&table));
    let printed = given.expect("it is there").to_string();
    assert!(printed.contains("rent   determined  = total - food"), "{printed}");
}

#[test]
fn a_column_that_is_constant_in_the_rows_that_are_used_is_a_constant() {
    let mut rng = rng(0);
    let row = |i: usize| {
        let x = normal(&mut rng);
        if i < 3 { vec![f64::NAN, 2.5] } else { vec![x, 1.5] }
    };
    let rows: Vec<Vec<f64>> = (0..60).map(row).collect();
    let table = Table::from_rows(["x", "y"], rows).expect("a table");
    let schema = Schema::infer(&table).expect("rows");
    let fit = FitConfig::new().with_max_epochs(Some(1)).with_non_finite_rows(NonFiniteRows::Drop);
    let fitted = fit_table(&table, &schema, &TableConfig::new().with_fit(fit), &cpu());
    let model = fitted.expect("it trains").model;
    let rows = Table::from_rows(["x", "y"], vec![vec![0.0, 1.5], vec![0.0, 2.5]]);
    let scores = model.log_prob(&rows.expect("a table")).expect("the same columns");
    // Not the spike that a density of equal values would be.
    assert!(scores[0].abs() < 3.0 && scores[1] == f64::NEG_INFINITY, "{scores:?}");
}

/// A normal is the best that there is for these, and a flow that starts with its columns far from each
/// other's residuals does not come near it.
#[test]
fn nearly_determined_columns_are_fitted() {
    let mut rng = rng(0);
    let rows = (0..2000).map(|_| {
        let (a, b) = (normal(&mut rng), normal(&mut rng));
        vec![a, b, a + b + 1e-2 * normal(&mut rng), a - b + 1e-2 * normal(&mut rng)]
    });
    let table = Table::from_rows(["a", "b", "sum", "difference"], rows.collect()).expect("a table");
    let schema = Schema::infer(&table).expect("rows");
    let report = fit_table(&table, &schema, &epochs(10), &cpu()).expect("it trains").report;
    let gaussian = report.gaussian_nll.expect("enough rows");
    // Without that start it is 1.9 nats above the normal after ten epochs.
    assert!(report.nll < gaussian + 0.2, "{report}");
}

#[test]
fn determined_columns_are_inside_of_their_supports() {
    let mut rng = rng(0);
    let rows = (0..600).map(|_| {
        let parts = [(); 3].map(|()| -rng.random::<f64>().ln());
        let sum: f64 = parts.iter().sum();
        parts.map(|part| part / sum).to_vec()
    });
    let table = Table::from_rows(["a", "b", "c"], rows.collect()).expect("a table");
    let schema = Schema::infer(&table).expect("a table");
    let share = Support::Interval { low: 0.0, high: 1.0 };
    let fitted = fit_table(&table, &schema, &epochs(1), &cpu()).expect("it trains");
    assert!(fitted.model.schema().to_string().contains("c  determined  = -a - b + 1"), "{schema}");
    let samples = fitted.model.sample(2_000, &mut rng).expect("no contexts");
    assert!(samples.numbers("c").expect("numbers").iter().all(|&c| share.contains(c)));
    let outside = Table::from_rows(["a", "b", "c"], vec![vec![0.7, 0.5, -0.2]]).expect("a table");
    assert_eq!(fitted.model.log_prob(&outside), Ok(vec![f64::NEG_INFINITY]));
    let explanation = &fitted.model.explain(&outside).expect("all columns")[0];
    assert_eq!(explanation.columns[0].name, "c");
    let nan = f64::NAN;
    let open = Table::from_rows(["a", "b", "c"], vec![vec![nan, nan, 0.4]]).expect("a table");
    let error = fitted.model.fill(&open, 5, &mut rng).unwrap_err().to_string();
    assert!(error.contains("column `c` is there and several columns that determine it"), "{error}");
    let gap = Table::from_rows(["a", "b", "c"], vec![vec![0.25, nan, nan]]).expect("a table");
    let filled = fitted.model.fill(&gap, 5, &mut rng).expect("one draw");
    assert!(filled.numbers("b").expect("numbers")[0] > 0.0);
}

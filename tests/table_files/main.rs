//! Tables larger than memory: files that are fitted and scored in chunks.

#![cfg(feature = "flex")]

#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "parquet")]
mod parquet;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use common::files::Folder;
use common::{cpu, rng};
use normalizing_flows::rand::{Rng, RngExt};
use normalizing_flows::table::{
    Column, CsvFormat, Schema, ScoreConfig, Support, Table, TableConfig, TableFiles, TableFitter,
    TableModel, TableSource, Values, fit_table, sample_rows,
};
use normalizing_flows::train::{FitConfig, NonFiniteRows};
use rand_distr::{Distribution, StandardNormal};

fn table(n: usize) -> Table {
    let mut rng = rng(0);
    let (mut x, mut k, mut tree) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let (z, oak): (f64, bool) = (StandardNormal.sample(&mut rng), rng.random());
        x.push((z + if oak { 1.0 } else { -1.0 }).exp());
        k.push(f64::from(rng.next_u32() % 5));
        tree.push(if oak { "oak" } else { "elm, old" }.to_owned());
    }
    let numbers =
        |name: &str, values| Column { name: name.into(), values: Values::Numbers(values) };
    let tree = Column { name: "tree".into(), values: Values::Text(tree) };
    Table::new(vec![numbers("x", x), numbers("k", k), tree]).expect("a table")
}

fn schema(table: &Table) -> Schema {
    Schema::infer(table).and_then(|schema| schema.with_context("tree")).expect("it is there")
}

fn epochs(n: usize) -> TableConfig {
    TableConfig::new().with_fit(FitConfig::new().with_max_epochs(Some(n)))
}

fn model() -> TableModel {
    let table = table(300);
    fit_table(&table, &schema(&table), &epochs(2), &cpu()).expect("it trains").model
}

fn score(model: &TableModel, input: &Path, output: &Path, chunk_rows: usize) {
    let config = ScoreConfig::new().with_chunk_rows(chunk_rows);
    let report = model.score_file(input, output, &config, |_| {}).expect("it is scored");
    assert!(report.to_string().contains("rows/s"), "{report}");
}

#[test]
fn a_file_is_scored_in_its_order_whatever_the_chunks() {
    let (folder, model, table) = (Folder::new("score"), model(), table(1_000));
    let (input, output) = (folder.file("in.csv"), folder.file("out.csv"));
    table.write_csv(&input).expect("it is written");
    let expected = model.log_prob(&table).expect("the same columns");
    let original = std::fs::read_to_string(&input).expect("it is there");
    for chunk_rows in [1_000_000, 333, 7] {
        score(&model, &input, &output, chunk_rows);
        let scored = Table::read_csv(&output).expect("a table");
        assert_eq!(scored.numbers("log_density"), Ok(&expected[..]));
        let found = std::fs::read_to_string(&output).expect("it is there");
        for (before, after) in original.lines().zip(found.lines()) {
            let (rest, _) = after.rsplit_once(',').expect("a column more");
            assert_eq!(rest, before, "cells stay as they are");
        }
        assert_eq!(found.lines().count(), 1_001);
    }
    assert!(!folder.file("out.csv.scores").exists());
}

#[test]
fn layouts_stay_as_they_are() {
    let (folder, model) = (Folder::new("layout"), model());
    let text = "tree;k;x;\"what, else\"\noak;1;2.50;\"a\nb\"\n\n\"elm, old\";4;0.125;\n";
    let input = folder.write("in.csv", text);
    score(&model, &input, &folder.file("out.csv"), 1);
    let found = std::fs::read_to_string(folder.file("out.csv")).expect("it is there");
    let scored = Table::read_csv(folder.file("out.csv")).expect("a table");
    let [first, second] = scored.numbers("log_density").expect("numbers") else { panic!() };
    let expected = format!(
        "tree;k;x;\"what, else\";log_density\noak;1;2.50;\"a\nb\";{first}\n\"elm, old\";4;0.125;;\
         {second}\n"
    );
    assert_eq!(found, expected);
}

#[test]
fn an_interrupted_run_goes_on_where_it_ended() {
    let (folder, model, table) = (Folder::new("restart"), model(), table(1_000));
    let (input, output) = (folder.file("in.csv"), folder.file("out.csv"));
    table.write_csv(&input).expect("it is written");
    score(&model, &input, &folder.file("whole.csv"), 100);
    let whole = std::fs::read(folder.file("whole.csv")).expect("it is there");
    let config = ScoreConfig::new().with_chunk_rows(100);
    let interrupt = |at: usize| {
        let run =
            || model.score_file(&input, &output, &config, |done| assert!(done < at, "interrupted"));
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        assert!(!output.exists());
    };
    interrupt(300);
    // As if it had been killed while it wrote a number.
    let scores = folder.file("out.csv.scores");
    let bytes = std::fs::read(&scores).expect("what was done is kept");
    std::fs::write(&scores, &bytes[..bytes.len() - 3]).expect("a file");
    let report = model.score_file(&input, &output, &config, |_| {}).expect("it goes on");
    assert_eq!((report.n_before, report.n_rows), (200, 1_000));
    assert!(std::fs::read(&output).expect("it is there") == whole, "another file");
    std::fs::remove_file(&output).expect("it is there");

    // A file of that name that holds no scores stays.
    std::fs::write(&scores, "my own notes, which are longer than a header of scores")
        .expect("a file");
    let error = model.score_file(&input, &output, &config, |_| {}).unwrap_err().to_string();
    assert!(error.contains("would be overwritten, and holds no scores"), "{error}");
    std::fs::remove_file(&scores).expect("it is there");

    // Scores of another input, or by another model, are none of this one.
    interrupt(300);
    table.select(&(0..400).collect::<Vec<_>>()).write_csv(&input).expect("it is written");
    let report = model.score_file(&input, &output, &config, |_| {}).expect("it starts anew");
    assert_eq!((report.n_before, report.n_rows), (0, 400));
}

#[test]
fn rows_with_missing_values_are_refused_by_their_line_or_left_without_a_score() {
    let (folder, model) = (Folder::new("missing"), model());
    let input =
        folder.write("in.csv", "x,k,tree\n1.5,1,oak\n,2,oak\n2.5,3,\n0.5,0,oak\n-1,0,oak\n");
    let output = folder.file("out.csv");
    let error = model.score_file(&input, &output, &ScoreConfig::new(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("line 3, column `x`: the value is missing"), "{error}");
    let config = ScoreConfig::new().with_missing(NonFiniteRows::Drop);
    let report = model.score_file(&input, &output, &config, |_| {}).expect("it is scored");
    assert_eq!((report.n_rows, report.n_missing, report.n_outside), (5, 2, 1));
    let text = std::fs::read_to_string(&output).expect("it is there");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[2], lines[3]), (",2,oak,", "2.5,3,,"));
    assert_eq!(lines[5], "-1,0,oak,-inf");
}

#[test]
fn a_table_is_never_written_over() {
    let (folder, model) = (Folder::new("over"), model());
    let text = "x,k,tree\n1.5,1,oak\n";
    let input = folder.write("in.csv", text);
    // The same file by another path.
    let output = folder.file("in.csv").parent().expect("a folder").join(".").join("in.csv");
    let error = model.score_file(&input, output, &ScoreConfig::new(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("would be written over the table"), "{error}");
    assert_eq!(std::fs::read_to_string(&input).expect("it is there"), text);
    assert!(!folder.file("in.csv.scores").exists());
}

#[test]
fn columns_that_the_model_does_not_need_may_hold_anything() {
    let (folder, model) = (Folder::new("unneeded"), model());
    let input = folder.write("in.csv", "id,x,k,tree\n1,1.5,1,oak\n2,2.5,2,oak\nA7,0.5,0,oak\n");
    let output = folder.file("out.csv");
    let report = model.score_file(&input, &output, &ScoreConfig::new(), |_| {});
    assert_eq!(report.expect("it is scored").n_rows, 3);
    let text = std::fs::read_to_string(&output).expect("it is there");
    assert!(text.lines().nth(3).is_some_and(|line| line.starts_with("A7,0.5,0,oak,")), "{text}");
    let files = TableFiles::new([&input]).expect("a path");
    assert_eq!(files.column_names().expect("names"), ["id", "x", "k", "tree"]);
    assert!(files.has_names().expect("a file"));
}

#[test]
fn contexts_beyond_those_of_the_fit_are_told_of() {
    let folder = Folder::new("beyond");
    let rows = (0..200).map(|i| vec![f64::from(i), f64::from(i * i % 37) / 7.0]).collect();
    let table = Table::from_rows(["given", "y"], rows).expect("a table");
    let schema = Schema::infer(&table).and_then(|schema| schema.with_context("given"));
    let fitted = fit_table(&table, &schema.expect("columns"), &epochs(1), &cpu());
    let model = fitted.expect("it trains").model;
    assert_eq!(model.beyond_range(&table).expect("its columns"), []);
    let input = folder.write("in.csv", "given,y\n-3,1.5\n0,1.5\n250,1.5\n199,1.5\n300,1.5\n");
    let config = ScoreConfig::new().with_chunk_rows(2);
    let report = model.score_file(input, folder.file("out.csv"), &config, |_| {});
    let report = report.expect("it is scored").to_string();
    // The least and the greatest may be held out.
    let told = "warning: context `given`: 3 rows are beyond the ";
    assert!(report.contains(told), "{report}");
    let gaps = Table::from_rows(["given", "y"], vec![vec![f64::NAN, 1.0], vec![7.0, 1.0]]);
    assert_eq!(model.scorable_rows(&gaps.expect("a table")).expect("its columns"), [1]);
}

#[test]
fn what_cannot_be_scored_is_told_of() {
    let (folder, model) = (Folder::new("refused"), model());
    let output = folder.file("out.csv");
    let error = |text: &str, chunk_rows: usize| {
        let input = folder.write("in.csv", text);
        let config = ScoreConfig::new().with_chunk_rows(chunk_rows);
        model.score_file(input, &output, &config, |_| {}).unwrap_err().to_string()
    };
    let birch = error("x,k,tree\n1,1,oak\n1,1,oak\n1,1,birch\n", 2);
    assert!(birch.contains("in.csv: line 4, column `tree`: the model has never seen"), "{birch}");
    assert!(error("x,tree\n1,oak\n", 9).contains("no column `k`"));
    let twice = error("x,k,tree,log_density\n1,1,oak,0\n", 9);
    assert!(twice.contains("has a column `log_density`: rename it"), "{twice}");
    let text = error("x,k,tree\n1,1,oak\n1,1,oak\nmany,1,oak\n", 2);
    assert!(text.contains("line 4, column `x`: \"many\" is no number"), "{text}");
    assert!(error("x,k,tree\n1,1,oak\n", 0).contains("`chunk_rows` must be at least 1"));
    let error = model.score_file(folder.file("none.csv"), &output, &ScoreConfig::new(), |_| {});
    assert!(error.unwrap_err().to_string().contains("none.csv"), "the path is named");
    let kinds = model.score_file("in.csv", "out.parquet", &ScoreConfig::new(), |_| {}).unwrap_err();
    let parquet = kinds.to_string().to_lowercase();
    assert!(parquet.contains("parquet"), "{parquet}");
    assert!(!output.exists());
}

/// Parts of one table, of lengths that do not fit the chunks.
fn parts(folder: &Folder, table: &Table) -> TableFiles {
    let n = table.n_rows();
    for (part, (from, to)) in [(0, n / 3), (n / 3, n / 2), (n / 2, n)].into_iter().enumerate() {
        let rows = table.select(&(from..to).collect::<Vec<_>>());
        rows.write_csv(folder.file(&format!("part-{part}.csv"))).expect("it is written");
    }
    TableFiles::matching(folder.file("part-*.csv").to_str().expect("UTF-8")).expect("three files")
}

#[test]
fn a_fit_by_chunks_is_the_same_from_files_and_from_memory_and_resumes_to_the_same_bits() {
    let (folder, table) = (Folder::new("fit"), table(2_000));
    let files = parts(&folder, &table);
    assert_eq!(files.paths().len(), 3);
    let sample = sample_rows(&files, 300, 0).expect("rows");
    let schema = schema(&sample);
    let config = |epochs: usize| self::epochs(epochs).with_chunk_rows(450);
    let fitter = |epochs: usize| {
        TableFitter::new(config(9)).on_epoch(move |epoch| {
            if epoch.epoch == epochs { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let from_files = fitter(9).fit_source(&files, &schema, &cpu()).expect("it trains");
    assert_eq!(from_files.report.n_train, 2_000 - 45);
    assert_eq!(from_files.report.fit.history.len(), 9);
    let from_memory = fitter(9).fit_source(&table, &schema, &cpu()).expect("it trains");
    let scores = |model: &TableModel| model.log_prob(&table).expect("the same columns");
    assert_eq!(scores(&from_files.model), scores(&from_memory.model));

    // Six epochs of 405 rows go beyond the end of the 1,955.
    let checkpoint = folder.file("training.ckpt");
    fitter(6).checkpoint(&checkpoint).fit_source(&files, &schema, &cpu()).expect("it trains");
    let resumed = fitter(9).checkpoint(&checkpoint).fit_source(&files, &schema, &cpu());
    let resumed = resumed.expect("it goes on");
    assert_eq!(scores(&resumed.model), scores(&from_files.model));

    // And it is about as good as that of the whole in memory by as many steps.
    let whole = fit_table(&table, &schema, &epochs(2), &cpu()).expect("it trains");
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    let gap = mean(&scores(&whole.model)) - mean(&scores(&from_files.model));
    assert!(gap.abs() < 0.2, "{gap}: {}", from_files.report);
}

/// The first half of the rows has a weight of 1, the second one of 9: chunks of the one and of the
/// other are not equal.
#[test]
fn weights_count_across_chunks() {
    let mut rng = rng(0);
    let rows = (0..4_000).map(|i| {
        let z: f64 = StandardNormal.sample(&mut rng);
        let is_late = i >= 2_000;
        vec![if is_late { 5.0 + z } else { z - 5.0 }, if is_late { 9.0 } else { 1.0 }]
    });
    let table = Table::from_rows(["x", "w"], rows.collect()).expect("a table");
    let schema = Schema::infer(&table).and_then(|schema| schema.with_weight("w"));
    let config = epochs(60).with_chunk_rows(500);
    let fitted = TableFitter::new(config).fit_source(&table, &schema.expect("it is there"), &cpu());
    let samples = fitted.expect("it trains").model.sample(2_000, &mut rng).expect("no contexts");
    let late = samples.numbers("x").expect("numbers").iter().filter(|&&x| x > 0.0).count();
    // Nine tenths, of which the optimiser takes some back: sorted rows are its worst case. With the
    // weights by chunk it would be a half, 1,000 with a deviation of 22.
    assert!((1_200..=1_960).contains(&late), "{late}");
}

/// By default an epoch is a chunk, and there are as many as the whole needs.
#[test]
fn every_row_is_trained_on_by_default() {
    let table = table(40_000);
    let config =
        TableConfig::new().with_chunk_rows(64).with_d_hidden(Some(2)).with_n_layers(Some(1));
    let mut n_epochs = 0;
    let stop = FitConfig::new().with_patience(Some(1_000_000));
    let fitter = TableFitter::new(config.with_fit(stop)).on_epoch(|_| {
        n_epochs += 1;
        ControlFlow::Continue(())
    });
    fitter.fit_source(&table, &schema(&table), &cpu()).expect("it trains");
    // Epochs of 58 rows through 39,994.
    assert_eq!(n_epochs, 690);
}

#[test]
fn what_the_rows_of_the_schema_did_not_show_is_refused_by_its_line() {
    let folder = Folder::new("later");
    let rows = |n: usize| -> String {
        (0..n).map(|i| format!("{},{},oak\n", i * 7 % 31, 2 * (i * 7 % 31))).collect()
    };
    let fit = |more: &str| {
        let first =
            Table::read_csv(folder.write("first.csv", &format!("x,twice,t\n{}", rows(400))));
        let first = first.expect("a table");
        let schema = Schema::infer(&first).and_then(|schema| schema.with_context("t"));
        let files = folder.write("all.csv", &format!("x,twice,t\n{}{more}{}", rows(400), rows(40)));
        let source = TableFiles::new([files]).expect("a file");
        let config = epochs(30).with_chunk_rows(50).with_d_hidden(Some(4));
        TableFitter::new(config).fit_source(&source, &schema.expect("it is there"), &cpu())
    };
    fit("").expect("nothing is wrong with it");
    let error = fit("1.5,3,oak\n").unwrap_err().to_string();
    assert!(error.starts_with("line 402, column `x`: 1.5 is outside of the support"), "{error}");
    let error = fit("1,7,oak\n").unwrap_err().to_string();
    assert!(error.starts_with("line 402, column `twice`: it is 2 * x in"), "{error}");
    let error = fit("1,2,birch\n").unwrap_err().to_string();
    assert!(error.starts_with("line 402, column `t`: the category \"birch\" is none"), "{error}");
}

/// Not by the epoch that comes to it, when hours of training would be lost.
#[test]
fn what_is_too_far_to_train_on_is_refused_before_the_training() {
    let mut rng = rng(0);
    let mut rows: Vec<Vec<f64>> =
        (0..2_000).map(|_| (0..2).map(|_| StandardNormal.sample(&mut rng)).collect()).collect();
    rows[1_500][1] = 1e12;
    let source = Table::from_rows(["a", "b"], rows).expect("a table");
    let schema = Schema::infer(&source).expect("two columns");
    let config = epochs(100).with_chunk_rows(50).with_d_hidden(Some(4));
    let mut n_epochs = 0;
    let fitter = TableFitter::new(config).on_epoch(|_| {
        n_epochs += 1;
        ControlFlow::Continue(())
    });
    let error = fitter.fit_source(&source, &schema, &cpu()).unwrap_err().to_string();
    assert!(error.contains("column `b`: 1000000000000 is too far from the other"), "{error}");
    assert_eq!(n_epochs, 0);
}

/// Blanks between the cells, commas in the numbers: the scores are written so too, and a row without one
/// keeps its place.
#[test]
fn a_file_of_a_format_that_is_said_is_scored_in_it() {
    let (folder, model) = (Folder::new("blanks"), model());
    let input = folder.write("in.txt", "x   k tree\n1,5 1  oak\n1,5 NA oak\n2,5 2 \"elm, old\"\n");
    let csv = CsvFormat::new().with_delimiter(Some(' ')).with_decimal(Some(','));
    let config = ScoreConfig::new().with_missing(NonFiniteRows::Drop).with_csv(csv.clone());
    let output = folder.file("out.txt");
    model.score_file(&input, &output, &config, |_| {}).expect("it can be scored");
    let scored = TableFiles::new([output]).expect("a file").with_csv(csv.clone()).read();
    let scored = scored.expect("a table");
    let rows = TableFiles::new([input]).expect("a file").with_csv(csv).read().expect("a table");
    assert_eq!(scored.numbers("x"), Ok(&[1.5, 1.5, 2.5][..]));
    let scores = scored.numbers("log_density").expect("numbers");
    let expected = model.log_prob(&rows.select(&[0, 2])).expect("the same columns");
    assert_eq!([scores[0], scores[2]][..], expected[..]);
    assert!(scores[1].is_nan());
}

/// Numbers that stand for things: a spline through their codes would have to guess at an order.
#[test]
fn numbers_are_categories_if_the_schema_says_so() {
    let folder = Folder::new("codes");
    let row = |i: usize| format!("{}.5,{}\n", 10 * (i * 5 % 4) + i * 7 % 3, i * 5 % 4);
    let rows: String = (0..400).map(row).collect();
    let input = folder.write("fit.csv", &format!("x,region\n{rows}"));
    let table = Table::read_csv(&input).expect("a table");
    let schema = Schema::infer(&table).and_then(|schema| schema.with_categories("region", &table));
    let schema = schema.expect("it is there");
    assert!(schema.to_string().ends_with("region  context   4 categories"), "{schema}");
    let fitted = fit_table(&table, &schema, &epochs(1), &cpu()).expect("it trains");
    let model = fitted.model;
    // A file is read as the model was fitted, whatever a number is written as.
    let other = folder.write("in.csv", "x,region\n1.5,3\n1.5,3.0\n1.5,7\n");
    let error = model.score_file(&other, folder.file("out.csv"), &ScoreConfig::new(), |_| {});
    let error = error.unwrap_err().to_string();
    assert!(error.contains("line 4, column `region`: the model has never seen"), "{error}");
    let config = ScoreConfig::new().with_missing(NonFiniteRows::Drop);
    let report = model.score_file(&other, folder.file("out.csv"), &config, |_| {});
    assert_eq!(report.map(|report| report.n_missing), Ok(1));
    let text = std::fs::read_to_string(folder.file("out.csv")).expect("it is there");
    let scores: Vec<&str> = text.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert!(scores[1] == scores[2] && scores[3].is_empty(), "{text}");
    // From a source likewise, and back.
    let fitter = TableFitter::new(epochs(1).with_chunk_rows(100));
    fitter.fit_source(&table, &schema, &cpu()).expect("it trains");
    let back = schema.with_support("region", Support::Real);
    let back = back.and_then(|schema| schema.with_modelled("region")).expect("numbers");
    assert!(back.to_string().ends_with("region  modelled  real"), "{back}");
}

/// A column of numbers is one of categories if the model says so.
#[test]
fn the_model_says_what_columns_hold() {
    let folder = Folder::new("kinds");
    let rows: String =
        (0..90).map(|i| format!("{}.5,{}\n", i * 7 % 31, ["1", "A", "B"][i % 3])).collect();
    let table = Table::read_csv(folder.write("fit.csv", &format!("x,kind\n{rows}")));
    let table = table.expect("a table");
    let schema = Schema::infer(&table).and_then(|schema| schema.with_context("kind"));
    let fitted = fit_table(&table, &schema.expect("it is there"), &epochs(1), &cpu());
    let model = fitted.expect("it trains").model;
    let input = folder.write("in.csv", "x,kind\n1.5,1\n2.5,1\n");
    score(&model, &input, &folder.file("out.csv"), 10);
    // So does whoever reads the file into memory, where nothing says that the column holds text.
    let numbers = Table::read_csv(&input).expect("a table");
    assert!(numbers.numbers("kind").is_ok());
    let scores = model.log_prob(&numbers).expect("a known category");
    assert!(scores.iter().all(|score| score.is_finite()));
    let other = Table::from_rows(["x", "kind"], vec![vec![1.5, 2.0]]).expect("a table");
    let error = model.log_prob(&other).unwrap_err().to_string();
    assert!(error.contains("the model has never seen the category \"2\""), "{error}");
    // `01` is the category of the number 1 where no other is, and of nothing where `1` is too.
    for (categories, fits) in [(["01", "A", "B"], true), (["01", "A", "1"], false)] {
        let rows: Vec<String> = categories.map(str::to_owned).to_vec();
        let kind = Values::Text(rows.into_iter().cycle().take(90).collect());
        let x = table.column("x").expect("it is there").clone();
        let columns = vec![x, Column { name: "kind".into(), values: kind }];
        let rows = Table::new(columns).expect("a table");
        let schema = Schema::infer(&rows).and_then(|schema| schema.with_context("kind"));
        let fitted = fit_table(&rows, &schema.expect("it is there"), &epochs(1), &cpu());
        assert_eq!(fitted.expect("it trains").model.log_prob(&numbers).is_ok(), fits);
    }
    // A file of names and no rows has no scores.
    let input = folder.write("in.csv", "x,kind\n");
    score(&model, &input, &folder.file("out.csv"), 10);
    let text = std::fs::read_to_string(folder.file("out.csv")).expect("it is there");
    assert_eq!(text, "x,kind,log_density\n");
}

#[test]
fn files_of_other_columns_are_refused_by_their_name() {
    let folder = Folder::new("others");
    folder.write("part-1.csv", "x,y\n1,2\n");
    folder.write("part-2.csv", "x,z\n1,2\n");
    let files = TableFiles::matching(folder.file("part-*.csv").to_str().expect("UTF-8"));
    let chunks: Vec<_> = files.expect("two files").chunks(10).expect("they open").collect();
    assert!(chunks[0].is_ok() && chunks.len() == 2);
    let first = chunks[0].as_ref().expect("rows").place_of(0);
    assert!(first.ends_with("part-1.csv, line 2"), "{first}");
    let error = chunks[1].as_ref().unwrap_err().to_string();
    assert!(
        error.contains("part-2.csv: has the columns `x`, `z`, and the files before"),
        "{error}"
    );
    let pattern = folder.file("none-*.csv");
    let error = TableFiles::matching(pattern.to_str().expect("UTF-8")).unwrap_err();
    assert!(error.to_string().contains("no file matches"), "{error}");
}

/// `cargo test --release --test table_files -- --ignored --nocapture`; takes two minutes, 1.5 GB of
/// disk, and Linux for the memory.
#[test]
#[ignore = "ten million rows"]
fn ten_million_rows_are_scored_in_bounded_memory_at_the_speed_of_the_model() {
    use std::io::Write;
    let (folder, n) = (Folder::new("ten-million"), 10_000_000);
    let input = folder.file("in.csv");
    let few = table(10_000);
    let [x, k] = ["x", "k"].map(|name| few.numbers(name).expect("numbers"));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&input).expect("a file"));
    writeln!(file, "x,k,tree").expect("room on the disk");
    for row in 0..n {
        let (x, k) = (x[row % 10_000], k[row % 9_973]);
        writeln!(file, "{x:.6},{k},oak").expect("room on the disk");
    }
    drop(file);
    let config = epochs(2).with_d_hidden(Some(128));
    let model = fit_table(&few, &schema(&few), &config, &cpu()).expect("it trains").model;
    // The model by itself, on a chunk in memory.
    let chunk = few.concat(&few).and_then(|twice| twice.concat(&few)).expect("the same columns");
    let mut seconds: Vec<f64> = (0..9)
        .map(|_| {
            let start = std::time::Instant::now();
            model.log_prob(&chunk).expect("the same columns");
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let alone = chunk.n_rows() as f64 / seconds[4];
    let report = model.score_file(&input, folder.file("out.csv"), &ScoreConfig::new(), |_| {});
    let report = report.expect("it is scored");
    println!("{report}\nthe model alone: {alone:.0} rows/s");
    assert_eq!(report.n_rows, n);
    assert!(report.rows_per_second() > 0.8 * alone, "{} of {alone}", report.rows_per_second());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    println!("at most {:.0} MiB", kib.unwrap_or(f64::NAN) / 1024.0);
    assert!(kib.is_none_or(|kib| kib < 500.0 * 1024.0));
}

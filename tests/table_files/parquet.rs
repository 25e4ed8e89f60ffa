//! Parquet files: written and read again, and as other programs write them.

use super::*;

#[test]
fn a_table_comes_back_from_a_parquet_file_whole_and_in_chunks() {
    let (folder, mut columns) = (Folder::new("parquet"), table(1_000).columns().to_vec());
    if let Values::Numbers(values) = &mut columns[0].values {
        values[3] = f64::NAN;
        values[999] = f64::NEG_INFINITY;
    }
    if let Values::Text(values) = &mut columns[2].values {
        values[5].clear();
    }
    let table = Table::new(columns).expect("a table");
    let path = folder.file("table.parquet");
    table.write_parquet(&path).expect("it is written");
    let in_words = |table: &Table| format!("{:?}", table.columns());
    assert_eq!(in_words(&Table::read(&path).expect("it is whole")), in_words(&table));
    let files = TableFiles::new([&path]).expect("a file");
    for chunk_rows in [1, 17, 1_000, 5_000] {
        let chunks = files.chunks(chunk_rows).expect("it opens");
        let chunks: Vec<Table> = chunks.map(|chunk| chunk.expect("rows")).collect();
        assert_eq!(chunks.len(), 1_000_usize.div_ceil(chunk_rows));
        let (first, rest) = chunks.split_first().expect("one at least");
        let whole = rest
            .iter()
            .fold(first.clone(), |whole, chunk| whole.concat(chunk).expect("the same columns"));
        assert_eq!(in_words(&whole), in_words(&table));
    }
}

#[test]
fn a_parquet_file_is_scored_and_fitted_as_a_csv() {
    let (folder, model, table) = (Folder::new("parquet-score"), model(), table(1_000));
    let (input, output) = (folder.file("in.parquet"), folder.file("out.parquet"));
    table.write_parquet(&input).expect("it is written");
    score(&model, &input, &output, 300);
    let scored = Table::read(&output).expect("a table");
    let expected = model.log_prob(&table).expect("the same columns");
    assert_eq!(scored.numbers("log_density"), Ok(&expected[..]));
    assert_eq!(scored.columns()[..3], *table.columns());

    let files = TableFiles::new([&input]).expect("a file");
    let config = || TableFitter::new(epochs(2).with_chunk_rows(300));
    let schema = schema(&table);
    let from_file = config().fit_source(&files, &schema, &cpu()).expect("it trains");
    let from_memory = config().fit_source(&table, &schema, &cpu()).expect("it trains");
    assert_eq!(from_file.model.log_prob(&table), from_memory.model.log_prob(&table));
}

/// As `tests/data/README.md` says it was written.
#[test]
fn a_file_of_pyarrow_is_read_and_keeps_its_columns_when_it_is_scored() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pyarrow.parquet");
    let table = Table::read(&path).expect("a table");
    let numbers = |name: &str| table.numbers(name).expect("numbers");
    let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let nan = f64::NAN;
    assert_eq!(bits(numbers("x")), bits(&[1.5, nan, 2.5, 3.5, 4.5, 5.5, 6.5]));
    assert_eq!(bits(numbers("single")), bits(&[0.5, 1.5, 2.5, 3.5, 4.5, nan, 6.5]));
    assert_eq!(numbers("count"), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!(numbers("unsigned")[5..], [5.0, 4_294_967_295.0]);
    assert_eq!(bits(numbers("is_new")), bits(&[1.0, 0.0, 1.0, nan, 0.0, 1.0, 1.0]));
    assert_eq!(numbers("price"), [1.25; 7]);
    assert_eq!(numbers("when"), [1_767_225_600_000_000.0; 7]);
    let tree = ["oak", "elm", "", "oak", "elm", "oak", "ash"].map(str::to_owned);
    assert_eq!(table.column("tree").expect("strings").values, Values::Text(tree.to_vec()));
    // A list is no column of a table.
    assert!(table.column("tags").is_err());
    let files = TableFiles::new([&path]).expect("a file");
    let places = files.chunks(2).expect("it opens").map(|chunk| chunk.expect("rows").place_of(0));
    assert_eq!(places.last().as_deref(), Some("row 6 (from 0)"));

    // The list stays in the file that is written, in its three row groups.
    let folder = Folder::new("pyarrow");
    let schema = Schema::infer(&table).and_then(|schema| schema.without("tree"));
    let left_out = ["x", "single", "is_new", "price", "when"];
    let schema = left_out
        .iter()
        .try_fold(schema.expect("a table"), |schema, name| schema.without(name))
        .expect("all are there");
    let model = fit_table(&table, &schema, &epochs(1), &cpu()).expect("it trains").model;
    let output = folder.file("out.parquet");
    score(&model, &path, &output, 4);
    let scored = Table::read(&output).expect("a table");
    let expected = model.log_prob(&table).expect("the same columns");
    assert_eq!(scored.numbers("log_density"), Ok(&expected[..]));
    assert_eq!(format!("{:?}", scored.columns()[..8].to_vec()), format!("{:?}", table.columns()));
    let sizes = [&path, &output].map(|path| std::fs::metadata(path).expect("a file").len());
    // Its bytes, but for what Arrow said of the columns.
    assert!(sizes[1] > sizes[0] / 2, "{sizes:?}");
}

/// As `tests/data/README.md` says it was written.
#[test]
fn numbers_of_any_width_are_read_and_other_columns_named() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pyarrow-types.parquet");
    let table = Table::read(&path).expect("a table");
    let numbers = |name: &str| -> Vec<String> {
        table.numbers(name).expect("numbers").iter().map(ToString::to_string).collect()
    };
    assert_eq!(numbers("price"), ["1.25", "-0.01", "NaN", "1234567890123.45"]);
    assert_eq!(numbers("large"), ["1000000000000000000000000000000", "-3", "0.5", "NaN"]);
    assert_eq!(numbers("half"), ["0.5", "-2", "65504", "0.00000005960464477539063"]);
    let when = ["1767225600000000000", "-1000000000", "NaN", "946684800000001000"];
    assert_eq!(numbers("when"), when);
    let unread = TableFiles::new([path]).expect("a file").unread_columns();
    assert_eq!(unread, Ok(vec!["id".to_owned(), "parts.list.element".to_owned()]));
}

#[test]
fn what_is_no_parquet_is_told_of() {
    let folder = Folder::new("no-parquet");
    let path = folder.write("in.parquet", "x,y\n1,2\n");
    let error = Table::read(&path).unwrap_err().to_string();
    assert!(error.contains("in.parquet: is no Parquet"), "{error}");
}

//! Models in files: what is saved is loaded, whatever is done to the file, the process or the
//! release.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use std::fs;
use std::path::Path;

use common::files::{Folder, damage_is_told_of, kill_while_saving, saves_until_killed};
use common::{host, rng};
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::tensor::{FloatDType, Tensor};
use normalizing_flows::conditioner::{MlpConfig, ResidualMlpConfig, SeparateMlpsConfig};
use normalizing_flows::coupling::Mask;
use normalizing_flows::distribution::DiagonalNormalConfig;
use normalizing_flows::io::{
    export_safetensors, import_safetensors, load_model, load_module, save_model, save_module,
};
use normalizing_flows::testing::{assert_close, perturb};
use normalizing_flows::univariate::{AffineConfig, RationalQuadraticSplineConfig};
use normalizing_flows::{
    Distribution, ElementwiseConfig, FlowConfig, InverseConfig, MaskedCouplingConfig,
    NormalizingFlow, RealNvpConfig, cast,
};
use rand::RngExt;

const FILE: &str = "model.nflow";

/// A model with one of every kind of part, small.
fn config() -> FlowConfig {
    let coupling = |mask| MaskedCouplingConfig::new(mask).with_d_context(1);
    let spline = RationalQuadraticSplineConfig::new().with_n_bins(4).with_interval([-3.0, 3.5]);
    let mask = Mask::custom(vec![true, false, true, false]);
    let small = MlpConfig::new().with_d_hidden(vec![5]);
    FlowConfig::new(
        DiagonalNormalConfig::standard_learnable(4).into(),
        vec![
            coupling(mask.clone())
                .with_conditioner(ResidualMlpConfig::new().with_d_hidden(6).into())
                .with_univariate(spline.into())
                .into(),
            InverseConfig::new(vec![
                coupling(mask.complement())
                    .with_conditioner(SeparateMlpsConfig::new().with_mlp(small).into())
                    .with_univariate(AffineConfig::new().into())
                    .into(),
            ])
            .into(),
            ElementwiseConfig::new(4).into(),
        ],
    )
}

fn model(seed: u64) -> NormalizingFlow {
    let mut rng = rng(seed);
    perturb(config().init(&common::cpu(), &mut rng), 0.3, &mut rng)
}

fn points() -> (Tensor<2>, Tensor<2>) {
    let mut rng = rng(9);
    let mut values =
        |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random_range(-2.0..2.0)).collect() };
    let tensor = |values: Vec<f64>, d: usize| {
        let rows = values.len() / d;
        let data = normalizing_flows::burn::tensor::TensorData::new(values, [rows, d]);
        Tensor::from_data(data, &common::cpu())
    };
    (tensor(values(40), 4), tensor(values(10), 1))
}

fn log_densities(model: &NormalizingFlow) -> Vec<f64> {
    let (x, context) = points();
    host(model.given(&context).log_prob(x))
}

fn save(path: &Path, seed: u64) {
    save_model(path, &config(), &model(seed)).expect("the folder is there");
}

fn error(path: &Path) -> String {
    match load_model(path, &common::cpu()) {
        Ok(_) => panic!("{} was loaded", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_saved_model_is_loaded_with_no_other_knowledge_to_the_bit() {
    let folder = Folder::new("loaded");
    save(&folder.file(FILE), 0);
    let (loaded_config, loaded) =
        load_model(folder.file(FILE), &common::cpu()).expect("it is whole");
    assert_eq!(log_densities(&loaded), log_densities(&model(0)));
    assert_ne!(log_densities(&loaded), log_densities(&model(1)));
    assert_eq!(format!("{loaded_config:?}"), format!("{:?}", config()));

    // In training, and in f64.
    let double = cast(model(0).train(), FloatDType::F64);
    save_model(folder.file(FILE), &config(), &double).expect("the folder is there");
    let (_, loaded) = load_model(folder.file(FILE), &common::cpu()).expect("it is whole");
    let (x, context) = points();
    let (x, context) = (x.cast(FloatDType::F64), context.cast(FloatDType::F64));
    let expected = host(double.valid().given(&context).log_prob(x.clone()));
    assert_eq!(host(loaded.given(&context).log_prob(x)), expected);
}

#[test]
fn a_model_that_its_configuration_does_not_build_is_not_saved() {
    let folder = Folder::new("unfitting");
    save(&folder.file(FILE), 0);
    let other = RealNvpConfig::new(4).with_d_context(1).into();
    let error = save_model(folder.file(FILE), &other, &model(1)).unwrap_err().to_string();
    assert!(error.contains("does not fit the model"), "{error}");
    let (_, there) = load_model(folder.file(FILE), &common::cpu()).expect("it is untouched");
    assert_eq!(log_densities(&there), log_densities(&model(0)));
}

#[test]
fn files_that_are_none_are_named_with_what_is_wrong() {
    let folder = Folder::new("wrong");
    let missing = error(&folder.file(FILE));
    assert!(missing.contains("model.nflow: cannot be read"), "{missing}");
    let nowhere = folder.0.join("none").join("model.nflow");
    let unwritable = save_model(&nowhere, &config(), &model(0)).unwrap_err().to_string();
    assert!(unwritable.contains("cannot be written"), "{unwritable}");
    fs::write(folder.file(FILE), b"a,b\n1,2\n").expect("the folder is there");
    assert!(error(&folder.file(FILE)).contains("is not a file of normalizing-flows"));
    save_module(folder.file(FILE), &model(0)).expect("the folder is there");
    assert!(error(&folder.file(FILE)).contains("is the weights of a module, not a model"));
    let loaded = load_module(folder.file(FILE), model(1)).expect("it was built alike");
    assert_eq!(log_densities(&loaded), log_densities(&model(0)));
}

#[test]
fn safetensors_have_stable_names_and_come_back_to_the_bit() {
    let folder = Folder::new("safetensors");
    let path = folder.0.join("model.safetensors");
    export_safetensors(&path, &model(0)).expect("the folder is there");
    let bytes = fs::read(&path).expect("it was just written");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("it is whole");
    let mut names = tensors.names();
    names.sort_unstable();
    assert_eq!(names, STABLE_NAMES);
    let read = import_safetensors(&path, model(1)).expect("it was built alike");
    assert_eq!(log_densities(&read), log_densities(&model(0)));

    let other = RealNvpConfig::new(4).with_d_context(1).init(&common::cpu(), &mut rng(0));
    let error = import_safetensors(&path, other).unwrap_err().to_string();
    assert!(error.contains("has no `flow.layers.0.MaskedCoupling.conditioner"), "{error}");
    let error = import_safetensors(&path, model(0).base).unwrap_err().to_string();
    assert!(error.contains("has no `DiagonalNormal.trained.loc`"), "{error}");

    fs::write(&path, &bytes[..bytes.len() / 2]).expect("the folder is there");
    let error = import_safetensors(&path, model(1)).unwrap_err().to_string();
    assert!(error.contains("is no whole safetensors file"), "{error}");
}

/// Others read these.
const STABLE_NAMES: [&str; 33] = [
    "base.DiagonalNormal.trained.loc",
    "base.DiagonalNormal.trained.log_scale",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.0.first.bias",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.0.first.weight",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.0.gate.bias",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.0.gate.weight",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.0.second.bias",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.0.second.weight",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.1.first.bias",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.1.first.weight",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.1.gate.bias",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.1.gate.weight",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.1.second.bias",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.blocks.1.second.weight",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.initial.bias",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.initial.weight",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.output.bias",
    "flow.layers.0.MaskedCoupling.conditioner.ResidualMlp.output.weight",
    "flow.layers.0.MaskedCoupling.partition.kept",
    "flow.layers.0.MaskedCoupling.partition.merged",
    "flow.layers.0.MaskedCoupling.partition.transformed",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.conditioner.SeparateMlps.networks.0.hidden.0.bias",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.conditioner.SeparateMlps.networks.0.hidden.0.weight",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.conditioner.SeparateMlps.networks.0.output.bias",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.conditioner.SeparateMlps.networks.0.output.weight",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.conditioner.SeparateMlps.networks.1.hidden.0.bias",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.conditioner.SeparateMlps.networks.1.hidden.0.weight",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.conditioner.SeparateMlps.networks.1.output.bias",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.conditioner.SeparateMlps.networks.1.output.weight",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.partition.kept",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.partition.merged",
    "flow.layers.1.Inverse.flow.layers.0.MaskedCoupling.partition.transformed",
    "flow.layers.2.Elementwise.parameters",
];

#[test]
fn a_damaged_file_is_an_error_and_no_panic() {
    let folder = Folder::new("damaged");
    save(&folder.file(FILE), 0);
    damage_is_told_of(&folder.file(FILE), error);
}

/// The old file or the new, never anything else.
#[test]
fn a_process_killed_while_it_saves_leaves_a_file_that_loads() {
    if let Some((path, first)) = saves_until_killed() {
        let models = [model(0), model(1)];
        for model in models.iter().cycle().skip(first) {
            save_model(&path, &config(), model).expect("the folder is there");
        }
    }
    let folder = Folder::new("killed");
    let path = folder.file(FILE);
    save(&path, 0);
    let expected = [log_densities(&model(0)), log_densities(&model(1))];
    kill_while_saving("a_process_killed_while_it_saves_leaves_a_file_that_loads", &path, || {
        let (_, loaded) = load_model(&path, &common::cpu()).expect("old or new");
        let found = log_densities(&loaded);
        let seen = expected.iter().position(|expected| *expected == found);
        seen.expect("it is one of the two")
    });
}

/// What releases wrote, with the log-densities that they had of [`points`].
const RELEASES: [(&str, [f64; 10]); 1] = [("0.1.0", LOG_DENSITIES_0_1_0)];

const LOG_DENSITIES_0_1_0: [f64; 10] = [
    -5.592166, -7.334478, -7.913969, -36.56546, -11.50814, -14.82302, -39.74763, -18.8368,
    -19.75883, -12.71355,
];

/// Other backends and instruction sets round otherwise.
#[test]
fn files_of_all_releases_load_and_have_the_densities_that_they_had() {
    for (release, expected) in RELEASES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
        let path = path.join(format!("{release}.nflow"));
        let (_, model) = load_model(path, &common::cpu()).expect("it must load for ever");
        let found = Tensor::<1>::from_data(log_densities(&model).as_slice(), &common::cpu());
        let expected = Tensor::from_data(expected, &common::cpu());
        assert_close(release, &found, &expected, 1e-5);
    }
}

/// Once before a release whose files differ: `cargo test --test model_file -- --ignored`.
#[test]
#[ignore = "writes the file of this release"]
fn write_the_file_of_this_release() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let path = path.join(concat!(env!("CARGO_PKG_VERSION"), ".nflow"));
    assert!(!path.exists(), "a file of a release is never written again");
    save(&path, 0);
    println!("{:?}", log_densities(&model(0)));
}

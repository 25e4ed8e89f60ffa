//! scipy's densities of bounded bases and of mixtures.

use normalizing_flows::burn::module::Param;
use normalizing_flows::burn::tensor::{DType, Tensor, TensorData};
use normalizing_flows::distribution::{Bell, NormalMixtureConfig, TruncatedConfig, UniformConfig};
use serde_json::Value;

use super::common::{cpu, rng};
use super::file::numbers;
use super::scipy_bases::compare;

fn file() -> Value {
    serde_json::from_str(include_str!("scipy_bounded.json")).expect("it is JSON")
}

#[test]
fn bells_that_are_cut_off_are_reproduced() {
    let file = file();
    let values = |key: &str| numbers(&file[key]);
    for (name, bell) in
        [("normal", Bell::Normal), ("laplace", Bell::Laplace), ("logistic", Bell::Logistic)]
    {
        let config = TruncatedConfig::new(bell, values("low"), values("high"))
            .with_loc(Some(values("loc")))
            .with_scale(Some(values("scale")));
        let base = config.init(&cpu(), &mut rng(0));
        compare(name, &base, &file["x"], &file["truncated"][name]);
    }
}

#[test]
fn a_box_is_reproduced() {
    let file = file();
    let config = UniformConfig::new(numbers(&file["low"]), numbers(&file["high"]));
    compare("uniform", &config.init(&cpu(), &mut rng(0)), &file["x"], &file["uniform"]);
}

#[test]
fn a_mixture_of_normals_is_reproduced() {
    let file = file();
    let mut mixture = NormalMixtureConfig::new(2, 3).init(&cpu(), &mut rng(0));
    // Component by component there, number by number here.
    let turned = |key: &str, f: fn(f64) -> f64| -> Vec<f64> {
        let values = numbers(&file[key]);
        (0..2)
            .flat_map(|i| {
                values.iter().skip(i).step_by(2).map(|value| f(*value)).collect::<Vec<_>>()
            })
            .collect()
    };
    let mut values: Vec<f64> = numbers(&file["weights"]).into_iter().map(f64::ln).collect();
    values.extend(turned("means", |mean| mean));
    values.extend(turned("scales", f64::ln));
    let values = TensorData::new(values, [5, 3]);
    mixture.parameters = Param::from_tensor(Tensor::from_data(values, (&cpu(), DType::F64)));
    compare("mixture", &mixture, &file["rows"], &file["mixture"]);
}

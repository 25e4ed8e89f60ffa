//! scipy's densities of the base distributions.

use normalizing_flows::burn::module::Param;
use normalizing_flows::burn::tensor::{DType, FloatDType, Tensor};
use normalizing_flows::distribution::{
    FullNormalConfig, LocationScaleConfig, LowRankNormal, LowRankNormalConfig, VonMisesConfig,
};
use normalizing_flows::testing::assert_close;
use normalizing_flows::{Distribution, cast};
use serde_json::Value;

use super::common::{cpu, rng};
use super::file::{numbers, tensor};

const TOLERANCE: f64 = 1e-10;

fn file() -> Value {
    serde_json::from_str(include_str!("scipy_bases.json")).expect("it is JSON")
}

pub fn compare<D: Distribution>(what: &str, base: &D, x: &Value, expected: &Value) {
    let found: Tensor<1> = base.log_prob(tensor(x, &cpu()));
    assert_close(what, &found, &tensor::<1>(expected, &cpu()), TOLERANCE);
}

#[test]
fn independent_features_are_reproduced() {
    let file = file();
    let values = |key: &str| numbers(&file[key]);
    let families = [
        ("laplace", LocationScaleConfig::laplace(2)),
        ("logistic", LocationScaleConfig::logistic(2)),
        ("student_t", LocationScaleConfig::student_t(values("df"))),
        ("generalized_normal", LocationScaleConfig::generalized_normal(values("power"))),
    ];
    for (name, config) in families {
        let config = config.with_loc(values("loc")).with_scale(values("scale"));
        let base = cast(config.init(&cpu(), &mut rng(0)), FloatDType::F64);
        compare(name, &base, &file["x"], &file["families"][name]);
    }
    let circle = VonMisesConfig::new(values("loc"), values("scale")).init(&cpu(), &mut rng(0));
    let circle = cast(circle, FloatDType::F64);
    compare("von_mises", &circle, &file["x"], &file["families"]["von_mises"]);
}

#[test]
fn a_normal_of_any_covariance_is_reproduced() {
    let file = file();
    let normal = FullNormalConfig::standard(3).init(&cpu(), &mut rng(0));
    let rows = tensor(&file["rows"], &cpu());
    let normal = cast(normal, FloatDType::F64).with_covariance_of(&rows).expect("not singular");
    compare("normal", &normal, &file["rows"], &file["normal"]);
}

#[test]
fn a_normal_of_low_rank_is_reproduced() {
    let file = file();
    let normal = LowRankNormalConfig::new(3, 2).init(&cpu(), &mut rng(0));
    let mut normal = cast(normal, FloatDType::F64);
    normal.factor = Param::from_tensor(tensor(&file["factor"], &cpu()));
    let scale = Tensor::<1>::from_data([0.5f64, 1.0, 2.0], (&cpu(), DType::F64));
    normal.log_scale = Param::from_tensor(scale.log());
    compare("low rank", &normal, &file["rows"], &file["low_rank"]);
}

/// Of directions a thousand times as long as the scales `f32` keeps what the documentation says.
#[test]
fn a_normal_of_low_rank_keeps_its_digits_along_long_directions() {
    let normal = cast(LowRankNormalConfig::new(10, 2).init(&cpu(), &mut rng(0)), FloatDType::F64);
    let factor = normal.factor.val() * 3e4;
    let normal = LowRankNormal { factor: Param::from_tensor(factor), ..normal };
    let x = normal.sample(50, &mut rng(1)).cast(FloatDType::F32);
    let exact = normal.log_prob(x.clone().cast(FloatDType::F64));
    let rounded = cast(normal, FloatDType::F32).log_prob(x).cast(FloatDType::F64);
    let error = (exact - rounded).abs().max().into_scalar::<f64>();
    assert!(error < 1e-2, "off by {error}");
}

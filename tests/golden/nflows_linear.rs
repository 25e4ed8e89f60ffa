//! nflows' linear and normalising layers.

use normalizing_flows::burn::module::Param;
use normalizing_flows::burn::tensor::{FloatDType, Tensor};
use normalizing_flows::linear::{
    HouseholderConfig, LuLinearConfig, QrLinearConfig, SvdLinearConfig,
};
use normalizing_flows::normalization::{ActNormConfig, BatchNormConfig};
use normalizing_flows::testing::assert_close;
use normalizing_flows::univariate::ScaleBound;
use normalizing_flows::{Direction, Flow, Layer, cast};
use serde_json::Value;

use super::common::{cpu, rng};
use super::file::tensor;

const TOLERANCE: f64 = 1e-9;

/// nflows' diagonal is `softplus(a) + 0.001`, without another bound.
#[test]
fn lu_is_reproduced_both_ways() {
    let device = cpu();
    let file: Value = serde_json::from_str(include_str!("nflows_lu.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let matrix = |key: &str| tensor::<2>(&case[key], &device);
        let vector = |key: &str| tensor::<1>(&case[key], &device);
        let (upper, shift) = (matrix("upper"), vector("bias"));
        let d = shift.dims()[0];
        let config = LuLinearConfig::new(d).with_bound(ScaleBound::Exp);
        let mut layer = cast(config.init(&device, &mut rng(0)), FloatDType::F64);
        let one = Tensor::<2>::eye(d, &device).cast(FloatDType::F64);
        let log_diagonal = (upper.clone() * one.clone()).sum_dim(0).log() * one;
        let factors = matrix("lower").tril(-1) + log_diagonal + upper.triu(1);
        layer.factors = Param::from_tensor(factors);
        layer.shift = Param::from_tensor(shift);
        let x = matrix("x");
        let (z, log_det) = layer.inverse(x.clone(), None);
        let (back, log_det_back) = layer.forward(x, None);
        let check = |what: &str, found: &Tensor<1>| {
            assert_close(&format!("{what}, {d}"), found, &vector(what), TOLERANCE);
        };
        assert_close(&format!("z, {d}"), &z, &matrix("z"), TOLERANCE);
        assert_close(&format!("inverse, {d}"), &back, &matrix("inverse_of_x"), TOLERANCE);
        check("log_det", &log_det);
        check("inverse_log_det", &log_det_back);
    }
}

#[test]
fn rotations_their_products_and_normalisations_are_reproduced_both_ways() {
    let device = cpu();
    let file: Value = serde_json::from_str(include_str!("nflows_layers.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 20);
    for case in cases {
        let name = case["layer"].as_str().unwrap();
        let x = tensor::<2>(&case["x"], &device);
        let what = format!("{name} of {} features", x.dims()[1]);
        let layer = layer(name, case);
        let (z, log_det) = layer.inverse(x.clone(), None);
        let (back, log_det_back) = layer.forward(x, None);
        let rows = |key: &str| tensor::<2>(&case[key], &device);
        let values = |key: &str| tensor::<1>(&case[key], &device);
        assert_close(&what, &z, &rows("z"), TOLERANCE);
        assert_close(&what, &back, &rows("inverse_of_x"), TOLERANCE);
        assert_close(&what, &log_det, &values("log_det"), TOLERANCE);
        assert_close(&what, &log_det_back, &values("inverse_log_det"), TOLERANCE);
    }
}

fn layer(name: &str, case: &Value) -> Layer {
    let (device, mut rng) = (cpu(), rng(0));
    let x = tensor::<2>(&case["x"], &device);
    let d = x.dims()[1];
    let vector = |value: &Value| tensor::<1>(value, &device);
    let parameter = |key: &str| &case["parameters"][key];
    // nflows applies the first reflection first, a product of matrices the last.
    let vectors = |key: &str| Param::from_tensor(tensor::<2>(parameter(key), &device).flip([0]));
    let both = |first: Tensor<1>, second: Tensor<1>| {
        Param::from_tensor(Tensor::stack(vec![first, second], 0))
    };
    let in_f64 = FloatDType::F64;
    match name {
        "HouseholderSequence" => {
            let layer = cast(HouseholderConfig::new(d).init(&device, &mut rng), in_f64);
            layer.with_vectors(vectors("q_vectors")).into()
        }
        "QRLinear" => {
            let config = QrLinearConfig::new(d).with_bound(ScaleBound::Exp);
            let mut layer = cast(config.init(&device, &mut rng), in_f64);
            let upper = tensor::<2>(&case["upper"], &device);
            let one = Tensor::<2>::eye(d, &device).cast(in_f64);
            let log_diagonal = (upper.clone() * one.clone()).sum_dim(0).log() * one;
            layer.upper = Param::from_tensor(upper.triu(1) + log_diagonal);
            layer.shift = Param::from_tensor(vector(parameter("bias")));
            layer.with_vectors(vectors("orthogonal.q_vectors")).into()
        }
        "SVDLinear" => {
            let config = SvdLinearConfig::new(d).with_bound(ScaleBound::Exp);
            let mut layer = cast(config.init(&device, &mut rng), in_f64);
            layer.log_singular = Param::from_tensor(vector(&case["singular_values"]).log());
            layer.shift = Param::from_tensor(vector(parameter("bias")));
            let of_both = ["orthogonal_1.q_vectors", "orthogonal_2.q_vectors"].map(vectors);
            layer.with_vectors(of_both).into()
        }
        "ActNorm" => {
            let layer = cast(ActNormConfig::new(d).init(&device, &mut rng), in_f64);
            let mut layer = layer.calibrate(x, None, Direction::Inverse);
            let (log_scale, shift) = (vector(parameter("log_scale")), vector(parameter("shift")));
            layer.parameters = both(-shift * log_scale.clone().neg().exp(), -log_scale);
            layer.into()
        }
        "BatchNorm" => {
            let epsilon = case["epsilon"].as_f64().unwrap();
            let config = BatchNormConfig::new(d).with_epsilon(epsilon);
            let mut layer = cast(config.init(&device, &mut rng), in_f64);
            layer.parameters = both(vector(parameter("bias")), vector(&case["weight"]).log());
            layer
                .with_statistics(both(vector(&case["mean"]), vector(&case["variance"])).val())
                .into()
        }
        other => panic!("{other} is not known"),
    }
}

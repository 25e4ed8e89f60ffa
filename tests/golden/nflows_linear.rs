//! nflows' linear layers.

use normalizing_flows::burn::module::Param;
use normalizing_flows::burn::tensor::{FloatDType, Tensor};
use normalizing_flows::linear::LuLinearConfig;
use normalizing_flows::testing::assert_close;
use normalizing_flows::univariate::ScaleBound;
use normalizing_flows::{Flow, cast};
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

//! Maps that are chosen: exact in their tails, and safe outside of their ranges.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::{cpu, host, rng};
use normalizing_flows::burn::tensor::{DType, Tensor, TensorData};
use normalizing_flows::elementwise::FixedMapsConfig;
use normalizing_flows::univariate::FixedMap;
use normalizing_flows::{Distribution, Flow, NormalizingFlow, StandardNormal};

fn column(values: &[f64]) -> Tensor<2> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values.to_vec(), [n, 1]), (&cpu(), DType::F64))
}

/// Both directions of a map at one point against what is known there, to 1e-12 of it.
fn is(map: FixedMap, z: f64, x: f64, log_slope: f64) {
    let layer = FixedMapsConfig::new(vec![map]).init(&cpu(), &mut rng(0));
    let close = |what: &str, found: f64, expected: f64| {
        let error = (found - expected).abs();
        assert!(error <= 1e-12 * expected.abs(), "{what} of {map:?}: {found}, not {expected}");
    };
    let (found, log_det) = layer.forward(column(&[z]), None);
    close("the value", host(found)[0], x);
    close("the log-slope", host(log_det)[0], log_slope);
    let (found, log_det) = layer.inverse(column(&[x]), None);
    close("the inverse", host(found)[0], z);
    close("the log-slope of the inverse", host(log_det)[0], -log_slope);
}

/// 1e-30 from an end the logarithm of the slope is that of the distance, up to what is known of the rest.
#[test]
fn tails_are_exact() {
    let (near, ln_near) = (1e-30, 1e-30_f64.ln());
    is(FixedMap::Exp, ln_near, near, ln_near);
    is(FixedMap::Softplus, ln_near, near, ln_near);
    is(FixedMap::Softplus, 50.0, 50.0, -(-50_f64).exp());
    is(FixedMap::Sigmoid { low: 0.0, high: 1.0 }, ln_near, near, ln_near);
    is(FixedMap::Sigmoid { low: 0.0, high: 8.0 }, ln_near, 8.0 * near, ln_near + 8_f64.ln());
    // The other end is at 0 as well.
    is(FixedMap::Sigmoid { low: -1.0, high: 0.0 }, -ln_near, -near, ln_near);
    // `1 - tanh(z)² = 4 exp(-2z)` to the last digit; next to 1 numbers are 1e-16 apart.
    let next_to_1 = 1.0 - 2_f64.powi(-30);
    let log_slope = (2_f64.powi(-30) * (1.0 + next_to_1)).ln();
    is(FixedMap::Tanh, next_to_1.atanh(), next_to_1, log_slope);
    is(FixedMap::Tanh, 1e-30, 1e-30, 0.0);
    is(FixedMap::Power { exponent: 0.5 }, 1e-60, near, 0.5_f64.ln() - 0.5 * 1e-60_f64.ln());
    is(FixedMap::Power { exponent: -1.0 }, 1e30, 1e-30, -2.0 * 1e30_f64.ln());
    let heavy = FixedMap::SinhArcsinh { skewness: 0.0, tail: 2.0 };
    // sinh(2 asinh(z)) = 2 z sqrt(1 + z²)
    is(heavy, 1e-30, 2e-30, 2_f64.ln());
    is(heavy, -1e12, -2e24, (4e12_f64).ln());
}

#[test]
fn outside_of_the_range_the_density_is_zero_and_other_rows_do_not_notice() {
    let device = cpu().autodiff();
    let cases: [(FixedMap, &[f64]); 5] = [
        (FixedMap::Exp, &[0.0, -1.0, -1e30, f64::INFINITY]),
        (FixedMap::Softplus, &[0.0, -1e-300, f64::INFINITY]),
        (FixedMap::Sigmoid { low: 2.0, high: 3.0 }, &[2.0, 3.0, 1.0, 1e300]),
        (FixedMap::Tanh, &[-1.0, 1.0, 5.0]),
        (FixedMap::Power { exponent: 2.0 }, &[0.0, -4.0]),
    ];
    for (map, outside) in cases {
        let layer = FixedMapsConfig::new(vec![map]).init(&device, &mut rng(0));
        let model = NormalizingFlow::new(StandardNormal::new(1, &device), layer);
        let inside = host(model.flow.forward(column(&[0.5, 1.5]), None).0);
        let log_density = |rows: &[f64]| {
            let x = Tensor::from_data(
                TensorData::new(rows.to_vec(), [rows.len(), 1]),
                (&device, DType::F64),
            );
            let x = x.require_grad();
            let log_prob = model.log_prob(x.clone());
            let values = host(log_prob.clone());
            // As a loss over the rows with a density would be.
            let gradients = log_prob.narrow(0, 0, inside.len()).sum().backward();
            (values, host(x.grad(&gradients).expect("on the graph")))
        };
        let (alone, alone_gradients) = log_density(&inside);
        let (values, gradients) = log_density(&[&inside[..], outside].concat());
        assert_eq!(values[..2], alone, "{map:?}");
        assert_eq!(gradients[..2], alone_gradients, "{map:?}");
        assert!(values[2..].iter().all(|value| *value == f64::NEG_INFINITY), "{map:?}: {values:?}");
        assert!(gradients[2..].iter().all(|gradient| *gradient == 0.0), "{map:?}: {gradients:?}");
    }
}

/// The gradient of a sum over all rows: minus infinity is a constant.
#[test]
fn rows_outside_have_no_gradient() {
    let device = cpu().autodiff();
    let layer = FixedMapsConfig::new(vec![FixedMap::Tanh]).init(&device, &mut rng(0));
    let x = Tensor::<2>::from_data([[0.5], [2.0]], &device).require_grad();
    let (z, log_det) = layer.inverse(x.clone(), None);
    let gradients = (z.sum() + log_det.sum()).backward();
    let gradient = host(x.grad(&gradients).expect("on the graph"));
    // 1 / (1 - x²) of the value, and 2 x / (1 - x²) of the log-slope.
    assert!((gradient[0] - 2.0 / 0.75).abs() < 1e-6 && gradient[1] == 0.0, "{gradient:?}");
}

#[test]
fn values_out_of_range_are_named() {
    let refused =
        |map: FixedMap| FixedMapsConfig::new(vec![map]).validate().unwrap_err().to_string();
    assert!(refused(FixedMap::Affine { shift: 0.0, scale: 0.0 }).contains("`scale`"));
    assert!(refused(FixedMap::Sigmoid { low: 1.0, high: 1.0 }).contains("low: 1.0, high: 1.0"));
    assert!(refused(FixedMap::LeakyRelu { slope: -0.1 }).contains("`slope` of LeakyRelu"));
    assert!(refused(FixedMap::Power { exponent: f64::NAN }).contains("`exponent`"));
    assert!(refused(FixedMap::SinhArcsinh { skewness: 0.0, tail: 0.0 }).contains("`tail`"));
    assert!(refused(FixedMap::LeakyTanh { bound: 9.0 }).contains("at most 8"));
    let none = FixedMapsConfig::new(vec![]).validate().unwrap_err().to_string();
    assert!(none.contains("at least 1 feature"));
}

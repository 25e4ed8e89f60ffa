//! nflows' rational quadratic spline, and its coupling layers of it over residual networks.

use normalizing_flows::burn::nn::Linear;
use normalizing_flows::burn::tensor::{DType, Device, FloatDType, Tensor};
use normalizing_flows::conditioner::{Network, ResidualMlpConfig};
use normalizing_flows::coupling::Mask;
use normalizing_flows::testing::assert_close;
use normalizing_flows::univariate::{RationalQuadraticSplineConfig, UnivariateConfig};
use normalizing_flows::{Flow, Inverse, MaskedCoupling, MaskedCouplingConfig, Sequential};
use serde_json::Value;

use super::common::{Opaque, cpu, map_of_its_context, rng};
use super::file::{linear, numbers, parameter_order, tensor};

const TOLERANCE: f64 = 1e-9;

/// nflows' raw slopes are those of `min_slope + softplus(raw)`; here 0 means a slope of 1.
fn slope_offset(min_slope: f64) -> f64 {
    (1.0 - min_slope).exp_m1().ln()
}

#[test]
fn the_rational_quadratic_spline_is_reproduced() {
    let device = cpu();
    let text = include_str!("nflows_rational_quadratic_spline.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let number = |key: &str| case[key].as_f64().unwrap();
        let spline = RationalQuadraticSplineConfig::new()
            .with_n_bins(case["bins"].as_u64().unwrap() as usize)
            .with_interval([-number("bound"), number("bound")])
            .with_min_bin_width(number("min_bin_width"))
            .with_min_bin_height(number("min_bin_height"))
            .with_min_slope(number("min_slope"));
        let rows = |key: &str| tensor::<2>(&case[key], &device);
        let slopes = rows("unnormalized_slopes") - slope_offset(number("min_slope"));
        let parameters =
            Tensor::cat(vec![rows("unnormalized_widths"), rows("unnormalized_heights"), slopes], 1);
        // One feature is transformed, whose parameters differ from row to row.
        let (fused, composed) =
            map_of_its_context(spline.into(), parameters.dims()[1], FloatDType::F64, &device);
        let x = tensor::<1>(&case["x"], &device).unsqueeze_dim::<2>(1);
        let x = Tensor::cat(vec![x.ones_like(), x], 1);
        for [forward, inverse] in [
            [
                fused.forward(x.clone(), Some(&parameters)),
                fused.inverse(x.clone(), Some(&parameters)),
            ],
            [
                composed.forward(x.clone(), Some(&parameters)),
                composed.inverse(x, Some(&parameters)),
            ],
        ] {
            let check = |what: &str, (y, log_slope): (Tensor<2>, Tensor<1>), keys: [&str; 2]| {
                let y: Tensor<1> = y.narrow(1, 1, 1).squeeze_dim(1);
                let [expected, expected_slope] = keys.map(|key| tensor::<1>(&case[key], &device));
                assert_close(&format!("{what}, {}", case["bins"]), &y, &expected, TOLERANCE);
                let what = format!("log-slope {what}, {}", case["bins"]);
                assert_close(&what, &log_slope, &expected_slope, TOLERANCE);
            };
            check("forward", forward, ["y", "log_slope"]);
            check("inverse", inverse, ["inverse_of_x", "inverse_log_slope"]);
        }
    }
}

/// A coupling layer of nflows with its weights, which maps data to latent by the spline's forward.
fn layer(case: &Value, layer: &Value, device: &Device) -> (Mask, MaskedCoupling) {
    let size = |key: &str| case[key].as_u64().unwrap() as usize;
    let (n_bins, d_hidden) = (size("bins"), size("hidden"));
    let bound = case["bound"].as_f64().unwrap();
    let transformed = numbers(&layer["mask_positive_is_transformed"]);
    let mask = Mask::custom(transformed.into_iter().map(|sign| sign <= 0.0).collect());
    let spline =
        RationalQuadraticSplineConfig::new().with_n_bins(n_bins).with_interval([-bound, bound]);
    let mut coupling = MaskedCouplingConfig::new(mask.clone())
        .with_d_context(size("context_features"))
        .with_conditioner(ResidualMlpConfig::new().with_d_hidden(d_hidden).into())
        .with_univariate(UnivariateConfig::from(spline))
        .init(device, &mut rng(0));
    let Network::ResidualMlp(network) = &mut coupling.conditioner else {
        panic!("the configuration asked for a residual network");
    };
    let parameters = &layer["parameters"];
    let named = |name: &str| -> Linear {
        let part = |part: &str| &parameters[format!("{name}.{part}")];
        linear(tensor(part("weight"), device), tensor(part("bias"), device))
    };
    network.initial = named("initial_layer");
    for (i, block) in network.blocks.iter_mut().enumerate() {
        block.first = named(&format!("blocks.{i}.linear_layers.0"));
        block.second = named(&format!("blocks.{i}.linear_layers.1"));
        if let Some(gate) = &mut block.gate {
            *gate = named(&format!("blocks.{i}.context_layer"));
        }
    }
    // nflows divides the raw widths and heights by the square root of the hidden width.
    let n_parameters = 3 * n_bins - 1;
    let normalised = (d_hidden as f64).sqrt().recip();
    let scales = [vec![normalised; 2 * n_bins], vec![1.0; n_bins - 1]].concat();
    let offsets = [vec![0.0; 2 * n_bins], vec![slope_offset(1e-3); n_bins - 1]].concat();
    let per_output = |values: &[f64]| {
        let values = values.repeat(mask.n_transformed());
        Tensor::<1>::from_data(values.as_slice(), (device, DType::F64))
    };
    let weight = tensor::<2>(&parameters["final_layer.weight"], device);
    let weight = weight * per_output(&scales).unsqueeze_dim(1);
    let bias = tensor::<1>(&parameters["final_layer.bias"], device);
    let bias = bias * per_output(&scales) - per_output(&offsets);
    let order = parameter_order(mask.n_transformed(), n_parameters, device);
    network.output = linear(weight.select(0, order.clone()), bias.select(0, order));
    (mask, coupling)
}

fn reproduces<F: Flow>(case: &Value, layers: Vec<F>, device: &Device) {
    let flow = Sequential::new(layers);
    let (x, z) = (tensor::<2>(&case["x"], device), tensor::<2>(&case["z"], device));
    let context = case["context"].is_array().then(|| tensor::<2>(&case["context"], device));
    let (found, log_det) = flow.inverse(x.clone(), context.as_ref());
    let (back, _) = flow.forward(z.clone(), context.as_ref());
    assert_close("latent", &found, &z, TOLERANCE);
    assert_close("log-determinant", &log_det, &tensor(&case["log_det"], device), TOLERANCE);
    assert_close("data", &back, &x, TOLERANCE);
}

#[test]
fn spline_couplings_over_residual_networks_are_reproduced() {
    let device = cpu();
    let text = include_str!("nflows_spline_coupling.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        // nflows lists its layers from data to latent.
        let layers = case["layers"].as_array().unwrap().iter().rev();
        let layers: Vec<_> = layers.map(|l| layer(case, l, &device)).collect();
        // The same by tensor operations, which are taken for a network that is not known.
        let opaque = |(mask, layer): &(Mask, MaskedCoupling)| {
            let network = Opaque { inner: layer.conditioner.clone() };
            Inverse::new(MaskedCoupling::new(mask, network, layer.univariate.clone(), &device))
        };
        reproduces(case, layers.iter().map(opaque).collect(), &device);
        reproduces(
            case,
            layers.into_iter().map(|(_, layer)| Inverse::new(layer)).collect(),
            &device,
        );
    }
}

//! zuko's RealNVP.

use normalizing_flows::burn::tensor::Device;
use normalizing_flows::conditioner::{MlpConfig, Network};
use normalizing_flows::coupling::Mask;
use normalizing_flows::distribution::Checked;
use normalizing_flows::testing::assert_close;
use normalizing_flows::{
    Flow, Inverse, MaskedCoupling, MaskedCouplingConfig, NormalizingFlow, Sequential,
    StandardNormal,
};

use serde_json::Value;

use super::common::{cpu, rng};
use super::file::{linear, parameter_order, tensor};

const TOLERANCE: f64 = 1e-10;

/// A layer of zuko's RealNVP with its weights, which maps data to latent by `exp(s) x + t`.
fn zuko_layer(layer: &Value, d_context: usize, device: &Device) -> Inverse<MaskedCoupling> {
    let mask = layer["mask"].as_array().unwrap().iter().map(|kept| kept.as_bool().unwrap());
    let (weights, biases) = (&layer["weights"], &layer["biases"]);
    let n_hidden = weights.as_array().unwrap().len() - 1;
    let d_hidden = (0..n_hidden).map(|i| weights[i].as_array().unwrap().len()).collect();
    let mut coupling = MaskedCouplingConfig::new(Mask::custom(mask.collect()))
        .with_d_context(d_context)
        .with_conditioner(MlpConfig::new().with_d_hidden(d_hidden).into())
        .init(device, &mut rng(0));
    let Network::Mlp(mlp) = &mut coupling.conditioner else {
        panic!("the configuration asked for one network");
    };
    for (i, hidden) in mlp.hidden.iter_mut().enumerate() {
        *hidden = linear(tensor(&weights[i], device), tensor(&biases[i], device));
    }
    // zuko gives (shift, raw log-scale) feature by feature.
    let (weight, bias) =
        (tensor::<2>(&weights[n_hidden], device), tensor(&biases[n_hidden], device));
    let order = parameter_order(weight.dims()[0] / 2, 2, device);
    mlp.output = linear(weight.select(0, order.clone()), bias.select(0, order));
    Inverse::new(coupling)
}

#[test]
fn zukos_real_nvp_is_reproduced() {
    let device = cpu();
    let file: Value = serde_json::from_str(include_str!("zuko_realnvp.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let d_context = case["context_features"].as_u64().unwrap() as usize;
        let context = (d_context > 0).then(|| tensor::<2>(&case["context"], &device));
        // zuko lists its layers from data to latent.
        let layers: Vec<_> = case["layers"]
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .map(|layer| zuko_layer(layer, d_context, &device))
            .collect();
        let d_features = case["features"].as_u64().unwrap() as usize;
        let base = StandardNormal::new(d_features, &device);
        let model = NormalizingFlow::new(base, Sequential::new(layers));
        let checked = Checked::new(&model, context.as_ref());

        let x = tensor::<2>(&case["x"], &device);
        let (z, log_det) = model.flow.inverse(x.clone(), context.as_ref());
        let log_prob = checked.log_prob(x.clone()).unwrap();
        let back = checked.from_latent(tensor(&case["z"], &device)).unwrap();
        assert_close("latent", &z, &tensor(&case["z"], &device), TOLERANCE);
        assert_close("log-determinant", &log_det, &tensor(&case["log_det"], &device), TOLERANCE);
        assert_close("log-density", &log_prob, &tensor(&case["log_prob"], &device), TOLERANCE);
        assert_close("data", &back, &x, TOLERANCE);
    }
}

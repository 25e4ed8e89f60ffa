//! Flows of monotone maps without an inverse in closed form: zuko's NAF, UNAF, SOSPF and BPF.

use normalizing_flows::burn::module::Param;
use normalizing_flows::burn::nn::EluConfig;
use normalizing_flows::burn::nn::activation::ActivationConfig;
use normalizing_flows::burn::tensor::{Device, Tensor};
use normalizing_flows::conditioner::{Made, MlpConfig, Network};
use normalizing_flows::testing::assert_close;
use normalizing_flows::univariate::{
    BernsteinPolynomialConfig, BernsteinTails, IntegralNetworkConfig, MonotoneNetworkConfig,
    ScaleBound, StackedLinear, SumOfSquaresConfig, Univariate, UnivariateConfig, UnivariateMap,
};
use normalizing_flows::{Distribution, Flow, MaskedAutoregressive, StandardNormal};
use serde_json::Value;

use super::autoregressive::{adjacency, linear_layers, made};
use super::common::{cpu, rng};
use super::file::tensor;

const D_FEATURES: usize = 3;
/// Its inverses, by halvings down to 1e-6, are not compared.
const TOLERANCE: f64 = 1e-9;

fn map_config(case: &Value) -> UnivariateConfig {
    let setting =
        |name: &str, default: u64| case["settings"][name].as_u64().unwrap_or(default) as usize;
    let hidden = || -> Vec<usize> {
        let widths = case["settings"]["network"]["hidden_features"].as_array().unwrap();
        widths.iter().map(|width| width.as_u64().unwrap() as usize).collect()
    };
    match case["flow"].as_str().unwrap() {
        "NAF" => MonotoneNetworkConfig::new()
            .with_n_signals(setting("signal", 16))
            .with_d_hidden(hidden())
            .with_n_features(Some(D_FEATURES))
            .into(),
        "UNAF" => IntegralNetworkConfig::new()
            .with_n_signals(setting("signal", 16))
            .with_d_hidden(hidden())
            .with_activation(ActivationConfig::Elu(EluConfig::new()))
            .with_log_integrand(ScaleBound::SoftClip { bound: 7.0 })
            .with_n_nodes(32)
            .with_n_features(Some(D_FEATURES))
            .into(),
        "SOSPF" => SumOfSquaresConfig::new()
            .with_n_polynomials(setting("polynomials", 3))
            .with_degree(setting("degree", 4))
            .into(),
        // zuko's number is that of the parameters, less one; the polynomial has four differences more.
        "BPF" => BernsteinPolynomialConfig::new()
            .with_degree(setting("degree", 16) + 5)
            .with_tails(BernsteinTails::Identity)
            .with_min_difference(0.0)
            .into(),
        other => panic!("no map of {other}"),
    }
}

/// The weights of a map's own networks.
fn with_weights(mut map: UnivariateMap, layer: &Value, device: &Device) -> UnivariateMap {
    let layers = match &mut map {
        UnivariateMap::MonotoneNetwork(network) => &mut network.layers,
        UnivariateMap::IntegralNetwork(network) => &mut network.layers,
        _ => return map,
    };
    let weights = layer["network_weights"].as_array().unwrap();
    assert_eq!(layers.len(), weights.len());
    for (i, linear) in layers.iter_mut().enumerate() {
        let weight = tensor::<3>(&weights[i], device).swap_dims(1, 2);
        let bias = tensor::<2>(&layer["network_biases"][i], device).unsqueeze_dim::<3>(1);
        *linear =
            StackedLinear { weight: Param::from_tensor(weight), bias: Param::from_tensor(bias) };
    }
    map
}

/// What this crate adds to the coefficients of a sum of squares is taken from the biases that give them.
fn without_start(mut made: Made, config: &UnivariateConfig, device: &Device) -> Made {
    let UnivariateConfig::SumOfSquares(squares) = config else { return made };
    let n = squares.degree + 1;
    let mut offsets = vec![0.0; (n * squares.n_polynomials + 1) * D_FEATURES];
    for (k, start) in squares.start().into_iter().enumerate() {
        offsets[(k * n + 1) * D_FEATURES..][..D_FEATURES].fill(start);
    }
    let Network::Mlp(mlp) = &mut made.network else { panic!("it is made of one") };
    let bias = mlp.output.bias.take().expect("there is one");
    mlp.output.bias = Some(bias.map(|bias| {
        let offsets = Tensor::<1>::from_data(offsets.as_slice(), (device, bias.dtype()));
        bias - offsets
    }));
    made
}

fn zuko_layer(
    case: &Value,
    layer: &Value,
    device: &Device,
) -> MaskedAutoregressive<Made, UnivariateMap> {
    let config = map_config(case);
    let map = with_weights(config.init(device, &mut rng(0)), layer, device);
    let d_context = case["context"][0].as_array().map_or(0, Vec::len);
    let sizes = [d_context, map.n_parameters()];
    let mlp = MlpConfig::new().with_d_hidden(vec![11, 9]);
    let layers = linear_layers(layer, device);
    let made = made(mlp, &adjacency(layer), sizes, &layers, device);
    MaskedAutoregressive::new(without_start(made, &config, device), map)
}

/// zuko's bound between layers, `x / (1 + |x| / 11)`, with its log-determinant.
fn soft_clip(x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    let scale = x.clone().abs() / 11.0 + 1.0;
    (x / scale.clone(), scale.log().sum_dim(1).squeeze_dim(1) * -2.0)
}

#[test]
fn zukos_monotone_flows_are_reproduced() {
    let device = cpu();
    let text = include_str!("zuko_monotone.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let context = case["context"].is_array().then(|| tensor::<2>(&case["context"], &device));
        let mut at = tensor::<2>(&case["x"], &device);
        let mut log_det = tensor::<1>(&case["log_det"], &device).zeros_like();
        for (i, layer) in case["layers"].as_array().unwrap().iter().enumerate() {
            if i > 0 && case["flow"] != "BPF" {
                let (clipped, of_clip) = soft_clip(at);
                (at, log_det) = (clipped, log_det + of_clip);
            }
            let layer = zuko_layer(case, layer, &device);
            let (z, of_layer) = layer.inverse(at.clone(), context.as_ref());
            let (back, log_det_back) = layer.forward(z.clone(), context.as_ref());
            assert_close("data", &back, &at, TOLERANCE);
            assert_close("log-determinants", &log_det_back, &of_layer.clone().neg(), TOLERANCE);
            (at, log_det) = (z, log_det + of_layer);
        }
        assert_close("latent", &at, &tensor(&case["z"], &device), TOLERANCE);
        assert_close("log-determinant", &log_det, &tensor(&case["log_det"], &device), TOLERANCE);
        let log_prob = StandardNormal::new(D_FEATURES, &device).log_prob(at) + log_det;
        assert_close("log-density", &log_prob, &tensor(&case["log_prob"], &device), TOLERANCE);
    }
}

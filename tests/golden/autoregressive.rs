//! Autoregressive flows: zuko's MAF and NSF of any number of passes, nflows' MAF over residual networks.

use normalizing_flows::burn;
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::tensor::{Device, FloatDType, Tensor, activation};
use normalizing_flows::conditioner::{
    AutoregressiveConditioner, Made, MadeConfig, MlpConfig, Network, NetworkConfig,
    ResidualMlpConfig,
};
use normalizing_flows::testing::assert_close;
use normalizing_flows::univariate::{
    Affine, AffineConfig, RationalQuadraticSpline, RationalQuadraticSplineConfig, Univariate,
};
use normalizing_flows::{
    Adjacency, Distribution, Flow, MaskedAutoregressive, NormalizingFlow, Sequential,
    StandardNormal, cast,
};
use serde_json::Value;

use super::common::{cpu, rng};
use super::file::{linear, parameter_order, tensor};

const TOLERANCE: f64 = 1e-9;

/// The maps of the peers, which go from data to latent by what is `forward` here.
#[derive(Module, Debug)]
enum PeerMap {
    /// `z = exp(s) x + t`, the log-scale clipped softly.
    ZukoAffine(Affine),
    /// A spline with clipped sizes and slopes.
    ZukoSpline(RationalQuadraticSpline),
    /// `z = (softplus(a) + 0.001) x + t`.
    NflowsAffine(Affine),
}

/// zuko's spline squeezes what it is given into the logarithms of 1,000 and 1/1,000.
const LN_SLOPE: f64 = -6.907_755_278_982_137;
/// Here the least size of a bin and the least slope cannot be zero.
const MIN_BIN: f64 = 1e-5;
const MIN_SLOPE: f64 = 1e-6;

impl PeerMap {
    /// What the map of this crate takes in the place of the peer's parameters.
    fn translated(&self, parameters: Tensor<3>) -> Tensor<3> {
        let [_, n, _] = parameters.dims();
        match self {
            Self::ZukoAffine(_) => parameters,
            Self::ZukoSpline(spline) => {
                let n_bins = (spline.n_parameters() + 1) / 3;
                let squeezed = |part: Tensor<3>, factor: f64| {
                    part.clone() / ((part * (factor / LN_SLOPE)).abs() + 1.0)
                };
                // A size of this crate is `min + (1 - n min) softmax(raw)`.
                let raw_sizes = |first: usize| {
                    let part = squeezed(parameters.clone().narrow(1, first, n_bins), 2.0);
                    (activation::softmax(part, 1) - MIN_BIN).log()
                };
                let sizes = [raw_sizes(0), raw_sizes(n_bins)];
                let slopes =
                    squeezed(parameters.clone().narrow(1, 2 * n_bins, n_bins - 1), 1.0).exp();
                // A slope of this crate is `min_slope + softplus(raw + c)`, and 1 at a raw slope of 0.
                let slopes = slopes - MIN_SLOPE;
                let raw = (slopes.clone().neg().exp().neg() + 1.0).log() + slopes;
                let offset = (1.0 - MIN_SLOPE).exp_m1().ln();
                let [widths, heights] = sizes;
                Tensor::cat(vec![widths, heights, raw - offset], 1)
            }
            Self::NflowsAffine(_) => {
                let scale = activation::softplus(parameters.clone().narrow(1, 0, 1), 1.0) + 1e-3;
                Tensor::cat(vec![parameters.narrow(1, 1, n - 1), scale.log()], 1)
            }
        }
    }
}

impl Univariate for PeerMap {
    fn n_parameters(&self) -> usize {
        match self {
            Self::ZukoAffine(map) | Self::NflowsAffine(map) => map.n_parameters(),
            Self::ZukoSpline(map) => map.n_parameters(),
        }
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let parameters = self.translated(parameters);
        match self {
            Self::ZukoAffine(map) | Self::NflowsAffine(map) => map.inverse(z, parameters),
            Self::ZukoSpline(map) => map.inverse(z, parameters),
        }
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let parameters = self.translated(parameters);
        match self {
            Self::ZukoAffine(map) | Self::NflowsAffine(map) => map.forward(x, parameters),
            Self::ZukoSpline(map) => map.forward(x, parameters),
        }
    }
}

fn affine(device: &Device, config: AffineConfig) -> Affine {
    config.init(device, &mut rng(0))
}

/// A `Made` with these linear layers: weights `[out, in]` as the peers have them, the outputs of each
/// feature together.
pub fn made(
    network: impl Into<NetworkConfig>,
    adjacency: &Adjacency,
    [d_context, n_parameters]: [usize; 2],
    layers: &[(Tensor<2>, Tensor<1>)],
    device: &Device,
) -> Made {
    let config = MadeConfig::from(network.into());
    let mut made = config.init(adjacency, d_context, n_parameters, device, &mut rng(0));
    let mut layers = layers.iter().cloned().map(|(weight, bias)| linear(weight, bias));
    let (hidden, output) = match &mut made.network {
        Network::Mlp(mlp) => (mlp.hidden.iter_mut().collect::<Vec<_>>(), &mut mlp.output),
        Network::ResidualMlp(mlp) => {
            let blocks = mlp.blocks.iter_mut().flat_map(|b| [&mut b.first, &mut b.second]);
            (std::iter::once(&mut mlp.initial).chain(blocks).collect(), &mut mlp.output)
        }
        other => panic!("no network of the peers is {other}"),
    };
    hidden.into_iter().for_each(|layer| *layer = layers.next().expect("as many as here"));
    *output = layers.next().expect("the last one");
    let order = parameter_order(adjacency.d_features(), n_parameters, device);
    output.weight = output.weight.clone().map(|weight| weight.select(1, order.clone()));
    output.bias = output.bias.take().map(|bias| bias.map(|bias| bias.select(0, order)));
    made
}

/// The order of one of zuko's layers.
pub fn adjacency(layer: &Value) -> Adjacency {
    serde_json::from_value(serde_json::json!({ "passes": layer["passes"] })).unwrap()
}

/// Weights and biases of the network of one of zuko's layers.
pub fn linear_layers(layer: &Value, device: &Device) -> Vec<(Tensor<2>, Tensor<1>)> {
    let weights = layer["weights"].as_array().unwrap().iter();
    weights
        .zip(layer["biases"].as_array().unwrap())
        .map(|(weight, bias)| (tensor(weight, device), tensor(bias, device)))
        .collect()
}

fn zuko_layer(case: &Value, layer: &Value, device: &Device) -> MaskedAutoregressive<Made, PeerMap> {
    let map = if case["flow"] == "MAF" {
        PeerMap::ZukoAffine(affine(device, AffineConfig::new()))
    } else {
        let config = RationalQuadraticSplineConfig::new()
            .with_n_bins(case["bins"].as_u64().unwrap() as usize)
            .with_min_bin_width(MIN_BIN)
            .with_min_bin_height(MIN_BIN)
            .with_min_slope(MIN_SLOPE);
        PeerMap::ZukoSpline(config.init(device, &mut rng(0)))
    };
    let d_context = case["context"][0].as_array().map_or(0, Vec::len);
    let (adjacency, layers) = (adjacency(layer), linear_layers(layer, device));
    let mlp = MlpConfig::new().with_d_hidden(vec![11, 9]);
    let sizes = [d_context, map.n_parameters()];
    MaskedAutoregressive::new(made(mlp, &adjacency, sizes, &layers, device), map)
}

/// No weight is zero, so that masks which connect others than zuko's would give other numbers.
#[test]
fn zukos_autoregressive_flows_are_reproduced() {
    let device = cpu();
    let text = include_str!("zuko_autoregressive.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let layers = case["layers"].as_array().unwrap().iter().rev();
        let layers: Vec<_> = layers.map(|layer| zuko_layer(case, layer, &device)).collect();
        let [x, z] = ["x", "z"].map(|key| tensor::<2>(&case[key], &device));
        let context = case["context"].is_array().then(|| tensor::<2>(&case["context"], &device));
        let flow = Sequential::new(layers);
        let (found, log_det) = flow.inverse(x.clone(), context.as_ref());
        assert_close("latent", &found, &z, TOLERANCE);
        assert_close("log-determinant", &log_det, &tensor(&case["log_det"], &device), TOLERANCE);
        let (back, _) = flow.forward(z, context.as_ref());
        assert_close("data", &back, &x, TOLERANCE);
        let model = NormalizingFlow::new(StandardNormal::new(5, &device), flow);
        let log_prob = match &context {
            Some(context) => model.given(context).log_prob(x),
            None => model.log_prob(x),
        };
        assert_close("log-density", &log_prob, &tensor(&case["log_prob"], &device), TOLERANCE);
    }
}

#[test]
fn nflows_autoregressive_layers_are_reproduced() {
    let device = cpu();
    let text = include_str!("nflows_autoregressive.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let residual = case["residual"].as_bool().unwrap();
        let names: &[&str] = if residual {
            &[
                "initial_layer",
                "blocks.0.linear_layers.0",
                "blocks.0.linear_layers.1",
                "blocks.1.linear_layers.0",
                "blocks.1.linear_layers.1",
                "final_layer",
            ]
        } else {
            &["initial_layer", "blocks.0.linear", "blocks.1.linear", "final_layer"]
        };
        let part = |name: &str, part: &str| case["parameters"][format!("{name}.{part}")].clone();
        let layers: Vec<(Tensor<2>, Tensor<1>)> = names
            .iter()
            .map(|name| {
                (tensor(&part(name, "weight"), &device), tensor(&part(name, "bias"), &device))
            })
            .collect();
        let d_features = case["features"].as_u64().unwrap() as usize;
        let order = normalizing_flows::Order::natural(d_features);
        let adjacency = Adjacency::autoregressive(&order);
        let network: NetworkConfig = if residual {
            ResidualMlpConfig::new().with_d_hidden(10).into()
        } else {
            MlpConfig::new().with_d_hidden(vec![10; 3]).into()
        };
        let made = made(network, &adjacency, [0, 2], &layers, &device);
        let x = tensor::<2>(&case["x"], &device);
        let parameters = made.forward(x.clone(), None);
        let order = parameter_order(d_features, 2, &device);
        let expected = tensor::<2>(&case["parameters_of_x"], &device).select(1, order);
        assert_close("parameters", &parameters, &expected, TOLERANCE);

        let unbounded =
            AffineConfig::new().with_bound(normalizing_flows::univariate::ScaleBound::Exp);
        let layer =
            MaskedAutoregressive::new(made, PeerMap::NflowsAffine(affine(&device, unbounded)));
        let layer = cast(layer, FloatDType::F64);
        let (found, log_det) = layer.inverse(x.clone(), None);
        let z = tensor::<2>(&case["z"], &device);
        assert_close("latent", &found, &z, TOLERANCE);
        assert_close("log-determinant", &log_det, &tensor(&case["log_det"], &device), TOLERANCE);
        assert_close("data", &layer.forward(z, None).0, &x, TOLERANCE);
    }
}

//! Masked autoregressive layers in both directions: at once, and pass by pass.

use normalizing_flows::conditioner::{AutoregressiveConditioner, MadeConfig};
use normalizing_flows::linear::PermutationConfig;
use normalizing_flows::{
    Adjacency, Layer, MaskedAutoregressive, MaskedAutoregressiveConfig, Order,
};

use super::*;

/// A stack of layers with permutations between, and the same by tensor operations.
fn compare_stacks(
    what: &str,
    configs: &[MaskedAutoregressiveConfig],
    (batch, dtype): (usize, FloatDType),
) {
    let device = Device::flex().autodiff();
    let mut rng = rng(0);
    let d = configs[0].adjacency.d_features();
    let layers: Vec<MaskedAutoregressive> =
        configs.iter().map(|config| config.init(&device, &mut rng)).collect();
    let stack = Sequential::new(layers);
    let fused = cast(perturb(stack, 0.2, &mut rng), dtype);
    let d_context = fused.d_context();
    let opaque = fused.layers.iter().map(|layer| {
        let conditioner = Opaque { inner: layer.conditioner.clone() };
        MaskedAutoregressive::new(conditioner, layer.univariate.clone())
    });
    let composed = Sequential { layers: opaque.collect() };
    assert!(runs_by_kernels(&fused).iter().all(|by_kernels| *by_kernels), "{fused}");
    assert!(runs_by_kernels(&composed).iter().all(|by_kernels| !by_kernels), "{composed}");
    let x = noise([batch, d], dtype, &device, &mut rng).require_grad();
    let context = noise([batch, d_context], dtype, &device, &mut rng).require_grad();
    let context = (d_context > 0).then_some(&context);
    let what = format!("{what}, batch {batch}, {dtype:?}");
    compare(&what, (&fused, &composed), &x, context, tolerance(dtype));
    // Sampling in the fast direction.
    let (fused, composed) = (Inverse::new(fused), Inverse::new(composed));
    compare(&format!("{what}, inverse"), (&fused, &composed), &x, context, tolerance(dtype));
}

fn config(adjacency: Adjacency) -> MaskedAutoregressiveConfig {
    let mlp = MlpConfig::new().with_d_hidden(vec![21, 18]).with_activation(ActivationConfig::Tanh);
    MaskedAutoregressiveConfig::new(adjacency).with_conditioner(MadeConfig::from(mlp))
}

fn orders(d: usize) -> [MaskedAutoregressiveConfig; 2] {
    [Order::natural(d), Order::random(d, &mut rng(3))]
        .map(|order| config(Adjacency::autoregressive(&order)))
}

#[test]
fn every_batch_size_and_dimension_agrees() {
    for dtype in [FloatDType::F32, FloatDType::F64] {
        for d in [1, 2, 5, 17] {
            for batch in [1, 2, 65, 130, 600] {
                compare_stacks(&format!("d {d}"), &orders(d), (batch, dtype));
            }
        }
    }
}

#[test]
fn every_network_agrees() {
    let relu = |widths: &[usize]| MlpConfig::new().with_d_hidden(widths.to_vec());
    let residual = || ResidualMlpConfig::new().with_d_hidden(9);
    let networks: [NetworkConfig; 6] = [
        relu(&[]).into(),
        relu(&[20]).into(),
        // As narrow as six features with a context let it be.
        relu(&[7, 6]).with_activation(ActivationConfig::Gelu).into(),
        relu(&[8, 30, 8]).into(),
        residual().with_activation(ActivationConfig::Tanh).into(),
        residual().with_n_blocks(0).into(),
    ];
    for network in networks {
        for d_context in [0, 3] {
            let configs = orders(6).map(|config| {
                config.with_d_context(d_context).with_conditioner(network.clone().into())
            });
            compare_stacks(&format!("{network:?}"), &configs, (150, FloatDType::F64));
        }
    }
}

#[test]
fn every_map_agrees() {
    let spline = RationalQuadraticSplineConfig::new().with_interval([-2.0, 2.0]);
    let maps: [UnivariateConfig; 3] = [
        AffineConfig::new().with_bound(ScaleBound::Sigmoid).into(),
        AdditiveConfig::new().into(),
        spline.into(),
    ];
    for map in maps {
        let configs = orders(4).map(|config| config.with_univariate(map.clone()));
        for batch in [1, 150] {
            compare_stacks(&format!("{map:?}"), &configs, (batch, FloatDType::F64));
        }
    }
}

#[test]
fn every_adjacency_agrees() {
    let row = |allowed: [usize; 2]| (0..7).map(|column| allowed.contains(&column)).collect();
    // Five features, the first two roots, and two contexts.
    let tree = [[5, 5], [6, 6], [0, 5], [0, 1], [2, 6]].map(row);
    let adjacencies = [
        Adjacency::in_passes(&Order::natural(5), 1),
        Adjacency::in_passes(&Order::natural(5), 2),
        Adjacency::in_passes(&Order::reversed(5), 3),
        Adjacency::custom(tree.to_vec()),
    ];
    for adjacency in adjacencies {
        for residual in [false, true] {
            let mut config = config(adjacency.clone()).with_d_context(2);
            if residual {
                let network = ResidualMlpConfig::new().with_d_hidden(12);
                config.conditioner = network.with_activation(ActivationConfig::Tanh).into();
            }
            for batch in [1, 150] {
                let what = format!("{adjacency:?}");
                compare_stacks(&what, &[config.clone()], (batch, FloatDType::F64));
            }
        }
    }
}

#[test]
fn permutations_between_them_are_followed() {
    let device = Device::flex().autodiff();
    let mut rng = rng(0);
    let [first, second] = orders(5).map(|config| config.init(&device, &mut rng));
    let order = Order::custom(vec![3, 1, 4, 0, 2]);
    let permutation = || PermutationConfig::new(order.clone()).init(&device, &mut common::rng(0));
    let layers: Vec<Layer> = vec![
        first.clone().into(),
        permutation().into(),
        second.clone().into(),
        permutation().into(),
    ];
    let fused = cast(perturb(Sequential::new(layers), 0.2, &mut rng), FloatDType::F64);
    let opaque = |layer: &Layer| {
        let Layer::MaskedAutoregressive(layer) = layer else { unreachable!("as made above") };
        let conditioner = Opaque { inner: layer.conditioner.clone() };
        cast(MaskedAutoregressive::new(conditioner, layer.univariate.clone()), FloatDType::F64)
    };
    let composed =
        (opaque(&fused.layers[0]), permutation(), (opaque(&fused.layers[2]), permutation()));
    let x = noise([150, 5], FloatDType::F64, &device, &mut rng).require_grad();
    compare("permutations", (&fused, &composed), &x, None, tolerance(FloatDType::F64));
}

/// Weights that are masked have no gradient, by either way, so that no optimiser moves them.
#[test]
fn masked_weights_have_no_gradient() {
    let device = Device::flex().autodiff();
    let layer = config(Adjacency::autoregressive(&Order::natural(3))).init(&device, &mut rng(0));
    let layer = perturb(layer, 0.2, &mut rng(1));
    let x = noise([20, 3], FloatDType::F32, &device, &mut rng(2));
    let gradients = layer.inverse(x, None).1.sum().backward();
    let Network::Mlp(mlp) = &layer.conditioner.network else { unreachable!("as configured") };
    let gradient = host(mlp.hidden[0].weight.val().grad(&gradients).expect("it is trained"));
    // Units take turns in seeing the first feature and the first two; none sees the last.
    for (i, gradient) in gradient.into_iter().enumerate() {
        let (input, unit) = (i / 21, i % 21);
        assert_eq!(gradient != 0.0, input <= unit % 2, "input {input}, unit {unit}");
    }
    assert_eq!(layer.conditioner.order(), [0, 1, 2]);
}

//! Every layer of the crate satisfies every invariant of a flow, in f32 and in f64. One line per
//! case.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use normalizing_flows::burn::nn::activation::ActivationConfig;
use normalizing_flows::burn::tensor::{Device, FloatDType, Tensor, TensorData};
use normalizing_flows::conditioner::{
    MlpConfig, NetworkConfig, PeriodicMlpConfig, ResidualMlpConfig, SeparateMlpsConfig,
};
use normalizing_flows::coupling::Mask;
use normalizing_flows::elementwise::{ConditionalElementwiseConfig, FixedMaps, FixedMapsConfig};
use normalizing_flows::linear::{
    HouseholderConfig, LuLinear, LuLinearConfig, Permutation, PermutationConfig, QrLinearConfig,
    SvdLinearConfig, TriangularLinearConfig,
};
use normalizing_flows::normalization::{ActNorm, ActNormConfig, BatchNormConfig};
use normalizing_flows::residual::{
    Planar, PlanarConfig, Radial, RadialConfig, Sylvester, SylvesterConfig,
};
use normalizing_flows::testing::Laws;
use normalizing_flows::univariate::{
    AdditiveConfig, AffineConfig, BernsteinPolynomialConfig, BoundarySlopes, FixedMap,
    MonotoneNetworkConfig, RationalQuadraticSplineConfig, ScaleBound, SumOfSquaresConfig,
};
use normalizing_flows::{
    Adjacency, Direction, Elementwise, ElementwiseConfig, Flow, Inverse, Layer,
    MaskedAutoregressive, MaskedAutoregressiveConfig, MaskedCoupling, MaskedCouplingConfig, Order,
    Sequential,
};
use rand::rngs::ChaCha8Rng;

/// Declares a module per case, with a test per check and float type, and the list of the cases'
/// types.
macro_rules! registry {
    ($($name:ident: $laws:expr;)+) => {
        $(mod $name {
            mod in_f32 {
                use super::super::*;
                normalizing_flows::flow_laws!($laws.with_dtype(FloatDType::F32), common::cpu());
            }
            mod in_f64 {
                use super::super::*;
                normalizing_flows::flow_laws!($laws.with_dtype(FloatDType::F64), common::cpu());
            }
        })+

        /// The type of the flow of every case.
        fn registered() -> Vec<&'static str> {
            vec![$(type_of(&$laws)),+]
        }
    };
}

registry! {
    coupling_affine: coupling(4, coupling_config(Mask::alternating(4)));
    coupling_two_features: coupling(2, coupling_config(Mask::half(2).complement()));
    coupling_custom_mask: coupling(3, coupling_config(Mask::custom(vec![true, false, false])));
    coupling_relu: coupling(3, coupling_config(Mask::half(3)).with_conditioner(relu()));
    coupling_context: coupling(3, coupling_config(Mask::half(3)).with_d_context(2));
    coupling_separate_context: coupling(
        4, coupling_config(Mask::half(4)).with_d_context(1).with_conditioner(separate()));
    coupling_additive: coupling(
        3, coupling_config(Mask::alternating(3)).with_univariate(AdditiveConfig::new().into()));
    coupling_tanh: coupling(3, bounded(ScaleBound::Tanh { bound: 2.0 }));
    coupling_clamp: coupling(3, bounded(ScaleBound::Clamp { min: -5.0, max: 3.0 }));
    // Without a bound the scale overflows where the network's output is large.
    coupling_exp: coupling(3, bounded(ScaleBound::Exp)).with_max_abs_input(3.0);
    coupling_sigmoid: coupling(3, bounded(ScaleBound::Sigmoid))
        .with_start(nflows_start)
        .with_rounded_start(8);
    coupling_random_mask: Laws::new(5, |device, rng| {
        coupling_config(Mask::random(5, rng)).init(device, rng)
    });
    coupling_spline: coupling(3, spline(BoundarySlopes::One)).with_rounded_start(ROUNDINGS);
    coupling_spline_free: coupling(3, spline(BoundarySlopes::Free)).with_rounded_start(ROUNDINGS);
    coupling_spline_periodic:
        coupling(3, spline(BoundarySlopes::Periodic)).with_rounded_start(ROUNDINGS);
    coupling_spline_context: coupling(
        3, spline(BoundarySlopes::One).with_d_context(2).with_conditioner(residual()))
        .with_rounded_start(ROUNDINGS);
    coupling_spline_separate: coupling(
        3, spline(BoundarySlopes::Free).with_conditioner(separate()))
        .with_rounded_start(ROUNDINGS);
    coupling_spline_inverse: Laws::new(3, |device, rng| {
        Inverse::new(spline(BoundarySlopes::Free).init(device, rng))
    }).with_rounded_start(ROUNDINGS);
    coupling_of_angles: coupling(
        3, spline(BoundarySlopes::Periodic).with_conditioner(of_angles(2)))
        .with_rounded_start(ROUNDINGS);
    coupling_of_angles_context: coupling(
        4, coupling_config(Mask::half(4)).with_d_context(2).with_conditioner(of_angles(2)));
    coupling_residual: coupling(4, coupling_config(Mask::half(4)).with_conditioner(residual()));
    coupling_residual_context: coupling(
        4, coupling_config(Mask::half(4)).with_d_context(2).with_conditioner(residual()));
    autoregressive: autoregressive(natural(4));
    autoregressive_one_feature: autoregressive(natural(1));
    autoregressive_context: autoregressive(made(Adjacency::autoregressive(&Order::reversed(3)))
        .with_d_context(2));
    autoregressive_in_two_passes: autoregressive(made(Adjacency::in_passes(&Order::natural(4), 2)));
    autoregressive_tree: autoregressive(made(Adjacency::custom(vec![
        vec![false, false, true], vec![true, false, false], vec![false, false, false]])));
    autoregressive_residual: autoregressive(
        natural(3).with_d_context(2).with_conditioner(residual().into()));
    autoregressive_spline: autoregressive(
        natural(3).with_univariate(spline_config(BoundarySlopes::One).into()))
        .with_rounded_start(ROUNDINGS);
    autoregressive_monotone_network: autoregressive(natural(3)
        .with_d_context(1)
        .with_univariate(MonotoneNetworkConfig::new().with_n_signals(2).with_d_hidden(vec![4]).into()))
        .with_start_at_origin()
        .with_rounded_start(ROUNDINGS);
    autoregressive_sum_of_squares: autoregressive(
        natural(2).with_univariate(SumOfSquaresConfig::new().with_n_polynomials(1).into()))
        .with_start(one_slope)
        .with_rounded_start(ROUNDINGS);
    coupling_bernstein: coupling(3, coupling_config(Mask::half(3))
        .with_d_context(2)
        .with_univariate(BernsteinPolynomialConfig::new().with_degree(7).into()))
        .with_rounded_start(ROUNDINGS);
    planar: planar(3, 0);
    planar_context: planar(2, 2);
    radial: radial(3, 0);
    radial_one_feature: radial(1, 0);
    radial_context: radial(2, 2);
    sylvester: sylvester(SylvesterConfig::new(3).with_n_directions(Some(2)));
    sylvester_context: sylvester(SylvesterConfig::new(2).with_d_context(1));
    sylvester_inverse: Laws::new(3, |device, rng| Inverse::new(SylvesterConfig::new(3).init(device, rng)));
    autoregressive_inverse: Laws::new(3, |device, rng| Inverse::new(natural(3).init(device, rng)));
    elementwise_spline: Laws::new(2, |device, rng| {
        let config = ElementwiseConfig::new(2);
        config.with_univariate(spline_config(BoundarySlopes::One).into()).init(device, rng)
    }).with_rounded_start(ROUNDINGS);
    elementwise_one_feature: elementwise(1);
    elementwise_three_features: elementwise(3);
    elementwise_conditional: Laws::new(1, |device, rng| {
        ConditionalElementwiseConfig::new(1, 2).init(device, rng)
    });
    elementwise_conditional_spline: Laws::new(3, |device, rng| {
        ConditionalElementwiseConfig::new(3, 2)
            .with_conditioner(ResidualMlpConfig::new().with_d_hidden(8).into())
            .with_univariate(spline_config(BoundarySlopes::One).into())
            .init(device, rng)
    }).with_rounded_start(ROUNDINGS);
    fixed_maps: fixed(real_maps().to_vec()).with_start(real_start).with_rounded_start(16);
    fixed_maps_of_one_kind: fixed(vec![FixedMap::Affine { shift: 0.0, scale: 1.0 }; 3]);
    // To the half-line or an interval and back by another way, so that all numbers are in the domain; not
    // so far that an end of an interval is reached in f32.
    fixed_maps_there_and_back: Laws::new(3, there_and_back)
        .with_start(scaled_start)
        .with_rounded_start(64)
        .with_max_abs_input(5.0);
    fixed_maps_inverse: Laws::new(4, |device, rng| {
        Inverse::new(FixedMapsConfig::new(real_maps().to_vec()).init(device, rng))
    }).with_start(real_start_inverse).with_rounded_start(64);
    lu_one_feature: lu(1);
    lu_four_features: lu(4);
    lu_seven_features: lu(7);
    lu_of_some_features: Laws::new(4, |device, rng| {
        let mask = Mask::custom(vec![false, true, false, false]);
        LuLinearConfig::new(4).with_mask(Some(mask)).init(device, rng)
    });
    lu_inverse: Laws::new(3, |device, rng| Inverse::new(LuLinearConfig::new(3).init(device, rng)));
    householder_one_feature: Laws::new(1, |device, rng| HouseholderConfig::new(1).init(device, rng));
    householder_of_four: Laws::new(4, |device, rng| HouseholderConfig::new(4).init(device, rng));
    // More reflections than there are directions.
    householder_of_many: Laws::new(3, |device, rng| {
        HouseholderConfig::new(3).with_n_reflections(Some(10)).init(device, rng)
    });
    qr_one_feature: Laws::new(1, |device, rng| QrLinearConfig::new(1).init(device, rng));
    qr_of_five: Laws::new(5, |device, rng| QrLinearConfig::new(5).init(device, rng));
    svd_one_feature: Laws::new(1, |device, rng| SvdLinearConfig::new(1).init(device, rng));
    svd_of_four: Laws::new(4, |device, rng| {
        SvdLinearConfig::new(4).with_n_reflections(Some(2)).init(device, rng)
    });
    triangular_one_feature:
        Laws::new(1, |device, rng| TriangularLinearConfig::new(1).init(device, rng));
    triangular_of_four: Laws::new(4, |device, rng| TriangularLinearConfig::new(4).init(device, rng));
    triangular_inverse: Laws::new(3, |device, rng| {
        Inverse::new(TriangularLinearConfig::new(3).init(device, rng))
    });
    // In training a row depends on its batch; the rest of the time it is as here.
    batch_norm: Laws::new(3, |device, rng| {
        BatchNormConfig::new(3).init(device, rng).with_fixed_statistics()
    }).with_start(batch_norm_start).with_rounded_start(8);
    batch_norm_inverse: Laws::new(1, |device, rng| {
        Inverse::new(BatchNormConfig::new(1).init(device, rng).with_fixed_statistics())
    }).with_start(|x| {
        let (z, log_det) = batch_norm_start(x);
        (z / 1.00001, -log_det)
    }).with_rounded_start(16);
    permutation_of_three: permutation(Order::rotated(3, 1));
    permutation_of_one: permutation(Order::natural(1));
    permutation_inverse: Laws::new(4, |device, rng| {
        Inverse::new(PermutationConfig::new(Order::reversed(4)).init(device, rng))
    }).with_start(|z| {
        let log_det = z.clone().narrow(1, 0, 1).squeeze_dim(1).zeros_like();
        (z.flip([1]), log_det)
    });
    act_norm_one_feature: act_norm(1);
    act_norm_three_features: act_norm(3);
    act_norm_inverse: Laws::new(3, |device, rng| {
        let layer = Inverse::new(ActNormConfig::new(3).init(device, rng));
        layer.calibrate(calibration(3, device), None, Direction::Inverse)
    }).with_start(act_norm_start).with_rounded_start(4);
    sequential: Laws::new(3, stack);
    sequential_empty: Laws::new(2, |_, _| Sequential::<MaskedCoupling>::new(vec![]));
    inverse: Laws::new(3, |device, rng| Inverse::new(stack(device, rng)));
    tuple: Laws::new(3, |device, rng| {
        (ElementwiseConfig::new(3).init(device, rng), stack(device, rng))
    });
    sequential_of_layers: Laws::new(3, |device, rng| Sequential::new(layers(device, rng)));
    layer_of_layers: Laws::new(3, |device, rng| {
        Layer::from(Inverse::new(Sequential::new(layers(device, rng))))
    });
}

/// A small network with a smooth activation: no kinks for finite differences to step over.
fn smooth() -> NetworkConfig {
    MlpConfig::new().with_d_hidden(vec![7, 5]).with_activation(ActivationConfig::Tanh).into()
}

fn relu() -> NetworkConfig {
    MlpConfig::new().with_d_hidden(vec![7, 5]).into()
}

fn separate() -> NetworkConfig {
    let mlp = MlpConfig::new().with_d_hidden(vec![6]).with_activation(ActivationConfig::Softsign);
    SeparateMlpsConfig::new().with_mlp(mlp).into()
}

/// The first of the inputs an angle.
fn of_angles(d_input: usize) -> NetworkConfig {
    let periodic = (0..d_input).map(|input| input == 0).collect();
    let mlp = MlpConfig::new().with_d_hidden(vec![6]).with_activation(ActivationConfig::Tanh);
    PeriodicMlpConfig::new(periodic).with_mlp(mlp).into()
}

fn residual() -> NetworkConfig {
    ResidualMlpConfig::new().with_d_hidden(6).with_activation(ActivationConfig::Tanh).into()
}

/// Where a new spline is the identity, its knots are rounded to some units in the last place of the
/// ends of the interval, and the values between them a few times more.
const ROUNDINGS: u32 = 32;

/// An interval from which a tenth of the inputs fall out.
fn spline_config(boundary_slopes: BoundarySlopes) -> RationalQuadraticSplineConfig {
    RationalQuadraticSplineConfig::new()
        .with_n_bins(5)
        .with_interval([-1.5, 2.0])
        .with_boundary_slopes(boundary_slopes)
}

fn spline(boundary_slopes: BoundarySlopes) -> MaskedCouplingConfig {
    coupling_config(Mask::alternating(3)).with_univariate(spline_config(boundary_slopes).into())
}

fn coupling_config(mask: Mask) -> MaskedCouplingConfig {
    MaskedCouplingConfig::new(mask).with_conditioner(smooth())
}

fn bounded(bound: ScaleBound) -> MaskedCouplingConfig {
    coupling_config(Mask::alternating(3))
        .with_univariate(AffineConfig::new().with_bound(bound).into())
}

/// nflows' scale starts at `sigmoid(2) + 0.001`, here for the one transformed feature.
fn nflows_start(z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    let scale = 1.0 / (1.0 + (-2.0_f64).exp()) + 1e-3;
    let log_det = z.clone().narrow(1, 0, 1).squeeze_dim(1).zeros_like() + scale.ln();
    let scaled = z.clone().narrow(1, 1, 1) * scale;
    (Tensor::cat(vec![z.clone().narrow(1, 0, 1), scaled, z.narrow(1, 2, 1)], 1), log_det)
}

fn coupling(d_features: usize, config: MaskedCouplingConfig) -> Laws<MaskedCoupling> {
    Laws::new(d_features, move |device, rng| config.init(device, rng))
}

fn made(adjacency: Adjacency) -> MaskedAutoregressiveConfig {
    MaskedAutoregressiveConfig::new(adjacency).with_conditioner(smooth().into())
}

fn natural(d_features: usize) -> MaskedAutoregressiveConfig {
    made(Adjacency::autoregressive(&Order::natural(d_features)))
}

fn autoregressive(config: MaskedAutoregressiveConfig) -> Laws<MaskedAutoregressive> {
    let d_features = config.adjacency.d_features();
    Laws::new(d_features, move |device, rng| config.init(device, rng))
}

/// A single polynomial is constant at the start: `z = 1.001 x`.
fn one_slope(z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    let slope = 1.001;
    let log_det = z.clone().sum_dim(1).squeeze_dim(1).zeros_like() - 2.0 * f64::ln(slope);
    (z / slope, log_det)
}

fn planar(d_features: usize, d_context: usize) -> Laws<Planar> {
    let config = PlanarConfig::new(d_features).with_d_context(d_context);
    Laws::new(d_features, move |device, rng| {
        config.clone().with_conditioner(smooth()).init(device, rng)
    })
    .with_rounded_start(ROUNDINGS)
}

fn radial(d_features: usize, d_context: usize) -> Laws<Radial> {
    let config = RadialConfig::new(d_features).with_d_context(d_context);
    Laws::new(d_features, move |device, rng| {
        config.clone().with_conditioner(smooth()).init(device, rng)
    })
    .with_rounded_start(ROUNDINGS)
}

fn sylvester(config: SylvesterConfig) -> Laws<Sylvester> {
    let d_features = config.d_features;
    Laws::new(d_features, move |device, rng| {
        config.clone().with_conditioner(smooth()).init(device, rng)
    })
}

fn elementwise(d_features: usize) -> Laws<Elementwise> {
    Laws::new(d_features, move |device, rng| ElementwiseConfig::new(d_features).init(device, rng))
}

fn fixed(maps: Vec<FixedMap>) -> Laws<FixedMaps> {
    Laws::new(maps.len(), move |device, rng| FixedMapsConfig::new(maps.clone()).init(device, rng))
}

/// Maps of all numbers to all numbers.
fn real_maps() -> [FixedMap; 4] {
    [
        FixedMap::SinhArcsinh { skewness: 0.3, tail: 0.8 },
        FixedMap::LeakyTanh { bound: 1.2 },
        FixedMap::Affine { shift: -1.0, scale: -2.5 },
        FixedMap::LeakyRelu { slope: 0.2 },
    ]
}

/// The same by the standard library, value by value.
fn real_start(z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    by_hand(&z, |column, z| match column {
        0 => {
            let x = (0.8 * z.asinh() + 0.3).sinh();
            (x, 0.8 * (1.0 + x * x).sqrt() / (1.0 + z * z).sqrt())
        }
        1 => {
            let (curved, slope) = (z.clamp(-1.2, 1.2), 1.0 - z.clamp(-1.2, 1.2).tanh().powi(2));
            (curved.tanh() + slope * (z - curved), slope)
        }
        2 => (-1.0 - 2.5 * z, -2.5),
        _ if z < 0.0 => (0.2 * z, 0.2),
        _ => (z, 1.0),
    })
}

fn real_start_inverse(x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    by_hand(&x, |column, x| match column {
        0 => {
            let z = ((x.asinh() - 0.3) / 0.8).sinh();
            (z, (1.0 + z * z).sqrt() / (1.0 + x * x).sqrt() / 0.8)
        }
        1 => {
            let (end, slope) = (1.2_f64.tanh(), 1.0 - 1.2_f64.tanh().powi(2));
            let curved = x.clamp(-end, end);
            let of_curved = if curved == x { 1.0 - x * x } else { slope };
            (curved.atanh() + (x - curved) / slope, 1.0 / of_curved)
        }
        2 => ((x + 1.0) / -2.5, -0.4),
        _ if x < 0.0 => (x / 0.2, 5.0),
        _ => (x, 1.0),
    })
}

/// Values and slopes by a function of the column and the value.
fn by_hand(input: &Tensor<2>, f: impl Fn(usize, f64) -> (f64, f64)) -> (Tensor<2>, Tensor<1>) {
    let [batch, d] = input.dims();
    let values = common::host(input.clone());
    let mapped: Vec<(f64, f64)> =
        values.into_iter().enumerate().map(|(i, value)| f(i % d, value)).collect();
    let log_dets: Vec<f64> =
        mapped.chunks(d).map(|row| row.iter().map(|(_, slope)| slope.abs().ln()).sum()).collect();
    let outputs: Vec<f64> = mapped.into_iter().map(|(value, _)| value).collect();
    let options = (&input.device(), input.dtype());
    (
        Tensor::from_data(TensorData::new(outputs, [batch, d]), options),
        Tensor::from_data(TensorData::new(log_dets, [batch]), options),
    )
}

/// `log(exp(z)^2.5)`, the softplus and its inverse, and the area hyperbolic tangent of a sigmoid.
fn there_and_back(device: &Device, rng: &mut ChaCha8Rng) -> Sequential<Layer> {
    let sigmoid = FixedMap::Sigmoid { low: -1.0, high: 1.0 };
    let (exp, softplus, identity) = (FixedMap::Exp, FixedMap::Softplus, FixedMap::Identity);
    let power = FixedMap::Power { exponent: 2.5 };
    let mut layer = |maps: [FixedMap; 3]| -> Layer {
        FixedMapsConfig::new(maps.to_vec()).init(device, rng).into()
    };
    let back = layer([exp, softplus, FixedMap::Tanh]);
    let there = [layer([exp, softplus, sigmoid]), layer([power, identity, identity])];
    let back = Layer::from(Inverse::new(Sequential::new(vec![back])));
    Sequential::new(there.into_iter().chain([back]).collect())
}

fn scaled_start(z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    by_hand(&z, |column, z| {
        let scale = [2.5, 1.0, 0.5][column];
        (scale * z, scale)
    })
}

fn lu(d_features: usize) -> Laws<LuLinear> {
    Laws::new(d_features, move |device, rng| LuLinearConfig::new(d_features).init(device, rng))
}

fn act_norm(d_features: usize) -> Laws<ActNorm> {
    let laws = Laws::new(d_features, move |device, rng| {
        let layer = ActNormConfig::new(d_features).init(device, rng);
        layer.calibrate(calibration(d_features, device), None, Direction::Inverse)
    });
    // Sums with the mean are rounded.
    laws.with_start(act_norm_start).with_rounded_start(4)
}

/// With the variance of 1 that it starts with.
fn batch_norm_start(z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    by_hand(&z, |_, z| {
        let scale = 1.00001_f64.sqrt();
        (scale * z, scale)
    })
}

/// What the batch below makes of one; on either side, with or without an inverse around it.
fn act_norm_start(z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    let log_det = z.clone().narrow(1, 0, 1).squeeze_dim(1).zeros_like();
    (z + 2.0, log_det)
}

/// A batch of a mean of 2 and a standard deviation of 1, whose logarithm is no rounding in f32.
fn calibration(d_features: usize, device: &Device) -> Tensor<2> {
    let rows = [vec![1.0_f32; d_features], vec![3.0; d_features]].concat();
    Tensor::from_data(TensorData::new(rows, [2, d_features]), device)
}

fn permutation(order: Order) -> Laws<Permutation> {
    let start = order.clone();
    let laws = Laws::new(order.features().len(), move |device, rng| {
        PermutationConfig::new(order.clone()).init(device, rng)
    });
    laws.with_start(move |z| {
        let columns = start.features().iter().map(|&feature| z.clone().narrow(1, feature, 1));
        let log_det = z.clone().narrow(1, 0, 1).squeeze_dim(1).zeros_like();
        (Tensor::cat(columns.collect(), 1), log_det)
    })
}

fn stack(device: &Device, rng: &mut ChaCha8Rng) -> Sequential<MaskedCoupling> {
    let even = coupling_config(Mask::alternating(3)).with_d_context(2);
    let odd = coupling_config(Mask::alternating(3).complement()).with_d_context(2);
    Sequential::new(vec![even.init(device, rng), odd.init(device, rng)])
}

fn layers(device: &Device, rng: &mut ChaCha8Rng) -> Vec<Layer> {
    vec![
        ElementwiseConfig::new(3).init(device, rng).into(),
        coupling_config(Mask::random(3, rng)).init(device, rng).into(),
        LuLinearConfig::new(3).init(device, rng).into(),
        Sequential::new(vec![Layer::from(stack(device, rng).layers.remove(0))]).into(),
    ]
}

fn type_of<F: Flow>(_: &Laws<F>) -> &'static str {
    std::any::type_name::<F>()
}

/// A layer that is in `Layer` but in no case above fails here.
#[test]
fn every_layer_of_the_crate_is_registered() {
    common::assert_registered(Layer::NAMES, &registered());
}

/// The check of what is pulled back passes for a layer that has no formula: these have one.
#[test]
fn layers_of_transformations_pull_gradients_back() {
    let rng = &mut common::rng(0);
    let layers: [Layer; 4] = [
        coupling_config(Mask::half(3)).init(&common::cpu(), rng).into(),
        ElementwiseConfig::new(3).init(&common::cpu(), rng).into(),
        HouseholderConfig::new(3).init(&common::cpu(), rng).into(),
        LuLinearConfig::new(3).init(&common::cpu(), rng).into(),
    ];
    let x = Tensor::ones([2, 3], &common::cpu());
    for layer in layers {
        assert!(layer.pull_back(x.clone(), x.clone(), None).is_some(), "{layer}");
    }
}

//! Every conditioner of the crate satisfies every invariant of one, in f32 and in f64, by tensor
//! operations. One line per case.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use normalizing_flows::burn;
use normalizing_flows::burn::module::{Module, Param};
use normalizing_flows::burn::nn::activation::{ActivationConfig, SwiGluConfig};
use normalizing_flows::burn::tensor::{Device, FloatDType, Tensor, TensorData};
use normalizing_flows::conditioner::{
    AutoregressiveConditioner, Conditioner, ConditionerShape, Made, MadeConfig, MlpConfig, Network,
    NetworkConfig, PeriodicMlpConfig, ResidualMlpConfig, SeparateMlpsConfig,
};
use normalizing_flows::testing::{AutoregressiveLaws, ConditionerLaws, assert_close, perturb};
use normalizing_flows::{Adjacency, MaskedAutoregressiveConfig, Order};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// Declares a module per case, with a test per check and float type, and the list of the cases'
/// types.
macro_rules! registry {
    ($($name:ident: $laws:expr;)+) => {
        $(mod $name {
            mod in_f32 {
                use super::super::*;
                normalizing_flows::conditioner_laws!(
                    $laws.with_dtype(FloatDType::F32), common::cpu());
            }
            mod in_f64 {
                use super::super::*;
                normalizing_flows::conditioner_laws!(
                    $laws.with_dtype(FloatDType::F64), common::cpu());
            }
        })+

        /// The type of the conditioner of every case.
        fn registered() -> Vec<&'static str> {
            vec![$(type_of(&$laws)),+]
        }
    };
}

registry! {
    mlp: ConditionerLaws::new(0, |shape, device, rng| mlp().init(shape, device, rng));
    mlp_context: ConditionerLaws::new(2, |shape, device, rng| mlp().init(shape, device, rng));
    mlp_linear: ConditionerLaws::new(1, |shape, device, rng| {
        mlp().with_d_hidden(vec![]).init(shape, device, rng)
    });
    separate_mlps: ConditionerLaws::new(0, |shape, device, rng| {
        SeparateMlpsConfig::new().with_mlp(mlp()).init(shape, device, rng)
    });
    separate_mlps_context: ConditionerLaws::new(2, |shape, device, rng| {
        SeparateMlpsConfig::new().with_mlp(mlp()).init(shape, device, rng)
    });
    residual_mlp: ConditionerLaws::new(0, |shape, device, rng| {
        residual().init(shape, device, rng)
    });
    residual_mlp_context: ConditionerLaws::new(2, |shape, device, rng| {
        residual().init(shape, device, rng)
    });
    periodic_mlp: ConditionerLaws::new(0, |shape, device, rng| {
        of_angles(shape.d_input).init(shape, device, rng)
    });
    periodic_mlp_context: ConditionerLaws::new(2, |shape, device, rng| {
        of_angles(shape.d_input).init(shape, device, rng)
    });
    in_the_enum: ConditionerLaws::new(2, |shape, device, rng| -> Network {
        NetworkConfig::from(residual()).init(shape, device, rng)
    });
}

/// A smooth activation: no kinks for finite differences to step over.
fn mlp() -> MlpConfig {
    MlpConfig::new().with_d_hidden(vec![7, 5]).with_activation(ActivationConfig::Tanh)
}

fn residual() -> ResidualMlpConfig {
    ResidualMlpConfig::new().with_d_hidden(6).with_activation(ActivationConfig::Tanh)
}

/// Every other input an angle.
fn of_angles(d_input: usize) -> PeriodicMlpConfig {
    let periodic = (0..d_input).map(|input| input % 2 == 0).collect();
    PeriodicMlpConfig::new(periodic).with_mlp(mlp())
}

#[test]
fn an_angle_one_turn_further_is_the_same() {
    let (device, mut rng) = (common::cpu(), common::rng(0));
    let shape = ConditionerShape { d_input: 3, d_context: 0, d_output: 2, n_parameters: 2 };
    let network = perturb(of_angles(3).init(shape, &device, &mut rng), 0.3, &mut rng);
    let turn = std::f64::consts::TAU as f32;
    let input = |further: [f32; 3]| {
        Tensor::from_floats([[0.3 + further[0], -1.0 + further[1], 2.0 + further[2]]], &device)
    };
    let here = network.forward(input([0.0; 3]), None);
    let there = network.forward(input([turn, 0.0, -2.0 * turn]), None);
    // The sine of an angle of 13 is exact to its own rounding, 1e-6.
    assert_close("a turn further", &there, &here, 1e-5);
    let moved = network.forward(input([0.0, turn, 0.0]), None);
    assert!(common::host(moved - here).iter().any(|difference| difference.abs() > 1e-2));
}

#[test]
#[should_panic(expected = "`periodic` must have a value for each of 3 inputs, got 2")]
fn angles_of_another_number_of_inputs_are_refused() {
    let shape = ConditionerShape { d_input: 3, d_context: 0, d_output: 2, n_parameters: 2 };
    of_angles(2).init(shape, &common::cpu(), &mut common::rng(0));
}

fn type_of<C: Conditioner>(_: &ConditionerLaws<C>) -> &'static str {
    std::any::type_name::<C>()
}

/// A conditioner that is in `Network` but in no case above fails here.
#[test]
fn every_conditioner_of_the_crate_is_registered() {
    common::assert_registered(Network::NAMES, &registered());
}

/// The smallest autoregressive network: one matrix, of which the order leaves some entries.
#[derive(Module, Debug)]
struct Triangular {
    weight: Param<Tensor<2>>,
    of_context: Param<Tensor<2>>,
    mask: Vec<usize>,
}

/// The rank of each feature in the order.
const ORDER: [usize; 3] = [1, 2, 0];

impl Triangular {
    fn new(device: &Device, rng: &mut ChaCha8Rng) -> Self {
        let mut draw = |rows: usize| {
            let values: Vec<f64> = (0..rows * 6).map(|_| rng.random_range(0.5..1.0)).collect();
            Param::from_data(TensorData::new(values, [rows, 6]), device)
        };
        Self { weight: draw(3), of_context: draw(2), mask: ORDER.to_vec() }
    }
}

impl AutoregressiveConditioner for Triangular {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        let allowed: Vec<f64> =
            (0..18).map(|i| f64::from(u8::from(self.mask[i / 6] < self.mask[i % 6 % 3]))).collect();
        let options = (&input.device(), input.dtype());
        let allowed = Tensor::<2>::from_data(TensorData::new(allowed, [3, 6]), options);
        let context = context.expect("it takes a context").clone();
        input.matmul(self.weight.val() * allowed) + context.matmul(self.of_context.val())
    }

    fn order(&self) -> Vec<usize> {
        ORDER.to_vec()
    }

    fn d_context(&self) -> usize {
        2
    }
}

/// A `Made` of so many context features, which gives 2 parameters of each feature.
fn made(
    network: impl Into<NetworkConfig>,
    adjacency: Adjacency,
    d_context: usize,
) -> AutoregressiveLaws<Made> {
    let config = MadeConfig::from(network.into());
    AutoregressiveLaws::new(2, move |device, rng| {
        config.init(&adjacency, d_context, 2, device, rng)
    })
}

macro_rules! autoregressive_registry {
    ($($name:ident: $laws:expr;)+) => {
        $(mod $name {
            mod in_f32 {
                use super::super::*;
                normalizing_flows::autoregressive_laws!(
                    $laws.with_dtype(FloatDType::F32), common::cpu());
            }
            mod in_f64 {
                use super::super::*;
                normalizing_flows::autoregressive_laws!(
                    $laws.with_dtype(FloatDType::F64), common::cpu());
            }
        })+
    };
}

autoregressive_registry! {
    made_of_an_mlp: made(mlp(), Adjacency::autoregressive(&Order::natural(4)), 0);
    made_linear: made(mlp().with_d_hidden(vec![]), Adjacency::autoregressive(&Order::reversed(4)), 0);
    made_context: made(mlp(), Adjacency::autoregressive(&Order::custom(vec![2, 0, 1])), 2);
    made_in_two_passes: made(mlp(), Adjacency::in_passes(&Order::natural(5), 2), 0);
    made_in_one_pass: made(mlp(), Adjacency::in_passes(&Order::natural(3), 1), 1);
    made_of_one_feature: made(mlp(), Adjacency::autoregressive(&Order::natural(1)), 1);
    made_residual: made(residual(), Adjacency::autoregressive(&Order::natural(4)), 0);
    made_residual_context: made(residual(), Adjacency::in_passes(&Order::reversed(5), 3), 2);
}

/// The first feature feeds the other two, which do not see each other; the context feeds the last alone.
#[test]
fn an_adjacency_of_ones_own_is_kept_to_exactly() {
    let rows: Vec<Vec<bool>> = ["0000", "1000", "1001"]
        .iter()
        .map(|row| row.chars().map(|x| x == '1').collect())
        .collect();
    let device = common::cpu().autodiff();
    for network in [NetworkConfig::from(mlp()), residual().into()] {
        let mut rng = common::rng(0);
        let config = MadeConfig::from(network);
        let made = config.init(&Adjacency::custom(rows.clone()), 1, 1, &device, &mut rng);
        let made = perturb(made, 0.5, &mut rng);
        for (feature, expected) in rows.iter().enumerate() {
            let x = Tensor::<2>::ones([2, 3], &device).require_grad();
            let context = Tensor::<2>::ones([2, 1], &device).require_grad();
            let column = made.forward(x.clone(), Some(&context)).narrow(1, feature, 1).sum();
            let anchor = (x.clone() * 0.0).sum() + (context.clone() * 0.0).sum();
            let gradients = (column + anchor).backward();
            let depends = |tensor: &Tensor<2>| {
                let gradient = common::host(tensor.grad(&gradients).expect("on the graph"));
                let d = gradient.len() / 2;
                gradient[..d].iter().map(|x| *x != 0.0).collect::<Vec<_>>()
            };
            let found = [depends(&x), depends(&context)].concat();
            assert_eq!(found, *expected, "feature {feature}");
        }
    }
}

#[test]
fn a_made_refuses_what_would_break_its_order() {
    let refused =
        |network: NetworkConfig| MadeConfig::from(network).validate().unwrap_err().to_string();
    let swiglu = ActivationConfig::SwiGlu(SwiGluConfig::new(1, 1));
    assert!(refused(mlp().with_activation(swiglu).into()).contains("takes no `SwiGlu`"));
    let separate = SeparateMlpsConfig::new().into();
    assert!(refused(separate).contains("must be of an `Mlp` or a `ResidualMlp`, got SeparateMlps"));
}

/// A unit for each feature but the first, and for the first too where it sees the context.
#[test]
fn a_made_too_narrow_for_its_features_is_refused() {
    let order = Order::natural(100);
    let validate = |width: usize, n_passes: usize, d_context: usize| {
        let network = mlp().with_d_hidden(vec![128, width]);
        MaskedAutoregressiveConfig::new(Adjacency::in_passes(&order, n_passes))
            .with_d_context(d_context)
            .with_conditioner(network.into())
            .validate()
    };
    let error = validate(98, 100, 0).unwrap_err().to_string();
    assert!(error.contains("at least 99 for 100 features in 100 passes, got 98"), "{error}");
    for (width, n_passes, d_context) in [(99, 100, 0), (100, 100, 1), (1, 2, 0), (4, 5, 0)] {
        assert_eq!(validate(width, n_passes, d_context), Ok(()));
        assert!(width == 1 || validate(width - 1, n_passes, d_context).is_err());
    }
    // The default grows with the features.
    let config = MaskedAutoregressiveConfig::new(Adjacency::autoregressive(&order));
    assert_eq!(config.validate(), Ok(()));
}

#[test]
#[should_panic(expected = "a column for each of 2 context features or for none, got 1")]
fn an_adjacency_of_another_context_is_refused() {
    let adjacency = Adjacency::custom(vec![vec![false, true]]);
    MadeConfig::new().init(&adjacency, 2, 1, &common::cpu(), &mut common::rng(0));
}

mod an_autoregressive_network {
    use super::*;
    normalizing_flows::autoregressive_laws!(
        AutoregressiveLaws::new(2, Triangular::new),
        common::cpu()
    );
}

#[test]
#[should_panic(
    expected = "the parameters of feature 0 (rank 1) must not depend on feature 1 (rank 2)"
)]
fn a_network_that_looks_ahead_is_found() {
    let laws = AutoregressiveLaws::new(2, |device, rng| {
        let mut network = Triangular::new(device, rng);
        // Feature 1 is last in the order, and here feeds the others.
        network.mask[1] = 0;
        network
    });
    laws.parameters_depend_on_all_earlier_features_and_on_no_others(&common::cpu());
}

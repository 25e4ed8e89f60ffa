//! [`Runs`]: a flow as runs of layers that the kernels apply in one pass each, and the layers
//! between them, which run by tensor operations.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::lower::{Lowered, on_flex};
use super::ops::{FlowTensors, KernelOps};
use super::program::fits_in_run;
use super::{KernelBase, Layered, Program, Step};
use crate::direction::Direction;

/// The runs of a flow in `forward` order, at least one of them by the kernels.
pub(crate) struct Runs<'a> {
    direction: Direction,
    runs: Vec<Run<'a>>,
}

#[expect(clippy::large_enum_variant, reason = "a few per call")]
enum Run<'a> {
    /// Layers that the kernels apply in one pass.
    Fused(FlowTensors<Dispatch>),
    /// A layer by tensor operations.
    Composed { swapped: bool, layer: &'a dyn Layered },
}

impl<'a> Runs<'a> {
    /// The runs of the flow that `lower` hands over, for this direction and input; `None` if the kernels can
    /// apply none of its layers to it.
    pub(crate) fn new(
        direction: Direction,
        input: &Tensor<2>,
        context: Option<&Tensor<2>>,
        lower: impl FnOnce(&mut Program<'a>),
    ) -> Option<Self> {
        let ([batch, d_features], dtype) = (input.dims(), input.dtype());
        // On an empty batch there is nothing to do, and the tensor operations know what that is.
        if batch == 0 || !on_flex(&input.clone().into_dispatch()) {
            return None;
        }
        // A context that is missing or does not fit is for the layers to complain about.
        let context = context.filter(|context| {
            context.dims()[0] == batch
                && context.dtype() == dtype
                && on_flex(&(*context).clone().into_dispatch())
        });
        let mut program = Program::new(direction, d_features, dtype);
        lower(&mut program);
        let mut runs = Vec::new();
        for Step { swapped, layer, lowered } in program.into_steps() {
            let d_context = context.map_or(0, |context| context.dims()[1]);
            match lowered {
                Ok(lowered) if [0, d_context].contains(&lowered.d_context) => {
                    push_fused(&mut runs, lowered, swapped, context);
                }
                _ => runs.push(Run::Composed { swapped, layer }),
            }
        }
        runs.iter().any(|run| matches!(run, Run::Fused(_))).then_some(Self { direction, runs })
    }

    /// Whether the kernels apply all layers.
    pub(crate) fn is_whole(&self) -> bool {
        self.runs.iter().all(|run| matches!(run, Run::Fused(_)))
    }

    /// The only run, if it is one of the kernels'.
    #[cfg(feature = "nuts")]
    pub(super) fn into_single(mut self) -> Option<FlowTensors<Dispatch>> {
        match self.runs.pop() {
            Some(Run::Fused(tensors)) if self.runs.is_empty() => Some(tensors),
            _ => None,
        }
    }

    /// The rows that come out, and their log-determinants.
    pub(crate) fn transform(
        self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let Self { direction, mut runs } = self;
        if direction == Direction::Inverse {
            runs.reverse();
        }
        let (output, log_det) = chain(runs, direction, input, context);
        (output, log_det.expect("there is at least one run"))
    }

    /// The log-density of `x` under the flow of a base, in the inverse direction; `None` if the run
    /// next to the base is not by the kernels. With autodiff the gradients of that run come out of the same pass.
    pub(crate) fn log_density(
        mut self,
        base: KernelBase,
        x: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Option<Tensor<1>> {
        if !matches!(self.runs.first(), Some(Run::Fused(_))) {
            return None;
        }
        let Run::Fused(last) = self.runs.remove(0) else { unreachable!("it was just looked at") };
        self.runs.reverse();
        let (z, log_det) = chain(self.runs, Direction::Inverse, x, context);
        let KernelBase::StandardNormal = base;
        let log_density = <Dispatch as KernelOps>::log_prob(z.into_dispatch(), last);
        let log_density = Tensor::from_dispatch(log_density);
        Some(match log_det {
            Some(log_det) => log_density + log_det,
            None => log_density,
        })
    }
}

/// A direction, or the other one for a layer whose directions are swapped.
fn turned(direction: Direction, swapped: bool) -> Direction {
    if swapped { direction.reversed() } else { direction }
}

/// Some runs one after another.
fn chain(
    runs: Vec<Run<'_>>,
    direction: Direction,
    input: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> (Tensor<2>, Option<Tensor<1>>) {
    let mut state = (input, None::<Tensor<1>>);
    for run in runs {
        let (output, log_det) = run.apply(direction, state.0, context);
        let total = match state.1 {
            Some(before) => before + log_det,
            None => log_det,
        };
        state = (output, Some(total));
    }
    state
}

impl Run<'_> {
    fn apply(
        self,
        direction: Direction,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        match self {
            Self::Fused(tensors) => {
                let input = input.into_dispatch();
                let (output, log_det) =
                    <Dispatch as KernelOps>::transform(input, tensors, direction);
                (Tensor::from_dispatch(output), Tensor::from_dispatch(log_det))
            }
            Self::Composed { swapped, layer } => {
                layer.apply(turned(direction, swapped), input, context)
            }
        }
    }
}

/// Adds a layer to the last run, or to a new one where that is none of the kernels' or full.
fn push_fused(
    runs: &mut Vec<Run<'_>>,
    lowered: Lowered,
    swapped: bool,
    context: Option<&Tensor<2>>,
) {
    let Lowered { operation, floats, arrangements, ints, d_context } = lowered;
    let room = |tensors: &FlowTensors<Dispatch>| fits_in_run(tensors.floats.len(), floats.len());
    if !matches!(runs.last(), Some(Run::Fused(tensors)) if room(tensors)) {
        runs.push(Run::Fused(FlowTensors::new()));
    }
    let Some(Run::Fused(tensors)) = runs.last_mut() else { unreachable!("it was just made sure") };
    let direction = turned(Direction::Forward, swapped);
    tensors.push_layer(direction, operation, floats, arrangements, ints);
    if d_context > 0 && tensors.context.is_none() {
        tensors.context = context.map(|context| context.clone().into_dispatch());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;
    use burn::nn::activation::{
        ActivationConfig, CeluConfig, EluConfig, HardShrinkConfig, HardSigmoidConfig,
        LeakyReluConfig, ShrinkConfig, SoftShrinkConfig, SoftplusConfig, SwiGluConfig,
        ThresholdedReluConfig,
    };
    use burn::tensor::{DType, Device, FloatDType};
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    use crate::conditioner::{MlpConfig, NetworkConfig, ResidualMlpConfig, SeparateMlpsConfig};
    use crate::coupling::Mask;
    use crate::elementwise::{ConditionalElementwiseConfig, FixedMapsConfig};
    use crate::linear::{
        HouseholderConfig, LuLinearConfig, PermutationConfig, QrLinearConfig, SvdLinearConfig,
        TriangularLinearConfig,
    };
    use crate::normalization::{ActNormConfig, BatchNormConfig};
    use crate::preset::{
        GlowConfig, IafConfig, MafConfig, Mixing, NiceConfig, NsfConfig, RealNvpConfig,
    };
    use crate::univariate::{
        AdditiveConfig, AffineConfig, BoundarySlopes, FixedMap, RationalQuadraticSplineConfig,
        ScaleBound, UnivariateConfig,
    };
    use crate::{
        Adjacency, Distribution, ElementwiseConfig, Flow, FlowConfig, Inverse, Layer,
        MaskedAutoregressiveConfig, MaskedCouplingConfig, Order, Sequential, cast,
    };

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(0)
    }

    fn runs<'a, F: Flow>(
        flow: &'a F,
        input: &Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Option<Runs<'a>> {
        Runs::new(Direction::Inverse, input, context, |program| flow.lower(program))
    }

    /// Whether the kernels apply all of a flow in one pass.
    fn in_one_pass<F: Flow>(flow: &F, input: &Tensor<2>, context: Option<&Tensor<2>>) -> bool {
        runs(flow, input, context).is_some_and(|runs| runs.runs.len() == 1 && runs.is_whole())
    }

    #[test]
    fn presets_run_in_one_pass_with_and_without_autodiff() {
        for device in [Device::flex(), Device::flex().autodiff()] {
            let x = Tensor::ones([3, 4], &device);
            let real_nvp = RealNvpConfig::new(4).init(&device, &mut rng());
            let nice = NiceConfig::new(4).init(&device, &mut rng());
            assert!(matches!(real_nvp.base.kernel(), Some(KernelBase::StandardNormal)));
            assert!(in_one_pass(&real_nvp.flow, &x, None));
            assert!(in_one_pass(&nice.flow, &x, None));
            assert!(in_one_pass(&Inverse::new(real_nvp.flow), &x, None));
            let presets: [FlowConfig; 3] = [
                MafConfig::new(4).into(),
                IafConfig::new(4).into(),
                NsfConfig::new(4).with_mixing(Mixing::Lu).into(),
            ];
            for preset in presets {
                let flow = preset.init(&device, &mut rng()).flow;
                assert!(in_one_pass(&flow, &x, None), "{preset:?}");
            }
        }
    }

    /// Without this the comparisons in `tests/kernels` might compare a way with itself.
    #[test]
    fn everything_that_the_kernels_know_runs_in_one_pass() {
        let activations = [
            ActivationConfig::Identity,
            ActivationConfig::Relu,
            LeakyReluConfig::new().into(),
            EluConfig::new().into(),
            CeluConfig::new().into(),
            ActivationConfig::Selu,
            ActivationConfig::Sigmoid,
            ActivationConfig::Tanh,
            ActivationConfig::Gelu,
            ActivationConfig::GeluApproximate,
            SoftplusConfig::new().into(),
            ActivationConfig::Softsign,
            HardSigmoidConfig::new().into(),
            ActivationConfig::HardSwish,
            ThresholdedReluConfig::new().into(),
            HardShrinkConfig::new().into(),
            SoftShrinkConfig::new().into(),
            ShrinkConfig::new().into(),
        ];
        let mlps = activations.map(|activation| MlpConfig::new().with_activation(activation));
        let networks = mlps.map(NetworkConfig::from).into_iter().chain([
            SeparateMlpsConfig::new().into(),
            MlpConfig::new().with_d_hidden(vec![]).into(),
            ResidualMlpConfig::new().into(),
            ResidualMlpConfig::new().with_activation(ActivationConfig::Gelu).into(),
        ]);
        let bounds = [
            ScaleBound::default(),
            ScaleBound::Tanh { bound: 1.0 },
            ScaleBound::Clamp { min: -1.0, max: 1.0 },
            ScaleBound::Sigmoid,
            ScaleBound::Exp,
        ];
        let maps = bounds
            .map(|bound| -> UnivariateConfig { AffineConfig::new().with_bound(bound).into() });
        let ends = [BoundarySlopes::One, BoundarySlopes::Free, BoundarySlopes::Periodic];
        let splines =
            ends.map(|ends| RationalQuadraticSplineConfig::new().with_boundary_slopes(ends).into());
        let maps: Vec<_> =
            maps.into_iter().chain([AdditiveConfig::new().into()]).chain(splines).collect();
        let device = Device::flex().autodiff();
        for network in networks {
            for (map, dtype) in maps.iter().zip([FloatDType::F32, FloatDType::F64].iter().cycle()) {
                let config = MaskedCouplingConfig::new(Mask::random(5, &mut rng()))
                    .with_conditioner(network.clone())
                    .with_univariate(map.clone());
                let coupling = || config.init(&device, &mut rng());
                let elementwise = || {
                    let config = ElementwiseConfig::new(5).with_univariate(map.clone());
                    config.init(&device, &mut rng())
                };
                let frozen = coupling().no_grad();
                let layers = vec![Layer::from(elementwise()), coupling().into()];
                let layers = Layer::from(Inverse::new(Sequential::new(layers)));
                let flow = cast((coupling(), (frozen, elementwise()), layers), *dtype);
                let x = Tensor::ones([5, 3], (&device, (*dtype).into())).transpose();
                assert!(in_one_pass(&flow, &x, None), "{network:?}, {map:?}, {dtype:?}");
            }
        }
    }

    /// Linear, normalising and fixed layers, and an autoregressive one, by themselves and together.
    #[test]
    fn layers_without_a_coupling_run_in_one_pass() {
        let device = Device::flex();
        let x = Tensor::from_data([[0.1, 0.2, 0.3], [0.6, 0.5, 0.4]], &device);
        let training = Device::flex().autodiff();
        let rng = &mut rng();
        let batch_norm = BatchNormConfig::new(3).init(&training, rng).valid();
        let maps = vec![FixedMap::Exp, FixedMap::Tanh, FixedMap::Sigmoid { low: 0.0, high: 2.0 }];
        let order = Order::random(3, rng);
        let act_norm = ActNormConfig::new(3).init(&device, rng);
        let layers: Vec<Layer> = vec![
            PermutationConfig::new(order.clone()).init(&device, rng).into(),
            LuLinearConfig::new(3).init(&device, rng).into(),
            HouseholderConfig::new(3).init(&device, rng).into(),
            QrLinearConfig::new(3).init(&device, rng).into(),
            SvdLinearConfig::new(3).init(&device, rng).into(),
            TriangularLinearConfig::new(3).init(&device, rng).into(),
            act_norm.calibrate(x.clone(), None, Direction::Inverse).into(),
            batch_norm.into(),
            FixedMapsConfig::new(maps).init(&device, rng).into(),
            MaskedAutoregressiveConfig::new(Adjacency::autoregressive(&order))
                .init(&device, rng)
                .into(),
        ];
        for layer in &layers {
            assert!(in_one_pass(layer, &x, None), "{layer}");
        }
        assert!(in_one_pass(&Sequential::new(layers), &x, None));
        let glow = GlowConfig::new(3).init(&device, rng);
        assert!(runs(&glow.flow, &x, None).is_some_and(|runs| !runs.is_whole()));
        assert!(in_one_pass(&glow.calibrate(x.clone()).flow, &x, None));
        // In training a batch is standardised by itself.
        let batch_norm = BatchNormConfig::new(3).init(&training, rng);
        assert!(runs(&batch_norm, &x.clone().to_device(&training), None).is_none());
    }

    #[test]
    fn a_map_by_the_context_alone_runs_in_one_pass() {
        let device = Device::flex();
        for network in [NetworkConfig::from(MlpConfig::new()), ResidualMlpConfig::new().into()] {
            let config = ConditionalElementwiseConfig::new(3, 2).with_conditioner(network);
            let flow = config.init(&device, &mut rng());
            let (x, context) = (Tensor::ones([5, 3], &device), Tensor::ones([5, 2], &device));
            assert!(in_one_pass(&flow, &x, Some(&context)));
            assert!(runs(&flow, &x, None).is_none());
        }
    }

    #[test]
    fn contexts_go_through_and_missing_ones_are_left_to_the_layers() {
        let device = Device::flex();
        let config = RealNvpConfig::new(4).with_d_context(2).with_mixing(Mixing::Off);
        let flow = config.init(&device, &mut rng()).flow;
        let x = Tensor::ones([3, 4], &device);
        assert!(in_one_pass(&flow, &x, Some(&Tensor::ones([3, 2], &device))));
        assert!(runs(&flow, &x, Some(&Tensor::ones([2, 2], &device))).is_none());
        assert!(runs(&flow, &x, Some(&Tensor::ones([3, 1], &device))).is_none());
        assert!(runs(&flow, &x, None).is_none());
    }

    #[test]
    fn what_the_kernels_do_not_know_is_left_to_tensor_operations() {
        let device = Device::flex();
        let swiglu = ActivationConfig::SwiGlu(SwiGluConfig::new(1, 1));
        let flow = RealNvpConfig::new(4)
            .with_mixing(Mixing::Off)
            .with_conditioner(MlpConfig::new().with_activation(swiglu).into())
            .init(&device, &mut rng())
            .flow;
        assert!(runs(&flow, &Tensor::ones([3, 4], &device), None).is_none());

        let config = RealNvpConfig::new(4).with_mixing(Mixing::Off);
        let flow = config.init(&device, &mut rng()).flow;
        assert!(runs(&flow, &Tensor::ones([3, 5], &device), None).is_none());
        assert!(runs(&flow, &Tensor::ones([0, 4], &device), None).is_none());
        let x = Tensor::ones([3, 4], (&device, DType::F64));
        assert!(runs(&flow, &x, None).is_none());
        let empty = Sequential::<Layer>::new(vec![]);
        assert!(runs(&empty, &Tensor::ones([3, 4], &device), None).is_none());
    }

    #[test]
    fn an_unknown_layer_splits_a_stack_into_runs() {
        let device = Device::flex();
        let layer = |activation: ActivationConfig| {
            MaskedCouplingConfig::new(Mask::half(4))
                .with_conditioner(MlpConfig::new().with_activation(activation).into())
                .init(&device, &mut rng())
        };
        let swiglu = || ActivationConfig::SwiGlu(SwiGluConfig::new(1, 1));
        let relu = || ActivationConfig::Relu;
        let activations = [relu(), relu(), swiglu(), relu(), swiglu()];
        let stack = Sequential { layers: activations.map(layer).into() };
        let runs = runs(&stack, &Tensor::ones([3, 4], &device), None).expect("some are known");
        let fused: Vec<usize> = runs
            .runs
            .iter()
            .map(|run| match run {
                Run::Fused(tensors) => tensors.layers.len(),
                Run::Composed { .. } => 0,
            })
            .collect();
        assert_eq!(fused, [2, 0, 1, 0]);
    }

    #[test]
    fn a_run_is_cut_before_it_has_too_many_weights() {
        let device = Device::flex();
        // Six weights and biases per layer.
        let flow = RealNvpConfig::new(2)
            .with_n_layers(171)
            .with_conditioner(MlpConfig::new().with_d_hidden(vec![2, 2]).into())
            .init(&device, &mut rng())
            .flow;
        let runs = runs(&flow, &Tensor::ones([3, 2], &device), None).expect("all are known");
        assert!(runs.is_whole());
        assert_eq!(runs.runs.len(), 2);
    }
}

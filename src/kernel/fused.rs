//! What layers and densities call: a flow in one pass, or `None` where that cannot be.

use burn::backend::{Dispatch, TensorMetadata};
use burn::tensor::Tensor;

use super::autodiff::MAX_WEIGHTS;
use super::ops::{FlowTensors, KernelOps};
use super::spec::{Spec, on_flex};
use super::stack::Stack;
use crate::direction::Direction;
use crate::flow::Flow;

/// [`Flow::forward`] in one pass.
pub(crate) fn forward<F: Flow>(
    flow: &F,
    z: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Option<(Tensor<2>, Tensor<1>)> {
    transform(flow, z, context, Direction::Forward)
}

/// [`Flow::inverse`] in one pass.
pub(crate) fn inverse<F: Flow>(
    flow: &F,
    x: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Option<(Tensor<2>, Tensor<1>)> {
    transform(flow, x, context, Direction::Inverse)
}

fn transform<F: Flow>(
    flow: &F,
    input: &Tensor<2>,
    context: Option<&Tensor<2>>,
    direction: Direction,
) -> Option<(Tensor<2>, Tensor<1>)> {
    let tensors = tensors_of(flow, input, context)?;
    let input = input.clone().into_dispatch();
    let (output, log_det) = <Dispatch as KernelOps>::transform(input, tensors, direction);
    Some((Tensor::from_dispatch(output), Tensor::from_dispatch(log_det)))
}

/// The log-density under a flow of the standard normal. With autodiff the gradients come out of the
/// same pass.
pub(crate) fn standard_normal_log_prob<F: Flow>(
    flow: &F,
    x: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Option<Tensor<1>> {
    let tensors = tensors_of(flow, x, context)?;
    let log_prob = <Dispatch as KernelOps>::log_prob(x.clone().into_dispatch(), tensors);
    Some(Tensor::from_dispatch(log_prob))
}

/// The flow as its tensors, if the kernels can carry `input` through it.
fn tensors_of<F: Flow>(
    flow: &F,
    input: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Option<FlowTensors<Dispatch>> {
    let ([batch, d_features], dtype) = (input.dims(), input.dtype());
    // An empty batch has nothing to carry, and the tensor operations know what to do.
    if batch == 0 || !on_flex(&input.clone().into_dispatch()) {
        return None;
    }
    let mut stack = Stack::default();
    let spec = flow.describe(&mut stack).then(|| Spec::new(stack, d_features, dtype))??;
    let context = match flow.d_context() {
        0 => None,
        // A context that is missing or does not fit is for the layers to complain about.
        d_context => {
            let context = context.filter(|context| context.dims() == [batch, d_context])?;
            let context = context.clone().into_dispatch();
            (on_flex(&context) && context.dtype() == dtype).then_some(())?;
            Some(context)
        }
    };
    let Spec { layers, floats, ints, .. } = spec;
    (floats.len() <= MAX_WEIGHTS).then(|| FlowTensors {
        layers: layers.into(),
        floats,
        ints,
        context,
    })
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

    use crate::conditioner::{MlpConfig, NetworkConfig, ResidualMlpConfig};
    use crate::coupling::Mask;
    use crate::preset::{NiceConfig, RealNvpConfig};
    use crate::univariate::{
        AffineConfig, BoundarySlopes, RationalQuadraticSplineConfig, ScaleBound, UnivariateConfig,
    };
    use crate::{
        Distribution, ElementwiseConfig, Inverse, Layer, MaskedCouplingConfig, Sequential, cast,
    };

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(0)
    }

    #[test]
    fn presets_are_carried_with_and_without_autodiff() {
        for device in [Device::flex(), Device::flex().autodiff()] {
            let x = Tensor::ones([3, 4], &device);
            let real_nvp = RealNvpConfig::new(4).init(&device, &mut rng());
            let nice = NiceConfig::new(4).init(&device, &mut rng());
            assert!(real_nvp.base.is_standard_normal());
            assert!(standard_normal_log_prob(&real_nvp.flow, &x, None).is_some());
            assert!(standard_normal_log_prob(&nice.flow, &x, None).is_some());
            assert!(forward(&Inverse::new(real_nvp.flow), &x, None).is_some());
        }
    }

    /// Without this the comparisons in `tests/kernels` might compare a way with itself.
    #[test]
    fn everything_that_the_kernels_know_is_carried() {
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
            NetworkConfig::SeparateMlps(MlpConfig::new()),
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
        let maps = bounds.map(|bound| AffineConfig::new().with_bound(bound).into());
        let ends = [BoundarySlopes::One, BoundarySlopes::Free, BoundarySlopes::Periodic];
        let splines =
            ends.map(|ends| RationalQuadraticSplineConfig::new().with_boundary_slopes(ends).into());
        let maps: Vec<_> =
            maps.into_iter().chain([UnivariateConfig::Additive]).chain(splines).collect();
        let device = Device::flex().autodiff();
        for network in networks {
            for (map, dtype) in maps.iter().zip([FloatDType::F32, FloatDType::F64].iter().cycle()) {
                let layer = MaskedCouplingConfig::new(Mask::random(5, &mut rng()))
                    .with_conditioner(network.clone())
                    .with_univariate(map.clone())
                    .init(&device, &mut rng());
                let elementwise =
                    ElementwiseConfig::new(5).with_univariate(map.clone()).init(&device);
                let frozen = layer.clone().no_grad();
                let layers = vec![Layer::from(elementwise.clone()), layer.clone().into()];
                let layers = Layer::from(Inverse::new(Sequential::new(layers)));
                let flow = cast((layer, (frozen, elementwise), layers), *dtype);
                let x = Tensor::ones([5, 3], (&device, (*dtype).into())).transpose();
                assert!(forward(&flow, &x, None).is_some(), "{network:?}, {map:?}, {dtype:?}");
            }
        }
    }

    #[test]
    fn contexts_are_carried_and_missing_ones_left_to_the_layers() {
        let device = Device::flex();
        let flow = RealNvpConfig::new(4).with_d_context(2).init(&device, &mut rng()).flow;
        let x = Tensor::ones([3, 4], &device);
        assert!(inverse(&flow, &x, Some(&Tensor::ones([3, 2], &device))).is_some());
        assert!(inverse(&flow, &x, Some(&Tensor::ones([2, 2], &device))).is_none());
        assert!(inverse(&flow, &x, None).is_none());
    }

    #[test]
    fn what_the_kernels_do_not_know_is_left_to_tensor_operations() {
        let device = Device::flex();
        let swiglu = ActivationConfig::SwiGlu(SwiGluConfig::new(1, 1));
        let flow = RealNvpConfig::new(4)
            .with_conditioner(MlpConfig::new().with_activation(swiglu).into())
            .init(&device, &mut rng())
            .flow;
        assert!(forward(&flow, &Tensor::ones([3, 4], &device), None).is_none());

        let flow = RealNvpConfig::new(4).init(&device, &mut rng()).flow;
        assert!(forward(&flow, &Tensor::ones([3, 5], &device), None).is_none());
        assert!(forward(&flow, &Tensor::ones([0, 4], &device), None).is_none());
        let x = Tensor::ones([3, 4], (&device, DType::F64));
        assert!(forward(&flow, &x, None).is_none());
        let empty = Sequential::new(flow.layers[..0].to_vec());
        assert!(forward(&empty, &Tensor::ones([3, 4], &device), None).is_none());
    }
}

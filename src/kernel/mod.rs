//! Fused kernels: a second way to the same numbers, taken where the device has one.
//!
//! The tensor operations of the layers are the reference: they run on every backend. On the Flex
//! backend (the CPU), the functions here carry the rows through all layers of a flow in one pass
//! instead, when the flow can describe itself to them; else they give `None`. Nobody asks for them
//! by name. DESIGN.md tells how they work.
//!
//! - `stack`: what a flow tells about itself
//! - `ops`, `flex`, `autodiff`: the operations as burn's backends see them
//! - `threads`: work shared between threads
//! - `tile`: some rows carried through all layers, and gradients carried back
//! - `row`: the arithmetic, on slices

#[cfg(feature = "flex")]
mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod ops;
#[cfg(feature = "flex")]
mod row;
#[cfg(feature = "flex")]
mod stack;
#[cfg(feature = "flex")]
mod threads;
#[cfg(feature = "flex")]
mod tile;

#[cfg(feature = "flex")]
pub use fused::*;

#[cfg(not(feature = "flex"))]
pub(crate) use composed_only::*;

#[cfg(feature = "flex")]
mod fused {
    use burn::backend::{Dispatch, TensorMetadata};
    use burn::tensor::Tensor;

    use super::ops::{FlowTensors, KernelOps};
    use super::row::map::Direction;
    use super::stack::on_flex;
    pub use super::stack::{KernelMap, KernelNetworks, Stack};
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
        let tensors = describe(flow, input, context)?;
        let input = input.clone().into_dispatch();
        let (output, log_det) = <Dispatch as KernelOps>::transform(input, tensors, direction);
        Some((Tensor::from_dispatch(output), Tensor::from_dispatch(log_det)))
    }

    /// The log-density under a flow of the standard normal. With autodiff the gradients come out of
    /// the same pass.
    pub(crate) fn standard_normal_log_prob<F: Flow>(
        flow: &F,
        x: &Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Option<Tensor<1>> {
        let tensors = describe(flow, x, context)?;
        let log_prob = <Dispatch as KernelOps>::log_prob(x.clone().into_dispatch(), tensors);
        Some(Tensor::from_dispatch(log_prob))
    }

    /// The flow as its tensors, if the kernels can carry `input` through it.
    fn describe<F: Flow>(
        flow: &F,
        input: &Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Option<FlowTensors<Dispatch>> {
        let [batch, d_features] = input.dims();
        let mut stack = Stack::default();
        // An empty batch has nothing to carry, and the tensor operations know what to do.
        if batch == 0 || !on_flex(&input.clone().into_dispatch()) || !flow.describe(&mut stack) {
            return None;
        }
        let d_context = flow.d_context();
        // A context that is missing or does not fit is for the layers to complain about.
        let context = match context {
            Some(context) if d_context > 0 => Some(context.clone()),
            None if d_context > 0 => return None,
            _ => None,
        };
        if context.as_ref().is_some_and(|c| c.dims() != [batch, d_context]) {
            return None;
        }
        let context = context.map(Tensor::into_dispatch);
        let same_type = |c: &_| on_flex(c) && c.dtype() == input.dtype();
        if !stack.carries(d_features, input.dtype()) || !context.iter().all(same_type) {
            return None;
        }
        let mut tensors =
            FlowTensors { layers: [].into(), floats: Vec::new(), ints: Vec::new(), context };
        let mut layers = Vec::with_capacity(stack.layers.len());
        for layer in stack.layers {
            layers.push(layer.spec);
            tensors.floats.extend(layer.floats);
            tensors.ints.extend(layer.ints);
        }
        if tensors.floats.len() > super::autodiff::MAX_WEIGHTS {
            return None;
        }
        tensors.layers = layers.into();
        Some(tensors)
    }
}

/// Without the Flex backend there are no kernels.
#[cfg(not(feature = "flex"))]
mod composed_only {
    use burn::tensor::Tensor;

    use crate::flow::Flow;

    pub(crate) fn forward<F: Flow>(
        _: &F,
        _: &Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> Option<(Tensor<2>, Tensor<1>)> {
        None
    }

    pub(crate) fn inverse<F: Flow>(
        _: &F,
        _: &Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> Option<(Tensor<2>, Tensor<1>)> {
        None
    }

    pub(crate) fn standard_normal_log_prob<F: Flow>(
        _: &F,
        _: &Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> Option<Tensor<1>> {
        None
    }
}

//! The operations that backends with kernels have, and what is handed to them.

use std::sync::Arc;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Backend, BackendTensor, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
    ExtensionType, backend_extension,
};

use super::arrangement::Arrangement;
use super::lower::{LayerSpec, OperationSpec};
use crate::direction::Direction;

/// A whole flow in one operation.
#[backend_extension(Flex, Autodiff)]
pub(super) trait KernelOps: Backend {
    /// Applies the flow to the rows of `input`, `[batch, d_features]`: the outputs and the
    /// log-determinants, `[batch]`.
    fn transform(
        input: FloatTensor<Self>,
        #[extension_type] flow: FlowTensors<Self>,
        direction: Direction,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The log-density of each row of `input` under the flow of a standard normal: `[batch]`.
    fn log_prob(
        input: FloatTensor<Self>,
        #[extension_type] flow: FlowTensors<Self>,
    ) -> FloatTensor<Self>;
}

/// Layers of a flow and all their tensors.
#[derive(Debug, Clone)]
pub(super) struct FlowTensors<B: Backend> {
    /// The layers in `forward` order.
    pub layers: Arc<Vec<LayerSpec>>,
    /// Weights, biases and shared parameters, in the order of the layers.
    pub floats: Vec<FloatTensor<B>>,
    /// How each of them is put before a call, if not as it is.
    pub arrangements: Vec<Option<Arrangement>>,
    /// Kept and transformed features, in the order of the layers.
    pub ints: Vec<IntTensor<B>>,
    /// `[batch, d_context]`, if the flow takes one.
    pub context: Option<FloatTensor<B>>,
}

impl<B: Backend> FlowTensors<B> {
    /// No layers yet.
    pub(super) fn new() -> Self {
        Self {
            layers: Arc::default(),
            floats: Vec::new(),
            arrangements: Vec::new(),
            ints: Vec::new(),
            context: None,
        }
    }

    /// Adds a layer after those that there are; `forward` applies it in this direction.
    pub(super) fn push_layer(
        &mut self,
        direction: Direction,
        operation: OperationSpec,
        floats: Vec<FloatTensor<B>>,
        arrangements: Vec<Option<Arrangement>>,
        ints: Vec<IntTensor<B>>,
    ) {
        Arc::make_mut(&mut self.layers).push(LayerSpec { direction, operation });
        self.floats.extend(floats);
        self.arrangements.extend(arrangements);
        self.ints.extend(ints);
    }
}

/// By hand, since the derive maps no lists.
impl<B: Backend> ExtensionType<B> for FlowTensors<B> {
    type Target = FlowTensors<Dispatch>;

    fn map_to_dispatch<F>(self, map_kind: F, autodiff: DispatchAutodiffContext) -> Self::Target
    where
        F: Fn(BackendTensor<B>) -> DispatchTensorKind,
    {
        let wrap = |tensor| DispatchTensor { kind: map_kind(tensor), autodiff };
        FlowTensors {
            layers: self.layers,
            arrangements: self.arrangements,
            floats: self.floats.into_iter().map(|x| wrap(BackendTensor::Float(x))).collect(),
            ints: self.ints.into_iter().map(|x| wrap(BackendTensor::Int(x))).collect(),
            context: self.context.map(|x| wrap(BackendTensor::Float(x))),
        }
    }

    fn map_from_dispatch<F>(target: Self::Target, unwrap_kind: F) -> Self
    where
        F: Fn(DispatchTensor) -> BackendTensor<B>,
    {
        FlowTensors {
            layers: target.layers,
            arrangements: target.arrangements,
            floats: target.floats.into_iter().map(|x| unwrap_kind(x).float()).collect(),
            ints: target.ints.into_iter().map(|x| unwrap_kind(x).int()).collect(),
            context: target.context.map(|x| unwrap_kind(x).float()),
        }
    }

    fn routing_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        // Permutations alone have no floats.
        target.floats.first().or(target.ints.first())
    }

    fn routing_float_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.floats.first()
    }

    fn autodiff_context(target: &Self::Target) -> DispatchAutodiffContext {
        let tensors = target.floats.iter().chain(&target.ints).chain(&target.context);
        tensors.fold(DispatchAutodiffContext::Disabled, |context, tensor| {
            context.merge(tensor.autodiff)
        })
    }
}

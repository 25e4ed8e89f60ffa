//! [`Running`]: values that a module moves while it is trained, and does not learn.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::tensor::{Device, Tensor};

/// Running statistics: they move by a shared reference, and a clone has its own. (Clones of burn's
/// `RunningState` share one value.)
#[derive(Debug)]
pub(crate) struct Running<const D: usize> {
    id: ParamId,
    value: Mutex<Tensor<D>>,
}

impl<const D: usize> Running<D> {
    pub fn new(value: Tensor<D>) -> Self {
        Self::with_id(ParamId::new(), value)
    }

    fn with_id(id: ParamId, value: Tensor<D>) -> Self {
        Self { id, value: Mutex::new(value) }
    }

    pub fn value(&self) -> Tensor<D> {
        self.lock().clone()
    }

    /// Moves the value to what `next` makes of it.
    pub fn update(&self, next: impl FnOnce(Tensor<D>) -> Tensor<D>) {
        let mut value = self.lock();
        *value = next(value.clone());
    }

    /// A panic elsewhere leaves the old value or the new one, never a part of either.
    fn lock(&self) -> MutexGuard<'_, Tensor<D>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parameter(&self) -> Param<Tensor<D>> {
        Param::initialized(self.id, self.value())
    }

    fn map_value(self, map: impl FnOnce(Tensor<D>) -> Tensor<D>) -> Self {
        let value = self.value();
        Self::with_id(self.id, map(value))
    }
}

impl<const D: usize> Clone for Running<D> {
    fn clone(&self) -> Self {
        Self::with_id(self.id, self.value())
    }
}

/// By hand, since what is not learnt must never require gradients.
impl<const D: usize> Module for Running<D> {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.visit_float(&self.parameter());
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let (id, value, _) = mapper.map_float(self.parameter()).consume();
        Self::with_id(id, value.set_require_grad(false))
    }

    fn collect_devices(&self, mut devices: Devices) -> Devices {
        let device = self.value().device();
        if !devices.contains(&device) {
            devices.push(device);
        }
        devices
    }

    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_value(|value| value.to_device(device))
    }

    fn train(self) -> Self {
        self.map_value(Tensor::from_inner)
    }

    fn valid(&self) -> Self {
        self.clone().map_value(Tensor::without_autodiff)
    }

    fn materialize(self) -> Self {
        self
    }
}

impl<const D: usize> ModuleDisplayDefault for Running<D> {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"running statistics".to_string()).optional()
    }
}

impl<const D: usize> ModuleDisplay for Running<D> {}

//! [`Calibrated`]: whether a layer that data set is set, as part of its record.

use std::sync::OnceLock;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param,
};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::parameters::int_parameter;

/// A flag in the record of a layer: burn's own flags are not saved.
#[derive(Debug, Clone)]
pub(super) struct Calibrated {
    /// 1 once the layer is set, and 0 before.
    flag: Param<Tensor<1, Int>>,
    /// So that the device is asked once only.
    is_known: OnceLock<()>,
}

impl Calibrated {
    pub fn not_yet(device: &Device) -> Self {
        Self { flag: int_parameter(&[0], device), is_known: OnceLock::new() }
    }

    pub fn get(&self) -> bool {
        if self.is_known.get().is_some() {
            return true;
        }
        let is_set = self.flag.val().into_data().iter::<i64>().all(|flag| flag == 1);
        if is_set {
            self.is_known.get_or_init(|| ());
        }
        is_set
    }

    pub fn set(self) -> Self {
        let set = Tensor::<1, Int>::from_data(TensorData::from([1_i64]), &self.flag.val().device());
        Self { flag: self.flag.map(|old| set.cast(old.dtype())), is_known: OnceLock::from(()) }
    }

    /// With a flag that another may have been put in the place of.
    fn with(flag: Param<Tensor<1, Int>>) -> Self {
        Self { flag, is_known: OnceLock::new() }
    }
}

/// By hand, since what is known of one flag does not hold for one that is loaded.
impl Module for Calibrated {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.flag.visit(visitor);
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self::with(Module::map(self.flag, mapper))
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        self.flag.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self { flag: self.flag.fork(device), ..self }
    }

    fn to_device(self, device: &Device) -> Self {
        Self { flag: self.flag.to_device(device), ..self }
    }

    fn train(self) -> Self {
        Self { flag: self.flag.train(), ..self }
    }

    fn valid(&self) -> Self {
        Self { flag: self.flag.valid(), is_known: self.is_known.clone() }
    }

    fn materialize(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for Calibrated {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"calibrated".to_string()).optional()
    }
}

impl ModuleDisplay for Calibrated {}

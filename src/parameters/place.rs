//! [`Place`]: the device and the float type of a module.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Int, Tensor};

use crate::error::Error;

/// Where the parameters of a module are, and of which float type they are.
#[derive(Clone, Debug)]
pub struct Place {
    pub(crate) device: Device,
    /// That of the first float parameter; `None` if there is none, or if it is quantised.
    pub(crate) float_type: Option<DType>,
}

impl Place {
    /// `None` if the module has no parameter at all.
    pub(crate) fn of<M: Module>(module: &M) -> Option<Self> {
        let mut finder = Finder { float: None, int: None };
        module.visit(&mut finder);
        let float = finder.float.map(|(device, dtype)| {
            let float_type = Some(dtype).filter(|dtype| !matches!(dtype, DType::QFloat(_)));
            Self { device, float_type }
        });
        float.or_else(|| finder.int.map(|device| Self { device, float_type: None }))
    }

    /// The place of the first part that has a float parameter, or else of the first that has any.
    pub(crate) fn first(parts: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let mut without_type = None;
        for place in parts.into_iter().flatten() {
            if place.float_type.is_some() {
                return Some(place);
            }
            without_type.get_or_insert(place);
        }
        without_type
    }

    /// Whether a tensor is of the float type of the parameters.
    pub(crate) fn check_float_type(
        &self,
        what: &'static str,
        tensor: &Tensor<2>,
    ) -> Result<(), Error> {
        let found = tensor.dtype();
        match self.float_type.filter(|&expected| expected != found) {
            Some(expected) => Err(Error::FloatType { what, expected, found }),
            None => Ok(()),
        }
    }

    /// Whether a tensor is where the parameters are, with or without autodiff.
    pub(crate) fn check_device(&self, what: &'static str, tensor: &Tensor<2>) -> Result<(), Error> {
        if self.device == tensor.device() {
            return Ok(());
        }
        let [expected, found] =
            [&self.device, &tensor.device()].map(|device| format!("{device:?}"));
        Err(Error::Device { what, expected, found })
    }

    /// The float type of what the module computes.
    pub(crate) fn float_type(&self) -> DType {
        self.float_type.unwrap_or_else(|| self.device.settings().float_dtype.into())
    }
}

/// For a module without any parameter: the default device.
impl Default for Place {
    fn default() -> Self {
        Self { device: Device::default(), float_type: None }
    }
}

/// Finds the first parameters.
struct Finder {
    float: Option<(Device, DType)>,
    int: Option<Device>,
}

impl ModuleVisitor for Finder {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.float.is_none() {
            let value = param.base();
            self.float = Some((value.device(), value.dtype()));
        }
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        if self.int.is_none() {
            self.int = Some(param.lazy_device());
        }
    }
}

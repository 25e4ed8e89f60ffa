//! [`cast`]: the float type of a module.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{FloatDType, Tensor};

/// Casts every float parameter of a module, keeping which of them are trained.
///
/// A model computes in the float type of its parameters; its inputs and contexts must have the same
/// type. `f32` is the default everywhere. `f64` works on the CPU backends; the parameters of a new
/// model are drawn in f64 and rounded to the device's float type first.
///
/// A record keeps its float type: loaded into an `f32` model, a record of `f64` makes it `f64`. To
/// keep the model's type, load `record.cast_to_module_dtype()`.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{DType, Device, FloatDType, Tensor};
/// use normalizing_flows::{Distribution, RealNvpConfig, cast};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// # let supported = Device::default().supports_dtype(DType::F64);
/// # if supported {
/// let device = Device::default();
/// let model = RealNvpConfig::new(2).init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let model = cast(model, FloatDType::F64);
/// let x = Tensor::zeros([3, 2], (&device, DType::F64));
/// assert_eq!(model.log_prob(x).dtype(), DType::F64);
/// # }
/// ```
pub fn cast<M: Module>(module: M, dtype: FloatDType) -> M {
    module.map(&mut Caster { dtype })
}

struct Caster {
    dtype: FloatDType,
}

impl ModuleMapper for Caster {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| {
            let require_grad = value.is_require_grad();
            // Detached on both sides: the parameter stays a leaf of the graph.
            value.detach().cast(self.dtype).detach().set_require_grad(require_grad)
        })
    }
}

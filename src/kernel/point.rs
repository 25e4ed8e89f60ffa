//! [`PointFlow`]: a flow at one point after another, in f64, without tensors in between.

use burn::backend::{DispatchTensor, DispatchTensorKind, ExtensionType, Flex};
use burn::tensor::{DType, Device, Tensor};

use super::flex::{PointInverse, PointTape};
use super::ops::FlowTensors;
use super::{Program, Runs};
use crate::direction::Direction;

/// Both directions of a flow that the kernels run in one pass, at one point after another.
pub(crate) struct PointFlow {
    forward: PointTape,
    inverse: PointInverse,
}

impl PointFlow {
    /// The flow that `lower` hands over, without autodiff; `None` if the kernels do not run all of it in one pass, or it
    /// is not of f64.
    pub fn new<'a>(
        d_features: usize,
        device: &Device,
        lower: impl Fn(&mut Program<'a>),
    ) -> Option<Self> {
        let tensors = |direction| {
            let row = Tensor::zeros([1, d_features], (device, DType::F64));
            let runs = Runs::new(direction, &row, None, |program| lower(program))?;
            let unwrap = |tensor: DispatchTensor| match tensor.kind {
                DispatchTensorKind::Flex(tensor) => tensor,
                _ => unreachable!("the kernels run on Flex, and this flow has no autodiff"),
            };
            Some(FlowTensors::<Flex>::map_from_dispatch(runs.into_single()?, unwrap))
        };
        let forward = PointTape::new(&tensors(Direction::Forward)?);
        let inverse = PointInverse::new(&tensors(Direction::Inverse)?);
        Some(Self { forward, inverse })
    }

    /// The latent of a point of data, and `log |det ∂z/∂x|`.
    pub fn inverse(&mut self, x: &[f64], z: &mut [f64]) -> f64 {
        z.copy_from_slice(x);
        self.inverse.transform(z)
    }

    /// The point of data of a latent and `log |det ∂x/∂z|`. `log_density` is given that point, writes the gradient of
    /// a log-density there, and its result comes back; `z_gradient` becomes the gradient of that log-density and of
    /// the log-determinant by the latent.
    pub fn forward_and_back<T>(
        &mut self,
        z: &[f64],
        x: &mut [f64],
        z_gradient: &mut [f64],
        log_density: impl FnOnce(&[f64], &mut [f64]) -> T,
    ) -> (f64, T) {
        x.copy_from_slice(z);
        let log_det = self.forward.forward(x);
        let result = log_density(x, z_gradient);
        self.forward.backward(z_gradient);
        (log_det, result)
    }
}

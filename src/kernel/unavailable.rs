//! Without a backend that has kernels, every flow runs by tensor operations.

use burn::tensor::{DType, Tensor};

use super::{AdamRates, KernelBase, Operation, Program, Reason};
use crate::direction::Direction;

/// There is none.
pub(crate) enum Lowered {}

impl Lowered {
    pub(crate) fn n_weights(&self) -> usize {
        match *self {}
    }
}

pub(crate) fn lower(_: Operation<'_>, _: usize, _: DType) -> Result<Lowered, Reason> {
    Err(Reason::Backend)
}

/// There are none.
pub(crate) struct Runs<'a> {
    never: Lowered,
    program: std::marker::PhantomData<&'a ()>,
}

impl<'a> Runs<'a> {
    pub(crate) fn new(
        _: Direction,
        _: &Tensor<2>,
        _: Option<&Tensor<2>>,
        _: impl FnOnce(&mut Program<'a>),
    ) -> Option<Self> {
        None
    }

    pub(crate) fn is_whole(&self) -> bool {
        match self.never {}
    }

    pub(crate) fn transform(self, _: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        match self.never {}
    }

    pub(crate) fn log_density(
        self,
        _: KernelBase,
        _: Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> Option<Tensor<1>> {
        match self.never {}
    }
}

pub(crate) fn takes_adam<'a, const D: usize>(
    _: &'a Tensor<D>,
    _: impl Iterator<Item = &'a Tensor<D>>,
) -> bool {
    false
}

pub(crate) fn sum_of_squares<const D: usize>(_: &Tensor<D>) -> Option<f64> {
    None
}

pub(crate) fn adam<const D: usize>(
    _: &AdamRates,
    _: Tensor<D>,
    _: Tensor<D>,
    _: [Tensor<D>; 2],
) -> [Tensor<D>; 3] {
    unreachable!("`takes_adam` was asked")
}

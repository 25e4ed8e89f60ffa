//! Flows by the fused kernels where they can, by tensor operations elsewhere: the one place that
//! asks for the kernels.

use burn::module::Module;
use burn::tensor::Tensor;

use super::chunks::{CHUNK_ROWS, in_chunks};
use super::interface::Flow;
use crate::direction::Direction;
use crate::error::or_panic;
use crate::kernel::{KernelBase, Layered, Runs};

/// A flow in one direction, as its implementation has it.
pub(crate) fn apply<F: Flow>(
    flow: &F,
    direction: Direction,
    input: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> (Tensor<2>, Tensor<1>) {
    match direction {
        Direction::Forward => flow.forward(input, context),
        Direction::Inverse => flow.inverse(input, context),
    }
}

/// What `forward` and `inverse` of the crate's own flows do: the kernels run what they know of the
/// flow, and the rest runs as the layers have it. `composed` is the whole by tensor operations, for
/// where the kernels know nothing of it.
pub(crate) fn run<F: Flow>(
    flow: &F,
    direction: Direction,
    input: Tensor<2>,
    context: Option<&Tensor<2>>,
    composed: impl FnOnce(Tensor<2>) -> (Tensor<2>, Tensor<1>),
) -> (Tensor<2>, Tensor<1>) {
    match runs(flow, direction, &input, context) {
        Some(runs) => runs.transform(input, context),
        None => {
            if let Some(place) = flow.place() {
                or_panic(place.check_float_type("input", &input));
                if let Some(context) = context.filter(|_| flow.d_context() > 0) {
                    or_panic(place.check_float_type("context", context));
                }
            }
            composed(input)
        }
    }
}

/// Both directions of a layer of the crate, by its `transform(direction, input, context)` in tensor
/// operations.
macro_rules! directions_by_transform {
    () => {
        fn forward(
            &self,
            z: burn::tensor::Tensor<2>,
            context: Option<&burn::tensor::Tensor<2>>,
        ) -> (burn::tensor::Tensor<2>, burn::tensor::Tensor<1>) {
            let direction = $crate::Direction::Forward;
            let composed = |z| self.transform(direction, z, context);
            $crate::flow::run::run(self, direction, z, context, composed)
        }

        fn inverse(
            &self,
            x: burn::tensor::Tensor<2>,
            context: Option<&burn::tensor::Tensor<2>>,
        ) -> (burn::tensor::Tensor<2>, burn::tensor::Tensor<1>) {
            let direction = $crate::Direction::Inverse;
            let composed = |x| self.transform(direction, x, context);
            $crate::flow::run::run(self, direction, x, context, composed)
        }
    };
}
pub(crate) use directions_by_transform;

/// The same for any number of rows in bounded memory: the kernels need no cutting, tensor
/// operations take the rows in chunks.
pub(crate) fn run_large<F: Flow>(
    flow: &F,
    direction: Direction,
    input: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> (Tensor<2>, Tensor<1>) {
    let bounded = input.dims()[0] <= CHUNK_ROWS;
    match runs(flow, direction, &input, context) {
        Some(runs) if bounded || runs.is_whole() => runs.transform(input, context),
        _ => in_chunks(input, context, |input, context| apply(flow, direction, input, context)),
    }
}

/// The log-density of `x` under the flow of a base that the kernels know: with autodiff the
/// gradients come out of the same pass. `None` if the kernels cannot.
pub(crate) fn log_density<F: Flow>(
    flow: &F,
    base: KernelBase,
    x: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Option<Tensor<1>> {
    let bounded = x.dims()[0] <= CHUNK_ROWS;
    let runs =
        runs(flow, Direction::Inverse, x, context).filter(|runs| bounded || runs.is_whole())?;
    runs.log_density(base, x.clone(), context)
}

fn runs<'a, F: Flow>(
    flow: &'a F,
    direction: Direction,
    input: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Option<Runs<'a>> {
    Runs::new(direction, input, context, |program| flow.lower(program))
}

impl<F: Flow> Layered for F {
    fn apply(
        &self,
        direction: Direction,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        apply(self, direction, input, context)
    }

    fn text(&self) -> String {
        self.format(Default::default())
    }

    fn n_parameters(&self) -> usize {
        Module::num_params(self)
    }
}

//! Flows by the fused kernels where they can, by tensor operations elsewhere: the one place that asks
//! for the kernels.

use burn::module::Module;
use burn::tensor::{DType, Tensor};

use super::chunks::{CHUNK_ROWS, in_chunks};
use super::interface::Flow;
use crate::direction::Direction;
use crate::error::{Error, or_panic};
use crate::kernel::{KernelBase, Layered, Program, Runs};
use crate::parameters::Place;

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
    match runs(flow, &input, context) {
        Some(runs) => runs.transform(direction, input, context),
        None => {
            let place = flow.place();
            or_panic(check_float_types(place.as_ref(), &input, context));
            composed(input)
        }
    }
}

/// The same for any number of rows in bounded memory: the kernels need no cutting, tensor operations
/// take the rows in chunks.
pub(crate) fn run_large<F: Flow>(
    flow: &F,
    direction: Direction,
    input: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> (Tensor<2>, Tensor<1>) {
    let bounded = input.dims()[0] <= CHUNK_ROWS;
    match runs(flow, &input, context) {
        Some(runs) if bounded || runs.is_whole() => runs.transform(direction, input, context),
        _ => in_chunks(input, context, |input, context| apply(flow, direction, input, context)),
    }
}

/// The log-density of `x` under the flow of a base that the kernels know: with autodiff the gradients
/// come out of the same pass. `None` if the kernels cannot.
pub(crate) fn log_density<F: Flow>(
    flow: &F,
    base: KernelBase,
    x: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Option<Tensor<1>> {
    let bounded = x.dims()[0] <= CHUNK_ROWS;
    let runs = runs(flow, x, context).filter(|runs| bounded || runs.is_whole())?;
    runs.log_density(base, x.clone(), context)
}

fn runs<'a, F: Flow>(
    flow: &'a F,
    input: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Option<Runs<'a>> {
    Runs::new(input, context, |program| flow.lower(program))
}

/// The layers of a flow in `forward` order, one per line: what each is, its parameters, and by what it
/// runs.
pub(crate) fn table<F: Flow>(flow: &F, d_features: usize) -> String {
    let dtype = flow.place().map_or(DType::F32, |place| place.float_type());
    let mut program = Program::new(d_features, dtype);
    flow.lower(&mut program);
    let rows: Vec<[String; 3]> = program
        .into_steps()
        .into_iter()
        .map(|step| {
            let text = step.layer.text();
            let first_line = text.lines().next().unwrap_or_default().trim_end_matches(" {");
            let swapped = if step.swapped { "inverse of " } else { "" };
            let runs_by = match step.lowered {
                Ok(_) => "kernels".to_string(),
                Err(reason) => format!("tensor operations: {reason}"),
            };
            [format!("{swapped}{first_line}"), step.layer.n_parameters().to_string(), runs_by]
        })
        .collect();
    let head = ["layer", "parameters", "runs by"].map(str::to_string);
    let width = |column: usize| {
        [&head].into_iter().chain(&rows).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let (layer, parameters) = (width(0), width(1));
    let lines = [&head]
        .into_iter()
        .chain(&rows)
        .map(|[text, n, runs_by]| format!("{text:<layer$}  {n:>parameters$}  {runs_by}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether an input and a context are of the float type of the parameters.
pub(crate) fn check_float_types(
    place: Option<&Place>,
    input: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Result<(), Error> {
    let Some(expected) = place.and_then(|place| place.float_type) else { return Ok(()) };
    for (what, tensor) in [("input", Some(input)), ("context", context)] {
        if let Some(found) = tensor.map(Tensor::dtype).filter(|&found| found != expected) {
            return Err(Error::FloatType { what, expected, found });
        }
    }
    Ok(())
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

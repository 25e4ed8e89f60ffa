//! What a flow prints: its layers, their parameters, and by what each runs.

use burn::tensor::DType;

use super::interface::Flow;
use crate::direction::Direction;
use crate::kernel::{Program, run_numbers};

/// The layers of a flow in `forward` order, one per line: what each is, its parameters, and by what
/// it runs. Layers of the same run of the kernels are applied in one pass.
pub(crate) fn table<F: Flow>(flow: &F, d_features: usize) -> String {
    let dtype = flow.place().map_or(DType::F32, |place| place.float_type());
    let mut program = Program::new(Direction::Inverse, d_features, dtype);
    flow.lower(&mut program);
    let steps = program.into_steps();
    let runs = run_numbers(&steps);
    let several_runs = runs.iter().flatten().any(|&run| run > 0);
    let rows: Vec<[String; 3]> = steps
        .into_iter()
        .zip(runs)
        .map(|(step, run)| {
            let text = step.layer.text();
            let first_line = text.lines().next().unwrap_or_default().trim_end_matches(" {");
            let swapped = if step.swapped { "inverse of " } else { "" };
            let runs_by = match (step.lowered, run) {
                (Ok(_), Some(run)) if several_runs => format!("kernels, run {}", run + 1),
                (Ok(_), _) => "kernels".to_string(),
                (Err(reason), _) => format!("tensor operations: {reason}"),
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

//! The gradients of a tile carried back through the steps.

use super::super::row::linear::sum_rows;
use super::super::row::map::MapGradient;
use super::super::row::{Linear, Real, feature, feature_mut};
use super::layout::Layout;
use super::steps::{Source, Steps};

/// Where the gradients of a step's weights go: an offset for each weight, bias or shared parameter,
/// in the order of the step; `None` for those that are not wanted.
pub(in super::super) type Offsets = Vec<Option<usize>>;

/// What a backward pass needs besides the tape.
pub(in super::super) struct Back<'t, R> {
    /// In: the gradient of the carried features. Out: that of the features that came in.
    pub state: &'t mut [R],
    /// The gradient of the log-determinants.
    pub log_det: &'t [R],
    /// Out: the gradient of the context, where it is wanted.
    pub context: Option<&'t mut [R]>,
    /// The gradients of the weights.
    pub weights: &'t mut [R],
    /// Whether to add to what `weights` holds.
    pub accumulate: bool,
    /// Whether the gradient of the features that came in is wanted.
    pub input_wanted: bool,
}

impl<R: Real> Steps<'_, R> {
    /// How many numbers a row needs in the scratch of [`carry_back`](Self::carry_back).
    pub(in super::super) fn back_per_row(&self) -> usize {
        let [input, width, parameters] = self.back_widths();
        input + 2 * width + parameters
    }

    fn back_widths(&self) -> [usize; 3] {
        [
            self.widest(|step| step.d_input(self.d_context)),
            self.widest(|step| {
                step.hidden().flatten().map(|layer| layer.d_output).max().unwrap_or(0)
            }),
            self.widest(|step| step.n_parameters()),
        ]
    }

    /// Carries the gradients of a tile back through all steps. `tape` is as
    /// [`carry_recording`](Self::carry_recording) left it, but for the parameters, which this
    /// overwrites; `scratch` holds [`back_per_row`](Self::back_per_row) numbers a row.
    pub(in super::super) fn carry_back(
        &self,
        layout: &Layout,
        offsets: &[Offsets],
        tape: &mut [R],
        scratch: &mut [R],
        back: &mut Back<'_, R>,
    ) {
        let rows = back.log_det.len();
        let [widest_input, widest_hidden, widest_parameters] = self.back_widths();
        let (input_gradient, scratch) = scratch.split_at_mut(widest_input * rows);
        let (first, scratch) = scratch.split_at_mut(widest_hidden * rows);
        let (second, scratch) = scratch.split_at_mut(widest_hidden * rows);
        let parameter_gradient = &mut scratch[..widest_parameters * rows];
        let mut hidden_gradients = [first, second];
        if let Some(context) = &mut back.context {
            context.fill(R::ZERO);
        }
        let steps = self.steps.iter().zip(&layout.places).zip(offsets).enumerate().rev();
        for (position, ((step, places), offsets)) in steps {
            let n_parameters = step.n_parameters();
            let n_transformed = step.transformed.len();
            let parameters = &mut parameter_gradient[..n_parameters * rows];
            parameters.copy_from_slice(&tape[places.parameters * rows..][..n_parameters * rows]);
            let (shifts, raws) = parameters.split_at_mut(n_transformed * rows);
            for (i, &index) in step.transformed.iter().enumerate() {
                let gradient = MapGradient {
                    kept: &tape[(places.kept_values + i) * rows..][..rows],
                    log_det: back.log_det,
                    value: feature_mut(back.state, index, rows),
                    shift: feature_mut(shifts, i, rows),
                    raw: if raws.is_empty() { &mut [] } else { feature_mut(raws, i, rows) },
                };
                step.map.gradient(step.direction, gradient);
            }
            match &step.source {
                Source::Shared(_) => {
                    if let Some(offset) = offsets[0] {
                        let sums = &mut back.weights[offset..][..n_parameters];
                        sum_rows(parameters, sums, rows, back.accumulate);
                    }
                }
                Source::Networks { kept, takes_context, networks } => {
                    let d_input = step.d_input(self.d_context);
                    // What comes before the first step is needed only by who asks for it.
                    let context_wanted = *takes_context && back.context.is_some();
                    let goes_on = position > 0 || back.input_wanted || context_wanted;
                    let input = &tape[places.input * rows..][..d_input * rows];
                    let input_gradient = &mut input_gradient[..d_input * rows];
                    let mut offsets = &offsets[..];
                    let mut parameters = &mut *parameters;
                    for (i, (layers, hidden)) in networks.iter().zip(&places.hidden).enumerate() {
                        let d_output = layers.last().map_or(0, |layer| layer.d_output);
                        let (output_gradient, rest) = parameters.split_at_mut(d_output * rows);
                        parameters = rest;
                        let n_weights = layers.iter().map(n_weights).sum();
                        let (of_network, rest) = offsets.split_at(n_weights);
                        offsets = rest;
                        network_back(
                            layers,
                            Recorded { input, hidden, tape, rows },
                            of_network,
                            output_gradient,
                            &mut hidden_gradients,
                            goes_on.then_some((&mut *input_gradient, i > 0)),
                            (&mut *back.weights, back.accumulate),
                        );
                    }
                    if goes_on {
                        for (i, &index) in kept.iter().enumerate() {
                            let gradient = feature(input_gradient, i, rows);
                            add(feature_mut(back.state, index, rows), gradient);
                        }
                    }
                    if context_wanted && let Some(context) = &mut back.context {
                        add(context, &input_gradient[kept.len() * rows..]);
                    }
                }
            }
        }
    }
}

fn n_weights<R>(layer: &Linear<'_, R>) -> usize {
    1 + usize::from(layer.bias.is_some())
}

fn add<R: Real>(sum: &mut [R], terms: &[R]) {
    sum.iter_mut().zip(terms).for_each(|(sum, &term)| *sum += term);
}

/// What the tape holds of one network.
struct Recorded<'t, R> {
    input: &'t [R],
    hidden: &'t [(usize, Option<usize>)],
    tape: &'t [R],
    rows: usize,
}

/// The gradients of one network, from that of its outputs.
fn network_back<R: Real>(
    layers: &[Linear<'_, R>],
    recorded: Recorded<'_, R>,
    offsets: &[Option<usize>],
    output_gradient: &[R],
    hidden_gradients: &mut [&mut [R]; 2],
    input_gradient: Option<(&mut [R], bool)>,
    (weights, accumulate): (&mut [R], bool),
) {
    let Recorded { input, hidden, tape, rows } = recorded;
    let [first, second] = hidden_gradients;
    let (mut current, mut next): (&mut [R], &mut [R]) = (first, second);
    let mut end = offsets.len();
    for (i, layer) in layers.iter().enumerate().rev() {
        let gradient =
            if i + 1 == layers.len() { output_gradient } else { &current[..layer.d_output * rows] };
        let x = match i.checked_sub(1) {
            None => input,
            Some(before) => &tape[hidden[before].0 * rows..][..layer.d_input * rows],
        };
        end -= n_weights(layer);
        if let Some(offset) = offsets[end] {
            let weight = &mut weights[offset..][..layer.weight.len()];
            layer.weight_gradient(x, gradient, weight, rows, accumulate);
        }
        if let Some(offset) =
            offsets.get(end + 1).copied().flatten().filter(|_| layer.bias.is_some())
        {
            sum_rows(gradient, &mut weights[offset..][..layer.d_output], rows, accumulate);
        }
        if i > 0 {
            let (_, slope) = hidden[i - 1];
            let slope = slope.map(|slope| &tape[slope * rows..][..layer.d_input * rows]);
            let below = &mut next[..layer.d_input * rows];
            layer.input_gradient(gradient, below, rows, false);
            layers[i - 1].activation.backward(x, slope, below);
            std::mem::swap(&mut current, &mut next);
        }
    }
    if let (Some((input_gradient, add)), Some(layer)) = (input_gradient, layers.first()) {
        let gradient =
            if layers.len() == 1 { output_gradient } else { &current[..layer.d_output * rows] };
        layer.input_gradient(gradient, input_gradient, rows, add);
    }
}

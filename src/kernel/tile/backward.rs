//! The gradients of a tile carried back through the steps.

use super::super::row::linear::sum_rows;
use super::super::row::map::MapGradient;
use super::super::row::{Linear, Real, feature, feature_mut};
use super::layout::Layout;
use super::steps::{Source, Steps, Widths};

/// Where the gradients of a step's weights go: an offset for each weight, bias or shared parameter,
/// in the order of the step; `None` for those that are not wanted.
pub(in super::super) type Offsets = Vec<Option<usize>>;

/// The gradients of the weights of a flow, summed over rows.
pub(in super::super) struct WeightSums<'t, R> {
    pub sums: &'t mut [R],
    /// Whether to add to what `sums` holds.
    pub accumulate: bool,
}

/// What a backward pass needs besides the tape.
pub(in super::super) struct Back<'t, R> {
    /// In: the gradient of the carried features. Out: that of the features that came in.
    pub state: &'t mut [R],
    /// The gradient of the log-determinants.
    pub log_det: &'t [R],
    /// Out: the gradient of the context, where it is wanted.
    pub context: Option<&'t mut [R]>,
    /// Out: the gradients of the weights.
    pub weights: WeightSums<'t, R>,
    /// Whether the gradient of the features that came in is wanted.
    pub input_wanted: bool,
}

impl<R: Real> Steps<'_, R> {
    /// How many numbers a row needs in the scratch of [`carry_back`](Self::carry_back).
    pub(in super::super) fn back_per_row(&self) -> usize {
        let Widths { input, hidden, .. } = self.widths();
        input + 2 * hidden
    }

    /// Carries the gradients of a tile back through all steps. `tape` is as
    /// [`carry`](Self::carry) left it; the gradients of the maps' parameters take the place of the
    /// parameters. `scratch` holds [`back_per_row`](Self::back_per_row) numbers a row.
    pub(in super::super) fn carry_back(
        &self,
        layout: &Layout,
        offsets: &[Offsets],
        tape: &mut [R],
        scratch: &mut [R],
        back: &mut Back<'_, R>,
    ) {
        let rows = back.log_det.len();
        let Widths { input, hidden, .. } = self.widths();
        let (input_gradient, scratch) = scratch.split_at_mut(input * rows);
        let (first, second) = scratch.split_at_mut(hidden * rows);
        let mut hidden_gradients = [first, second];
        if let Some(context) = &mut back.context {
            context.fill(R::ZERO);
        }
        let steps = self.steps.iter().zip(&layout.places).zip(offsets).enumerate().rev();
        for (position, ((step, places), offsets)) in steps {
            let (tape, rest) = tape.split_at_mut(places.parameters * rows);
            let (parameters, kept_values) = rest.split_at_mut(step.n_parameters() * rows);
            let (shifts, raws) = parameters.split_at_mut(step.transformed.len() * rows);
            for (i, &index) in step.transformed.iter().enumerate() {
                let gradient = MapGradient {
                    kept: feature(kept_values, i, rows),
                    log_det: back.log_det,
                    value: feature_mut(back.state, index, rows),
                    shift: feature_mut(shifts, i, rows),
                    raw: if raws.is_empty() { &mut [] } else { feature_mut(raws, i, rows) },
                };
                step.map.gradient(step.direction, gradient);
            }
            match &step.source {
                Source::Shared(_) => back.weights.add_rows(offsets[0], parameters, rows),
                Source::Networks { kept, takes_context, networks } => {
                    // What comes before the first step is needed only by who asks for it.
                    let context_wanted = *takes_context && back.context.is_some();
                    let goes_on = position > 0 || back.input_wanted || context_wanted;
                    let d_input = step.d_input(self.d_context);
                    let input = &tape[places.input * rows..][..d_input * rows];
                    let input_gradient = &mut input_gradient[..d_input * rows];
                    let (mut offsets, mut parameters) = (&offsets[..], &*parameters);
                    for (i, (layers, hidden)) in networks.iter().zip(&places.hidden).enumerate() {
                        let d_output = layers.last().map_or(0, |layer| layer.d_output);
                        let (output_gradient, others) = parameters.split_at(d_output * rows);
                        parameters = others;
                        let n_weights = layers.iter().map(Linear::n_weights).sum();
                        let (of_network, others) = offsets.split_at(n_weights);
                        offsets = others;
                        let network = Network { layers, input, hidden, tape, rows };
                        let below = network.carry_back(
                            of_network,
                            output_gradient,
                            &mut hidden_gradients,
                            &mut back.weights,
                        );
                        if goes_on {
                            layers[0].input_gradient(below, input_gradient, rows, i > 0);
                        }
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

fn add<R: Real>(sum: &mut [R], terms: &[R]) {
    sum.iter_mut().zip(terms).for_each(|(sum, &term)| *sum += term);
}

impl<R: Real> WeightSums<'_, R> {
    /// The gradient of a bias, or of shared parameters: the sum over the rows.
    fn add_rows(&mut self, offset: Option<usize>, gradient: &[R], rows: usize) {
        if let Some(offset) = offset {
            let sums = &mut self.sums[offset..][..gradient.len() / rows];
            sum_rows(gradient, sums, rows, self.accumulate);
        }
    }
}

/// One network and what the tape holds of it.
struct Network<'t, R> {
    layers: &'t [Linear<'t, R>],
    input: &'t [R],
    hidden: &'t [usize],
    tape: &'t [R],
    rows: usize,
}

impl<R: Real> Network<'_, R> {
    /// The gradients of the weights from that of the outputs. Gives the gradient of the outputs of
    /// the first layer, from which that of the inputs follows.
    fn carry_back<'g>(
        &self,
        offsets: &[Option<usize>],
        output_gradient: &'g [R],
        hidden_gradients: &'g mut [&mut [R]; 2],
        weights: &mut WeightSums<'_, R>,
    ) -> &'g [R] {
        let Self { layers, input, hidden, tape, rows } = *self;
        let [first, second] = hidden_gradients;
        let (mut current, mut next): (&mut [R], &mut [R]) = (first, second);
        let mut end = offsets.len();
        for (i, layer) in layers.iter().enumerate().rev() {
            let is_last = i + 1 == layers.len();
            let gradient =
                if is_last { output_gradient } else { &current[..layer.d_output * rows] };
            let x = match i.checked_sub(1) {
                None => input,
                Some(before) => &tape[hidden[before] * rows..][..layer.d_input * rows],
            };
            end -= layer.n_weights();
            if let Some(offset) = offsets[end] {
                let sums = &mut weights.sums[offset..][..layer.weight.len()];
                layer.weight_gradient(x, gradient, sums, rows, weights.accumulate);
            }
            if layer.bias.is_some() {
                weights.add_rows(offsets[end + 1], gradient, rows);
            }
            if let Some(before) = i.checked_sub(1) {
                let activation = &layers[before].activation;
                let slope = activation.keeps_slope().then(|| {
                    let values = (hidden[before] + layer.d_input) * rows;
                    &tape[values..][..layer.d_input * rows]
                });
                let below = &mut next[..layer.d_input * rows];
                layer.input_gradient(gradient, below, rows, false);
                activation.backward(x, slope, below);
                std::mem::swap(&mut current, &mut next);
            }
        }
        if layers.len() == 1 { output_gradient } else { &current[..layers[0].d_output * rows] }
    }
}

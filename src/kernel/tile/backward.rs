//! The gradients of a tile carried back through the steps.

use super::super::row::gate::add;
use super::super::row::linear::sum_rows;
use super::super::row::map_rows::{MapGradient, Parameters};
use super::super::row::{Linear, Real, feature, feature_mut};
use super::layout::Layout;
use super::network::{Gradients, Input, NetworkPlaces};
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
        input + NetworkPlaces::N_BUFFERS * hidden
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
        let (first, scratch) = scratch.split_at_mut(hidden * rows);
        let (second, third) = scratch.split_at_mut(hidden * rows);
        if let Some(context) = &mut back.context {
            context.fill(R::ZERO);
        }
        let steps = self.steps.iter().zip(&layout.places).zip(offsets).enumerate().rev();
        for (position, ((step, places), offsets)) in steps {
            let (tape, rest) = tape.split_at_mut(places.parameters * rows);
            let (parameters, kept_values) = rest.split_at_mut(step.n_parameters() * rows);
            let per_feature = step.map.n_kept() * rows;
            let n_features = step.transformed.len();
            for (i, &index) in step.transformed.iter().enumerate() {
                let gradient = MapGradient {
                    value: feature_mut(back.state, index, rows),
                    log_det: back.log_det,
                    parameters: Parameters { tile: parameters, n_features, feature: i, rows },
                    kept: &kept_values[i * per_feature..][..per_feature],
                };
                step.map.gradient(step.direction, gradient);
            }
            match &step.source {
                Source::Shared(_) => back.weights.add_rows(offsets[0], parameters, rows),
                Source::Networks { kept, takes_context, networks } => {
                    // What comes before the first step is needed only by who asks for it.
                    let context_wanted = *takes_context && back.context.is_some();
                    let goes_on = position > 0 || back.input_wanted || context_wanted;
                    let input_gradient = &mut input_gradient[..step.d_input(self.d_context) * rows];
                    let input = Input { start: places.input, context: places.input + kept.len() };
                    let (mut offsets, mut parameters) = (&offsets[..], &*parameters);
                    for (i, (network, places)) in networks.iter().zip(&places.networks).enumerate()
                    {
                        let (output_gradient, others) =
                            parameters.split_at(network.output.d_output * rows);
                        parameters = others;
                        let (of_network, others) = offsets.split_at(network.n_weights());
                        offsets = others;
                        let gradients = Gradients {
                            tape,
                            rows,
                            offsets: of_network,
                            weights: &mut back.weights,
                            buffers: [&mut *first, &mut *second, &mut *third],
                            context: back.context.as_deref_mut(),
                        };
                        let below = network.carry_back(places, input, output_gradient, gradients);
                        if goes_on {
                            network.first().input_gradient(below, input_gradient, rows, i > 0);
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

impl<R: Real> WeightSums<'_, R> {
    /// The gradient of a bias, or of shared parameters: the sum over the rows.
    pub(super) fn add_rows(&mut self, offset: Option<usize>, gradient: &[R], rows: usize) {
        if let Some(offset) = offset {
            let sums = &mut self.sums[offset..][..gradient.len() / rows];
            sum_rows(gradient, sums, rows, self.accumulate);
        }
    }

    /// The gradient of a weight, from the inputs of its layer and the gradient of the outputs.
    pub(super) fn add_products(
        &mut self,
        offset: usize,
        layer: &Linear<'_, R>,
        input: &[R],
        gradient: &[R],
        rows: usize,
    ) {
        let sums = &mut self.sums[offset..][..layer.weight.len()];
        layer.weight_gradient(input, gradient, sums, rows, self.accumulate);
    }
}

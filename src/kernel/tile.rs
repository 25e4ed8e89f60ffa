//! A tile of rows carried through all steps of a flow, and its gradients carried back.
//!
//! [`Steps`] are the layers in the order in which the rows meet them, with their weights as slices.
//! [`Steps::carry`] takes a tile through; [`Steps::carry_recording`] also fills a tape with what
//! [`Steps::carry_back`] needs: the inputs of every linear layer, the parameters of every map, and
//! one of its values.

use super::row::linear::sum_rows;
use super::row::map::{Direction, MapGradient};
use super::row::{Linear, Map, Real, feature, feature_mut};

/// The layers in the order in which the rows meet them.
pub(super) struct Steps<'a, R> {
    pub d_features: usize,
    /// 0 without a context.
    pub d_context: usize,
    pub steps: Vec<Step<'a, R>>,
}

/// One layer.
pub(super) struct Step<'a, R> {
    pub direction: Direction,
    pub map: Map<R>,
    /// The features that the map transforms, ascending.
    pub transformed: Vec<usize>,
    pub source: Source<'a, R>,
}

/// Where the parameters of a map come from.
pub(super) enum Source<'a, R> {
    /// Networks that see the kept features and perhaps the context. Their outputs one after another
    /// are the parameters.
    Networks { kept: Vec<usize>, takes_context: bool, networks: Vec<Vec<Linear<'a, R>>> },
    /// Numbers that are the same for all rows: the first parameter of all features, then the second.
    Shared(&'a [R]),
}

/// Where the gradients of a step's weights go: an offset for each weight, bias or shared parameter,
/// in the order of the step; `None` for those that are not wanted.
pub(super) type Offsets = Vec<Option<usize>>;

/// Where a step keeps its intermediate values, in units of rows.
struct Places {
    input: usize,
    /// The hidden activations of each network, and their slopes where they are kept.
    hidden: Vec<Vec<(usize, Option<usize>)>>,
    parameters: usize,
    /// The value of each transformed feature that the gradient of the map needs.
    kept_values: usize,
}

/// The places of all steps, and how many numbers a row needs.
pub(super) struct Layout {
    places: Vec<Places>,
    per_row: usize,
}

/// What a backward pass needs besides the tape.
pub(super) struct Back<'t, R> {
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

impl<R: Real> Step<'_, R> {
    /// The features that the networks see, context included.
    fn d_input(&self, d_context: usize) -> usize {
        match &self.source {
            Source::Networks { kept, takes_context, .. } => {
                kept.len() + if *takes_context { d_context } else { 0 }
            }
            Source::Shared(_) => 0,
        }
    }

    /// All features, kept and transformed.
    pub(super) fn d_features(&self) -> usize {
        let n_kept = match &self.source {
            Source::Networks { kept, .. } => kept.len(),
            Source::Shared(_) => 0,
        };
        n_kept + self.transformed.len()
    }

    fn n_parameters(&self) -> usize {
        self.map.n_parameters() * self.transformed.len()
    }

    /// How many weights, biases and shared parameters the step has.
    pub(super) fn n_weights(&self) -> usize {
        match &self.source {
            Source::Networks { networks, .. } => {
                networks.iter().flatten().map(|layer| 1 + usize::from(layer.bias.is_some())).sum()
            }
            Source::Shared(_) => 1,
        }
    }

    fn hidden(&self) -> impl Iterator<Item = &[Linear<'_, R>]> {
        let networks: &[Vec<Linear<'_, R>>] = match &self.source {
            Source::Networks { networks, .. } => networks,
            Source::Shared(_) => &[],
        };
        networks.iter().map(|layers| layers.split_last().map_or(&[][..], |(_, hidden)| hidden))
    }
}

impl<R: Real> Steps<'_, R> {
    /// A layout in which every step uses the same places.
    pub(super) fn scratch_layout(&self) -> Layout {
        let widest_input = self.widest(|step| step.d_input(self.d_context));
        let widest_hidden = self
            .widest(|step| step.hidden().flatten().map(|layer| layer.d_output).max().unwrap_or(0));
        let [first, second] = [widest_input, widest_input + widest_hidden];
        let parameters = second + widest_hidden;
        let places = self.steps.iter().map(|step| Places {
            input: 0,
            hidden: step
                .hidden()
                .map(|layers| (0..layers.len()).map(|i| ([first, second][i % 2], None)).collect())
                .collect(),
            parameters,
            kept_values: 0,
        });
        Layout {
            places: places.collect(),
            per_row: parameters + self.widest(|step| step.n_parameters()),
        }
    }

    /// A layout in which every value of every step has a place of its own.
    pub(super) fn tape_layout(&self) -> Layout {
        let mut per_row = 0;
        let mut reserve = |n: usize| {
            per_row += n;
            per_row - n
        };
        let places = self.steps.iter().map(|step| Places {
            input: reserve(step.d_input(self.d_context)),
            hidden: step
                .hidden()
                .map(|layers| {
                    let place = |layer: &Linear<'_, R>| {
                        let output = reserve(layer.d_output);
                        let slope = layer.activation.keeps_slope().then(|| reserve(layer.d_output));
                        (output, slope)
                    };
                    layers.iter().map(place).collect()
                })
                .collect(),
            parameters: reserve(step.n_parameters()),
            kept_values: reserve(step.transformed.len()),
        });
        let places = places.collect();
        Layout { places, per_row }
    }

    /// How many numbers a row needs in the tape or scratch of a layout.
    pub(super) fn per_row(&self, layout: &Layout) -> usize {
        layout.per_row
    }

    /// How many numbers a row needs in the scratch of [`carry_back`](Self::carry_back).
    pub(super) fn back_per_row(&self) -> usize {
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

    fn widest(&self, width: impl Fn(&Step<'_, R>) -> usize) -> usize {
        self.steps.iter().map(width).max().unwrap_or(0)
    }

    /// Carries a tile through all steps, in place, and adds up the log-determinants. `work` holds
    /// the places of `layout`.
    pub(super) fn carry(
        &self,
        layout: &Layout,
        work: &mut [R],
        state: &mut [R],
        context: &[R],
        log_det: &mut [R],
    ) {
        self.run(layout, work, state, context, log_det, false);
    }

    /// [`carry`](Self::carry) that leaves in `tape` what [`carry_back`](Self::carry_back) needs. The
    /// layout must be a [`tape_layout`](Self::tape_layout).
    pub(super) fn carry_recording(
        &self,
        layout: &Layout,
        tape: &mut [R],
        state: &mut [R],
        context: &[R],
        log_det: &mut [R],
    ) {
        self.run(layout, tape, state, context, log_det, true);
    }

    fn run(
        &self,
        layout: &Layout,
        work: &mut [R],
        state: &mut [R],
        context: &[R],
        log_det: &mut [R],
        record: bool,
    ) {
        let rows = log_det.len();
        for (step, places) in self.steps.iter().zip(&layout.places) {
            let n_parameters = step.n_parameters();
            match &step.source {
                Source::Networks { kept, takes_context, networks } => {
                    let context = if *takes_context { context } else { &[] };
                    let input = &mut work[places.input * rows..];
                    for (i, &index) in kept.iter().enumerate() {
                        feature_mut(input, i, rows).copy_from_slice(feature(state, index, rows));
                    }
                    input[kept.len() * rows..][..context.len()].copy_from_slice(context);
                    let mut parameters = places.parameters;
                    for (layers, hidden) in networks.iter().zip(&places.hidden) {
                        run_network(layers, places.input, hidden, parameters, work, rows);
                        parameters += layers.last().map_or(0, |layer| layer.d_output);
                    }
                }
                Source::Shared(values) => {
                    let parameters = &mut work[places.parameters * rows..][..n_parameters * rows];
                    for (row, &value) in parameters.chunks_exact_mut(rows).zip(*values) {
                        row.fill(value);
                    }
                }
            }
            let (before, after) = work.split_at_mut((places.parameters + n_parameters) * rows);
            let parameters = &before[places.parameters * rows..];
            let (shifts, raws) = parameters.split_at(step.transformed.len() * rows);
            let keep = |i: usize, state: &[R], after: &mut [R]| {
                // In a tape the kept values follow the parameters.
                feature_mut(after, i, rows).copy_from_slice(state);
            };
            for (i, &index) in step.transformed.iter().enumerate() {
                let value = feature_mut(state, index, rows);
                let raw = if raws.is_empty() { raws } else { feature(raws, i, rows) };
                if record && step.direction == Direction::Forward {
                    keep(i, value, after);
                }
                step.map.apply(step.direction, value, feature(shifts, i, rows), raw, log_det);
                if record && step.direction == Direction::Inverse {
                    keep(i, value, after);
                }
            }
        }
    }

    /// Carries the gradients of a tile back through all steps. `tape` is as
    /// [`carry_recording`](Self::carry_recording) left it, but for the parameters, which this
    /// overwrites; `scratch` holds [`back_per_row`](Self::back_per_row) numbers a row.
    pub(super) fn carry_back(
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

/// A part of `work` to read and another to write.
fn two<R>(
    work: &mut [R],
    (from, from_len): (usize, usize),
    (to, to_len): (usize, usize),
) -> (&[R], &mut [R]) {
    if from < to {
        let (before, after) = work.split_at_mut(to);
        (&before[from..][..from_len], &mut after[..to_len])
    } else {
        let (before, after) = work.split_at_mut(from);
        (&after[..from_len], &mut before[to..][..to_len])
    }
}

/// Runs the layers of one network from the place `input` to the place `output`.
fn run_network<R: Real>(
    layers: &[Linear<'_, R>],
    input: usize,
    hidden: &[(usize, Option<usize>)],
    output: usize,
    work: &mut [R],
    rows: usize,
) {
    let mut from = input;
    let places = hidden.iter().copied().chain([(output, None)]);
    for (layer, (to, slope)) in layers.iter().zip(places) {
        let (d_input, d_output) = (layer.d_input * rows, layer.d_output * rows);
        match slope {
            None => {
                let (x, y) = two(work, (from * rows, d_input), (to * rows, d_output));
                layer.forward(x, y, None, rows);
            }
            Some(_) => {
                // The slopes follow the values.
                let (x, both) = two(work, (from * rows, d_input), (to * rows, 2 * d_output));
                let (y, slope) = both.split_at_mut(d_output);
                layer.forward(x, y, Some(slope), rows);
            }
        }
        from = to;
    }
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

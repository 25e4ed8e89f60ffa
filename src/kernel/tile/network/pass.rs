//! One pass of a masked network on a tile: the units that are known in it, and the gradients back.
//!
//! Units lie in the order of their passes, so those of a pass are one range, and what they see is among
//! those before its end.

use std::ops::Range;

use super::super::weights::Weights;
use super::forward::{Input, Work};
use super::layout::{BlockLayout, NetworkLayout};
use super::{Block, Network};
use crate::conditioner::{NetworkMasks, WeightMask};
use crate::kernel::row::gate::{GatedGradient, add, add_gated};
use crate::kernel::row::{Activation, Linear, Part, Real};

/// The outputs of a layer that are known in a pass, and the inputs that are known by then.
fn part(mask: &WeightMask, pass: usize) -> Part {
    let outputs = mask.outputs.before(pass)..mask.outputs.before(pass + 1);
    Part { n_inputs: mask.inputs.before(pass + 1), outputs }
}

impl<R: Real> Network<'_, R> {
    /// Computes the units of a pass; values go where the layout, that of a tape, says.
    #[expect(clippy::too_many_arguments, reason = "as `run`, and the pass")]
    pub(in super::super) fn run_pass(
        &self,
        (masks, pass): (&NetworkMasks, usize),
        layout: &NetworkLayout,
        input: Input,
        output: usize,
        values: &mut [R],
        rows: usize,
        is_tape: bool,
    ) {
        let mut work = Work { values, rows, is_tape };
        let mut from = input.start;
        for ((layer, mask), &to) in self.hidden.iter().zip(&masks.hidden).zip(&layout.hidden) {
            work.linear_part(layer, part(mask, pass), from, to);
            from = to;
        }
        for (block, layout) in self.blocks.iter().zip(&layout.blocks) {
            work.block_part(block, (masks, pass), layout, from, input.context);
        }
        work.linear_part(&self.output, part(&masks.output, pass), from, output);
    }
}

impl<R: Real> Work<'_, R> {
    fn linear_part(&mut self, layer: &Linear<'_, R>, part: Part, from: usize, to: usize) {
        let rows = self.rows;
        let (first, n) = (part.outputs.start, part.outputs.len());
        let slopes = self.slopes_part(&layer.activation, to + layer.d_output + first, n);
        let ranges = [self.range(from, part.n_inputs), self.range(to + first, n), slopes];
        let [input, output, slope] = self.parts(ranges);
        layer.forward_part(part, input, output, (!slope.is_empty()).then_some(slope), rows);
    }

    /// Where the slopes of so many units go; nowhere if none are saved.
    fn slopes_part(&self, activation: &Activation<R>, start: usize, n: usize) -> Range<usize> {
        if self.slopes(activation, n) > 0 { self.range(start, n) } else { 0..0 }
    }

    fn block_part(
        &mut self,
        block: &Block<'_, R>,
        (masks, pass): (&NetworkMasks, usize),
        layout: &BlockLayout,
        residual: usize,
        context: usize,
    ) {
        let rows = self.rows;
        let of_block = part(&masks.block, pass);
        let (first, n) = (of_block.outputs.start, of_block.outputs.len());
        let width = block.first.d_input;
        let slopes = self.slopes_part(&block.activation, layout.activated + width + first, n);
        let ranges =
            [self.range(residual + first, n), self.range(layout.activated + first, n), slopes];
        let [input, activated, slope] = self.parts(ranges);
        activated.copy_from_slice(input);
        block.activation.forward(None, activated, (!slope.is_empty()).then_some(slope), rows);
        self.linear_part(&block.first, of_block.clone(), layout.activated, layout.inner);
        match block.gate.as_ref().zip(layout.gated) {
            None => {
                let ranges =
                    [self.range(residual + first, n), self.range(layout.inner, of_block.n_inputs)];
                let [residual, inner] = self.parts(ranges);
                block.second.add_part_to(of_block, residual, inner, rows);
            }
            Some((gate, [outer, gates])) => {
                self.linear_part(&block.second, of_block, layout.inner, outer);
                self.linear_part(gate, part(&masks.gate, pass), context, gates);
                let ranges = [residual, outer, gates].map(|start| self.range(start + first, n));
                let [residual, outer, gates] = self.parts(ranges);
                add_gated(residual, outer, gates);
            }
        }
    }
}

/// The gradients of the values of a masked network, added up pass by pass from the last to the first.
pub(in super::super) struct PassGradients<'g, 'n, R> {
    network: &'g Network<'n, R>,
    rows: usize,
    places: Places,
    values: &'g mut [R],
}

/// Where the gradients lie, in units of rows.
struct Places {
    /// Of the outputs of the hidden layers, before the activation once their pass is over. Of the last
    /// one the gradient of what the blocks add to.
    hidden: Vec<usize>,
    blocks: Vec<BlockPlaces>,
    per_row: usize,
}

struct BlockPlaces {
    activated: usize,
    inner: usize,
    outer: usize,
    gates: usize,
}

impl Places {
    /// Those of the input come first.
    fn new<R: Real>(network: &Network<'_, R>) -> Self {
        let mut per_row = network.first().d_input;
        let mut reserve = |n: usize| {
            per_row += n;
            per_row - n
        };
        let hidden = network.hidden.iter().map(|layer| reserve(layer.d_output)).collect();
        let blocks = network.blocks.iter().map(|block| BlockPlaces {
            activated: reserve(block.first.d_input),
            inner: reserve(block.first.d_output),
            outer: reserve(block.second.d_output),
            gates: reserve(block.gate.as_ref().map_or(0, |gate| gate.d_output)),
        });
        let blocks = blocks.collect();
        Self { hidden, blocks, per_row }
    }
}

impl<'g, 'n, R: Real> PassGradients<'g, 'n, R> {
    /// How many numbers per row they are.
    pub(in super::super) fn per_row(network: &Network<'_, R>) -> usize {
        Places::new(network).per_row
    }

    /// All at zero, in as much of a buffer as they take.
    pub(in super::super) fn new(
        network: &'g Network<'n, R>,
        buffer: &'g mut [R],
        rows: usize,
    ) -> Self {
        let places = Places::new(network);
        let values = &mut buffer[..places.per_row * rows];
        values.fill(R::ZERO);
        Self { network, rows, places, values }
    }

    /// Of the input.
    pub(in super::super) fn input(&self) -> &[R] {
        &self.values[..self.network.first().d_input * self.rows]
    }

    fn range(&self, start: usize, width: usize) -> Range<usize> {
        start * self.rows..(start + width) * self.rows
    }

    /// Takes the gradient of the outputs of a pass back, after those of later passes. `tape` is what
    /// [`Network::run_pass`] left, `outputs` the gradients of all outputs.
    pub(in super::super) fn pass(
        &mut self,
        (masks, pass): (&NetworkMasks, usize),
        layout: &NetworkLayout,
        tape: &[R],
        outputs: &[R],
    ) {
        let (network, rows) = (self.network, self.rows);
        let last = self.places.hidden.last().copied().unwrap_or(0);
        let of_output = part(&masks.output, pass);
        let gradient = &outputs[of_output.outputs.start * rows..][..of_output.outputs.len() * rows];
        let below = self.range(last, of_output.n_inputs);
        network.output.add_part_input_gradient(&of_output, gradient, &mut self.values[below], rows);
        for (i, block) in network.blocks.iter().enumerate().rev() {
            self.block(i, block, part(&masks.block, pass), &layout.blocks[i], tape);
        }
        for (i, layer) in network.hidden.iter().enumerate().rev() {
            let of_layer = part(&masks.hidden[i], pass);
            self.activation(
                &layer.activation,
                (tape, layout.hidden[i], layer.d_output),
                self.places.hidden[i],
                &of_layer.outputs,
            );
            let below = i.checked_sub(1).map_or(0, |before| self.places.hidden[before]);
            self.down(layer, of_layer, self.places.hidden[i], below);
        }
    }

    /// Adds the gradient of a part's inputs from that of its outputs.
    fn down(&mut self, layer: &Linear<'_, R>, part: Part, from: usize, to: usize) {
        let ranges = [
            self.range(from + part.outputs.start, part.outputs.len()),
            self.range(to, part.n_inputs),
        ];
        let rows = self.rows;
        let [gradient, below] = self.parts(ranges);
        layer.add_part_input_gradient(&part, gradient, below, rows);
    }

    fn parts<const N: usize>(&mut self, ranges: [Range<usize>; N]) -> [&mut [R]; N] {
        self.values.get_disjoint_mut(ranges).expect("parts that are used together are disjoint")
    }

    /// Turns the gradient of some outputs of an activation into that of its inputs. `(tape, start, width)`
    /// is where the outputs are, and after them the slopes.
    fn activation(
        &mut self,
        activation: &Activation<R>,
        (tape, start, width): (&[R], usize, usize),
        gradient: usize,
        units: &Range<usize>,
    ) {
        let values = |start: usize| &tape[self.range(start + units.start, units.len())];
        let slope = activation.saves_slope().then(|| values(start + width));
        let outputs = values(start);
        let range = self.range(gradient + units.start, units.len());
        activation.backward(outputs, slope, &mut self.values[range]);
    }

    fn block(
        &mut self,
        index: usize,
        block: &Block<'_, R>,
        part: Part,
        layout: &BlockLayout,
        tape: &[R],
    ) {
        let BlockPlaces { activated, inner, outer, gates } = self.places.blocks[index];
        let residual = self.places.hidden.last().copied().unwrap_or(0);
        let (first, n) = (part.outputs.start, part.outputs.len());
        let width = block.first.d_input;
        match block.gate.as_ref().zip(layout.gated) {
            None => {
                let ranges = [residual, outer].map(|start| self.range(start + first, n));
                let [residual, outer] = self.parts(ranges);
                outer.copy_from_slice(residual);
            }
            Some((_, [outer_values, gate_values])) => {
                let values = |start: usize| &tape[self.range(start + first, n)];
                let (values, gate, slope) =
                    (values(outer_values), values(gate_values), values(gate_values + width));
                let ranges = [residual, outer, gates].map(|start| self.range(start + first, n));
                let [residual, of_values, of_gate] = self.parts(ranges);
                GatedGradient { gradient: residual, values, gate, slope, of_values, of_gate }
                    .compute();
            }
        }
        self.down(&block.second, part.clone(), outer, inner);
        let d_inner = block.first.d_output;
        let of_inner = (tape, layout.inner, d_inner);
        self.activation(&block.first.activation, of_inner, inner, &part.outputs);
        self.down(&block.first, part.clone(), inner, activated);
        let of_activated = (tape, layout.activated, width);
        self.activation(&block.activation, of_activated, activated, &part.outputs);
        let ranges = [residual, activated].map(|start| self.range(start + first, n));
        let [residual, activated] = self.parts(ranges);
        add(residual, activated);
    }

    /// Adds up the gradients of all weights, once all passes are over.
    pub(in super::super) fn weights(
        &self,
        layout: &NetworkLayout,
        input: Input,
        tape: &[R],
        outputs: &[R],
        offsets: &[Option<usize>],
        weights: &mut Weights<'_, R>,
    ) {
        let (network, rows) = (self.network, self.rows);
        let mut offsets = offsets.iter().copied();
        let mut add = |layer: &Linear<'_, R>, input: usize, gradient: &[R]| {
            let weight = offsets.next().flatten();
            let bias = layer.bias.and_then(|_| offsets.next().flatten());
            let input = &tape[self.range(input, layer.d_input)];
            weights.of_layer([weight, bias], layer, input, gradient, rows);
        };
        let gradient = |start: usize, width: usize| &self.values[self.range(start, width)];
        let mut from = input.start;
        for (i, layer) in network.hidden.iter().enumerate() {
            add(layer, from, gradient(self.places.hidden[i], layer.d_output));
            from = layout.hidden[i];
        }
        let blocks = network.blocks.iter().zip(&layout.blocks).zip(&self.places.blocks);
        for ((block, layout), places) in blocks {
            add(&block.first, layout.activated, gradient(places.inner, block.first.d_output));
            add(&block.second, layout.inner, gradient(places.outer, block.second.d_output));
            if let Some(gate) = &block.gate {
                add(gate, input.context, gradient(places.gates, gate.d_output));
            }
        }
        add(&network.output, from, outputs);
    }

    /// Adds the gradient of the context, once all passes are over.
    pub(in super::super) fn add_context(&self, context: &mut [R]) {
        add(context, &self.values[..context.len()]);
        for (block, places) in self.network.blocks.iter().zip(&self.places.blocks) {
            if let Some(gate) = &block.gate {
                let gradient = &self.values[self.range(places.gates, gate.d_output)];
                gate.input_gradient(gradient, context, self.rows, true);
            }
        }
    }
}

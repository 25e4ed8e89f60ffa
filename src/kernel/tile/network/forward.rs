//! A network run on a tile.

use std::ops::Range;

use super::layout::{BlockLayout, NetworkLayout};
use super::{Block, Network};
use crate::kernel::row::gate::add_gated;
use crate::kernel::row::{Activation, Linear, Real};

/// What a network reads in a tile's buffer, in units of rows.
#[derive(Clone, Copy)]
pub(in super::super) struct Input {
    pub start: usize,
    /// The part that is the context.
    pub context: usize,
}

/// A tile's buffer.
pub(super) struct Work<'w, R> {
    pub values: &'w mut [R],
    pub rows: usize,
    /// Whether slopes are saved.
    pub is_tape: bool,
}

impl<R: Real> Network<'_, R> {
    /// Runs the network; its values go where the layout says.
    pub(in super::super) fn run(
        &self,
        layout: &NetworkLayout,
        input: Input,
        output: usize,
        values: &mut [R],
        rows: usize,
        is_tape: bool,
    ) {
        let mut work = Work { values, rows, is_tape };
        let mut from = input.start;
        for (layer, &to) in self.hidden.iter().zip(&layout.hidden) {
            work.linear(layer, from, to);
            from = to;
        }
        for (block, block_layout) in self.blocks.iter().zip(&layout.blocks) {
            work.block(block, block_layout, from, input.context);
        }
        work.linear(&self.output, from, output);
    }
}

impl<R: Real> Work<'_, R> {
    pub(super) fn range(&self, start: usize, width: usize) -> Range<usize> {
        start * self.rows..(start + width) * self.rows
    }

    /// How many numbers per row the slopes of an activation take.
    pub(super) fn slopes(&self, activation: &Activation<R>, width: usize) -> usize {
        if self.is_tape && activation.saves_slope() { width } else { 0 }
    }

    /// Disjoint parts of the buffer.
    pub(super) fn parts<const N: usize>(&mut self, ranges: [Range<usize>; N]) -> [&mut [R]; N] {
        self.values.get_disjoint_mut(ranges).expect("parts that are used together are disjoint")
    }

    fn linear(&mut self, layer: &Linear<'_, R>, from: usize, to: usize) {
        let (rows, d_output) = (self.rows, layer.d_output);
        let slopes = self.slopes(&layer.activation, d_output);
        let ranges = [self.range(from, layer.d_input), self.range(to, d_output + slopes)];
        let [input, output] = self.parts(ranges);
        let (output, slope) = output.split_at_mut(d_output * rows);
        layer.forward(input, output, (slopes > 0).then_some(slope), rows);
    }

    /// `activated = activation(residual)`.
    fn activate(&mut self, activation: &Activation<R>, width: usize, from: usize, to: usize) {
        let rows = self.rows;
        let slopes = self.slopes(activation, width);
        let ranges = [self.range(from, width), self.range(to, width + slopes)];
        let [input, output] = self.parts(ranges);
        let (output, slope) = output.split_at_mut(width * rows);
        output.copy_from_slice(input);
        activation.forward(None, output, (slopes > 0).then_some(slope), rows);
    }

    fn block(
        &mut self,
        block: &Block<'_, R>,
        layout: &BlockLayout,
        residual: usize,
        context: usize,
    ) {
        let rows = self.rows;
        self.activate(&block.activation, block.first.d_input, residual, layout.activated);
        self.linear(&block.first, layout.activated, layout.inner);
        let width = block.second.d_output;
        match block.gate.as_ref().zip(layout.gated) {
            None => {
                let ranges =
                    [self.range(residual, width), self.range(layout.inner, block.second.d_input)];
                let [residual, inner] = self.parts(ranges);
                block.second.add_to(residual, inner, rows);
            }
            Some((gate, [outer, gates])) => {
                self.linear(&block.second, layout.inner, outer);
                self.linear(gate, context, gates);
                let ranges = [residual, outer, gates].map(|start| self.range(start, width));
                let [residual, outer, gates] = self.parts(ranges);
                add_gated(residual, outer, gates);
            }
        }
    }
}

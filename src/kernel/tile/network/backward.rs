//! The gradients of a network.

use super::super::weights::Weights;
use super::forward::Input;
use super::layout::{BlockLayout, NetworkLayout};
use super::{Block, Network};
use crate::kernel::row::gate::{GatedGradient, add};
use crate::kernel::row::{Activation, Linear, Real};

/// What the backward pass of a network takes.
pub(in super::super) struct Gradients<'t, 'w, R> {
    /// What [`Network::run`] left.
    pub tape: &'t [R],
    pub rows: usize,
    /// Where the gradient of each weight and bias goes, in the order of the weights.
    pub offsets: &'t [Option<usize>],
    pub weights: &'t mut Weights<'w, R>,
    /// Room for the gradients of three layers.
    pub buffers: [&'t mut [R]; 3],
    /// The gradient of the context that is added to, where it is wanted.
    pub context: Option<&'t mut [R]>,
}

impl<R: Real> Network<'_, R> {
    /// Adds up the gradients of all weights, from that of the outputs, and gives that of the
    /// outputs of the first layer, before its activation: from it follows that of the input.
    pub(in super::super) fn backward<'g>(
        &self,
        layout: &NetworkLayout,
        input: Input,
        output_gradient: &'g [R],
        gradients: Gradients<'g, '_, R>,
    ) -> &'g [R] {
        let Gradients { tape, rows, offsets, weights, buffers, mut context } = gradients;
        let mut back = Back { tape, rows, offsets, weights };
        let [mut current, mut next, third] = buffers;
        let Some(&last) = layout.hidden.last() else {
            back.weights_of(&self.output, input.start, output_gradient);
            return output_gradient;
        };
        back.weights_of(&self.output, last, output_gradient);
        let width = self.output.d_input * rows;
        self.output.input_gradient(output_gradient, &mut current[..width], rows, false);
        for (block, block_layout) in self.blocks.iter().zip(&layout.blocks).rev() {
            let buffers = [&mut current[..width], &mut *next, &mut *third];
            back.block(block, block_layout, input, buffers, context.as_deref_mut());
        }
        for (i, layer) in self.hidden.iter().enumerate().rev() {
            let gradient = &mut current[..layer.d_output * rows];
            back.activation(&layer.activation, layout.hidden[i], gradient);
            let Some(before) = i.checked_sub(1) else { break };
            back.weights_of(layer, layout.hidden[before], gradient);
            layer.input_gradient(gradient, &mut next[..layer.d_input * rows], rows, false);
            std::mem::swap(&mut current, &mut next);
        }
        let first = &self.hidden[0];
        let gradient = &current[..first.d_output * rows];
        back.weights_of(first, input.start, gradient);
        debug_assert!(back.offsets.is_empty(), "each weight has one gradient");
        gradient
    }
}

struct Back<'t, 'w, R> {
    tape: &'t [R],
    rows: usize,
    /// Of the layers that are still to come.
    offsets: &'t [Option<usize>],
    weights: &'t mut Weights<'w, R>,
}

impl<'t, R: Real> Back<'t, '_, R> {
    fn values(&self, start: usize, width: usize) -> &'t [R] {
        &self.tape[start * self.rows..][..width * self.rows]
    }

    /// The gradients of the weights of the last layer that is left.
    fn weights_of(&mut self, layer: &Linear<'_, R>, input: usize, gradient: &[R]) {
        let (before, offsets) = self.offsets.split_at(self.offsets.len() - layer.n_weights());
        self.offsets = before;
        let offsets = [offsets[0], offsets.get(1).copied().flatten()];
        let input = self.values(input, layer.d_input);
        self.weights.of_layer(offsets, layer, input, gradient, self.rows);
    }

    /// Turns the gradient of an activation's outputs into that of its inputs.
    fn activation(&self, activation: &Activation<R>, output: usize, gradient: &mut [R]) {
        let width = gradient.len() / self.rows;
        let slope = activation.saves_slope().then(|| self.values(output + width, width));
        activation.backward(self.values(output, width), slope, gradient);
    }

    /// Turns `residual`, the gradient of a block's output, into that of its input.
    fn block(
        &mut self,
        block: &Block<'_, R>,
        layout: &BlockLayout,
        input: Input,
        [residual, first, second]: [&mut [R]; 3],
        context: Option<&mut [R]>,
    ) {
        let (rows, d_inner) = (self.rows, block.second.d_input);
        let width = residual.len() / rows;
        // Where there is a gate, the gradient of the second layer's outputs is not that of the sum.
        let of_outer: &[R] = match block.gate.as_ref().zip(layout.gated) {
            None => residual,
            Some((gate, [outer, gates])) => {
                debug_assert!(gate.activation.saves_slope(), "the tape holds the slope of a gate");
                let (of_values, of_gate) =
                    (&mut second[..residual.len()], &mut first[..residual.len()]);
                GatedGradient {
                    gradient: residual,
                    values: self.values(outer, width),
                    gate: self.values(gates, width),
                    slope: self.values(gates + width, width),
                    of_values,
                    of_gate,
                }
                .compute();
                self.weights_of(gate, input.context, of_gate);
                if let Some(context) = context {
                    gate.input_gradient(of_gate, context, rows, true);
                }
                of_values
            }
        };
        let of_inner = &mut first[..d_inner * rows];
        self.weights_of(&block.second, layout.inner, of_outer);
        block.second.input_gradient(of_outer, of_inner, rows, false);
        let of_activated = &mut second[..residual.len()];
        self.activation(&block.first.activation, layout.inner, of_inner);
        self.weights_of(&block.first, layout.activated, of_inner);
        block.first.input_gradient(of_inner, of_activated, rows, false);
        self.activation(&block.activation, layout.activated, of_activated);
        add(residual, of_activated);
    }
}

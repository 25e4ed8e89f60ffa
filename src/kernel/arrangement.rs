//! [`Arrangement`]: a weight or a bias of a masked network as the kernels take it, and the [`parts`] of a
//! layer whose weights are zero beyond some of their inputs.

use std::sync::Arc;

use super::row::{Part, Real};
use crate::conditioner::{NetworkMasks, WeightMask};

/// How a weight or a bias of a masked network is put before a call: its inputs and outputs in the order of
/// their passes, and zeros where a weight does not connect.
#[derive(Debug, Clone)]
pub(super) struct Arrangement {
    pub masks: Arc<NetworkMasks>,
    pub layer: MaskedLayer,
    pub is_bias: bool,
}

/// A linear layer of a masked network.
#[derive(Debug, Clone, Copy)]
pub(super) enum MaskedLayer {
    Hidden(usize),
    Block,
    Gate,
    Output,
}

impl Arrangement {
    fn mask(&self) -> &WeightMask {
        match self.layer {
            MaskedLayer::Hidden(layer) => &self.masks.hidden[layer],
            MaskedLayer::Block => &self.masks.block,
            MaskedLayer::Gate => &self.masks.gate,
            MaskedLayer::Output => &self.masks.output,
        }
    }

    /// Whether it is for numbers of this shape.
    pub fn fits(&self, shape: &[usize]) -> bool {
        let mask = self.mask();
        let (n_inputs, n_outputs) = (mask.inputs.order.len(), mask.outputs.order.len());
        if self.is_bias { *shape == [n_outputs] } else { *shape == [n_inputs, n_outputs] }
    }

    /// The numbers as the kernels take them.
    pub fn arrange<R: Real>(&self, from: &[R], to: &mut [R]) {
        let WeightMask { connects, inputs, outputs } = self.mask();
        let n_outputs = outputs.order.len();
        if self.is_bias {
            to.iter_mut().zip(&outputs.order).for_each(|(to, &output)| *to = from[output]);
            return;
        }
        for (to, &input) in to.chunks_exact_mut(n_outputs.max(1)).zip(&inputs.order) {
            let from = &from[input * n_outputs..][..n_outputs];
            let connects = &connects[input * n_outputs..][..n_outputs];
            for (to, &output) in to.iter_mut().zip(&outputs.order) {
                *to = if connects[output] { from[output] } else { R::ZERO };
            }
        }
    }

    /// Gradients of what [`arrange`](Self::arrange) gave, as those of what it was given.
    pub fn restore<R: Real>(&self, from: &[R], to: &mut [R]) {
        let WeightMask { connects, inputs, outputs } = self.mask();
        let n_outputs = outputs.order.len();
        if self.is_bias {
            outputs.order.iter().zip(from).for_each(|(&output, &from)| to[output] = from);
            return;
        }
        for (from, &input) in from.chunks_exact(n_outputs.max(1)).zip(&inputs.order) {
            let to = &mut to[input * n_outputs..][..n_outputs];
            let connects = &connects[input * n_outputs..][..n_outputs];
            for (&from, &output) in from.iter().zip(&outputs.order) {
                to[output] = if connects[output] { from } else { R::ZERO };
            }
        }
    }
}

/// A product of so many outputs is no slower for each than one of more.
const LEAST_OUTPUTS: usize = 64;

/// The outputs of a layer in parts, and what each sees; none if there is nothing to leave out.
pub(super) fn parts(mask: &WeightMask) -> Vec<Part> {
    let (n_inputs, n_outputs) = (mask.inputs.order.len(), mask.outputs.order.len());
    let n = (n_outputs / LEAST_OUTPUTS).max(1);
    let mut parts: Vec<Part> = Vec::with_capacity(n);
    for i in 0..n {
        let outputs = i * n_outputs / n..(i + 1) * n_outputs / n;
        let seen = outputs.end.checked_sub(1).map_or(0, |last| mask.outputs.pass(last) + 1);
        let n_inputs = mask.inputs.before(seen);
        match parts.last_mut() {
            Some(before) if before.n_inputs == n_inputs => before.outputs.end = outputs.end,
            _ => parts.push(Part { n_inputs, outputs }),
        }
    }
    if parts.iter().all(|part| part.n_inputs == n_inputs) { Vec::new() } else { parts }
}

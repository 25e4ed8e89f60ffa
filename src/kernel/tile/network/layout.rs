//! Where the intermediate values of a network lie in a tile's buffer, in units of rows.

use super::{Block, Network};
use crate::kernel::row::{Activation, Linear, Real};

/// Where the values of one network start. Where a tape has the slopes of an activation, they follow
/// its outputs.
pub(in super::super) struct NetworkLayout {
    /// The outputs of the hidden layers. The blocks add to the last of them.
    pub(super) hidden: Vec<usize>,
    pub(super) blocks: Vec<BlockLayout>,
}

/// Where the values of one block start.
pub(super) struct BlockLayout {
    /// Of what goes into the first linear layer.
    pub activated: usize,
    /// Of the outputs of the first linear layer.
    pub inner: usize,
    /// Of the outputs of the second linear layer and of the gate, if there is one.
    pub gated: Option<[usize; 2]>,
}

impl NetworkLayout {
    /// How many buffers of the width of the hidden layers [`scratch`](Self::scratch) takes.
    pub(in super::super) const N_BUFFERS: usize = 3;

    /// A layout in which layers take turns in the same buffers.
    pub(in super::super) fn scratch<R: Real>(
        network: &Network<'_, R>,
        buffers: [usize; Self::N_BUFFERS],
    ) -> Self {
        // A hidden layer reads from one of the first two and writes to the other.
        let hidden: Vec<usize> = (0..network.hidden.len()).map(|i| buffers[i % 2]).collect();
        // The blocks add to the last one and use the others; what is read for the last time makes
        // room for what is written next.
        let residual = hidden.last().copied().unwrap_or(buffers[0]);
        let other = if residual == buffers[0] { buffers[1] } else { buffers[0] };
        let (activated, inner) = (other, buffers[2]);
        let layout = |block: &Block<'_, R>| BlockLayout {
            activated,
            inner,
            gated: block.gate.as_ref().map(|_| [activated, inner]),
        };
        Self { hidden, blocks: network.blocks.iter().map(layout).collect() }
    }

    /// A layout with room of its own for every value. `reserve` gives room for so many numbers per
    /// row.
    pub(in super::super) fn tape<R: Real>(
        network: &Network<'_, R>,
        mut reserve: impl FnMut(usize) -> usize,
    ) -> Self {
        let mut outputs = |activation: &Activation<R>, width: usize| {
            reserve(width * if activation.saves_slope() { 2 } else { 1 })
        };
        let mut of_layer = |layer: &Linear<'_, R>| outputs(&layer.activation, layer.d_output);
        let hidden = network.hidden.iter().map(&mut of_layer).collect();
        let blocks = network.blocks.iter().map(|block| BlockLayout {
            activated: outputs(&block.activation, block.first.d_input),
            inner: outputs(&block.first.activation, block.first.d_output),
            gated: block.gate.as_ref().map(|gate| {
                [&block.second, gate].map(|layer| outputs(&layer.activation, layer.d_output))
            }),
        });
        Self { hidden, blocks: blocks.collect() }
    }
}

//! [`Matrix`]: the product of a tile and a matrix, and its gradients.

use super::super::row::{Linear, Real, feature, feature_mut};
use super::backward::{Backward, Scratch, StepBackward};
use super::forward::Tile;
use super::layout::StepLayout;

/// A matrix with a bias, for the direction at hand.
pub(in super::super) struct Matrix<'a, R> {
    /// Without an activation.
    pub linear: Linear<'a, R>,
    pub log_det: R,
    /// Where the tile has each feature that comes in; those that come out are in their order.
    pub features: Vec<usize>,
}

impl<R: Real> Matrix<'_, R> {
    pub(super) fn forward(&self, layout: &StepLayout, tile: &mut Tile<'_, R>) {
        let rows = tile.log_det.len();
        let input = &mut tile.work[layout.input * rows..][..tile.state.len()];
        for (place, &index) in self.features.iter().enumerate() {
            feature_mut(input, place, rows).copy_from_slice(feature(tile.state, index, rows));
        }
        self.linear.forward(input, tile.state, None, rows);
        tile.log_det.iter_mut().for_each(|log_det| *log_det += self.log_det);
    }

    /// The gradients of [`forward`](Self::forward).
    pub(super) fn backward(
        &self,
        step: StepBackward<'_>,
        tape: &[R],
        scratch: &mut Scratch<'_, R>,
        back: &mut Backward<'_, '_, R>,
    ) {
        let StepBackward { layout, offsets, is_first, .. } = step;
        let rows = back.log_det.len();
        let [weight, bias, log_det] = offsets[..] else {
            unreachable!("a weight, a bias and a log-determinant")
        };
        let input = &tape[layout.input * rows..][..back.state.len()];
        back.weights.of_layer([weight, bias], &self.linear, input, back.state, rows);
        back.weights.of_rows(log_det, back.log_det, rows);
        // What comes before the first step is needed only by who asks for it.
        if !is_first || back.input_wanted {
            let gradient = &mut scratch.input_gradient[..back.state.len()];
            self.linear.input_gradient(back.state, gradient, rows, false);
            for (place, &index) in self.features.iter().enumerate() {
                feature_mut(back.state, index, rows)
                    .copy_from_slice(feature(gradient, place, rows));
            }
        }
    }
}

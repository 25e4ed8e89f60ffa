//! [`Permutation`]: features in another order. Steps after it read and write them where they are, and at
//! the end they are moved to their places.

use super::super::row::{Real, feature, feature_mut};
use super::backward::{Backward, Scratch};
use super::forward::Tile;
use super::layout::StepLayout;
use super::steps::{Operation, Step};
use crate::direction::Direction;

/// Features in another order.
pub(in super::super) struct Permutation {
    /// In the forward direction, the feature that comes to each place.
    pub order: Vec<usize>,
}

impl Permutation {
    pub(super) fn forward<R: Real>(&self, layout: &StepLayout, tile: &mut Tile<'_, R>) {
        let rows = tile.log_det.len();
        let input = &mut tile.work[layout.input * rows..][..tile.state.len()];
        input.copy_from_slice(tile.state);
        for (place, &index) in self.order.iter().enumerate() {
            feature_mut(tile.state, place, rows).copy_from_slice(feature(input, index, rows));
        }
    }

    /// The gradients of [`forward`](Self::forward).
    pub(super) fn backward<R: Real>(
        &self,
        scratch: &mut Scratch<'_, R>,
        back: &mut Backward<'_, '_, R>,
    ) {
        let rows = back.log_det.len();
        let gradient = &mut scratch.input_gradient[..back.state.len()];
        gradient.copy_from_slice(back.state);
        for (place, &index) in self.order.iter().enumerate() {
            feature_mut(back.state, index, rows).copy_from_slice(feature(gradient, place, rows));
        }
    }
}

/// Steps in the order in which the rows meet them, without the permutations among them: the others find
/// the features where they are. What is left of them at the end is one permutation, if any.
pub(in super::super) fn relabelled<'a, R: Real>(steps: Vec<Step<'a, R>>) -> Vec<Step<'a, R>> {
    let d_features = steps.first().map_or(0, Step::d_features);
    // Where the tile has the features that come to each place.
    let natural: Vec<usize> = (0..d_features).collect();
    let mut places = natural.clone();
    let mut relabelled = Vec::with_capacity(steps.len() + 1);
    for mut step in steps {
        match &mut step.operation {
            Operation::Permutation(Permutation { order }) => {
                let mut moved = natural.clone();
                for (place, &feature) in order.iter().enumerate() {
                    match step.direction {
                        Direction::Forward => moved[place] = places[feature],
                        Direction::Inverse => moved[feature] = places[place],
                    }
                }
                places = moved;
                continue;
            }
            Operation::Coupling(coupling) => {
                let all = [&mut coupling.kept, &mut coupling.angles, &mut coupling.transformed];
                all.into_iter().flatten().for_each(|feature| *feature = places[*feature]);
            }
            Operation::Autoregressive(autoregressive) => {
                let features = &mut autoregressive.features;
                features.iter_mut().for_each(|feature| *feature = places[*feature]);
            }
            Operation::Elementwise(elementwise) => elementwise.features.clone_from(&places),
            Operation::Fixed(fixed) => fixed.features.clone_from(&places),
            Operation::Matrix(matrix) => {
                matrix.features = std::mem::replace(&mut places, natural.clone());
            }
        }
        relabelled.push(step);
    }
    if places != natural || relabelled.is_empty() {
        let operation = Operation::Permutation(Permutation { order: places });
        relabelled.push(Step { direction: Direction::Forward, operation });
    }
    relabelled
}

//! The layers of a flow in the order in which the rows meet them, with their weights as slices.

use super::super::row::{Linear, Map, Real};
use super::autoregressive::Autoregressive;
use super::coupling::Coupling;
use super::elementwise::Elementwise;
use super::fixed::Fixed;
use super::matrix::Matrix;
use super::network::Network;
use super::permutation::Permutation;
use crate::direction::Direction;

/// The layers in the order in which the rows meet them.
pub(in super::super) struct Steps<'a, R> {
    pub d_features: usize,
    /// 0 without a context.
    pub d_context: usize,
    pub steps: Vec<Step<'a, R>>,
}

/// One layer.
pub(in super::super) struct Step<'a, R> {
    pub direction: Direction,
    pub operation: Operation<'a, R>,
}

/// What a layer does.
pub(in super::super) enum Operation<'a, R> {
    Coupling(Coupling<'a, R>),
    Autoregressive(Autoregressive<'a, R>),
    Elementwise(Elementwise<'a, R>),
    Fixed(Fixed),
    Matrix(Matrix<'a, R>),
    Permutation(Permutation),
}

impl<'a, R: Real> Step<'a, R> {
    /// The numbers that its linear layers see of a row, context included.
    pub(super) fn d_input(&self, d_context: usize) -> usize {
        match &self.operation {
            Operation::Coupling(coupling) => coupling.d_input(d_context),
            Operation::Autoregressive(autoregressive) => autoregressive.d_input(d_context),
            Operation::Elementwise(_) | Operation::Fixed(_) => 0,
            Operation::Matrix(matrix) => matrix.linear.d_input,
            Operation::Permutation(permutation) => permutation.order.len(),
        }
    }

    /// All features that a row has.
    pub(in super::super) fn d_features(&self) -> usize {
        match &self.operation {
            Operation::Coupling(coupling) => coupling.d_features(),
            Operation::Autoregressive(autoregressive) => autoregressive.features.len(),
            Operation::Elementwise(elementwise) => elementwise.features.len(),
            Operation::Fixed(fixed) => fixed.features.len(),
            Operation::Matrix(matrix) => matrix.linear.d_input,
            Operation::Permutation(permutation) => permutation.order.len(),
        }
    }

    /// How many weights, biases and shared parameters the step has.
    pub(in super::super) fn n_weights(&self) -> usize {
        match &self.operation {
            Operation::Coupling(coupling) => coupling.n_weights(),
            Operation::Autoregressive(autoregressive) => autoregressive.network.n_weights(),
            Operation::Elementwise(_) => 1,
            Operation::Matrix(matrix) => matrix.linear.n_weights() + 1,
            Operation::Fixed(_) | Operation::Permutation(_) => 0,
        }
    }

    /// How many numbers per row parameterise its maps.
    pub(super) fn n_parameters(&self) -> usize {
        self.map().map_or(0, |(map, n_transformed)| map.n_parameters() * n_transformed)
    }

    /// How many numbers per row its maps save for their gradients.
    pub(super) fn n_saved(&self) -> usize {
        match &self.operation {
            Operation::Fixed(fixed) => Fixed::N_SAVED * fixed.features.len(),
            _ => self.map().map_or(0, |(map, n_transformed)| map.n_saved() * n_transformed),
        }
    }

    pub(super) fn networks(&self) -> &[Network<'a, R>] {
        match &self.operation {
            Operation::Coupling(coupling) => &coupling.networks,
            Operation::Autoregressive(autoregressive) => {
                std::slice::from_ref(&autoregressive.network)
            }
            Operation::Elementwise(_)
            | Operation::Fixed(_)
            | Operation::Matrix(_)
            | Operation::Permutation(_) => &[],
        }
    }

    /// The layer, if it goes pass by pass: each value of its network has a place of its own then, since
    /// later passes read it.
    pub(super) fn pass_by_pass(&self) -> Option<&Autoregressive<'a, R>> {
        match (&self.operation, self.direction) {
            (Operation::Autoregressive(autoregressive), Direction::Forward) => Some(autoregressive),
            _ => None,
        }
    }

    /// How many numbers per row the gradients of its weights are sums of, at most.
    pub(in super::super) fn gradient_terms(&self) -> usize {
        let of_layer = |layer: &Linear<'_, R>| layer.d_input + layer.d_output;
        match &self.operation {
            Operation::Elementwise(elementwise) => elementwise.parameters.len(),
            Operation::Matrix(matrix) => of_layer(&matrix.linear) + 1,
            _ => self.linears().map(of_layer).sum(),
        }
    }

    /// All linear layers.
    fn linears(&self) -> impl Iterator<Item = &Linear<'a, R>> {
        let matrix = match &self.operation {
            Operation::Matrix(matrix) => Some(&matrix.linear),
            _ => None,
        };
        self.networks().iter().flat_map(Network::linears).chain(matrix)
    }

    /// The map, if there is one, and how many features it transforms.
    fn map(&self) -> Option<(&Map<R>, usize)> {
        match &self.operation {
            Operation::Coupling(coupling) => Some((&coupling.map, coupling.transformed.len())),
            Operation::Autoregressive(autoregressive) => {
                Some((&autoregressive.map, autoregressive.features.len()))
            }
            Operation::Elementwise(elementwise) => {
                Some((&elementwise.map, elementwise.features.len()))
            }
            Operation::Fixed(_) | Operation::Matrix(_) | Operation::Permutation(_) => None,
        }
    }
}

/// The most that any step needs, in numbers per row.
pub(super) struct Widths {
    pub input: usize,
    /// Of one hidden layer.
    pub hidden: usize,
    pub parameters: usize,
}

impl<R: Real> Steps<'_, R> {
    /// Whether a row has the same bits in every tile of at least 16 rows that has 16, 32, .. before it.
    pub(in super::super) fn keep_bits_in_any_tile(&self) -> bool {
        self.steps.iter().all(|step| {
            let in_parts = step.pass_by_pass().is_some();
            step.linears().all(|layer| layer.keeps_bits_in_any_tile(in_parts))
        })
    }

    pub(super) fn widths(&self) -> Widths {
        let mut widths = Widths { input: 0, hidden: 0, parameters: 0 };
        for step in &self.steps {
            widths.input = widths.input.max(step.d_input(self.d_context));
            widths.parameters = widths.parameters.max(step.n_parameters());
            let hidden = step.networks().iter().map(Network::width).max();
            widths.hidden = widths.hidden.max(hidden.unwrap_or(0));
        }
        widths
    }
}

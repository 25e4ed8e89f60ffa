//! The layers of a flow in the order in which the rows meet them, with their weights as slices.

use super::super::row::{Map, Real};
use super::network::Network;
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
    pub map: Map<R>,
    /// The features that the map transforms, ascending.
    pub transformed: Vec<usize>,
    pub source: Source<'a, R>,
}

/// Where the parameters of a map come from.
pub(in super::super) enum Source<'a, R> {
    /// Networks that see the kept features and perhaps the context. Their outputs one after another
    /// are the parameters.
    Networks { kept: Vec<usize>, takes_context: bool, networks: Vec<Network<'a, R>> },
    /// Numbers that are the same for all rows: the first parameter of all features, then the second.
    Shared(&'a [R]),
}

impl<'a, R: Real> Step<'a, R> {
    /// The features that the networks see, context included.
    pub(super) fn d_input(&self, d_context: usize) -> usize {
        match &self.source {
            Source::Networks { kept, takes_context, .. } => {
                kept.len() + if *takes_context { d_context } else { 0 }
            }
            Source::Shared(_) => 0,
        }
    }

    /// All features, kept and transformed.
    pub(in super::super) fn d_features(&self) -> usize {
        let n_kept = match &self.source {
            Source::Networks { kept, .. } => kept.len(),
            Source::Shared(_) => 0,
        };
        n_kept + self.transformed.len()
    }

    pub(super) fn n_parameters(&self) -> usize {
        self.map.n_parameters() * self.transformed.len()
    }

    /// How many weights, biases and shared parameters the step has.
    pub(in super::super) fn n_weights(&self) -> usize {
        match &self.source {
            Source::Networks { networks, .. } => networks.iter().map(Network::n_weights).sum(),
            Source::Shared(_) => 1,
        }
    }

    /// How many numbers a row its maps keep for their gradients.
    pub(super) fn n_kept(&self) -> usize {
        self.map.n_kept() * self.transformed.len()
    }

    pub(super) fn networks(&self) -> &[Network<'a, R>] {
        match &self.source {
            Source::Networks { networks, .. } => networks,
            Source::Shared(_) => &[],
        }
    }
}

/// The most that any step needs, in numbers a row.
pub(super) struct Widths {
    pub input: usize,
    /// Of one hidden layer.
    pub hidden: usize,
    pub parameters: usize,
}

impl<R: Real> Steps<'_, R> {
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

//! [`Stack`]: what a flow tells the kernels about itself.

use burn::tensor::{Int, Tensor};

use crate::conditioner::Parts;
use crate::univariate::UnivariateMap;

/// The layers of a flow in `forward` order, for the kernels to carry rows through.
///
/// A flow describes itself by `Flow::describe`; one that does not, or cannot, is computed by tensor
/// operations.
#[derive(Debug, Default)]
pub struct Stack<'a> {
    pub(super) layers: Vec<Description<'a>>,
}

/// One layer.
#[derive(Debug)]
pub(super) struct Description<'a> {
    /// Whether `forward` of the flow applies the layer's inverse.
    pub inverted: bool,
    pub map: UnivariateMap,
    pub parameters: Parameters<'a>,
}

/// Where the parameters of a layer's map come from.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a short list that lives for one call")]
pub(super) enum Parameters<'a> {
    /// Networks that see the kept features and the context, if they take one. Their outputs one
    /// after another are the parameters of the transformed features.
    Networks { kept: Tensor<1, Int>, transformed: Tensor<1, Int>, networks: Vec<Parts<'a>> },
    /// The same for all rows: `[n_parameters, d_features]`.
    Shared(Tensor<2>),
}

impl<'a> Stack<'a> {
    /// Adds a coupling layer.
    pub(crate) fn push_coupling(
        &mut self,
        (kept, transformed): (Tensor<1, Int>, Tensor<1, Int>),
        networks: Vec<Parts<'a>>,
        map: UnivariateMap,
    ) {
        let parameters = Parameters::Networks { kept, transformed, networks };
        self.layers.push(Description { inverted: false, map, parameters });
    }

    /// Adds a layer that maps each feature by parameters of its own, `[n_parameters, d_features]`.
    pub(crate) fn push_elementwise(&mut self, parameters: Tensor<2>, map: UnivariateMap) {
        let parameters = Parameters::Shared(parameters);
        self.layers.push(Description { inverted: false, map, parameters });
    }

    /// Adds the layers that `describe` adds, with their directions swapped; passes on what it says.
    pub(crate) fn push_inverse(&mut self, describe: impl FnOnce(&mut Self) -> bool) -> bool {
        let mut inner = Self::default();
        let known = describe(&mut inner);
        self.layers.extend(inner.layers.into_iter().rev().map(|mut layer| {
            layer.inverted = !layer.inverted;
            layer
        }));
        known
    }
}

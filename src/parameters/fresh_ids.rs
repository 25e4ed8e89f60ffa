//! [`with_fresh_ids`]: copies that are trained apart.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};

/// The same module, each parameter with an identity of its own.
///
/// A clone shares the identities of its parameters with the original, and burn's optimisers go by
/// them: of several clones in one model they train the first and leave the others as they were.
/// A parameter that the module holds twice becomes two.
///
/// # Example
///
/// ```
/// use normalizing_flows::{MaskedCouplingConfig, Sequential, coupling::Mask, with_fresh_ids};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let layer = MaskedCouplingConfig::new(Mask::half(2)).init(&Device::default(), &mut rng);
/// // `vec![layer; 3]` would be refused.
/// let stack = Sequential::new(with_fresh_ids(vec![layer; 3]));
/// assert_eq!(stack.layers.len(), 3);
/// ```
#[must_use]
pub fn with_fresh_ids<M: Module>(module: M) -> M {
    module.map(&mut Renamer)
}

struct Renamer;

macro_rules! rename {
    ($method:ident, $kind:ty) => {
        fn $method<const D: usize>(
            &mut self,
            param: Param<Tensor<D, $kind>>,
        ) -> Param<Tensor<D, $kind>> {
            let (_, value, mapper) = param.consume();
            Param::from_mapped_value(ParamId::new(), value, mapper)
        }
    };
}

impl ModuleMapper for Renamer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, value, mapper) = param.consume();
        let require_grad = value.is_require_grad();
        // A leaf of its own: on one leaf the gradients of both would meet.
        let value = value.detach().set_require_grad(require_grad);
        Param::from_mapped_value(ParamId::new(), value, mapper)
    }

    rename!(map_int, Int);
    rename!(map_bool, Bool);
}

/// Whether two of the modules share a float parameter.
fn shared<'a, M: Module + 'a>(modules: impl IntoIterator<Item = &'a M>) -> bool {
    let mut seen = HashSet::new();
    modules.into_iter().any(|module| {
        let ids = ids(module);
        let shared = ids.iter().any(|id| seen.contains(id));
        seen.extend(ids);
        shared
    })
}

/// # Panics
///
/// If two of the modules share a float parameter.
#[track_caller]
pub(crate) fn assert_distinct<'a, M: Module + 'a>(
    what: &str,
    modules: impl IntoIterator<Item = &'a M>,
) {
    assert!(
        !shared(modules),
        "two {what} share parameters, as clones do: an optimiser would train the first of them only. \
         Give each copy parameters of its own by `with_fresh_ids(copies)`, or build it anew"
    );
}

fn ids<M: Module>(module: &M) -> HashSet<ParamId> {
    struct Collector(HashSet<ParamId>);
    impl ModuleVisitor for Collector {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.insert(param.id);
        }
    }
    let mut collector = Collector(HashSet::new());
    module.visit(&mut collector);
    collector.0
}

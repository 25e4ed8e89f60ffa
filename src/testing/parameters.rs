//! Moving the parameters of a module, and reading their gradients.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::compare::host;

/// Adds normal noise of the given standard deviation to every float parameter that is trained;
/// frozen ones stay as they are.
///
/// A new flow is the identity, on which many a mistake does not show: perturb it before you test
/// it.
pub fn perturb<M: Module, R: Rng + ?Sized>(module: M, scale: f64, rng: &mut R) -> M {
    let edit = |_, values: &mut Vec<f64>| {
        for value in values {
            let normal: f64 = StandardNormal.sample(rng);
            *value += scale * normal;
        }
    };
    module.map(&mut Editor { edit, index: 0, frozen_too: false })
}

/// Adds `step` to one value of one parameter.
pub(super) fn nudge<M: Module>(module: M, parameter: usize, entry: usize, step: f64) -> M {
    module.map(&mut Editor {
        edit: |index, values: &mut Vec<f64>| {
            if index == parameter {
                values[entry] += step;
            }
        },
        index: 0,
        frozen_too: true,
    })
}

/// Edits the values of the float parameters, which are numbered in the order of the traversal.
struct Editor<E> {
    edit: E,
    index: usize,
    frozen_too: bool,
}

impl<E: FnMut(usize, &mut Vec<f64>)> ModuleMapper for Editor<E> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let index = self.index;
        self.index += 1;
        if !self.frozen_too && !is_trained(&param) {
            return param;
        }
        param.map(|tensor| {
            let require_grad = tensor.is_require_grad();
            let mut values = host(&tensor);
            (self.edit)(index, &mut values);
            let data = TensorData::new(values, tensor.dims());
            Tensor::from_data(data, (&tensor.device(), tensor.dtype()))
                .set_require_grad(require_grad)
        })
    }
}

/// Whether a parameter is trained when its module is: a module on a plain device remembers it.
fn is_trained<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    Module::train(param.clone()).val().is_require_grad()
}

/// The gradient of every trained float parameter with its number; `None` where nothing reached it.
pub(super) fn gradients<M: Module>(
    module: &M,
    gradients: &Gradients,
) -> Vec<(usize, Option<Vec<f64>>)> {
    let mut collector = Collector { gradients, index: 0, found: Vec::new() };
    module.visit(&mut collector);
    collector.found
}

struct Collector<'a> {
    gradients: &'a Gradients,
    index: usize,
    found: Vec<(usize, Option<Vec<f64>>)>,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if value.is_require_grad() {
            let gradient = value.grad(self.gradients);
            self.found.push((self.index, gradient.map(|gradient| host(&gradient))));
        }
        self.index += 1;
    }
}

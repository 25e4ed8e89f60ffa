//! [`implicit_root`]: a root with the gradients of the implicit function theorem.

use burn::tensor::Tensor;

use super::root::{Rows, root};

/// The [`root`] of an increasing function with parameters, through which gradients reach `target` and the parameters,
/// if `has_graph`. `plain` is the function without autodiff, of some rows; `tracked` the same with it, of all rows.
///
/// Reference: Blondel et al.: *Efficient and Modular Implicit Differentiation*, 2022, arXiv:2105.15183.
pub(crate) fn implicit_root(
    target: &Tensor<2>,
    has_graph: bool,
    plain: impl Fn(Tensor<2>, Rows) -> (Tensor<2>, Tensor<2>),
    tracked: impl Fn(Tensor<2>) -> (Tensor<2>, Tensor<2>),
) -> Tensor<2> {
    let of_target = target.clone().without_autodiff();
    let x = root(&of_target, of_target.clone(), plain);
    if !has_graph {
        return x;
    }
    // The derivatives of one more of Newton's steps, from where nothing depends on anything, are those of the root:
    // ∂x/∂target = 1 / f'(x) and ∂x/∂θ = -∂f/∂θ / f'(x).
    let start = Tensor::from_inner(x);
    let (value, log_slope) = tracked(start.clone());
    let step = (value - target.clone()) * log_slope.detach().neg().exp();
    // The value stays that of the root, which the step could take out of its bracket where the function is flat.
    start - (step.clone() - step.detach())
}

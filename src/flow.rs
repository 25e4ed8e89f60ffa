//! The [`Flow`] trait, [`Inverse`], and flows made of tuples.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use crate::kernel::{self, Stack};

/// An invertible, differentiable map between a latent space and the data space.
///
/// `forward` maps latent to data, `x = f(z)`; `inverse` maps data to latent, `z = f⁻¹(x)`. Each
/// also returns the log-determinant of the Jacobian of the map that it applied, one number a row,
/// in nats:
///
/// ```text
/// forward(z) = (f(z),   log |det ∂f/∂z|)          inverse(x) = (f⁻¹(x), log |det ∂f⁻¹/∂x|)
/// ```
///
/// so that `log p(x) = log p(z) + log_det` with `(z, log_det) = flow.inverse(x)`.
///
/// A flow is a burn [`Module`]: it trains, moves between devices and saves as one. Flows compose:
/// a tuple of flows is a flow, [`Sequential`](crate::Sequential) is a stack of them, and
/// [`Inverse`] swaps the directions of one.
///
/// # Shapes
///
/// - `z`, `x`: `[batch, d_features]`, any batch from 0
/// - `context`: `[batch, d_context]`
/// - log-determinant: `[batch]`
///
/// # Implementing
///
/// `forward` and `inverse` are enough for a layer without context. A conditional layer overrides
/// the two `_given` methods and [`d_context`](Flow::d_context), and panics when it is called
/// without its context. Check your layer with the laws in [`testing`](crate::testing).
///
/// # Example
///
/// ```
/// use normalizing_flows::Flow;
/// use normalizing_flows::burn::module::{Module, Param};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
///
/// /// `x = z + b`: moves the distribution and changes no volume.
/// #[derive(Module, Debug)]
/// struct Shift {
///     b: Param<Tensor<1>>,
/// }
///
/// impl Flow for Shift {
///     fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
///         let log_det = Tensor::zeros([z.dims()[0]], (&z.device(), z.dtype()));
///         (z + self.b.val().unsqueeze(), log_det)
///     }
///     fn inverse(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
///         let log_det = Tensor::zeros([x.dims()[0]], (&x.device(), x.dtype()));
///         (x - self.b.val().unsqueeze(), log_det)
///     }
/// }
///
/// let device = Device::default();
/// let shift = Shift { b: Param::from_data([1.0, -1.0], &device) };
/// let (x, log_det) = shift.forward(Tensor::from_data([[0.5, 0.5]], &device));
/// assert_eq!(x.into_data().try_into_vec::<f32>().unwrap(), [1.5, -0.5]);
/// assert_eq!(log_det.into_scalar::<f32>(), 0.0);
/// ```
///
/// # References
///
/// Papamakarios, Nalisnick, Rezende, Mohamed, Lakshminarayanan: *Normalizing Flows for
/// Probabilistic Modeling and Inference*, 2021, arXiv:1912.02762.
pub trait Flow: Module + ModuleDisplay {
    /// Maps latent to data: `[batch, d_features]` to `(x, log |det ∂x/∂z|)`.
    ///
    /// # Panics
    ///
    /// If `z` has not the features that the flow was built for, or if the flow was built with a
    /// context.
    fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>);

    /// Maps data to latent: `[batch, d_features]` to `(z, log |det ∂z/∂x|)`.
    ///
    /// # Panics
    ///
    /// If `x` has not the features that the flow was built for, or if the flow was built with a
    /// context.
    fn inverse(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>);

    /// [`forward`](Flow::forward) given a context of shape `[batch, d_context]`.
    ///
    /// A flow that takes no context keeps the default, which ignores it.
    fn forward_given(&self, z: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let _ = context;
        self.forward(z)
    }

    /// [`inverse`](Flow::inverse) given a context of shape `[batch, d_context]`.
    ///
    /// A flow that takes no context keeps the default, which ignores it.
    fn inverse_given(&self, x: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let _ = context;
        self.inverse(x)
    }

    /// The number of context features that the flow was built for; 0 when it takes none.
    fn d_context(&self) -> usize {
        0
    }

    /// Sets the layers that initialise themselves by data (such as an ActNorm) from the batch `x`,
    /// `[batch, d_features]`. Other layers return themselves.
    #[must_use]
    fn calibrate(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        let _ = (x, context);
        self
    }

    /// Adds the layers of this flow to `stack` for the fused kernels; false if the flow is not
    /// made of layers that they know. It is then computed by `forward` and `inverse`.
    #[doc(hidden)]
    fn describe<'a>(&'a self, stack: &mut Stack<'a>) -> bool {
        let _ = stack;
        false
    }
}

/// Calls `forward` or `forward_given`.
pub(crate) fn forward_with<F: Flow>(
    flow: &F,
    z: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> (Tensor<2>, Tensor<1>) {
    match context {
        Some(context) => flow.forward_given(z, context),
        None => flow.forward(z),
    }
}

/// Calls `inverse` or `inverse_given`.
pub(crate) fn inverse_with<F: Flow>(
    flow: &F,
    x: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> (Tensor<2>, Tensor<1>) {
    match context {
        Some(context) => flow.inverse_given(x, context),
        None => flow.inverse(x),
    }
}

/// The one context size that the parts of a flow agree on.
///
/// # Panics
///
/// If two parts want contexts of different sizes.
pub(crate) fn common_d_context(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().filter(|&size| size > 0).fold(0, |common, size| {
        assert!(
            common == 0 || common == size,
            "all parts of a flow must take the same context, got parts with `d_context` {common} \
             and {size}"
        );
        size
    })
}

/// A log-determinant of zero for every row of `x`.
pub(crate) fn zero_log_det(x: &Tensor<2>) -> Tensor<1> {
    Tensor::zeros([x.dims()[0]], (&x.device(), x.dtype()))
}

/// A flow with its directions swapped: `forward` is the inner `inverse`, and the other way round.
///
/// No layer of this crate has a direction flag. Where a paper or another library writes a layer in
/// the data-to-latent direction, wrap it.
///
/// [`calibrate`](Flow::calibrate) leaves the inner flow as it is: data reach it at its latent side,
/// from which no layer can calibrate itself.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Flow, Inverse, MaskedCouplingConfig, coupling::Mask};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let coupling = MaskedCouplingConfig::new(Mask::alternating(2)).init(&device, &mut rng);
/// let coupling = normalizing_flows::testing::perturb(coupling, 0.3, &mut rng);
/// let swapped = Inverse::new(coupling.clone());
///
/// let x = Tensor::<2>::from_data([[0.3, -1.2]], &device);
/// let (a, _) = coupling.inverse(x.clone());
/// let (b, _) = swapped.forward(x);
/// assert_eq!(a.into_data(), b.into_data());
/// ```
#[derive(Module, Debug)]
pub struct Inverse<F: Flow> {
    /// The flow whose directions are swapped.
    pub flow: F,
}

impl<F: Flow> Inverse<F> {
    /// Swaps the directions of a flow.
    pub fn new(flow: F) -> Self {
        Self { flow }
    }
}

impl<F: Flow> Flow for Inverse<F> {
    fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.flow.inverse(z)
    }

    fn inverse(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.flow.forward(x)
    }

    fn forward_given(&self, z: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.flow.inverse_given(z, context)
    }

    fn inverse_given(&self, x: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.flow.forward_given(x, context)
    }

    fn d_context(&self) -> usize {
        self.flow.d_context()
    }

    fn describe<'a>(&'a self, stack: &mut Stack<'a>) -> bool {
        stack.push_inverse(|stack| self.flow.describe(stack))
    }
}

/// A tuple applies its flows first to last in `forward`, last to first in `inverse`.
macro_rules! impl_flow_for_tuple {
    ([$($flow:ident $index:tt),+] [$($reverse:tt),+]) => {
        impl<$($flow: Flow),+> Flow for ($($flow,)+) {
            fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
                if let Some(fused) = kernel::forward(self, &z, None) {
                    return fused;
                }
                let (x, log_det) = (z, None);
                $(let (x, log_det) = then(self.$index.forward(x), log_det);)+
                (x, log_det.expect("a tuple of flows is not empty"))
            }

            fn inverse(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
                if let Some(fused) = kernel::inverse(self, &x, None) {
                    return fused;
                }
                let (z, log_det) = (x, None);
                $(let (z, log_det) = then(self.$reverse.inverse(z), log_det);)+
                (z, log_det.expect("a tuple of flows is not empty"))
            }

            fn forward_given(&self, z: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
                if let Some(fused) = kernel::forward(self, &z, Some(context)) {
                    return fused;
                }
                let (x, log_det) = (z, None);
                $(let (x, log_det) = then(self.$index.forward_given(x, context), log_det);)+
                (x, log_det.expect("a tuple of flows is not empty"))
            }

            fn inverse_given(&self, x: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
                if let Some(fused) = kernel::inverse(self, &x, Some(context)) {
                    return fused;
                }
                let (z, log_det) = (x, None);
                $(let (z, log_det) = then(self.$reverse.inverse_given(z, context), log_det);)+
                (z, log_det.expect("a tuple of flows is not empty"))
            }

            fn d_context(&self) -> usize {
                common_d_context([$(self.$index.d_context()),+])
            }

            fn describe<'a>(&'a self, stack: &mut Stack<'a>) -> bool {
                $(self.$index.describe(stack))&&+
            }

            fn calibrate(mut self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
                // Without autodiff: a graph that is never run backward is never freed.
                let z = x.without_autodiff();
                $(
                    self.$reverse = self.$reverse.calibrate(z.clone(), context);
                    let (z, _) = inverse_with(&self.$reverse.valid(), z, context);
                )+
                let _ = z;
                self
            }
        }
    };
}

/// Adds the log-determinant of one more step.
pub(crate) fn then(
    (y, log_det): (Tensor<2>, Tensor<1>),
    before: Option<Tensor<1>>,
) -> (Tensor<2>, Option<Tensor<1>>) {
    let total = match before {
        Some(before) => before + log_det,
        None => log_det,
    };
    (y, Some(total))
}

impl_flow_for_tuple!([A 0, B 1] [1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2] [2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3] [3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4] [4, 3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4, G 5] [5, 4, 3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4, G 5, H 6] [6, 5, 4, 3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7] [7, 6, 5, 4, 3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8] [8, 7, 6, 5, 4, 3, 2, 1, 0]);
impl_flow_for_tuple!(
    [A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9] [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
);

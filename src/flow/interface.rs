//! The [`Flow`] trait.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Tensor, assert_shape};

use super::pull_back::PulledBack;
use crate::direction::Direction;
use crate::error::{Error, ensure};
use crate::kernel::{Program, Reason};
use crate::parameters::Place;

/// An invertible, differentiable map between a latent space and the data space.
///
/// `forward` maps latent to data, `x = f(z)`; `inverse` maps data to latent, `z = f⁻¹(x)`. Each
/// also returns the log-determinant of the Jacobian of the map that it applied, one number per row,
/// in nats:
///
/// ```text
/// forward(z) = (f(z),   log |det ∂f/∂z|)          inverse(x) = (f⁻¹(x), log |det ∂f⁻¹/∂x|)
/// ```
///
/// so that `log p(x) = log p(z) + log_det` with `(z, log_det) = flow.inverse(x, None)`.
///
/// A flow is a burn [`Module`]: it trains, moves between devices and saves as one. Flows compose:
/// a tuple of flows is a flow, [`Sequential`](crate::Sequential) is a stack of them, and
/// [`Inverse`](crate::Inverse) swaps the directions of one.
///
/// # Shapes
///
/// - `z`, `x`: `[batch, d_features]`, any batch from 0
/// - `context`: `[batch, d_context]`
/// - log-determinant: `[batch]`
///
/// # Implementing
///
/// A layer that takes no context ignores the one that it is given, so that it can stand in a
/// conditional flow. A layer that takes one says its [`d_context`](Flow::d_context) and panics when
/// it is called without. Check your layer with [`testing::Laws`](crate::testing::Laws).
///
/// # Example
///
/// ```
/// use normalizing_flows::Flow;
/// use normalizing_flows::burn;
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
///     fn forward(&self, z: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
///         let log_det = Tensor::zeros([z.dims()[0]], (&z.device(), z.dtype()));
///         (z + self.b.val().unsqueeze(), log_det)
///     }
///     fn inverse(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
///         let log_det = Tensor::zeros([x.dims()[0]], (&x.device(), x.dtype()));
///         (x - self.b.val().unsqueeze(), log_det)
///     }
///     fn d_features(&self) -> Option<usize> {
///         Some(self.b.dims()[0])
///     }
/// }
///
/// let device = Device::default();
/// let shift = Shift { b: Param::from_data([1.0, -1.0], &device) };
/// let (x, log_det) = shift.forward(Tensor::from_data([[0.5, 0.5]], &device), None);
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
    /// If `z` does not have the features that the flow was built for, or if the flow was built with
    /// a context and there is none, or one of another shape.
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>);

    /// Maps data to latent: `[batch, d_features]` to `(z, log |det ∂z/∂x|)`.
    ///
    /// # Panics
    ///
    /// As [`forward`](Flow::forward).
    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>);

    /// The number of features that the flow was built for; `None` if any will do.
    fn d_features(&self) -> Option<usize>;

    /// The number of context features that the flow was built for; 0 when it takes none.
    fn d_context(&self) -> usize {
        0
    }

    /// Sets the layers that initialise themselves by data (such as an ActNorm) from a batch,
    /// `[batch, d_features]`, which comes in at the side where `direction` starts: data for
    /// [`Direction::Inverse`], latents for [`Direction::Forward`]. Other layers return themselves.
    #[must_use]
    fn calibrate(
        self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        direction: Direction,
    ) -> Self {
        let _ = (input, context, direction);
        self
    }

    /// Whether every layer that initialises itself by data has done so. A layer of your own that does
    /// says no until [`calibrate`](Flow::calibrate) was called, and a composition of your own asks its
    /// parts.
    fn is_calibrated(&self) -> bool {
        true
    }

    /// Takes rows of data and the gradient of a log-density by them, both `[batch, d_features]`, to the latent space:
    /// see [`PulledBack`]. It is made of tensor operations, so that autodiff, which differentiates once, can
    /// differentiate the gradient by the parameters, as training by the Fisher divergence does. `None` if the flow has
    /// no such formula: coupling layers of affine or additive maps over perceptrons (`Identity`, `Relu`, `LeakyRelu`,
    /// `Tanh`, `Sigmoid`, `Softplus`, `Gelu`), elementwise layers of such maps, LU, QR, SVD, triangular and
    /// Householder layers, and a `Sequential` of these have one.
    ///
    /// # Panics
    ///
    /// As [`forward`](Flow::forward), and if the gradient is of another shape than `x`.
    ///
    /// # Example
    ///
    /// The gradient of a standard normal is minus the row, and so is that of its image under a rotation:
    ///
    /// ```
    /// use normalizing_flows::Flow;
    /// use normalizing_flows::linear::HouseholderConfig;
    /// use normalizing_flows::testing::perturb;
    /// use normalizing_flows::burn::tensor::{Device, Tensor};
    /// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
    ///
    /// let mut rng = ChaCha8Rng::seed_from_u64(0);
    /// let rotation = HouseholderConfig::new(2).init(&Device::default(), &mut rng);
    /// let rotation = perturb(rotation, 0.5, &mut rng);
    /// let x = Tensor::<2>::from_data([[0.5, -2.0]], &Device::default());
    /// let pulled = rotation.pull_back(x.clone(), -x, None).expect("a rotation has a formula");
    /// assert!((pulled.gradient + pulled.z).abs().max().into_scalar::<f32>() < 1e-5);
    /// ```
    fn pull_back(
        &self,
        x: Tensor<2>,
        gradient: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Option<PulledBack> {
        let _ = (x, gradient, context);
        None
    }

    /// Where the parameters are. A composition looks no further than the first.
    #[doc(hidden)]
    fn place(&self) -> Option<Place> {
        Place::of(self)
    }

    /// Hands the layers of this flow over to the fused kernels, which apply what they know of them
    /// in one pass.
    ///
    /// A layer of your own keeps the default. A composition of your own, such as an enum of this
    /// crate's layers and yours, passes the call on to the flow that it holds,
    /// `layer.lower(program)`: without that it is correct, and each of its layers takes a pass of
    /// its own.
    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        program.add_layer(self, Err(Reason::Flow));
    }
}

/// The one context size that the parts of a flow agree on.
pub(crate) fn common_d_context(sizes: impl IntoIterator<Item = usize>) -> Result<usize, Error> {
    let mut common = 0;
    for size in sizes.into_iter().filter(|&size| size > 0) {
        ensure!(
            common == 0 || common == size,
            "all parts of a flow must take the same context, got parts with `d_context` {common} \
             and {size}"
        );
        common = size;
    }
    Ok(common)
}

/// The one number of features that the parts of a flow agree on.
pub(crate) fn common_d_features(
    sizes: impl IntoIterator<Item = Option<usize>>,
) -> Result<Option<usize>, Error> {
    let mut common = None;
    for size in sizes.into_iter().flatten() {
        let before = *common.get_or_insert(size);
        ensure!(
            before == size,
            "all parts of a flow must have the same features, got parts with `d_features` {before} \
             and {size}"
        );
    }
    Ok(common)
}

/// The context of a layer that takes one.
///
/// # Panics
///
/// If there is none, or one of another shape.
pub(crate) fn required_context<'a>(
    layer: &str,
    d_context: usize,
    input: &Tensor<2>,
    context: Option<&'a Tensor<2>>,
) -> &'a Tensor<2> {
    let context = context.unwrap_or_else(|| {
        panic!(
            "this {layer} layer was built with `d_context` {d_context}: call it with a context of \
             shape [batch, {d_context}]"
        )
    });
    let [batch, _] = input.dims();
    assert_shape!(context, [batch, d_context]);
    context
}

/// A log-determinant of zero for every row of `x`.
pub(crate) fn zero_log_det(x: &Tensor<2>) -> Tensor<1> {
    Tensor::zeros([x.dims()[0]], (&x.device(), x.dtype()))
}

/// What a step gives, with the log-determinants of the steps before added.
pub(crate) fn add_log_det(
    (output, log_det): (Tensor<2>, Tensor<1>),
    before: Option<Tensor<1>>,
) -> (Tensor<2>, Option<Tensor<1>>) {
    let total = match before {
        Some(before) => before + log_det,
        None => log_det,
    };
    (output, Some(total))
}

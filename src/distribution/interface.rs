//! The [`Distribution`] trait.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use rand::Rng;

use super::checked::Checked;
use super::given::Given;
use super::noise::Noise;
use crate::error::or_panic;
use crate::kernel::KernelBase;
use crate::parameters::Place;

/// A probability density over rows of features, which can be evaluated and sampled.
///
/// # Contexts
///
/// A distribution whose [`d_context`](Distribution::d_context) is above 0 is conditional: it is
/// called as [`model.given(&context)`](Distribution::given), which has the same verbs. A
/// distribution that takes no context is called plainly. The other way panics, so no context is
/// ever dropped; and [`Checked`] returns errors in the place of panics.
///
/// # Randomness and gradients
///
/// Samples are drawn on the host from the generator that is passed in: the draws are the same on
/// every backend. Sampling builds no autodiff graph, even on a module in training:
/// [`rsample`](Distribution::rsample) is the way to gradients through samples.
///
/// burn's autodiff differentiates once. The score, the gradient of the log-density by `x`, is a
/// first derivative and works; score matching, which differentiates the score, does not.
///
/// # Shapes
///
/// - `x`: `[batch, d_features]`
/// - log-densities: `[batch]`, in nats
///
/// # Implementing
///
/// [`log_density`](Distribution::log_density) and [`draw`](Distribution::draw) are enough; shapes,
/// float types and contexts are checked before they are called. Check your distribution with
/// [`testing::DistributionLaws`](crate::testing::DistributionLaws).
///
/// # Example
///
/// A conditional model: three samples for each of two contexts.
///
/// ```
/// use normalizing_flows::{Distribution, RealNvpConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = RealNvpConfig::new(2).with_d_context(1).init(&device, &mut rng);
/// let context = Tensor::<2>::from_data([[-1.0], [1.0]], &device);
/// let (x, log_prob) = model.given(&context).sample_with_log_prob(3, &mut rng);
/// assert_eq!((x.dims(), log_prob.dims()), ([6, 2], [6]));
/// ```
pub trait Distribution: Module + ModuleDisplay {
    /// The number of features of a row.
    fn d_features(&self) -> usize;

    /// The number of context features that the distribution takes; 0 when it takes none.
    fn d_context(&self) -> usize {
        0
    }

    /// The log-density of each row of `x`, in nats, given the same row of `context`. There is a
    /// context if and only if [`d_context`](Distribution::d_context) is above 0.
    ///
    /// For implementors: callers have [`log_prob`](Distribution::log_prob).
    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1>;

    /// Draws `n` rows, one for each of the `n` rows of `context`, if there is one:
    /// `[n, d_features]`. If the distribution [is
    /// reparameterized](Distribution::is_reparameterized), gradients flow from the rows to the parameters and
    /// the context of a module in training.
    ///
    /// For implementors: callers have [`sample`](Distribution::sample).
    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2>;

    /// [`draw`](Distribution::draw) with the log-density of each row, where both can be had in one
    /// pass.
    ///
    /// For implementors: callers have [`sample_with_log_prob`](Distribution::sample_with_log_prob).
    fn draw_with_log_density<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> (Tensor<2>, Tensor<1>) {
        let x = self.draw(n, context, noise);
        let log_density = self.log_density(x.clone(), context);
        (x, log_density)
    }

    /// Whether samples are a differentiable function of the parameters and the context, and of noise that does
    /// not depend on them, or have the gradients of such a function: gradients flow through
    /// [`draw`](Distribution::draw) then, as variational inference needs, and
    /// [`rsample`](Distribution::rsample) may be called. A composition is if all of its parts are.
    ///
    /// # References
    ///
    /// Kingma, Welling: *Auto-Encoding Variational Bayes*, 2014, arXiv:1312.6114; Figurnov, Mohamed, Mnih:
    /// *Implicit Reparameterization Gradients*, 2018, arXiv:1805.08498.
    fn is_reparameterized(&self) -> bool {
        false
    }

    /// The same distribution with what initialises itself by data (an ActNorm in a flow, say) set
    /// from a batch, in the same sense as [`Flow::calibrate`](crate::Flow::calibrate). A
    /// composition hands the batch on to its parts.
    ///
    /// For implementors: callers have
    /// [`NormalizingFlow::calibrate`](super::NormalizingFlow::calibrate).
    #[must_use]
    fn calibrated(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        let _ = (x, context);
        self
    }

    /// Whether everything that initialises itself by data has done so, in the same sense as
    /// [`Flow::is_calibrated`](crate::Flow::is_calibrated).
    fn is_calibrated(&self) -> bool {
        true
    }

    /// Where the parameters are. A composition looks no further than the first.
    #[doc(hidden)]
    fn place(&self) -> Option<Place> {
        Place::of(self)
    }

    /// What the fused kernels know this distribution as, if they know it.
    #[doc(hidden)]
    fn kernel(&self) -> Option<KernelBase> {
        None
    }

    /// The log-density of each row of `x`, in nats. A density may exceed 1, so it may be positive.
    ///
    /// # Panics
    ///
    /// If `x` does not have [`d_features`](Distribution::d_features) columns, or is of another
    /// float type or on another device than the parameters; if the distribution takes a context.
    fn log_prob(&self, x: Tensor<2>) -> Tensor<1> {
        or_panic(Checked::plain(self, None).log_prob(x))
    }

    /// Draws `n` rows: `[n, d_features]`, without a graph.
    ///
    /// # Panics
    ///
    /// If the distribution takes a context.
    fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2> {
        or_panic(Checked::plain(self, None).sample(n, rng))
    }

    /// Draws `n` rows and gives their log-densities, without a graph. Flows compute both in one
    /// pass.
    ///
    /// # Panics
    ///
    /// If the distribution takes a context.
    fn sample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        or_panic(Checked::plain(self, None).sample_with_log_prob(n, rng))
    }

    /// Draws `n` rows through which gradients flow to the parameters of a module in training: `[n, d_features]`.
    ///
    /// # Panics
    ///
    /// If the distribution is not [reparameterized](Distribution::is_reparameterized), or takes a context.
    fn rsample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2> {
        or_panic(Checked::plain(self, None).rsample(n, rng))
    }

    /// [`rsample`](Distribution::rsample) with the log-density of each row.
    ///
    /// # Panics
    ///
    /// As [`rsample`](Distribution::rsample).
    ///
    /// # Example
    ///
    /// A step of reverse-KL training towards a target whose density is known but for a constant:
    ///
    /// ```
    /// use normalizing_flows::{Distribution, RealNvpConfig};
    /// use normalizing_flows::burn::tensor::Device;
    /// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
    ///
    /// let mut rng = ChaCha8Rng::seed_from_u64(0);
    /// let model = RealNvpConfig::new(2).init(&Device::default().autodiff(), &mut rng);
    /// let (x, log_prob) = model.rsample_with_log_prob(64, &mut rng);
    /// let log_target = (x - 3.0).square().sum_dim(1).squeeze_dim(1) * -0.5;
    /// let loss = (log_prob - log_target).mean();
    /// let gradients = loss.backward();
    /// # let _ = gradients;
    /// ```
    fn rsample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        or_panic(Checked::plain(self, None).rsample_with_log_prob(n, rng))
    }

    /// The distribution given a context, `[rows, d_context]`: a view with the same verbs.
    fn given<'a>(&'a self, context: &'a Tensor<2>) -> Given<'a, Self> {
        Given::new(self, context)
    }
}

//! [`Given`]: a distribution given a context.

use burn::tensor::Tensor;
use rand::Rng;

use super::checked::Checked;
use super::interface::Distribution;
use super::normalizing_flow::NormalizingFlow;
use crate::error::or_panic;
use crate::flow::Flow;

/// A conditional distribution given a context of shape `[rows, d_context]`; made by
/// [`Distribution::given`].
///
/// Evaluating pairs each row with the same row of the context; a context of one row is shared by
/// all. Sampling draws `n` rows for each row of the context: rows `i * n` to `(i + 1) * n` of the
/// result belong to row `i` of the context.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, RealNvpConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = RealNvpConfig::new(2).with_d_context(1).init(&device, &mut rng);
///
/// // Three samples for each of two contexts.
/// let contexts = Tensor::<2>::from_data([[-1.0], [1.0]], &device);
/// let x = model.given(&contexts).sample(3, &mut rng);
/// assert_eq!(x.dims(), [6, 2]);
///
/// // One context for all rows.
/// let shared = Tensor::<2>::from_data([[0.5]], &device);
/// let log_prob = model.given(&shared).log_prob(x);
/// assert_eq!(log_prob.dims(), [6]);
/// ```
///
/// # Panics
///
/// All methods panic when a shape, a float type or a device does not fit, and when the distribution
/// takes no context. [`Checked`] returns these as errors.
#[derive(Debug)]
pub struct Given<'a, D: Distribution> {
    checked: Checked<'a, D>,
}

impl<'a, D: Distribution> Given<'a, D> {
    pub(super) fn new(distribution: &'a D, context: &'a Tensor<2>) -> Self {
        Self { checked: Checked::plain(distribution, Some(context)) }
    }

    /// As [`Distribution::log_prob`].
    pub fn log_prob(&self, x: Tensor<2>) -> Tensor<1> {
        or_panic(self.checked.log_prob(x))
    }

    /// As [`Distribution::sample`], `n` rows for each row of the context: `[n * rows, d_features]`.
    pub fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2> {
        or_panic(self.checked.sample(n, rng))
    }

    /// As [`Distribution::sample_with_log_prob`], `n` rows for each row of the context.
    pub fn sample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        or_panic(self.checked.sample_with_log_prob(n, rng))
    }
}

impl<D: Distribution> Given<'_, D> {
    /// As [`Distribution::rsample`], `n` rows for each row of the context; gradients flow to the
    /// context too.
    pub fn rsample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2> {
        or_panic(self.checked.rsample(n, rng))
    }

    /// [`rsample`](Self::rsample) with the log-density of each row.
    pub fn rsample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        or_panic(self.checked.rsample_with_log_prob(n, rng))
    }
}

impl<B: Distribution, F: Flow> Given<'_, NormalizingFlow<B, F>> {
    /// As [`NormalizingFlow::to_latent`].
    pub fn to_latent(&self, x: Tensor<2>) -> Tensor<2> {
        or_panic(self.checked.to_latent(x))
    }

    /// As [`NormalizingFlow::from_latent`].
    pub fn from_latent(&self, z: Tensor<2>) -> Tensor<2> {
        or_panic(self.checked.from_latent(z))
    }

    /// As [`NormalizingFlow::calibrate`].
    #[must_use]
    pub fn calibrate(&self, x: Tensor<2>) -> NormalizingFlow<B, F> {
        or_panic(self.checked.calibrate(x))
    }
}

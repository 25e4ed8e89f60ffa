//! The [`Distribution`] and [`Reparameterized`] traits.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use rand::Rng;

/// A probability density over rows of features, which can be evaluated and sampled.
///
/// # Contexts
///
/// A conditional distribution takes a context of shape `[rows, d_context]` in the methods that end
/// in `_given`. Evaluating pairs row with row. Sampling draws `n` rows for each row of the context:
/// rows `i * n` to `(i + 1) * n` of the result belong to row `i` of the context. A distribution
/// that takes no context keeps the defaults, which ignore its values.
///
/// # Randomness and gradients
///
/// Samples are drawn on the host, row after row, from the generator that is passed in: the draws
/// are the same on every backend. Sampling builds no autodiff graph, even on a module in training;
/// [`Reparameterized`] is the way to gradients through samples.
///
/// # Shapes
///
/// - `x`: `[batch, d_features]`
/// - log-densities: `[batch]`, in nats
///
/// # Example
///
/// A conditional model: three samples for each of two contexts.
///
/// ```
/// use normalizing_flows::{Distribution, RealNvpConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = RealNvpConfig::new(2).with_d_context(1).init(&device, &mut rng);
/// let context = Tensor::<2>::from_data([[-1.0], [1.0]], &device);
/// let (x, log_prob) = model.sample_with_log_prob_given(3, &context, &mut rng);
/// assert_eq!((x.dims(), log_prob.dims()), ([6, 2], [6]));
/// ```
pub trait Distribution: Module + ModuleDisplay {
    /// The number of features of a row.
    fn d_features(&self) -> usize;

    /// The number of context features that the distribution takes; 0 when it takes none.
    fn d_context(&self) -> usize {
        0
    }

    /// Whether this is the standard normal, which the fused kernels know.
    #[doc(hidden)]
    fn is_standard_normal(&self) -> bool {
        false
    }

    /// The log-density of each row of `x`, in nats. A density may exceed 1, so it may be positive.
    ///
    /// # Panics
    ///
    /// If `x` has not [`d_features`](Distribution::d_features) columns.
    fn log_prob(&self, x: Tensor<2>) -> Tensor<1>;

    /// The log-density of each row of `x` given the same row of `context`, in nats.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit.
    fn log_prob_given(&self, x: Tensor<2>, context: &Tensor<2>) -> Tensor<1> {
        let _ = context;
        self.log_prob(x)
    }

    /// Draws `n` rows: `[n, d_features]`, without a graph.
    fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2>;

    /// Draws `n` rows for each row of `context`: `[n * rows, d_features]`, without a graph.
    fn sample_given<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: &Tensor<2>,
        rng: &mut R,
    ) -> Tensor<2> {
        self.sample(n * context.dims()[0], rng)
    }

    /// Draws `n` rows and gives their log-densities, without a graph. Flows compute both in one
    /// pass.
    fn sample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        let x = self.sample(n, rng);
        let log_prob = self.valid().log_prob(x.clone());
        (x, log_prob)
    }

    /// [`sample_with_log_prob`](Distribution::sample_with_log_prob) for each row of `context`.
    fn sample_with_log_prob_given<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: &Tensor<2>,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        let x = self.sample_given(n, context, rng);
        let context = repeat_rows(context.clone().without_autodiff(), n);
        let log_prob = self.valid().log_prob_given(x.clone(), &context);
        (x, log_prob)
    }
}

/// A distribution whose samples are a differentiable function of its parameters and of noise that
/// does not depend on them, as variational inference and reverse-KL training need.
///
/// Samples and log-densities carry gradients when the module is in training.
///
/// # References
///
/// Kingma, Welling: *Auto-Encoding Variational Bayes*, 2014, arXiv:1312.6114.
///
/// # Example
///
/// A step of reverse-KL training towards a target whose density is known but for a constant:
///
/// ```
/// use normalizing_flows::{RealNvpConfig, Reparameterized};
/// use normalizing_flows::burn::tensor::Device;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = RealNvpConfig::new(2).init(&Device::default().autodiff(), &mut rng);
/// let (x, log_prob) = model.rsample_with_log_prob(64, &mut rng);
/// let log_target = (x - 3.0).square().sum_dim(1).squeeze_dim(1) * -0.5;
/// let loss = (log_prob - log_target).mean();
/// let gradients = loss.backward();
/// # let _ = gradients;
/// ```
pub trait Reparameterized: Distribution {
    /// Draws `n` rows through which gradients flow to the parameters: `[n, d_features]`.
    fn rsample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2>;

    /// Draws `n` rows for each row of `context`, through which gradients flow to the parameters and
    /// the context: `[n * rows, d_features]`.
    fn rsample_given<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: &Tensor<2>,
        rng: &mut R,
    ) -> Tensor<2> {
        self.rsample(n * context.dims()[0], rng)
    }

    /// [`rsample`](Reparameterized::rsample) with the log-density of each row.
    fn rsample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        let x = self.rsample(n, rng);
        let log_prob = self.log_prob(x.clone());
        (x, log_prob)
    }

    /// [`rsample_given`](Reparameterized::rsample_given) with the log-density of each row.
    fn rsample_with_log_prob_given<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: &Tensor<2>,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        let x = self.rsample_given(n, context, rng);
        let log_prob = self.log_prob_given(x.clone(), &repeat_rows(context.clone(), n));
        (x, log_prob)
    }
}

/// Each row `n` times in a row: `[rows, d]` to `[rows * n, d]`.
pub(super) fn repeat_rows(rows: Tensor<2>, n: usize) -> Tensor<2> {
    let [n_rows, d] = rows.dims();
    match (n_rows, n) {
        (_, 1) => rows,
        // burn's `expand` takes no zeros.
        (0, _) | (_, 0) => Tensor::zeros([0, d], (&rows.device(), rows.dtype())),
        _ => rows.unsqueeze_dim::<3>(1).expand([n_rows, n, d]).reshape([n_rows * n, d]),
    }
}

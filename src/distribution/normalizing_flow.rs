//! [`NormalizingFlow`]: the density that a flow makes of a base distribution.

use burn::module::Module;
use burn::tensor::{Tensor, assert_shape};
use rand::Rng;

use super::chunks::in_chunks;
use super::interface::{Distribution, Reparameterized, repeat_rows};
use crate::flow::{Flow, common_d_context, forward_with, inverse_with};
use crate::kernel;

/// A density: a base distribution carried to the data space by a flow.
///
/// With `z = f⁻¹(x)`, by the change of variables:
///
/// ```text
/// log p(x) = log p_base(z) + log |det ∂z/∂x|
/// ```
///
/// Evaluating costs one `inverse` of the flow, sampling one `forward`.
///
/// # Speed and memory
///
/// On the CPU (the `flex` backend) flows made of this crate's layers are computed in one pass over
/// the rows, a few of them at a time, whose memory does not grow with the batch. In training,
/// `log_prob` under a [`StandardNormal`](crate::StandardNormal) computes its gradients in that pass,
/// so `log_prob` of a model in training costs three times that of a
/// [`valid`](Module::valid) one; a loss that weights the rows differently costs twice that again.
/// All else runs by tensor operations, in chunks of 16,384 rows; in training the autodiff graph
/// keeps the activations of them all.
///
/// The model is conditional if its base or its flow was built with a context. Then only the methods
/// that end in `_given` work, and a context of one row is shared by all rows; otherwise only the
/// others do, so no context is ever dropped silently.
///
/// Evaluate and sample trained models by [`valid`](Module::valid): on a model in training every
/// `log_prob` builds an autodiff graph. Sampling never does.
///
/// # Shapes
///
/// As for [`Distribution`]; latents are `[batch, d_features]` too.
///
/// # Panics
///
/// All methods panic when a shape does not fit, and when a context is missing or not wanted. Inputs
/// and contexts must have the float type of the model.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, RealNvpConfig};
/// use normalizing_flows::burn::tensor::Device;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = RealNvpConfig::new(2).init(&Device::default(), &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(100, &mut rng);
/// let difference = model.log_prob(x) - log_prob;
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-4);
/// ```
#[derive(Module, Debug)]
pub struct NormalizingFlow<B: Distribution, F: Flow> {
    /// The base distribution, over the latent space.
    pub base: B,
    /// The flow from the latent space to the data space.
    pub flow: F,
}

impl<B: Distribution, F: Flow> NormalizingFlow<B, F> {
    /// Puts a base distribution and a flow together.
    ///
    /// # Panics
    ///
    /// If both take a context and its sizes differ.
    pub fn new(base: B, flow: F) -> Self {
        common_d_context([base.d_context(), flow.d_context()]);
        Self { base, flow }
    }

    /// The latent of each row: `z = f⁻¹(x)`.
    pub fn to_latent(&self, x: Tensor<2>) -> Tensor<2> {
        self.latent(x, None).0
    }

    /// The latent of each row given the same row of `context`.
    pub fn to_latent_given(&self, x: Tensor<2>, context: &Tensor<2>) -> Tensor<2> {
        self.latent(x, Some(context)).0
    }

    /// The data of each latent row: `x = f(z)`.
    pub fn from_latent(&self, z: Tensor<2>) -> Tensor<2> {
        self.data(z, None).0
    }

    /// The data of each latent row given the same row of `context`.
    pub fn from_latent_given(&self, z: Tensor<2>, context: &Tensor<2>) -> Tensor<2> {
        self.data(z, Some(context)).0
    }

    /// Sets the layers that initialise themselves by data, from the batch `x`.
    #[must_use]
    pub fn calibrate(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        let context = self.checked_context(&x, context);
        let flow_context = context.as_ref().filter(|_| self.flow.d_context() > 0);
        let flow = self.flow.calibrate(x, flow_context);
        Self { base: self.base, flow }
    }

    /// `inverse` by the kernels or in chunks.
    fn latent(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let context = self.checked_context(&x, context);
        let context = context.as_ref().filter(|_| self.flow.d_context() > 0);
        // The kernels bound their memory by themselves.
        kernel::inverse(&self.flow, &x, context).unwrap_or_else(|| {
            in_chunks(x, context, |x, context| inverse_with(&self.flow, x, context))
        })
    }

    /// `forward` by the kernels or in chunks.
    fn data(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let context = self.checked_context(&z, context);
        let context = context.as_ref().filter(|_| self.flow.d_context() > 0);
        kernel::forward(&self.flow, &z, context).unwrap_or_else(|| {
            in_chunks(z, context, |z, context| forward_with(&self.flow, z, context))
        })
    }

    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        let context = self.checked_context(&x, context);
        if self.base.is_standard_normal() {
            let context = context.as_ref().filter(|_| self.flow.d_context() > 0);
            if let Some(fused) = kernel::standard_normal_log_prob(&self.flow, &x, context) {
                return fused;
            }
        }
        let (z, log_det) = self.latent(x, context.as_ref());
        self.base_log_prob(z, context.as_ref()) + log_det
    }

    /// Carries latents that were drawn from the base to the data space.
    fn push(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let (x, log_det) = self.data(z.clone(), context);
        (x, self.base_log_prob(z, context) - log_det)
    }

    fn base_log_prob(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        match context.filter(|_| self.base.d_context() > 0) {
            Some(context) => self.base.log_prob_given(z, context),
            None => self.base.log_prob(z),
        }
    }

    /// Latents for repeated rows of `context`, of which each gets one.
    fn base_sample<R: Rng + ?Sized>(&self, context: &Tensor<2>, rng: &mut R) -> Tensor<2> {
        if self.base.d_context() > 0 {
            self.base.sample_given(1, context, rng)
        } else {
            self.base.sample(context.dims()[0], rng)
        }
    }

    /// The context for the rows of `x`, one of one row expanded.
    fn checked_context(&self, x: &Tensor<2>, context: Option<&Tensor<2>>) -> Option<Tensor<2>> {
        let (d_features, d_context) = (self.base.d_features(), self.d_context());
        assert_shape!(x, [_, d_features]);
        let context = self.wanted_context(context)?;
        let [batch, _] = x.dims();
        if context.dims()[0] == 1 {
            return Some(repeat_rows(context.clone(), batch));
        }
        assert_shape!(context, [batch, d_context]);
        Some(context.clone())
    }

    /// Panics when a context is missing, not wanted, or of the wrong width.
    fn wanted_context<'a>(&self, context: Option<&'a Tensor<2>>) -> Option<&'a Tensor<2>> {
        let d_context = self.d_context();
        match context {
            Some(context) => {
                assert!(
                    d_context > 0,
                    "neither the base nor the flow of this model takes a context (`d_context` is \
                     0): call the method without `_given`"
                );
                assert_shape!(context, [_, d_context]);
            }
            None => assert!(
                d_context == 0,
                "this model was built with `d_context` {d_context}: call the method that ends in \
                 `_given` with a context of shape [batch, {d_context}]"
            ),
        }
        context
    }
}

impl<B: Distribution, F: Flow> Distribution for NormalizingFlow<B, F> {
    fn d_features(&self) -> usize {
        self.base.d_features()
    }

    fn d_context(&self) -> usize {
        common_d_context([self.base.d_context(), self.flow.d_context()])
    }

    fn log_prob(&self, x: Tensor<2>) -> Tensor<1> {
        self.log_density(x, None)
    }

    fn log_prob_given(&self, x: Tensor<2>, context: &Tensor<2>) -> Tensor<1> {
        self.log_density(x, Some(context))
    }

    fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2> {
        self.wanted_context(None);
        let model = self.valid();
        model.data(model.base.sample(n, rng), None).0
    }

    fn sample_given<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: &Tensor<2>,
        rng: &mut R,
    ) -> Tensor<2> {
        self.wanted_context(Some(context));
        let model = self.valid();
        let context = repeat_rows(context.clone().without_autodiff(), n);
        model.data(model.base_sample(&context, rng), Some(&context)).0
    }

    fn sample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        self.wanted_context(None);
        let model = self.valid();
        model.push(model.base.sample(n, rng), None)
    }

    fn sample_with_log_prob_given<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: &Tensor<2>,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        self.wanted_context(Some(context));
        let model = self.valid();
        let context = repeat_rows(context.clone().without_autodiff(), n);
        model.push(model.base_sample(&context, rng), Some(&context))
    }
}

impl<B: Reparameterized, F: Flow> NormalizingFlow<B, F> {
    fn base_rsample<R: Rng + ?Sized>(&self, context: &Tensor<2>, rng: &mut R) -> Tensor<2> {
        if self.base.d_context() > 0 {
            self.base.rsample_given(1, context, rng)
        } else {
            self.base.rsample(context.dims()[0], rng)
        }
    }
}

impl<B: Reparameterized, F: Flow> Reparameterized for NormalizingFlow<B, F> {
    fn rsample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<2> {
        self.wanted_context(None);
        self.data(self.base.rsample(n, rng), None).0
    }

    fn rsample_given<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: &Tensor<2>,
        rng: &mut R,
    ) -> Tensor<2> {
        self.wanted_context(Some(context));
        let context = repeat_rows(context.clone(), n);
        self.data(self.base_rsample(&context, rng), Some(&context)).0
    }

    fn rsample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        self.wanted_context(None);
        self.push(self.base.rsample(n, rng), None)
    }

    fn rsample_with_log_prob_given<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: &Tensor<2>,
        rng: &mut R,
    ) -> (Tensor<2>, Tensor<1>) {
        self.wanted_context(Some(context));
        let context = repeat_rows(context.clone(), n);
        self.push(self.base_rsample(&context, rng), Some(&context))
    }
}

//! [`NormalizingFlow`]: the density that a flow makes of a base distribution.

use burn::module::{DisplaySettings, Module, ModuleDisplay};
use burn::tensor::Tensor;
use rand::Rng;

use super::base::Base;
use super::checked::Checked;
use super::interface::Distribution;
use super::noise::Noise;
use crate::direction::Direction;
use crate::error::or_panic;
use crate::flow::run::{log_density, run_large};
use crate::flow::{Flow, Layer, Sequential, common_d_context, common_d_features, table};
use crate::parameters::Place;

/// A density: a base distribution mapped to the data space by a flow.
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
/// `log_prob` under a [`StandardNormal`](crate::StandardNormal) computes its gradients in that
/// pass, so `log_prob` of a model in training costs three times that of a [`valid`](Module::valid)
/// one; a loss that weights the rows differently costs twice that again. All else runs by tensor
/// operations, in chunks of 16,384 rows; in training the autodiff graph keeps the activations of
/// them all.
///
/// The model is conditional if its base or its flow was built with a context. It is then called as
/// [`model.given(&context)`](Distribution::given), and a context of one row is shared by all rows.
///
/// Evaluate and sample trained models by [`valid`](Module::valid): on a model in training every
/// `log_prob` builds an autodiff graph. Sampling never does.
///
/// The default type parameters are the run-time form, which [`FlowConfig`](super::FlowConfig) and
/// the presets build; it prints as a table of its layers, which also says what of it the kernels
/// compute. `NormalizingFlow<MyBase, MyFlow>` is made with [`new`](NormalizingFlow::new).
///
/// # Shapes
///
/// As for [`Distribution`]; latents are `[batch, d_features]` too.
///
/// # Panics
///
/// All methods panic when a shape, a float type or a device does not fit, and when a context is
/// missing or not wanted; [`Checked`] returns errors in their place.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Distribution, RealNvpConfig};
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = RealNvpConfig::new(2).init(&Device::default(), &mut rng);
/// let (x, log_prob) = model.sample_with_log_prob(100, &mut rng);
/// let difference = model.log_prob(x) - log_prob;
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-4);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct NormalizingFlow<B: Distribution = Base, F: Flow = Sequential<Layer>> {
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
    /// If they differ in their features, or both take a context and its sizes differ.
    pub fn new(base: B, flow: F) -> Self {
        or_panic(common_d_features([Some(base.d_features()), flow.d_features()]));
        or_panic(common_d_context([base.d_context(), flow.d_context()]));
        Self { base, flow }
    }

    /// The latent of each row: `z = f⁻¹(x)`.
    pub fn to_latent(&self, x: Tensor<2>) -> Tensor<2> {
        or_panic(Checked::plain(self, None).to_latent(x))
    }

    /// The data of each latent row: `x = f(z)`.
    pub fn from_latent(&self, z: Tensor<2>) -> Tensor<2> {
        or_panic(Checked::plain(self, None).from_latent(z))
    }

    /// The same model with the layers that initialise themselves by data (such as an ActNorm) set
    /// from the batch `x`.
    #[must_use]
    pub fn calibrate(&self, x: Tensor<2>) -> Self {
        or_panic(Checked::plain(self, None).calibrate(x))
    }

    /// Data to latents, after all checks.
    pub(super) fn latent(
        &self,
        x: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let context = context.filter(|_| self.flow.d_context() > 0);
        run_large(&self.flow, Direction::Inverse, x, context)
    }

    /// Latents to data, after all checks.
    pub(super) fn data(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let context = context.filter(|_| self.flow.d_context() > 0);
        run_large(&self.flow, Direction::Forward, z, context)
    }

    fn base_context<'c>(&self, context: Option<&'c Tensor<2>>) -> Option<&'c Tensor<2>> {
        context.filter(|_| self.base.d_context() > 0)
    }
}

impl<B: Distribution, F: Flow> Distribution for NormalizingFlow<B, F> {
    fn d_features(&self) -> usize {
        self.base.d_features()
    }

    fn d_context(&self) -> usize {
        self.base.d_context().max(self.flow.d_context())
    }

    fn place(&self) -> Option<Place> {
        Place::first([self.base.place(), self.flow.place()])
    }

    fn is_reparameterized(&self) -> bool {
        self.base.is_reparameterized()
    }

    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        if let Some(base) = self.base.kernel() {
            let context = context.filter(|_| self.flow.d_context() > 0);
            if let Some(fused) = log_density(&self.flow, base, &x, context) {
                return fused;
            }
        }
        let (z, log_det) = self.latent(x, context);
        self.base.log_density(z, self.base_context(context)) + log_det
    }

    fn is_calibrated(&self) -> bool {
        self.base.is_calibrated() && self.flow.is_calibrated()
    }

    fn calibrated(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        let of_flow = context.filter(|_| self.flow.d_context() > 0);
        let flow = self.flow.calibrate(x.clone(), of_flow, Direction::Inverse);
        if self.base.is_calibrated() {
            return Self { base: self.base, flow };
        }
        let of_base = context.filter(|_| self.base.d_context() > 0);
        let (z, _) = flow.inverse(x, of_flow);
        Self { base: self.base.calibrated(z, of_base), flow }
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let z = self.base.draw(n, self.base_context(context), noise);
        self.data(z, context).0
    }

    fn draw_with_log_density<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> (Tensor<2>, Tensor<1>) {
        let (z, log_density) =
            self.base.draw_with_log_density(n, self.base_context(context), noise);
        let (x, log_det) = self.data(z, context);
        (x, log_density - log_det)
    }
}

/// A table of the layers, their parameters, and by what each runs.
impl<B: Distribution, F: Flow> ModuleDisplay for NormalizingFlow<B, F> {
    fn format(&self, settings: DisplaySettings) -> String {
        let base = self.base.format(settings);
        let base = base.lines().next().unwrap_or_default().trim_end_matches(" {");
        format!(
            "normalizing flow, {} features, {} parameters\nbase: {base}, {} parameters\n{}",
            self.d_features(),
            self.num_params(),
            Module::num_params(&self.base),
            table(&self.flow, self.d_features())
        )
    }
}

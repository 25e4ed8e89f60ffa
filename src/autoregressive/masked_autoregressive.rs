//! [`MaskedAutoregressive`]: every feature given those before it.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, assert_shape};
use rand::Rng;

use crate::adjacency::Adjacency;
use crate::conditioner::{AutoregressiveConditioner, Made, MadeConfig};
use crate::direction::Direction;
use crate::error::{Error, or_panic};
use crate::flow::run::directions_by_transform;
use crate::flow::{Flow, required_context, zero_log_det};
use crate::kernel::{Operation, Program, Reason};
use crate::univariate::{Univariate, UnivariateConfig, UnivariateMap, conditioned};

/// Configuration of a [`MaskedAutoregressive`] in its run-time form.
#[derive(Config, Debug)]
pub struct MaskedAutoregressiveConfig {
    /// Which features the parameters of each feature depend on.
    pub adjacency: Adjacency,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The network that computes the parameters.
    #[config(default = "MadeConfig::default()")]
    pub conditioner: MadeConfig,
    /// The map of each feature.
    #[config(default = "UnivariateConfig::default()")]
    pub univariate: UnivariateConfig,
}

impl MaskedAutoregressiveConfig {
    /// Builds the layer on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> MaskedAutoregressive {
        or_panic(self.validate());
        let univariate = self.univariate.init(device, rng);
        let n_parameters = univariate.n_parameters();
        let Self { adjacency, d_context, .. } = self;
        let conditioner = self.conditioner.init(adjacency, *d_context, n_parameters, device, rng);
        MaskedAutoregressive::new(conditioner, univariate)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the adjacency is of another number of context features, or the configuration
    /// of the conditioner or the map is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        self.adjacency.validate_context(self.d_context)?;
        self.conditioner.validate()?;
        self.univariate.validate()
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.adjacency.d_features())
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        self.d_context
    }
}

/// An autoregressive layer: it transforms each feature by a univariate map, whose parameters a network
/// computes from the data features before it (and the context).
///
/// With data `x`, latents `z`, context `c`, conditioner `θ` and univariate map `f`:
///
/// ```text
/// x_i = f(z_i; θ_i(x_<i, c))        log |det ∂x/∂z| = Σ_i log |f'(z_i; θ_i(x_<i, c))|
/// ```
///
/// where `x_<i` are the features that the conditioner's [`Adjacency`] allows feature `i` to depend on. The
/// Jacobian is triangular in the order of the passes.
///
/// From data to latent, which likelihoods need, all features are transformed at once: one pass
/// through the conditioner. From latent to data, each pass of the adjacency needs the features of
/// the passes before it. On the CPU the kernels compute every unit of the network once, when what it
/// depends on is known: the same arithmetic as the other direction, in as many small steps as there
/// are passes. Elsewhere the whole network is run over all features until nothing changes (Jacobi's
/// iteration), at most once per pass and most often a few times; where gradients are wanted, once per
/// pass. [`Inverse`](crate::Inverse) makes sampling the fast direction, as in inverse autoregressive
/// flows.
///
/// The default type parameters are the run-time form, which [`MaskedAutoregressiveConfig`] builds;
/// `MaskedAutoregressive<MyNetwork, MyMap>` is made with [`new`](MaskedAutoregressive::new).
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features, or if the layer was built with a context and
/// there is none, or one of another shape.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Adjacency, Flow, MaskedAutoregressiveConfig, Order};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let layer = MaskedAutoregressiveConfig::new(Adjacency::autoregressive(&Order::natural(3)))
///     .init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let x = Tensor::<2>::from_data([[0.1, -0.2, 1.5]], &device);
/// let (z, log_det) = layer.inverse(x.clone(), None);
/// // A new layer is the identity.
/// assert_eq!(z.into_data(), x.into_data());
/// assert_eq!(log_det.into_scalar::<f32>(), 0.0);
/// ```
///
/// # References
///
/// Papamakarios, Pavlakou, Murray: *Masked Autoregressive Flow for Density Estimation*, 2017,
/// arXiv:1705.07057. Kingma et al.: *Improving Variational Inference with Inverse Autoregressive
/// Flow*, 2016, arXiv:1606.04934. Jacobi's iteration: Song, Meng, Liao, Ermon: *Accelerating
/// Feedforward Computation via Parallel Nonlinear Equation Solving*, 2021, arXiv:2002.03629, and for
/// such layers Liu, Qin: *Accelerate TarFlow Sampling with GS-Jacobi Iteration*, 2025,
/// arXiv:2505.12849.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct MaskedAutoregressive<C: AutoregressiveConditioner = Made, U: Univariate = UnivariateMap>
{
    /// The network that computes the parameters.
    pub conditioner: C,
    /// The map of each feature.
    pub univariate: U,
    d_features: usize,
    n_passes: usize,
}

impl<C: AutoregressiveConditioner, U: Univariate> MaskedAutoregressive<C, U> {
    /// Puts a layer together from its parts. The conditioner gives `univariate.n_parameters()` parameters
    /// for each feature of its order.
    pub fn new(conditioner: C, univariate: U) -> Self {
        let order = conditioner.order();
        let n_passes = order.iter().max().map_or(0, |last| last + 1);
        Self { conditioner, univariate, d_features: order.len(), n_passes }
    }

    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        // A conditioner that takes none is given none.
        let d_context = self.conditioner.d_context();
        let context =
            (d_context > 0).then(|| required_context("autoregressive", d_context, &input, context));
        let d_features = self.d_features;
        assert_shape!(input, [_, d_features]);
        if input.dims()[0] == 0 {
            // Some backends divide by the number of rows in a matrix product.
            let log_det = zero_log_det(&input);
            return (input, log_det);
        }
        match direction {
            Direction::Inverse => self.given(&input, direction, input.clone(), context),
            Direction::Forward => self.solve(&input, context),
        }
    }

    /// All features of `input` by the parameters that those of `data` give.
    fn given(
        &self,
        input: &Tensor<2>,
        direction: Direction,
        data: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let parameters = self.conditioner.forward(data, context);
        conditioned(&self.univariate, direction, input.clone(), parameters)
    }

    /// The data that `z` stands for: after each iteration the features of one more pass are exact.
    fn solve(&self, z: &Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let mut state = (z.clone(), zero_log_det(z));
        for _ in 0..self.n_passes {
            let before = state.0;
            state = self.given(z, Direction::Forward, before.clone(), context);
            // With a graph the iterations are what the gradients go through.
            if !z.is_autodiff() && before.equal(state.0.clone()).all().into_scalar::<bool>() {
                break;
            }
        }
        state
    }
}

impl<C: AutoregressiveConditioner, U: Univariate> Flow for MaskedAutoregressive<C, U> {
    directions_by_transform!();

    fn d_features(&self) -> Option<usize> {
        Some(self.d_features)
    }

    fn d_context(&self) -> usize {
        self.conditioner.d_context()
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        let network = self.conditioner.network_layers().ok_or(Reason::Conditioner);
        let operation = network.and_then(|network| {
            let map = self.univariate.kernel().ok_or(Reason::Map)?;
            Ok(Operation::Autoregressive { network, map })
        });
        program.add_layer(self, operation);
    }
}

/// As "autoregressive, 4 features, MADE of MLP 64-64, Relu, 4 passes, affine".
impl<C: AutoregressiveConditioner, U: Univariate> ModuleDisplay for MaskedAutoregressive<C, U> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let settings = content.display_settings.clone();
        let conditioner = self.conditioner.format(settings.clone());
        let map = self.univariate.format(settings);
        let text = format!("autoregressive, {} features, {conditioner}, {map}", self.d_features);
        content.add_formatted(&text).optional()
    }
}

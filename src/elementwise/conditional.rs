//! [`ConditionalElementwise`]: a univariate map of every feature, by parameters from the context.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Int, Tensor, assert_shape};
use rand::Rng;

use crate::conditioner::{Conditioner, ConditionerShape, Network, NetworkConfig, NetworkLayers};
use crate::direction::Direction;
use crate::error::{Error, ensure, or_panic};
use crate::flow::run::directions_by_transform;
use crate::flow::{Flow, required_context, zero_log_det};
use crate::kernel::{Operation, Program, Reason};
use crate::parameters::int_parameter;
use crate::univariate::{Univariate, UnivariateConfig, UnivariateMap, conditioned};

/// Configuration of a [`ConditionalElementwise`] layer in its run-time form.
#[derive(Config, Debug)]
pub struct ConditionalElementwiseConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of context features, at least 1.
    pub d_context: usize,
    /// The network that computes the parameters from the context.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
    /// The map of each feature.
    #[config(default = "UnivariateConfig::default()")]
    pub univariate: UnivariateConfig,
}

impl ConditionalElementwiseConfig {
    /// Builds the layer on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> ConditionalElementwise {
        or_panic(self.validate());
        let univariate = self.univariate.init(device, rng);
        let shape = ConditionerShape {
            d_input: self.d_context,
            d_context: 0,
            d_output: self.d_features,
            n_parameters: univariate.n_parameters(),
        };
        let conditioner = self.conditioner.init(shape, device, rng);
        let sizes = [self.d_features, self.d_context];
        ConditionalElementwise::new(sizes, conditioner, univariate, device)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a number of features is 0, or the configuration of the network or the
    /// map is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { d_features, d_context, .. } = self;
        ensure!(
            *d_features > 0 && *d_context > 0,
            "`d_features` and `d_context` must be at least 1, got {d_features} and {d_context}"
        );
        self.conditioner.validate()?;
        self.conditioner.validate_inputs(*d_context)?;
        self.univariate.validate()
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.d_features)
    }

    /// The number of context features.
    pub(crate) fn d_context(&self) -> usize {
        self.d_context
    }
}

/// Transforms each feature by a univariate map, whose parameters a network computes from the
/// context alone.
///
/// ```text
/// x_i = f(z_i; θ_i(c))        log |det ∂x/∂z| = Σ_i log |f'(z_i; θ_i(c))|
/// ```
///
/// It mixes no features: it is the layer of a single feature given a context, which no coupling
/// layer can be. Each direction costs one pass through the network, and `O(d_features)` besides.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features, or there is no context, or one of another shape.
///
/// # Example
///
/// ```
/// use normalizing_flows::elementwise::ConditionalElementwiseConfig;
/// use normalizing_flows::{Distribution, FlowConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// // The density of one number given three.
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let layer = ConditionalElementwiseConfig::new(1, 3);
/// let model = FlowConfig::standard(1, vec![layer.into()]).init(&device, &mut rng);
/// let context = Tensor::ones([5, 3], &device);
/// let log_prob = model.given(&context).log_prob(Tensor::zeros([5, 1], &device));
/// assert_eq!(log_prob.dims(), [5]);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct ConditionalElementwise<C: Conditioner = Network, U: Univariate = UnivariateMap> {
    /// All features, and none: what the kernels transform and keep.
    features: Param<Tensor<1, Int>>,
    none: Param<Tensor<1, Int>>,
    d_context: usize,
    /// The network that computes the parameters, of which the context is the input.
    pub conditioner: C,
    /// The map of each feature.
    pub univariate: U,
}

impl<C: Conditioner, U: Univariate> ConditionalElementwise<C, U> {
    /// Puts a layer of so many features and context features together from its parts.
    ///
    /// The conditioner takes the context as its input, no context of its own, and gives
    /// `univariate.n_parameters() * d_features` numbers per row.
    pub fn new(
        [d_features, d_context]: [usize; 2],
        conditioner: C,
        univariate: U,
        device: &Device,
    ) -> Self {
        let features: Vec<usize> = (0..d_features).collect();
        Self {
            features: int_parameter(&features, device),
            none: int_parameter(&[], device),
            d_context,
            conditioner,
            univariate,
        }
    }

    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let context = required_context("conditional elementwise", self.d_context, &input, context);
        let [d_features] = self.features.dims();
        let [batch, _] = input.dims();
        assert_shape!(input, [batch, d_features]);
        if batch == 0 {
            // Some backends divide by the number of rows in a matrix product.
            let log_det = zero_log_det(&input);
            return (input, log_det);
        }
        let parameters = self.conditioner.forward(context.clone(), None);
        conditioned(&self.univariate, direction, input, parameters)
    }
}

impl<C: Conditioner, U: Univariate> Flow for ConditionalElementwise<C, U> {
    directions_by_transform!();

    fn d_features(&self) -> Option<usize> {
        Some(self.features.dims()[0])
    }

    fn d_context(&self) -> usize {
        self.d_context
    }

    /// For the kernels a coupling that keeps no feature: its networks see the context alone.
    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        let networks = self.conditioner.network_layers().ok_or(Reason::Conditioner);
        let operation = networks.and_then(|networks| {
            // Angles among the features of a coupling are known, those of a context are not.
            if networks.iter().any(|network| network.angles.is_some()) {
                return Err(Reason::Conditioner);
            }
            let map = self.univariate.kernel().ok_or(Reason::Map)?;
            let d_context = self.d_context;
            let networks =
                networks.into_iter().map(|network| NetworkLayers { d_context, ..network });
            let (kept, transformed) = (self.none.val(), self.features.val());
            Ok(Operation::Coupling { kept, transformed, networks: networks.collect(), map })
        });
        program.add_layer(self, operation);
    }
}

/// As "conditional elementwise, 1 feature, 3 context features, MLP 64-64, Relu, affine".
impl<C: Conditioner, U: Univariate> ModuleDisplay for ConditionalElementwise<C, U> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let ([d_features], d_context) = (self.features.dims(), self.d_context);
        let settings = content.display_settings.clone();
        let conditioner = self.conditioner.format(settings.clone());
        let map = self.univariate.format(settings);
        let text = format!(
            "conditional elementwise, {d_features} features, {d_context} context features, \
             {conditioner}, {map}"
        );
        content.add_formatted(&text).optional()
    }
}

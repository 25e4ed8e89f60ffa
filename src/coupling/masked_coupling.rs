//! [`MaskedCoupling`]: the coupling layer.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::mask::Mask;
use super::partition::Partition;
use crate::conditioner::{Conditioner, ConditionerShape, Network, NetworkConfig};
use crate::direction::Direction;
use crate::error::{Error, or_panic};
use crate::flow::run::directions_by_transform;
use crate::flow::{Flow, PulledBack, check_shapes, pulled_back, required_context, zero_log_det};
use crate::kernel::{Operation, Program, Reason};
use crate::univariate::{Univariate, UnivariateConfig, UnivariateMap, conditioned};

/// Configuration of a [`MaskedCoupling`] in its run-time form.
#[derive(Config, Debug)]
pub struct MaskedCouplingConfig {
    /// Which features are kept.
    pub mask: Mask,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The network that computes the parameters.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
    /// The map of each transformed feature.
    #[config(default = "UnivariateConfig::default()")]
    pub univariate: UnivariateConfig,
}

impl MaskedCouplingConfig {
    /// Builds the layer on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> MaskedCoupling {
        or_panic(self.validate());
        let univariate = self.univariate.init(device, rng);
        let shape = ConditionerShape {
            d_input: self.mask.n_kept(),
            d_context: self.d_context,
            d_output: self.mask.n_transformed(),
            n_parameters: univariate.n_parameters(),
        };
        let conditioner = self.conditioner.init(shape, device, rng);
        MaskedCoupling::new(&self.mask, conditioner, univariate, device)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the configuration of the conditioner or the map is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        self.conditioner.validate()?;
        self.conditioner.validate_inputs(self.mask.n_kept())?;
        self.univariate.validate()
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.mask.d_features())
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        self.d_context
    }
}

/// A coupling layer: it keeps the features of its mask and transforms each of the others by a
/// univariate map, whose parameters a conditioner computes from the kept ones (and the context).
///
/// With kept features `z_A`, transformed features `z_B`, context `c`, conditioner `θ` and
/// univariate map `f`:
///
/// ```text
/// x_A = z_A        x_B = f(z_B; θ(z_A, c))        log |det ∂x/∂z| = Σ_B log |f'(z_B; θ(z_A, c))|
/// ```
///
/// The Jacobian is triangular, so its determinant is a product; and `x_A = z_A`, so the inverse
/// knows the same `θ`. Each direction costs one pass through the conditioner, and `O(d_features)`
/// besides.
///
/// The default type parameters are the run-time form, which [`MaskedCouplingConfig`] builds;
/// `MaskedCoupling<MyNetwork, MyMap>` is made with [`new`](MaskedCoupling::new).
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
/// use normalizing_flows::{Flow, MaskedCouplingConfig, coupling::Mask};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let coupling = MaskedCouplingConfig::new(Mask::alternating(4))
///     .init(&device, &mut ChaCha8Rng::seed_from_u64(0));
///
/// let z = Tensor::<2>::from_data([[0.1, -0.2, 0.3, 1.5]], &device);
/// let (x, log_det) = coupling.forward(z.clone(), None);
/// // A new layer is the identity.
/// assert_eq!(x.into_data(), z.into_data());
/// assert_eq!(log_det.into_scalar::<f32>(), 0.0);
/// ```
///
/// # References
///
/// Dinh, Krueger, Bengio: *NICE: Non-linear Independent Components Estimation*, 2015,
/// arXiv:1410.8516. Dinh, Sohl-Dickstein, Bengio: *Density estimation using Real NVP*, 2017,
/// arXiv:1605.08803.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct MaskedCoupling<C: Conditioner = Network, U: Univariate = UnivariateMap> {
    /// The mask on the device.
    pub(crate) partition: Partition,
    /// The network that computes the parameters.
    pub conditioner: C,
    /// The map of each transformed feature.
    pub univariate: U,
}

impl<C: Conditioner, U: Univariate> MaskedCoupling<C, U> {
    /// Puts a layer together from its parts.
    ///
    /// The conditioner takes `mask.n_kept()` features (and its context) and gives
    /// `univariate.n_parameters() * mask.n_transformed()` numbers per row.
    pub fn new(mask: &Mask, conditioner: C, univariate: U, device: &Device) -> Self {
        Self { partition: Partition::new(mask, device), conditioner, univariate }
    }

    /// Which features are kept, read back from the device.
    pub fn mask(&self) -> Mask {
        self.partition.mask()
    }

    /// A conditioner that takes no context is given none.
    fn context_of<'a>(
        &self,
        input: &Tensor<2>,
        context: Option<&'a Tensor<2>>,
    ) -> Option<&'a Tensor<2>> {
        let d_context = self.conditioner.d_context();
        (d_context > 0).then(|| required_context("coupling", d_context, input, context))
    }

    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let context = self.context_of(&input, context);
        let (kept, transformed) = self.partition.split(input.clone());
        if input.dims()[0] == 0 {
            // Some backends divide by the number of rows in a matrix product.
            let log_det = zero_log_det(&input);
            return (input, log_det);
        }
        let parameters = self.conditioner.forward(kept.clone(), context);
        let (transformed, log_det) =
            conditioned(&self.univariate, direction, transformed, parameters);
        (self.partition.merge(kept, transformed), log_det)
    }
}

impl<C: Conditioner, U: Univariate> Flow for MaskedCoupling<C, U> {
    directions_by_transform!();

    fn d_features(&self) -> Option<usize> {
        Some(self.partition.d_features())
    }

    fn d_context(&self) -> usize {
        self.conditioner.d_context()
    }

    fn pull_back(
        &self,
        x: Tensor<2>,
        gradient: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Option<PulledBack> {
        check_shapes(&x, &gradient, self.partition.d_features());
        let context = self.context_of(&x, context);
        if x.dims()[0] == 0 {
            return Some(PulledBack::of_no_rows(x, gradient));
        }
        let (kept, transformed) = self.partition.split(x);
        let (of_kept, of_transformed) = self.partition.split(gradient);
        let parameters = self.conditioner.forward(kept.clone(), context);
        let [batch, n] = parameters.dims();
        let n_parameters = self.univariate.n_parameters();
        let parameters = parameters.reshape([batch, n_parameters, n / n_parameters]);
        let (pulled, of_parameters) =
            pulled_back(&self.univariate, transformed, parameters, of_transformed)?;
        let of_parameters = of_parameters.reshape([batch, n]);
        let through = self.conditioner.input_gradient(kept.clone(), context, of_parameters)?;
        Some(PulledBack {
            z: self.partition.merge(kept, pulled.z),
            gradient: self.partition.merge(of_kept + through, pulled.gradient),
            log_det: pulled.log_det,
        })
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        let networks = self.conditioner.network_layers().ok_or(Reason::Conditioner);
        let operation = networks.and_then(|networks| {
            let map = self.univariate.kernel().ok_or(Reason::Map)?;
            let [kept, transformed] = self.partition.indices();
            Ok(Operation::Coupling { kept, transformed, networks, map })
        });
        program.add_layer(self, operation);
    }
}

/// As "coupling, 4 kept, 4 transformed, MLP 64-64, Relu, affine".
impl<C: Conditioner, U: Univariate> ModuleDisplay for MaskedCoupling<C, U> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let [n_kept, n_transformed] = self.partition.sizes();
        let settings = content.display_settings.clone();
        let conditioner = self.conditioner.format(settings.clone());
        let map = self.univariate.format(settings);
        let text =
            format!("coupling, {n_kept} kept, {n_transformed} transformed, {conditioner}, {map}");
        content.add_formatted(&text).optional()
    }
}

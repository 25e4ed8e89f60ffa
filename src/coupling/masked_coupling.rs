//! [`MaskedCoupling`]: the coupling layer.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor, assert_shape};
use rand::Rng;

use super::mask::Mask;
use super::partition::Partition;
use crate::conditioner::{Conditioner, Network, NetworkConfig, Sizes};
use crate::flow::{Flow, zero_log_det};
use crate::kernel::{self, Stack};
use crate::univariate::{Univariate, UnivariateConfig, UnivariateMap};

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
    /// If the configuration of the mask, the conditioner or the univariate map is out of its range.
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> MaskedCoupling {
        let partition = Partition::new(&self.mask, device);
        let univariate = self.univariate.init();
        let sizes = Sizes {
            d_input: self.mask.n_kept(),
            d_context: self.d_context,
            d_output: self.mask.n_transformed(),
            n_parameters: univariate.n_parameters(),
        };
        let conditioner = self.conditioner.init(sizes, device, rng);
        MaskedCoupling { partition, conditioner, univariate }
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
/// `forward` and `inverse` panic when the layer was built with a context. All directions panic when
/// the input has the wrong number of features.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Flow, MaskedCouplingConfig, coupling::Mask};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let coupling = MaskedCouplingConfig::new(Mask::alternating(4))
///     .init(&device, &mut ChaCha8Rng::seed_from_u64(0));
///
/// let z = Tensor::<2>::from_data([[0.1, -0.2, 0.3, 1.5]], &device);
/// let (x, log_det) = coupling.forward(z.clone());
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
    /// `univariate.n_parameters() * mask.n_transformed()` numbers a row.
    pub fn new(mask: &Mask, conditioner: C, univariate: U, device: &Device) -> Self {
        Self { partition: Partition::new(mask, device), conditioner, univariate }
    }

    /// One direction: `map` is that of the univariate map.
    fn transform(
        &self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        map: impl FnOnce(&U, Tensor<2>, Tensor<3>) -> (Tensor<2>, Tensor<2>),
    ) -> (Tensor<2>, Tensor<1>) {
        let context = self.checked_context(&input, context);
        let (kept, transformed) = self.partition.split(input.clone());
        let [batch, d_transformed] = transformed.dims();
        if batch == 0 {
            // Some backends divide by the number of rows in a matrix product.
            let log_det = zero_log_det(&input);
            return (input, log_det);
        }
        let n_parameters = self.univariate.n_parameters();
        let parameters = self.conditioner.forward(kept.clone(), context);
        assert_shape!(parameters, [batch, n_parameters * d_transformed]);
        let parameters = parameters.reshape([batch, n_parameters, d_transformed]);
        let (transformed, log_slope) = map(&self.univariate, transformed, parameters);
        (self.partition.merge(kept, transformed), log_slope.sum_dim(1).squeeze_dim(1))
    }

    /// The context if the conditioner takes one.
    fn checked_context<'a>(
        &self,
        input: &Tensor<2>,
        context: Option<&'a Tensor<2>>,
    ) -> Option<&'a Tensor<2>> {
        let d_context = self.conditioner.d_context();
        if d_context == 0 {
            return None;
        }
        let context = context.unwrap_or_else(|| {
            panic!(
                "this coupling layer was built with `d_context` {d_context}: call `forward_given` \
                 or `inverse_given` with a context of shape [batch, {d_context}]"
            )
        });
        let [batch, _] = input.dims();
        assert_shape!(context, [batch, d_context]);
        Some(context)
    }
}

impl<C: Conditioner, U: Univariate> Flow for MaskedCoupling<C, U> {
    fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::forward(self, &z, None).unwrap_or_else(|| self.transform(z, None, U::forward))
    }

    fn inverse(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::inverse(self, &x, None).unwrap_or_else(|| self.transform(x, None, U::inverse))
    }

    fn forward_given(&self, z: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::forward(self, &z, Some(context))
            .unwrap_or_else(|| self.transform(z, Some(context), U::forward))
    }

    fn inverse_given(&self, x: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::inverse(self, &x, Some(context))
            .unwrap_or_else(|| self.transform(x, Some(context), U::inverse))
    }

    fn d_context(&self) -> usize {
        self.conditioner.d_context()
    }

    fn describe<'a>(&'a self, stack: &mut Stack<'a>) -> bool {
        let known = (self.conditioner.parts(), self.univariate.as_known());
        let (Some(networks), Some(map)) = known else { return false };
        stack.push_coupling(self.partition.indices(), networks, map);
        true
    }
}

//! [`Permutation`]: features in another order.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Int, Tensor, assert_shape};
use rand::Rng;

use crate::direction::Direction;
use crate::error::{Error, ensure, or_panic};
use crate::flow::run::directions_by_transform;
use crate::flow::{Flow, zero_log_det};
use crate::kernel::{Operation, Program};
use crate::order::Order;
use crate::parameters::int_parameter;

/// Configuration of a [`Permutation`].
#[derive(Config, Debug)]
pub struct PermutationConfig {
    /// The order in which the features of the latents are those of the data.
    pub order: Order,
}

impl PermutationConfig {
    /// Builds the layer on a device.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> Permutation {
        or_panic(self.validate());
        Permutation {
            order: int_parameter(self.order.features(), device),
            places: int_parameter(self.order.inverse().features(), device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the order is of no feature.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(!self.order.features().is_empty(), "an order must be of at least 1 feature, got 0");
        Ok(())
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.order.features().len())
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// Puts the features in another order: coupling layers on both sides of it meet other halves of them.
///
/// ```text
/// x_i = z_order(i)        log |det ∂x/∂z| = 0
/// ```
///
/// The kernels follow where each feature is, and move none until the end of their pass. Nothing is learnt.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Flow, Order};
/// use normalizing_flows::linear::PermutationConfig;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let layer = PermutationConfig::new(Order::rotated(3, 1)).init(&device, &mut rng);
/// let (x, log_det) = layer.forward(Tensor::from_data([[0.0, 10.0, 20.0]], &device), None);
/// assert_eq!(x.into_data().try_into_vec::<f32>().unwrap(), [10.0, 20.0, 0.0]);
/// assert_eq!(log_det.into_scalar::<f32>(), 0.0);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Permutation {
    /// The feature of the latents at each place of the data.
    order: Param<Tensor<1, Int>>,
    /// Its inverse.
    places: Param<Tensor<1, Int>>,
}

impl Permutation {
    /// The order of the features, read back from the device.
    pub fn order(&self) -> Order {
        Order::custom(self.order.val().into_data().iter::<i64>().map(|i| i as usize).collect())
    }

    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let [d_features] = self.order.dims();
        assert_shape!(input, [_, d_features]);
        let log_det = zero_log_det(&input);
        let features = match direction {
            Direction::Forward => &self.order,
            Direction::Inverse => &self.places,
        };
        (input.select(1, features.val()), log_det)
    }
}

impl Flow for Permutation {
    directions_by_transform!();

    fn d_features(&self) -> Option<usize> {
        Some(self.order.dims()[0])
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        program.add_layer(self, Ok(Operation::Permutation { order: self.order.val() }));
    }
}

/// As "permutation, 4 features".
impl ModuleDisplay for Permutation {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let [d_features] = self.order.dims();
        content.add_formatted(&format!("permutation, {d_features} features")).optional()
    }
}

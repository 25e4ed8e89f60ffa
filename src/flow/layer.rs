//! [`Layer`]: every layer of the crate in one type.

use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::Flow;
use super::inverse::{Inverse, InverseConfig};
use super::pull_back::PulledBack;
use super::sequential::{Sequential, SequentialConfig};
use crate::autoregressive::{MaskedAutoregressive, MaskedAutoregressiveConfig};
use crate::closed_enum::closed_enum;
use crate::coupling::{MaskedCoupling, MaskedCouplingConfig};
use crate::direction::Direction;
use crate::elementwise::{
    ConditionalElementwise, ConditionalElementwiseConfig, Elementwise, ElementwiseConfig,
    FixedMaps, FixedMapsConfig,
};
use crate::kernel::Program;
use crate::linear::{
    Householder, HouseholderConfig, LuLinear, LuLinearConfig, Permutation, PermutationConfig,
    QrLinear, QrLinearConfig, SvdLinear, SvdLinearConfig, TriangularLinear, TriangularLinearConfig,
};
use crate::normalization::{ActNorm, ActNormConfig, BatchNorm, BatchNormConfig};
use crate::parameters::Place;
use crate::residual::{Planar, PlanarConfig, Radial, RadialConfig, Sylvester, SylvesterConfig};

closed_enum! {
    /// Any layer of the crate, for stacks that are known only at run time and for files.
    ///
    /// Stacks of it are as fast as those of one type. Users with layers of their own write their
    /// own enum, which passes [`Flow::lower`] on, or a tuple.
    ///
    /// # Example
    ///
    /// ```
    /// use normalizing_flows::{ElementwiseConfig, Flow, LayerConfig, MaskedCouplingConfig, Sequential};
    /// use normalizing_flows::coupling::Mask;
    /// use normalizing_flows::burn::tensor::{Device, Tensor};
    /// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
    ///
    /// let device = Device::default();
    /// let mut rng = ChaCha8Rng::seed_from_u64(0);
    /// let layers: [LayerConfig; 2] = [
    ///     ElementwiseConfig::new(2).into(),
    ///     MaskedCouplingConfig::new(Mask::alternating(2)).into(),
    /// ];
    /// let layers = layers.map(|layer| layer.init(&device, &mut rng));
    /// let (x, _) = Sequential::new(layers.into()).forward(Tensor::ones([1, 2], &device), None);
    /// assert_eq!(x.dims(), [1, 2]);
    /// ```
    pub enum Layer as on_layer($) {
        /// A coupling layer.
        MaskedCoupling(MaskedCoupling) from MaskedCouplingConfig;
        /// A univariate map of every feature given those before it.
        MaskedAutoregressive(MaskedAutoregressive) from MaskedAutoregressiveConfig;
        /// A univariate map of every feature by itself.
        Elementwise(Elementwise) from ElementwiseConfig;
        /// A univariate map of every feature by itself, by parameters from the context.
        ConditionalElementwise(ConditionalElementwise) from ConditionalElementwiseConfig;
        /// A map of every feature that is chosen, not learnt.
        FixedMaps(FixedMaps) from FixedMapsConfig;
        /// The features in another order.
        Permutation(Permutation) from PermutationConfig;
        /// A matrix by its triangular factors.
        LuLinear(LuLinear) from LuLinearConfig;
        /// A rotation by reflections.
        Householder(Householder) from HouseholderConfig;
        /// A matrix as a rotation and a triangular one.
        QrLinear(QrLinear) from QrLinearConfig;
        /// A matrix as two rotations and its singular values.
        SvdLinear(SvdLinear) from SvdLinearConfig;
        /// A triangular matrix.
        TriangularLinear(TriangularLinear) from TriangularLinearConfig;
        /// A shift and a scale per feature, set by the first batch.
        ActNorm(ActNorm) from ActNormConfig;
        /// Each batch standardised by itself.
        BatchNorm(BatchNorm) from BatchNormConfig;
        /// Along one direction, by a function of one projection.
        Planar(Planar) from PlanarConfig;
        /// Towards a point or away from it.
        Radial(Radial) from RadialConfig;
        /// Along several directions at once.
        Sylvester(Sylvester) from SylvesterConfig;
        /// A stack of layers.
        Sequential(Sequential<Layer>) from SequentialConfig;
        /// A stack of layers with its directions swapped.
        Inverse(Inverse<Sequential<Layer>>) from InverseConfig;
    }

    /// Configuration of a [`Layer`].
    pub enum LayerConfig as on_config;
}

impl LayerConfig {
    /// Builds the layer on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Layer {
        on_config!(self, config => config.init(device, rng).into())
    }

    /// The number of features; `None` if any will do.
    pub fn d_features(&self) -> Option<usize> {
        on_config!(self, config => config.d_features())
    }

    /// The number of context features; 0 for none.
    pub fn d_context(&self) -> usize {
        on_config!(self, config => config.d_context())
    }
}

impl Flow for Layer {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        on_layer!(self, layer => layer.forward(z, context))
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        on_layer!(self, layer => layer.inverse(x, context))
    }

    fn d_features(&self) -> Option<usize> {
        on_layer!(self, layer => layer.d_features())
    }

    fn d_context(&self) -> usize {
        on_layer!(self, layer => layer.d_context())
    }

    fn calibrate(
        self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        direction: Direction,
    ) -> Self {
        on_layer!(self, layer => layer.calibrate(input, context, direction).into())
    }

    fn is_calibrated(&self) -> bool {
        on_layer!(self, layer => layer.is_calibrated())
    }

    fn pull_back(
        &self,
        x: Tensor<2>,
        gradient: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Option<PulledBack> {
        on_layer!(self, layer => layer.pull_back(x, gradient, context))
    }

    fn place(&self) -> Option<Place> {
        on_layer!(self, layer => layer.place())
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        on_layer!(self, layer => layer.lower(program));
    }
}

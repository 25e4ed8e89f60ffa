//! [`Layer`]: every layer of the crate in one type.

use burn::tensor::Tensor;

use crate::closed_enum::closed_enum;
use crate::coupling::MaskedCoupling;
use crate::elementwise::Elementwise;
use crate::flow::{Flow, Inverse};
use crate::kernel::Stack;
use crate::sequential::Sequential;

closed_enum! {
    /// Any layer of the crate, for stacks that are known only at run time and for files.
    ///
    /// A stack whose layers are known when the program is written is faster to read as a tuple or
    /// as a [`Sequential`] of one type. Users with layers of their own write their own enum or
    /// tuple.
    ///
    /// # Example
    ///
    /// ```
    /// use normalizing_flows::{ElementwiseConfig, Flow, Layer, MaskedCouplingConfig, Sequential};
    /// use normalizing_flows::coupling::Mask;
    /// use normalizing_flows::burn::tensor::{Device, Tensor};
    /// use rand::{SeedableRng, rngs::ChaCha8Rng};
    ///
    /// let device = Device::default();
    /// let mut rng = ChaCha8Rng::seed_from_u64(0);
    /// let layers: Vec<Layer> = vec![
    ///     ElementwiseConfig::new(2).init(&device).into(),
    ///     MaskedCouplingConfig::new(Mask::alternating(2)).init(&device, &mut rng).into(),
    /// ];
    /// let (x, _) = Sequential::new(layers).forward(Tensor::ones([1, 2], &device));
    /// assert_eq!(x.dims(), [1, 2]);
    /// ```
    #[expect(clippy::large_enum_variant, reason = "a boxed module is no module of burn's")]
    pub enum Layer as on_layer($) {
        /// A coupling layer.
        MaskedCoupling(MaskedCoupling),
        /// A univariate map of every feature by itself.
        Elementwise(Elementwise),
        /// A stack of layers.
        Sequential(Sequential<Layer>),
        /// A stack of layers with its directions swapped.
        Inverse(Inverse<Sequential<Layer>>),
    }
}

impl Flow for Layer {
    fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        on_layer!(self, layer => layer.forward(z))
    }

    fn inverse(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        on_layer!(self, layer => layer.inverse(x))
    }

    fn forward_given(&self, z: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        on_layer!(self, layer => layer.forward_given(z, context))
    }

    fn inverse_given(&self, x: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        on_layer!(self, layer => layer.inverse_given(x, context))
    }

    fn d_context(&self) -> usize {
        on_layer!(self, layer => layer.d_context())
    }

    fn describe<'a>(&'a self, stack: &mut Stack<'a>) -> bool {
        on_layer!(self, layer => layer.describe(stack))
    }

    fn calibrate(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        on_layer!(self, layer => layer.calibrate(x, context).into())
    }
}

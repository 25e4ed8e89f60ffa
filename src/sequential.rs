//! [`Sequential`]: a stack of flows.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::flow::{Flow, common_d_context, inverse_with, then, zero_log_det};
use crate::kernel::{self, Stack};

/// A stack of flows of one type, `f = f_n ∘ … ∘ f_1`.
///
/// `forward` applies the layers first to last, `inverse` last to first; the log-determinants add.
/// An empty stack is the identity. Layers of different types go into one stack as a tuple
/// (`Sequential<(A, B)>` is a stack of blocks) or, when the stack is known only at run time, as
/// [`Layer`](crate::Layer).
///
/// [`forward_trace`](Sequential::forward_trace) and [`inverse_trace`](Sequential::inverse_trace)
/// also give every state in between, to look inside.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Example
///
/// ```
/// use normalizing_flows::{Flow, MaskedCouplingConfig, Sequential, coupling::Mask};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let even = MaskedCouplingConfig::new(Mask::alternating(3)).init(&device, &mut rng);
/// let odd = MaskedCouplingConfig::new(Mask::alternating(3).complement()).init(&device, &mut rng);
/// let stack = Sequential::new(vec![even, odd]);
///
/// let (x, log_det) = stack.forward(Tensor::ones([5, 3], &device));
/// assert_eq!((x.dims(), log_det.dims()), ([5, 3], [5]));
/// assert_eq!(stack.forward_trace(Tensor::ones([5, 3], &device)).len(), 3);
/// ```
#[derive(Module, Debug)]
pub struct Sequential<F: Flow> {
    /// The layers in `forward` order: the first is next to the latent space, the last next to the
    /// data.
    pub layers: Vec<F>,
}

impl<F: Flow> Sequential<F> {
    /// Stacks the layers, given in `forward` order.
    ///
    /// # Panics
    ///
    /// If two layers were built for contexts of different sizes.
    pub fn new(layers: Vec<F>) -> Self {
        common_d_context(layers.iter().map(Flow::d_context));
        Self { layers }
    }

    /// Every state of `forward`: the input, then the output of each layer in turn, each with the
    /// sum of the log-determinants so far. One entry more than there are layers.
    pub fn forward_trace(&self, z: Tensor<2>) -> Vec<(Tensor<2>, Tensor<1>)> {
        trace(self.layers.iter(), z, |layer, z| layer.forward(z))
    }

    /// Every state of `inverse`: the input, then the output of each layer from the last to the
    /// first, each with the sum of the log-determinants so far. One entry more than there are
    /// layers.
    pub fn inverse_trace(&self, x: Tensor<2>) -> Vec<(Tensor<2>, Tensor<1>)> {
        trace(self.layers.iter().rev(), x, |layer, x| layer.inverse(x))
    }

    /// [`forward_trace`](Self::forward_trace) given a context of shape `[batch, d_context]`.
    pub fn forward_trace_given(
        &self,
        z: Tensor<2>,
        context: &Tensor<2>,
    ) -> Vec<(Tensor<2>, Tensor<1>)> {
        trace(self.layers.iter(), z, |layer, z| layer.forward_given(z, context))
    }

    /// [`inverse_trace`](Self::inverse_trace) given a context of shape `[batch, d_context]`.
    pub fn inverse_trace_given(
        &self,
        x: Tensor<2>,
        context: &Tensor<2>,
    ) -> Vec<(Tensor<2>, Tensor<1>)> {
        trace(self.layers.iter().rev(), x, |layer, x| layer.inverse_given(x, context))
    }
}

/// One direction of the whole stack.
fn fold<'a, F: Flow + 'a>(
    layers: impl Iterator<Item = &'a F>,
    start: Tensor<2>,
    step: impl Fn(&F, Tensor<2>) -> (Tensor<2>, Tensor<1>),
) -> (Tensor<2>, Tensor<1>) {
    let (end, log_det) =
        layers.fold((start, None), |(state, total), layer| then(step(layer, state), total));
    let log_det = log_det.unwrap_or_else(|| zero_log_det(&end));
    (end, log_det)
}

fn trace<'a, F: Flow + 'a>(
    layers: impl Iterator<Item = &'a F>,
    start: Tensor<2>,
    step: impl Fn(&F, Tensor<2>) -> (Tensor<2>, Tensor<1>),
) -> Vec<(Tensor<2>, Tensor<1>)> {
    let log_det = zero_log_det(&start);
    let mut states = vec![(start, log_det)];
    for layer in layers {
        let (state, total) = states.last().expect("the trace starts with the input").clone();
        let (state, log_det) = step(layer, state);
        states.push((state, total + log_det));
    }
    states
}

impl<F: Flow> Flow for Sequential<F> {
    fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::forward(self, &z, None)
            .unwrap_or_else(|| fold(self.layers.iter(), z, |layer, z| layer.forward(z)))
    }

    fn inverse(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::inverse(self, &x, None)
            .unwrap_or_else(|| fold(self.layers.iter().rev(), x, |layer, x| layer.inverse(x)))
    }

    fn forward_given(&self, z: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::forward(self, &z, Some(context)).unwrap_or_else(|| {
            fold(self.layers.iter(), z, |layer, z| layer.forward_given(z, context))
        })
    }

    fn inverse_given(&self, x: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        kernel::inverse(self, &x, Some(context)).unwrap_or_else(|| {
            fold(self.layers.iter().rev(), x, |layer, x| layer.inverse_given(x, context))
        })
    }

    fn d_context(&self) -> usize {
        common_d_context(self.layers.iter().map(Flow::d_context))
    }

    fn describe<'a>(&'a self, stack: &mut Stack<'a>) -> bool {
        self.layers.iter().all(|layer| layer.describe(stack))
    }

    fn calibrate(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        // Without autodiff: a graph that is never run backward is never freed.
        let mut z = x.without_autodiff();
        let mut layers: Vec<F> = self
            .layers
            .into_iter()
            .rev()
            .map(|layer| {
                let layer = layer.calibrate(z.clone(), context);
                z = inverse_with(&layer.valid(), z.clone(), context).0;
                layer
            })
            .collect();
        layers.reverse();
        Self { layers }
    }
}

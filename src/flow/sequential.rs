//! [`Sequential`]: a stack of flows.

use burn::config::Config;
use burn::module::{DisplaySettings, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::{Flow, add_log_det, common_d_context, common_d_features, zero_log_det};
use super::layer::{Layer, LayerConfig};
use super::pull_back::PulledBack;
use super::run::{apply, run};
use super::table::table;
use crate::direction::Direction;
use crate::error::{Error, or_panic};
use crate::kernel::Program;
use crate::parameters::{Place, assert_distinct};

/// Configuration of a [`Sequential`] in its run-time form.
#[derive(Config, Debug)]
pub struct SequentialConfig {
    /// The layers in `forward` order.
    pub layers: Vec<LayerConfig>,
}

impl SequentialConfig {
    /// Builds the stack on a device, its weights drawn from `rng`, layer by layer.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Sequential<Layer> {
        or_panic(self.validate());
        Sequential::new(self.layers.iter().map(|layer| layer.init(device, rng)).collect())
    }

    /// Whether every value is in its range, and the layers have the same features and context.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        self.layers.iter().try_for_each(LayerConfig::validate)?;
        common_d_features(self.layers.iter().map(LayerConfig::d_features))?;
        common_d_context(self.layers.iter().map(LayerConfig::d_context))?;
        Ok(())
    }

    /// The number of features; `None` if any will do.
    pub(crate) fn d_features(&self) -> Option<usize> {
        self.layers.iter().find_map(LayerConfig::d_features)
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        self.layers.iter().map(LayerConfig::d_context).max().unwrap_or(0)
    }
}

/// A stack of flows of one type, `f = f_n ∘ … ∘ f_1`.
///
/// `forward` applies the layers first to last, `inverse` last to first; the log-determinants add.
/// An empty stack is the identity. Layers of different types go into one stack as
/// [`Layer`], or as a tuple (`Sequential<(A, B)>` is a stack of blocks).
///
/// [`trace`](Sequential::trace) also gives every state in between, to look inside.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Example
///
/// ```
/// use normalizing_flows::{Direction, Flow, MaskedCouplingConfig, Sequential, coupling::Mask};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let even = MaskedCouplingConfig::new(Mask::alternating(3)).init(&device, &mut rng);
/// let odd = MaskedCouplingConfig::new(Mask::alternating(3).complement()).init(&device, &mut rng);
/// let stack = Sequential::new(vec![even, odd]);
///
/// let z = Tensor::ones([5, 3], &device);
/// let (x, log_det) = stack.forward(z.clone(), None);
/// assert_eq!((x.dims(), log_det.dims()), ([5, 3], [5]));
/// assert_eq!(stack.trace(Direction::Forward, z, None).len(), 3);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
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
    /// If two layers were built for different features or contexts, or share parameters, as clones
    /// do: an optimiser would train the first of them only. See
    /// [`with_fresh_ids`](crate::with_fresh_ids).
    pub fn new(layers: Vec<F>) -> Self {
        or_panic(common_d_features(layers.iter().map(Flow::d_features)));
        or_panic(common_d_context(layers.iter().map(Flow::d_context)));
        assert_distinct("layers of a stack", &layers);
        Self { layers }
    }

    /// Every state of one direction: the input, then the output of each layer in turn, each with
    /// the sum of the log-determinants so far. One entry more than there are layers.
    pub fn trace(
        &self,
        direction: Direction,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Vec<(Tensor<2>, Tensor<1>)> {
        let log_det = zero_log_det(&input);
        let mut states = vec![(input, log_det)];
        for layer in self.in_order(direction) {
            let (state, total) = states.last().expect("the trace starts with the input").clone();
            let (state, log_det) = apply(layer, direction, state, context);
            states.push((state, total + log_det));
        }
        states
    }

    /// The layers in the order in which a direction applies them.
    fn in_order(&self, direction: Direction) -> impl Iterator<Item = &F> {
        let n = self.layers.len();
        (0..n).map(move |i| match direction {
            Direction::Forward => &self.layers[i],
            Direction::Inverse => &self.layers[n - 1 - i],
        })
    }

    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        run(self, direction, input, context, |input| {
            let (output, log_det) =
                self.in_order(direction).fold((input, None), |(state, total), layer| {
                    add_log_det(apply(layer, direction, state, context), total)
                });
            let log_det = log_det.unwrap_or_else(|| zero_log_det(&output));
            (output, log_det)
        })
    }
}

impl<F: Flow> Flow for Sequential<F> {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.transform(Direction::Forward, z, context)
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.transform(Direction::Inverse, x, context)
    }

    fn d_features(&self) -> Option<usize> {
        self.layers.iter().find_map(Flow::d_features)
    }

    fn pull_back(
        &self,
        x: Tensor<2>,
        gradient: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> Option<PulledBack> {
        let log_det = zero_log_det(&x);
        let start = PulledBack { z: x, gradient, log_det };
        self.in_order(Direction::Inverse).try_fold(start, |after, layer| {
            let PulledBack { z, gradient, log_det } =
                layer.pull_back(after.z, after.gradient, context)?;
            Some(PulledBack { z, gradient, log_det: after.log_det + log_det })
        })
    }

    fn d_context(&self) -> usize {
        self.layers.iter().map(Flow::d_context).max().unwrap_or(0)
    }

    fn calibrate(
        self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        direction: Direction,
    ) -> Self {
        // Without autodiff: a graph that is never run backward is never freed.
        let mut state = input.without_autodiff();
        let context = context.map(|context| context.clone().without_autodiff());
        let context = context.as_ref();
        let mut layers = self.layers;
        if direction == Direction::Inverse {
            layers.reverse();
        }
        let mut layers: Vec<F> = layers
            .into_iter()
            .map(|layer| {
                let layer = layer.calibrate(state.clone(), context, direction);
                state = apply(&layer.valid(), direction, state.clone(), context).0;
                layer
            })
            .collect();
        if direction == Direction::Inverse {
            layers.reverse();
        }
        Self { layers }
    }

    fn is_calibrated(&self) -> bool {
        self.layers.iter().all(Flow::is_calibrated)
    }

    fn place(&self) -> Option<Place> {
        Place::first(self.layers.iter().map(Flow::place))
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        self.layers.iter().for_each(|layer| layer.lower(program));
    }
}

/// A table of the layers.
impl<F: Flow> ModuleDisplay for Sequential<F> {
    fn format(&self, _: DisplaySettings) -> String {
        table(self, self.d_features().unwrap_or(0))
    }
}

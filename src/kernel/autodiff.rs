//! The kernels under autodiff.
//!
//! burn's autodiff knows operations of one output and a fixed number of inputs. So a transform
//! gives its rows and its log-determinants side by side and cuts them apart afterwards; and the
//! inputs, of which a flow has as many as it has weights, are padded to one of a few numbers with
//! inputs that want no gradient.
//!
//! - A *log-density* computes its gradients in the same pass, while the activations are in the
//!   cache, for the gradient that the mean negative log-likelihood would send back. If another
//!   comes that is the same for all rows, they are scaled; if it differs between rows, the pass is
//!   run again with it.
//! - A *transform* keeps its tape, and computes it again in the backward pass where it would be
//!   too large.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients as BurnGradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{DType, Slice};

use super::flex::{
    BackwardTarget, Gradients, WantedGradients, gradients, log_prob_with_gradients, scale,
    transform_with_tape, uniform_value,
};
use super::ops::{FlowTensors, KernelOps};
use super::program::MAX_WEIGHTS;
use crate::direction::Direction;

type FlexTensor = FloatTensor<Flex>;
type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

impl<C: CheckpointStrategy> KernelOps for Autodiff<Flex, C> {
    fn transform(
        input: Tracked<C>,
        flow: FlowTensors<Self>,
        direction: Direction,
    ) -> (Tracked<C>, Tracked<C>) {
        let (inputs, guards, wanted) = take_apart(input, flow);
        let (batch, d) = (inputs.input.shape()[0], inputs.input.shape()[1]);
        if !wanted.any() {
            let (output, log_det) = Flex::transform(inputs.input, inputs.flow, direction);
            return (Tracked::<C>::new(output), Tracked::<C>::new(log_det));
        }
        let (output, log_det, tape) = transform_with_tape(&inputs.input, &inputs.flow, direction);
        let log_det = Flex::float_reshape(log_det, [batch, 1].into());
        let both = Flex::float_cat(vec![output, log_det], 1);
        let recorded = Recorded::Transform { inputs, wanted, direction, tape };
        let both = record::<C>(guards, recorded, both);
        let columns = |range: std::ops::Range<usize>| [Slice::from(0..batch), Slice::from(range)];
        let output = Self::float_slice(both.clone(), &columns(0..d));
        let log_det = Self::float_slice(both, &columns(d..d + 1));
        (output, Self::float_reshape(log_det, [batch].into()))
    }

    fn log_prob(input: Tracked<C>, flow: FlowTensors<Self>) -> Tracked<C> {
        let (inputs, guards, wanted) = take_apart(input, flow);
        if !wanted.any() {
            let log_prob = Flex::log_prob(inputs.input, inputs.flow);
            return Tracked::<C>::new(log_prob);
        }
        // As burn's `mean` computes the gradient of its input, in the float type at hand.
        let guess = in_type_of(&inputs.input, -1.0 / inputs.input.shape()[0] as f64);
        let (log_prob, ready) =
            log_prob_with_gradients(&inputs.input, &inputs.flow, guess, &wanted);
        record::<C>(guards, Recorded::LogProb { inputs, wanted, guess, ready }, log_prob)
    }
}

/// The inputs of an operation without their graph.
#[derive(Debug, Clone)]
struct Inputs {
    input: FlexTensor,
    flow: FlowTensors<Flex>,
}

/// What the backward pass of an operation keeps.
#[derive(Debug, Clone)]
enum Recorded {
    Transform {
        inputs: Inputs,
        wanted: WantedGradients,
        direction: Direction,
        tape: Option<FlexTensor>,
    },
    LogProb {
        inputs: Inputs,
        wanted: WantedGradients,
        guess: f64,
        ready: Gradients,
    },
}

/// A number rounded to the float type of a tensor.
fn in_type_of(tensor: &FlexTensor, value: f64) -> f64 {
    if tensor.dtype() == DType::F32 { f64::from(value as f32) } else { value }
}

impl Recorded {
    fn has_context(&self) -> bool {
        let (Self::Transform { inputs, .. } | Self::LogProb { inputs, .. }) = self;
        inputs.flow.context.is_some()
    }

    /// The gradients of the inputs from that of the output.
    fn gradients(self, output: FlexTensor) -> Gradients {
        match self {
            Self::Transform { inputs, wanted, direction, tape } => {
                let target = BackwardTarget::Transform(direction, &output);
                gradients(&inputs.input, &inputs.flow, &target, tape, &wanted)
            }
            Self::LogProb { inputs, wanted, guess, ready } => match uniform_value(&output) {
                Some(value) if value == guess => ready,
                // Not by zero or what is no number: from there no factor leads to the guess.
                Some(value) if in_type_of(&output, value / guess).is_normal() => {
                    scale(ready, value / guess)
                }
                _ => {
                    let target = BackwardTarget::WeightedLogProb(&output);
                    gradients(&inputs.input, &inputs.flow, &target, None, &wanted)
                }
            },
        }
    }
}

/// The inputs, the guards of their nodes (that of the input first, then that of the context if
/// there is one, then those of the weights), and which of them want gradients.
fn take_apart<C: CheckpointStrategy>(
    input: Tracked<C>,
    mut flow: FlowTensors<Autodiff<Flex, C>>,
) -> (Inputs, Vec<NodeGuard>, WantedGradients) {
    let wanted = WantedGradients {
        input: input.is_tracked(),
        context: flow.context.as_ref().is_some_and(Tracked::<C>::is_tracked),
        floats: flow.floats.iter().map(Tracked::<C>::is_tracked).collect(),
    };
    let mut guards = Vec::with_capacity(flow.floats.len() + 2);
    let mut take = |tensor: Tracked<C>| {
        let (primitive, guard) = tensor.into_parts();
        guards.push(guard);
        primitive
    };
    let input = take(input);
    let context = flow.context.take().map(&mut take);
    let floats = std::mem::take(&mut flow.floats).into_iter().map(&mut take).collect();
    let FlowTensors { layers, arrangements, ints, .. } = flow;
    let flow = FlowTensors { layers, floats, arrangements, ints, context };
    (Inputs { input, flow }, guards, wanted)
}

/// Puts an operation on the graph.
fn record<C: CheckpointStrategy>(
    guards: Vec<NodeGuard>,
    recorded: Recorded,
    output: FlexTensor,
) -> Tracked<C> {
    match guards.len() {
        0..=8 => record_padded::<C, 8>(guards, recorded, output),
        9..=64 => record_padded::<C, 64>(guards, recorded, output),
        65..=256 => record_padded::<C, 256>(guards, recorded, output),
        _ => record_padded::<C, { MAX_WEIGHTS + 2 }>(guards, recorded, output),
    }
}

fn record_padded<C: CheckpointStrategy, const N: usize>(
    guards: Vec<NodeGuard>,
    recorded: Recorded,
    output: FlexTensor,
) -> Tracked<C> {
    let padding = Tracked::<C>::new(output.clone());
    let mut guards = guards.into_iter();
    let guards: [NodeGuard; N] =
        std::array::from_fn(|_| guards.next().unwrap_or_else(|| padding.node()));
    match Fused.prepare::<C>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(recorded, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// The backward step of both operations.
#[derive(Debug)]
struct Fused;

impl<const N: usize> Backward<Flex, N> for Fused {
    type State = Recorded;

    fn backward(
        self,
        ops: Ops<Recorded, N>,
        grads: &mut BurnGradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let output = grads.consume::<Flex>(&ops.node);
        let has_context = ops.state.has_context();
        let Gradients { input, context, floats } = ops.state.gradients(output);
        let context = has_context.then_some(context);
        let gradients = std::iter::once(input).chain(context).chain(floats);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

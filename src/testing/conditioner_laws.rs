//! [`ConditionerLaws`]: the checks of a conditioner.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::rngs::ChaCha8Rng;

use super::compare::assert_context_ignored_or_refused;
use super::flow_laws::Laws;
use super::list::{list_of_laws, settings_of_laws};
use crate::conditioner::{Conditioner, ConditionerShape};
use crate::flow::Flow;

/// Features that the network sees.
const D_INPUT: usize = 2;
/// Features that it gives parameters for, and how many for each.
const D_OUTPUT: usize = 3;
const N_PARAMETERS: usize = 2;

/// The invariants of a conditioner, each checked by a method that panics when the conditioner does
/// not satisfy it.
///
/// They are those of a flow that shifts some features by what the conditioner makes of the others.
///
/// # Example
///
/// ```
/// use normalizing_flows::{conditioner::MlpConfig, testing::ConditionerLaws};
/// use normalizing_flows::burn::nn::activation::ActivationConfig;
/// use normalizing_flows::burn::tensor::Device;
///
/// // A smooth activation: finite differences do not step over kinks.
/// let config = MlpConfig::new().with_activation(ActivationConfig::Tanh);
/// ConditionerLaws::new(2, move |shape, device, rng| config.init(shape, device, rng))
///     .check_all(&Device::default());
/// ```
pub struct ConditionerLaws<C: Conditioner> {
    laws: Laws<ShiftBy<C>>,
}

list_of_laws! {
    $ ConditionerLaws<C: Conditioner>, conditioner_laws;
    gradients_match_finite_differences
    rows_are_independent
    non_finite_rows_affect_only_their_own_outputs
    stays_finite
    starts_at_zero
    saves_and_loads
    ignores_or_demands_its_context
}

settings_of_laws!(ConditionerLaws<C: Conditioner>);

impl<C: Conditioner> ConditionerLaws<C> {
    /// A case: the conditioner that `build` makes for a shape with `d_context` context features.
    pub fn new(
        d_context: usize,
        build: impl Fn(ConditionerShape, &Device, &mut ChaCha8Rng) -> C + 'static,
    ) -> Self {
        let shape = ConditionerShape {
            d_input: D_INPUT,
            d_context,
            d_output: D_OUTPUT,
            n_parameters: N_PARAMETERS,
        };
        let build = move |device: &Device, rng: &mut ChaCha8Rng| {
            let conditioner = build(shape, device, rng);
            assert_eq!(conditioner.d_context(), d_context, "`d_context` of the conditioner");
            ShiftBy { conditioner }
        };
        Self { laws: Laws::new(D_INPUT + D_OUTPUT, build) }
    }

    /// The gradients of inputs, context and every weight match central differences.
    pub fn gradients_match_finite_differences(&self, device: &Device) {
        self.laws.gradients_match_finite_differences(device);
    }

    /// A row gives the same whatever the other rows hold, and however many they are.
    pub fn rows_are_independent(&self, device: &Device) {
        self.laws.rows_are_independent(device);
    }

    /// A NaN or an infinity affects the outputs of no other row.
    pub fn non_finite_rows_affect_only_their_own_outputs(&self, device: &Device) {
        self.laws.non_finite_rows_affect_only_their_own_outputs(device);
    }

    /// Outputs and gradients are finite for tiny, huge and mixed inputs and contexts.
    pub fn stays_finite(&self, device: &Device) {
        self.laws.stays_finite(device);
    }

    /// A new conditioner gives zeros, so that a new flow is the identity.
    pub fn starts_at_zero(&self, device: &Device) {
        self.laws.starts_as_expected(device);
    }

    /// Saving and loading, into a conditioner built from another seed, gives the same bits.
    pub fn saves_and_loads(&self, device: &Device) {
        self.laws.saves_and_loads(device);
    }

    /// A conditioner with a context depends on it, and panics without; one without a context gives
    /// the same whatever context it is given, or panics.
    pub fn ignores_or_demands_its_context(&self, device: &Device) {
        let (ShiftBy { conditioner }, x, context) = self.laws.tracked(device);
        if context.is_some() {
            return self.laws.ignores_or_demands_its_context(device);
        }
        let (conditioner, x) = (conditioner.valid(), x.inner().narrow(1, 0, D_INPUT));
        let context = x.clone();
        let plain = conditioner.forward(x.clone(), None);
        assert_context_ignored_or_refused(&plain, || conditioner.forward(x, Some(&context)));
    }
}

/// A flow that shifts the last features by what a conditioner makes of the first ones.
#[derive(Module, Debug)]
struct ShiftBy<C: Conditioner> {
    conditioner: C,
}

impl<C: Conditioner> ShiftBy<C> {
    fn shift(
        &self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        sign: f64,
    ) -> (Tensor<2>, Tensor<1>) {
        let [batch, _] = input.dims();
        let log_det = input.clone().sum_dim(1).squeeze_dim(1) * 0.0;
        if batch == 0 {
            return (input, log_det);
        }
        let kept = input.clone().narrow(1, 0, D_INPUT);
        let context = context.filter(|_| self.conditioner.d_context() > 0);
        let shift = self.conditioner.forward(kept.clone(), context);
        let n_outputs = N_PARAMETERS * D_OUTPUT;
        assert_eq!(shift.dims(), [batch, n_outputs], "the shape of the parameters");
        // The second parameter of a feature counts otherwise than the first.
        let [first, second] = [0, D_OUTPUT].map(|start| shift.clone().narrow(1, start, D_OUTPUT));
        let shift = first + second * 0.7;
        let shifted = input.narrow(1, D_INPUT, D_OUTPUT) + shift * sign;
        (Tensor::cat(vec![kept, shifted], 1), log_det)
    }
}

impl<C: Conditioner> Flow for ShiftBy<C> {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.shift(z, context, 1.0)
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.shift(x, context, -1.0)
    }

    fn d_features(&self) -> Option<usize> {
        Some(D_INPUT + D_OUTPUT)
    }

    fn d_context(&self) -> usize {
        self.conditioner.d_context()
    }
}

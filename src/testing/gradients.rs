//! Gradients are derivatives.

use burn::tensor::{Device, FloatDType, Tensor, TensorData};

use super::compare::{assert_values_close, host};
use super::flow_laws::{BATCH, Laws, apply, both_ways, loss};
use super::parameters::{gradients, nudge};
use crate::direction::Direction;
use crate::flow::Flow;
use crate::parameters::cast;

/// Values of a parameter that are checked against finite differences, spread over it.
const CHECKED_ENTRIES: usize = 10;

impl<F: Flow> Laws<F> {
    /// The gradients of inputs, context and every parameter match central differences, which are
    /// taken in `f64` whatever the float type of the gradients.
    ///
    /// # Panics
    ///
    /// Also if no gradient reaches a parameter.
    pub fn gradients_match_finite_differences(&self, device: &Device) {
        for (direction, _) in both_ways() {
            self.gradients_match(device, direction);
        }
    }

    /// The gradients of `Σ |z + gradient|²` of what is pulled back, by every parameter, match central differences.
    pub(super) fn pulled_gradients_match(
        &self,
        flow: &F,
        x: &Tensor<2>,
        slopes: &Tensor<2>,
        context: Option<&Tensor<2>>,
    ) {
        // As for gradients of outputs; the loss is of squares, of order 10 to 100.
        let step = 1e-6;
        let tolerance = if self.dtype == FloatDType::F64 { 1e-5 } else { 1e-2 };
        let divergence =
            |flow: &F, x: &Tensor<2>, slopes: &Tensor<2>, context: Option<&Tensor<2>>| {
                let pulled = flow.pull_back(x.clone(), slopes.clone(), context);
                let pulled = pulled.expect("it was there before");
                (pulled.z + pulled.gradient).square().sum()
            };
        // A flow without parameters has a graph by its input.
        let tracked = x.clone().require_grad();
        let backward = divergence(flow, &tracked, slopes, context).backward();
        let oracle = cast(flow.clone().valid(), FloatDType::F64);
        let to_f64 = |tensor: &Tensor<2>| tensor.clone().inner().cast(FloatDType::F64);
        let (x, slopes, context) = (to_f64(x), to_f64(slopes), context.map(to_f64));
        let value = |flow: F| -> f64 {
            divergence(&flow, &x, &slopes, context.as_ref()).into_scalar::<f64>()
        };
        for (index, gradient) in gradients(flow, &backward) {
            // One that has no say in it, as a shift behind a linear map, has no gradient.
            let Some(gradient) = gradient else { continue };
            let entries: Vec<usize> =
                (0..gradient.len()).step_by(gradient.len().div_ceil(CHECKED_ENTRIES)).collect();
            let at = |i: usize, h: f64| value(nudge(oracle.clone(), index, i, h));
            let by_difference: Vec<f64> =
                entries.iter().map(|&i| (at(i, step) - at(i, -step)) / (2.0 * step)).collect();
            let checked: Vec<f64> = entries.iter().map(|&i| gradient[i]).collect();
            let what = format!("gradient of what is pulled back, by parameter {index}");
            assert_values_close(&what, &checked, &by_difference, tolerance);
        }
    }

    fn gradients_match(&self, device: &Device, direction: Direction) {
        // Central differences of step h have an error of order h² f'''' + ε |f| / h, in f64 at h =
        // 1e-6 some 1e-10 for a loss of order 1. The loss sums tens of terms whose third
        // derivatives are products of weights, hence 1e-6. Gradients in f32 have some hundred
        // roundings of 1.2e-7, and cancel.
        let step = 1e-6;
        let tolerance = if self.dtype == FloatDType::F64 { 1e-6 } else { 1e-3 };

        let (flow, x, context) = self.tracked(device);
        let x = x.require_grad();
        let context = context.map(Tensor::require_grad);
        let loss = loss(apply(&flow, direction, x.clone(), context.as_ref()));
        let backward = loss.backward();

        let oracle = cast(flow.valid(), FloatDType::F64);
        let to_f64 = |tensor: &Tensor<2>| tensor.clone().inner().cast(FloatDType::F64);
        let (x_64, context_64) = (to_f64(&x), context.as_ref().map(to_f64));
        let value = |flow: &F, x: &Tensor<2>, context: Option<&Tensor<2>>| -> f64 {
            loss_value(apply(flow, direction, x.clone(), context))
        };
        let differences = |at: &dyn Fn(usize, f64) -> f64, entries: &[usize]| -> Vec<f64> {
            entries.iter().map(|&i| (at(i, step) - at(i, -step)) / (2.0 * step)).collect()
        };

        let gradient_of = |tensor: &Tensor<2>| {
            host(&tensor.grad(&backward).expect("a gradient must reach the input and context"))
        };
        let entries: Vec<usize> = (0..BATCH * self.d_features).collect();
        let by_difference = differences(
            &|i, h| value(&oracle, &shifted(&x_64, i, h), context_64.as_ref()),
            &entries,
        );
        let what = format!("{direction:?}: gradient of the input");
        assert_values_close(&what, &gradient_of(&x), &by_difference, tolerance);

        if let (Some(context), Some(context_64)) = (&context, &context_64) {
            let entries: Vec<usize> = (0..BATCH * flow.d_context()).collect();
            let by_difference = differences(
                &|i, h| value(&oracle, &x_64, Some(&shifted(context_64, i, h))),
                &entries,
            );
            let what = format!("{direction:?}: gradient of the context");
            assert_values_close(&what, &gradient_of(context), &by_difference, tolerance);
        }

        for (index, gradient) in gradients(&flow, &backward) {
            let gradient = gradient.unwrap_or_else(|| {
                panic!("{direction:?}: no gradient reaches parameter {index}");
            });
            let entries: Vec<usize> =
                (0..gradient.len()).step_by(gradient.len().div_ceil(CHECKED_ENTRIES)).collect();
            let by_difference = differences(
                &|i, h| value(&nudge(oracle.clone(), index, i, h), &x_64, context_64.as_ref()),
                &entries,
            );
            let checked: Vec<f64> = entries.iter().map(|&i| gradient[i]).collect();
            let what = format!("{direction:?}: gradient of parameter {index}");
            assert_values_close(&what, &checked, &by_difference, tolerance);
        }
    }
}

/// The tensor with `step` added to one value.
pub(super) fn shifted(tensor: &Tensor<2>, entry: usize, step: f64) -> Tensor<2> {
    let mut values = host(tensor);
    values[entry] += step;
    let data = TensorData::new(values, tensor.dims());
    Tensor::from_data(data, (&tensor.device(), tensor.dtype()))
}

fn loss_value(outputs: (Tensor<2>, Tensor<1>)) -> f64 {
    loss(outputs).into_scalar()
}

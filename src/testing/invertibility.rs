//! The laws of an invertible map with a log-determinant.

use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::compare::{assert_close, assert_values_close, host};
use super::determinant::log_abs_det;
use super::laws::{Laws, apply, both_ways};
use crate::cast::cast;
use crate::direction::Direction;
use crate::flow::Flow;

impl<F: Flow> Laws<F> {
    /// `inverse` undoes `forward`, and the other way round.
    pub fn round_trips(&self, device: &Device) {
        let (flow, x, context) = self.plain(device);
        for (there, back) in both_ways() {
            let (y, _) = apply(&flow, there, x.clone(), context.as_ref());
            let (again, _) = apply(&flow, back, y, context.as_ref());
            assert_close(&format!("{there:?} and back"), &again, &x, self.tolerance());
        }
    }

    /// The log-determinants of the two directions add to zero.
    pub fn log_dets_cancel(&self, device: &Device) {
        let (flow, x, context) = self.plain(device);
        for (there, back) in both_ways() {
            let (y, log_det) = apply(&flow, there, x.clone(), context.as_ref());
            let (_, log_det_back) = apply(&flow, back, y, context.as_ref());
            let what = format!("log-determinant of {there:?}");
            assert_close(&what, &log_det, &-log_det_back, self.tolerance());
        }
    }

    /// The log-determinant is `log |det|` of the Jacobian that autodiff finds.
    pub fn log_det_is_that_of_the_jacobian(&self, device: &Device) {
        let (flow, x, context) = self.tracked(device);
        for (direction, _) in both_ways() {
            let (_, log_det) = apply(&flow, direction, x.clone(), context.as_ref());
            let expected: Vec<f64> = jacobians(&flow, direction, &x, context.as_ref())
                .into_iter()
                .map(log_abs_det)
                .collect();
            let what = format!("log-determinant of {direction:?}");
            assert_values_close(&what, &host(&log_det), &expected, self.tolerance());
        }
    }

    /// A new flow is the identity, unless the case was declared
    /// [`without_identity_start`](Laws::without_identity_start).
    pub fn starts_as_the_identity(&self, device: &Device) {
        let Some(roundings) = self.start_roundings else { return };
        let tolerance = f64::from(roundings) * self.epsilon();
        let flow = cast((self.build)(device, &mut ChaCha8Rng::seed_from_u64(1)), self.dtype);
        let (_, x, context) = self.plain(device);
        for (direction, _) in both_ways() {
            let (y, log_det) = apply(&flow, direction, x.clone(), context.as_ref());
            let what = format!("{direction:?} of a new flow");
            assert_close(&what, &y, &x, tolerance);
            assert_close(&what, &log_det, &log_det.zeros_like(), tolerance);
        }
    }
}

/// The Jacobian of each row. The rows are independent, so one backward pass through the sum of an
/// output column gives that row of all Jacobians.
fn jacobians<F: Flow>(
    flow: &F,
    direction: Direction,
    x: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Vec<Vec<Vec<f64>>> {
    let [batch, d] = x.dims();
    let mut jacobians = vec![Vec::with_capacity(d); batch];
    for column in 0..d {
        let x = x.clone().require_grad();
        let (y, _) = apply(flow, direction, x.clone(), context);
        let backward = y.narrow(1, column, 1).sum().backward();
        let gradient = host(&x.grad(&backward).expect("a gradient must reach the input"));
        for (jacobian, row) in jacobians.iter_mut().zip(gradient.chunks_exact(d)) {
            jacobian.push(row.to_vec());
        }
    }
    jacobians
}

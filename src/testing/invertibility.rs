//! An invertible map with a log-determinant.

use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::compare::{assert_close, assert_values_close, host};
use super::determinant::log_abs_det;
use super::flow_laws::{Laws, apply, both_ways};
use crate::direction::Direction;
use crate::flow::{Flow, zero_log_det};
use crate::parameters::cast;

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

    /// What [`pull_back`](Flow::pull_back) gives, if it gives anything, is what autodiff finds: the gradient of a
    /// linear log-density and the log-determinant by the latents. And it can be differentiated once more, by the
    /// parameters, as central differences do.
    pub fn pulls_gradients_back(&self, device: &Device) {
        let (flow, z, context) = self.tracked(device);
        let (x, _) = apply(&flow, Direction::Forward, z, context.as_ref());
        let x = x.detach();
        let pulled_x = x.clone();
        let n = x.dims().iter().product();
        let slopes = (0..n).map(|i| ((i * 7) % 11) as f64 / 4.0 - 1.0).collect();
        let slopes = self.tensor(slopes, x.dims(), &x.device());
        let Some(pulled) = flow.pull_back(x.clone(), slopes.clone(), context.as_ref()) else {
            return;
        };
        let (z, log_det) = apply(&flow, Direction::Inverse, x, context.as_ref());
        assert_close("the latents", &pulled.z, &z, self.tolerance());
        assert_close("log |det ∂x/∂z|", &pulled.log_det, &-log_det, self.tolerance());
        let z = z.detach().require_grad();
        let (x, log_det) = apply(&flow, Direction::Forward, z.clone(), context.as_ref());
        let gradients = ((x * slopes.clone()).sum() + log_det.sum()).backward();
        let expected = z.grad(&gradients).expect("a gradient must reach the input");
        assert_close("the gradient", &pulled.gradient.inner(), &expected, self.tolerance());
        self.pulled_gradients_match(&flow, &pulled_x, &slopes, context.as_ref());
    }

    /// A new flow is the identity, or what the case declares by [`with_start`](Laws::with_start);
    /// in both directions.
    pub fn starts_as_expected(&self, device: &Device) {
        let tolerance = self.start_tolerance();
        let flow = cast((self.build)(device, &mut ChaCha8Rng::seed_from_u64(1)), self.dtype);
        let (_, z, context) = self.plain(device);
        let z = self.start_points(z);
        let (x, log_det) = match &self.start {
            Some(start) => start(z.clone()),
            None => (z.clone(), zero_log_det(&z)),
        };
        for (direction, input, output, log_det) in
            [(Direction::Forward, &z, &x, log_det.clone()), (Direction::Inverse, &x, &z, -log_det)]
        {
            let (found, log_det_found) = apply(&flow, direction, input.clone(), context.as_ref());
            let what = format!("{direction:?} of a new flow");
            assert_close(&what, &found, output, tolerance);
            assert_close(&what, &log_det_found, &log_det, tolerance);
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

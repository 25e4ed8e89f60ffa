//! [`Laws`]: the laws themselves.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::compare::{assert_close, assert_values_close, host};
use super::determinant::log_abs_det;
use super::parameters::{gradients, nudge, perturb};
use crate::cast::cast;
use crate::flow::{Flow, forward_with, inverse_with};

/// Rows of a batch.
const BATCH: usize = 6;
/// Standard deviation of the noise that takes the parameters away from their start.
const PERTURBATION: f64 = 0.3;
/// Values of a parameter that are checked against finite differences, spread over it.
const CHECKED_ENTRIES: usize = 10;

/// Builds the flow that is judged.
type Build<F> = Box<dyn Fn(&Device, &mut ChaCha8Rng) -> F>;

/// A direction of a flow.
#[derive(Debug, Clone, Copy)]
enum Direction {
    Forward,
    Inverse,
}

/// The laws of a flow, each a method that panics when the law is broken.
///
/// Every law but [`starts_as_the_identity`](Laws::starts_as_the_identity) perturbs the parameters
/// first. Layers that are random in training are judged as [`valid`](Module::valid) only by the laws
/// that need no gradients.
///
/// The gradient law evaluates in `f64`, so it needs a device that can; the others run on any.
pub struct Laws<F: Flow> {
    build: Build<F>,
    d_features: usize,
    dtype: FloatDType,
    reach: f64,
    tolerance: Option<f64>,
}

impl<F: Flow> Laws<F> {
    /// Laws of the flow over `d_features` features that `build` makes.
    pub fn new(d_features: usize, build: impl Fn(&Device, &mut ChaCha8Rng) -> F + 'static) -> Self {
        let dtype = FloatDType::F32;
        Self { build: Box::new(build), d_features, dtype, reach: 1e9, tolerance: None }
    }

    /// Checks in another float type; the default is `f32`.
    #[must_use]
    pub fn with_dtype(mut self, dtype: FloatDType) -> Self {
        self.dtype = dtype;
        self
    }

    /// The largest absolute value in the domain, for [`stays_finite`](Laws::stays_finite); the default
    /// is 1e9.
    #[must_use]
    pub fn with_reach(mut self, reach: f64) -> Self {
        self.reach = reach;
        self
    }

    /// The relative (below 1: absolute) tolerance of values; the default is 1e-9 in `f64`, and 1e-4 in
    /// `f32`: some hundred roundings of 1.2e-7, amplified by scales of up to ten.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// All laws on one device.
    pub fn check_all(&self, device: &Device) {
        self.round_trips(device);
        self.log_dets_cancel(device);
        self.log_det_is_that_of_the_jacobian(device);
        self.gradients_match_finite_differences(device);
        self.rows_are_independent(device);
        self.a_nan_row_poisons_only_itself(device);
        self.takes_batches_of_0_and_1(device);
        self.stays_finite(device);
        self.starts_as_the_identity(device);
        self.saves_and_loads(device);
        self.ignores_or_demands_its_context(device);
    }

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

    /// The gradients of inputs, context and every parameter match central differences, which are taken
    /// in `f64` whatever the float type of the gradients.
    ///
    /// # Panics
    ///
    /// Also if no gradient reaches a parameter.
    pub fn gradients_match_finite_differences(&self, device: &Device) {
        for (direction, _) in both_ways() {
            self.gradients_match(device, direction);
        }
    }

    fn gradients_match(&self, device: &Device, direction: Direction) {
        // Central differences of step h have an error of order h² + ε/h, 1e-10 in f64 at h = 1e-6.
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

    /// A row is mapped the same whatever the other rows hold, and however many they are.
    pub fn rows_are_independent(&self, device: &Device) {
        let (flow, x, context) = self.plain(device);
        for (direction, _) in both_ways() {
            let (y, log_det) = apply(&flow, direction, x.clone(), context.as_ref());
            for row in 0..BATCH {
                let one = |tensor: &Tensor<2>| tensor.clone().narrow(0, row, 1);
                let context = context.as_ref().map(one);
                let (y_one, log_det_one) = apply(&flow, direction, one(&x), context.as_ref());
                let what = format!("{direction:?}: row {row} by itself");
                assert_close(&what, &y_one, &one(&y), self.tolerance());
                let log_det = log_det.clone().narrow(0, row, 1);
                assert_close(&what, &log_det_one, &log_det, self.tolerance());
            }
        }
    }

    /// A row with a NaN makes its own outputs and input gradients non-finite and leaves those of all
    /// other rows as they were.
    pub fn a_nan_row_poisons_only_itself(&self, device: &Device) {
        let sick = BATCH / 2;
        let (flow, x, context) = self.tracked(device);
        let mut values = host(&x);
        values[sick * self.d_features..(sick + 1) * self.d_features].fill(f64::NAN);
        let poisoned = Tensor::from_data(
            TensorData::new(values, x.dims()),
            (&x.device(), DType::from(self.dtype)),
        );
        for (direction, _) in both_ways() {
            let run = |x: &Tensor<2>| {
                let x = x.clone().require_grad();
                let (y, log_det) = apply(&flow, direction, x.clone(), context.as_ref());
                let gradients = loss((y.clone(), log_det.clone())).backward();
                let gradient = x.grad(&gradients).expect("a gradient must reach the input");
                let outputs = Tensor::cat(vec![y.inner(), log_det.inner().unsqueeze_dim(1)], 1);
                (host(&outputs), host(&gradient))
            };
            let (healthy, poisoned) = (run(&x), run(&poisoned));
            let pairs = [("output", healthy.0, poisoned.0), ("gradient", healthy.1, poisoned.1)];
            for (what, healthy, poisoned) in pairs {
                let width = healthy.len() / BATCH;
                for row in 0..BATCH {
                    let (healthy, poisoned) = (
                        &healthy[row * width..(row + 1) * width],
                        &poisoned[row * width..(row + 1) * width],
                    );
                    if row != sick {
                        let what = format!("{direction:?}: {what} of row {row} beside a NaN row");
                        assert_values_close(&what, poisoned, healthy, self.tolerance());
                    } else if what == "output" {
                        assert!(
                            poisoned[..self.d_features].iter().all(|value| !value.is_finite()),
                            "{direction:?}: the {what} of a NaN row must not be finite: {poisoned:?}"
                        );
                    }
                }
            }
        }
    }

    /// Batches of no row and of one row work, with gradients.
    pub fn takes_batches_of_0_and_1(&self, device: &Device) {
        let (flow, x, context) = self.tracked(device);
        for (direction, _) in both_ways() {
            for batch in [0, 1] {
                let some = |tensor: &Tensor<2>| match batch {
                    0 => Tensor::zeros([0, tensor.dims()[1]], (&tensor.device(), tensor.dtype())),
                    _ => tensor.clone().narrow(0, 0, batch),
                };
                let context = context.as_ref().map(some);
                let (y, log_det) =
                    apply(&flow, direction, some(&x).require_grad(), context.as_ref());
                assert_eq!(y.dims(), [batch, self.d_features], "{direction:?}: output");
                assert_eq!(log_det.dims(), [batch], "{direction:?}: log-determinant");
                assert_eq!(y.dtype(), DType::from(self.dtype), "{direction:?}: float type");
                assert_eq!(log_det.dtype(), DType::from(self.dtype), "{direction:?}: float type");
                let _ = loss((y, log_det)).backward();
            }
        }
    }

    /// Outputs, log-determinants and input gradients are finite for tiny, huge and mixed inputs.
    pub fn stays_finite(&self, device: &Device) {
        let (flow, _, _) = self.tracked(device);
        let magnitudes = [0.0, -0.0, 1e-30, -1e-8, 1.0, -1e3, self.reach, -self.reach];
        let magnitudes = magnitudes.map(|value: f64| value.clamp(-self.reach, self.reach));
        // Row r holds the magnitudes from the r-th on, so that each meets each.
        let fill = |d: usize| {
            let values = (0..magnitudes.len() * d)
                .map(|i| magnitudes[(i / d + i % d * (1 + i / d)) % magnitudes.len()])
                .collect();
            self.tensor(values, [magnitudes.len(), d], &device.clone().autodiff())
        };
        let x = fill(self.d_features).require_grad();
        let context = (flow.d_context() > 0).then(|| fill(flow.d_context()));
        for (direction, _) in both_ways() {
            let (y, log_det) = apply(&flow, direction, x.clone(), context.as_ref());
            let backward = (y.clone().sum() + log_det.clone().sum()).backward();
            let gradient = x.grad(&backward).expect("a gradient must reach the input");
            for (what, values) in [
                ("output", host(&y)),
                ("log-determinant", host(&log_det)),
                ("gradient", host(&gradient)),
            ] {
                assert!(
                    values.iter().all(|value| value.is_finite()),
                    "{direction:?}: the {what} must be finite, found {values:?}"
                );
            }
        }
    }

    /// A new flow is the identity.
    pub fn starts_as_the_identity(&self, device: &Device) {
        let flow = cast((self.build)(device, &mut ChaCha8Rng::seed_from_u64(1)), self.dtype);
        let (_, x, context) = self.plain(device);
        for (direction, _) in both_ways() {
            let (y, log_det) = apply(&flow, direction, x.clone(), context.as_ref());
            let what = format!("{direction:?} of a new flow");
            assert_close(&what, &y, &x, self.tolerance());
            assert_close(&what, &log_det, &log_det.zeros_like(), self.tolerance());
        }
    }

    /// Saving and loading, into a model built from another seed, gives the same bits.
    pub fn saves_and_loads(&self, device: &Device) {
        let (flow, x, context) = self.plain(device);
        let bytes = flow.clone().into_record().into_bytes().expect("a record can be written");
        let record = burn::store::ModuleRecord::from_bytes(bytes).expect("a record can be read");
        let other = (self.build)(device, &mut ChaCha8Rng::seed_from_u64(77));
        let loaded = other.try_load_record(record).expect("the record fits the same architecture");
        for (direction, _) in both_ways() {
            let saved = apply(&flow, direction, x.clone(), context.as_ref());
            let loaded = apply(&loaded, direction, x.clone(), context.as_ref());
            assert_eq!(loaded.0.into_data(), saved.0.into_data(), "{direction:?}: output");
            assert_eq!(loaded.1.into_data(), saved.1.into_data(), "{direction:?}: log-determinant");
        }
    }

    /// A flow with a context depends on it; one without gives the same whatever the context.
    pub fn ignores_or_demands_its_context(&self, device: &Device) {
        let (flow, x, context) = self.plain(device);
        for (direction, _) in both_ways() {
            let Some(context) = &context else {
                let without = apply(&flow, direction, x.clone(), None).0;
                let with = apply(&flow, direction, x.clone(), Some(&x)).0;
                assert_eq!(with.into_data(), without.into_data(), "{direction:?}");
                continue;
            };
            let here = host(&apply(&flow, direction, x.clone(), Some(context)).0);
            let there = host(&apply(&flow, direction, x.clone(), Some(&(context.clone() + 1.0))).0);
            assert!(here != there, "{direction:?}: the context must make a difference");
        }
    }

    fn tolerance(&self) -> f64 {
        let default = if self.dtype == FloatDType::F64 { 1e-9 } else { 1e-4 };
        self.tolerance.unwrap_or(default)
    }

    /// A perturbed flow in training, an input and, if the flow takes one, a context.
    fn tracked(&self, device: &Device) -> (F, Tensor<2>, Option<Tensor<2>>) {
        let device = device.clone().autodiff();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let flow = perturb((self.build)(&device, &mut rng), PERTURBATION, &mut rng);
        let flow = cast(flow, self.dtype);
        let mut normal = |d: usize| {
            let values = StandardNormal.sample_iter(&mut rng).take(BATCH * d).collect();
            self.tensor(values, [BATCH, d], &device)
        };
        let x = normal(self.d_features);
        let context = (flow.d_context() > 0).then(|| normal(flow.d_context()));
        (flow, x, context)
    }

    /// The same without autodiff.
    fn plain(&self, device: &Device) -> (F, Tensor<2>, Option<Tensor<2>>) {
        let (flow, x, context) = self.tracked(device);
        (flow.valid(), x.inner(), context.map(Tensor::inner))
    }

    fn tensor(&self, values: Vec<f64>, shape: [usize; 2], device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values, shape), (device, DType::from(self.dtype)))
    }
}

fn both_ways() -> [(Direction, Direction); 2] {
    [(Direction::Forward, Direction::Inverse), (Direction::Inverse, Direction::Forward)]
}

fn apply<F: Flow>(
    flow: &F,
    direction: Direction,
    x: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> (Tensor<2>, Tensor<1>) {
    match direction {
        Direction::Forward => forward_with(flow, x, context),
        Direction::Inverse => inverse_with(flow, x, context),
    }
}

/// A scalar in which every output has a weight of its own.
fn loss((y, log_det): (Tensor<2>, Tensor<1>)) -> Tensor<1> {
    let [batch, d] = y.dims();
    let weights: Vec<f64> = (0..batch * d).map(|i| (1.0 + i as f64).sin()).collect();
    let options = (&y.device(), y.dtype());
    let weights_y = Tensor::from_data(TensorData::new(weights.clone(), [batch, d]), options);
    let weights = weights.iter().step_by(d.max(1)).map(|weight| weight + 0.5).collect::<Vec<_>>();
    let weights_log_det = Tensor::from_data(TensorData::new(weights, [batch]), options);
    (y * weights_y).sum() + (log_det * weights_log_det).sum()
}

fn loss_value(outputs: (Tensor<2>, Tensor<1>)) -> f64 {
    loss(outputs).into_scalar()
}

fn shifted(tensor: &Tensor<2>, entry: usize, step: f64) -> Tensor<2> {
    let mut values = host(tensor);
    values[entry] += step;
    let data = TensorData::new(values, tensor.dims());
    Tensor::from_data(data, (&tensor.device(), tensor.dtype()))
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

//! What goes in, and what is saved.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::store::ModuleRecord;
use burn::tensor::{DType, Device, Tensor};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::compare::{assert_close, assert_values_close, host};
use super::flow_laws::{BATCH, Laws, apply, both_ways, loss};
use crate::flow::Flow;

impl<F: Flow> Laws<F> {
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

    /// A row with a NaN or an infinity, in one feature or in all, shows it in an output of its own,
    /// and leaves the outputs and input gradients of all other rows as they were.
    pub fn non_finite_rows_affect_only_their_own_outputs(&self, device: &Device) {
        let bad = BATCH / 2;
        let (flow, x, context) = self.tracked(device);
        let first = bad * self.d_features;
        let all = first..first + self.d_features;
        let places = all.clone().map(|i| i..i + 1).chain([all.clone()]);
        for place in places {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut values = host(&x);
                values[place.clone()].fill(value);
                let changed = self.tensor(values, x.dims(), &x.device());
                self.affects_only_row(bad, &flow, &x, &changed, context.as_ref());
            }
        }
    }

    fn affects_only_row(
        &self,
        bad: usize,
        flow: &F,
        finite: &Tensor<2>,
        changed: &Tensor<2>,
        context: Option<&Tensor<2>>,
    ) {
        for (direction, _) in both_ways() {
            let run = |x: &Tensor<2>| {
                let x = x.clone().require_grad();
                let (y, log_det) = apply(flow, direction, x.clone(), context);
                let gradients = loss((y.clone(), log_det.clone())).backward();
                let gradient = x.grad(&gradients).expect("a gradient must reach the input");
                let outputs = Tensor::cat(vec![y.inner(), log_det.inner().unsqueeze_dim(1)], 1);
                (host(&outputs), host(&gradient))
            };
            let (finite, changed) = (run(finite), run(changed));
            let row = |values: &[f64], row: usize| {
                let width = values.len() / BATCH;
                values[row * width..(row + 1) * width].to_vec()
            };
            for other in (0..BATCH).filter(|&other| other != bad) {
                let what = format!("{direction:?}: row {other} beside a non-finite row");
                for (finite, changed) in [(&finite.0, &changed.0), (&finite.1, &changed.1)] {
                    let (finite, changed) = (row(finite, other), row(changed, other));
                    assert_values_close(&what, &changed, &finite, self.tolerance());
                }
            }
            let outputs = row(&changed.0, bad);
            assert!(
                outputs.iter().any(|value| !value.is_finite()),
                "{direction:?}: a non-finite row must have a non-finite output, found {outputs:?}"
            );
        }
    }

    /// Batches of no row and of one row work, with gradients, and the flow says how many features
    /// they have.
    pub fn takes_batches_of_0_and_1(&self, device: &Device) {
        let (flow, x, context) = self.tracked(device);
        let d_features = flow.d_features().unwrap_or(self.d_features);
        assert_eq!(d_features, self.d_features, "`d_features` of the flow");
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

    /// Outputs, log-determinants and gradients of inputs and context are finite for tiny, huge and
    /// mixed inputs and contexts.
    pub fn stays_finite(&self, device: &Device) {
        let (flow, _, _) = self.tracked(device);
        let magnitudes =
            [0.0, -0.0, 1e-30, -1e-8, 1.0, -1e3, self.max_abs_input, -self.max_abs_input];
        let magnitudes =
            magnitudes.map(|value: f64| value.clamp(-self.max_abs_input, self.max_abs_input));
        // Every pair of magnitudes meets in the first two features; the others take them at random.
        // The rows before are one magnitude throughout.
        let n = magnitudes.len();
        let rows = n + n * n;
        let fill = |d: usize, rng: &mut ChaCha8Rng| {
            let values = (0..rows * d).map(|i| match (i / d, i % d) {
                (row, _) if row < n => magnitudes[row],
                (row, 0) => magnitudes[(row - n) / n],
                (row, 1) => magnitudes[(row - n) % n],
                _ => magnitudes[rng.random_range(0..n)],
            });
            self.tensor(values.collect(), [rows, d], &device.clone().autodiff())
        };
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let x = fill(self.d_features, &mut rng).require_grad();
        let context =
            (flow.d_context() > 0).then(|| fill(flow.d_context(), &mut rng).require_grad());
        for (direction, _) in both_ways() {
            let (y, log_det) = apply(&flow, direction, x.clone(), context.as_ref());
            let backward = (y.clone().sum() + log_det.clone().sum()).backward();
            let gradient = x.grad(&backward).expect("a gradient must reach the input");
            let context_gradient = context.as_ref().map_or(Vec::new(), |context| {
                host(&context.grad(&backward).expect("a gradient must reach the context"))
            });
            for (what, values) in [
                ("output", host(&y)),
                ("log-determinant", host(&log_det)),
                ("gradient", host(&gradient)),
                ("gradient of the context", context_gradient),
            ] {
                assert!(
                    values.iter().all(|value| value.is_finite()),
                    "{direction:?}: the {what} must be finite, found {values:?}"
                );
            }
        }
    }

    /// Saving and loading, into a model built from another seed, gives the same bits.
    pub fn saves_and_loads(&self, device: &Device) {
        let (flow, x, context) = self.plain(device);
        let bytes = flow.clone().into_record().into_bytes().expect("a record can be written");
        let record = ModuleRecord::from_bytes(bytes).expect("a record can be read");
        let other = (self.build)(device, &mut ChaCha8Rng::seed_from_u64(77));
        let loaded = other.try_load_record(record).expect("the record fits the same architecture");
        for (direction, _) in both_ways() {
            let saved = apply(&flow, direction, x.clone(), context.as_ref());
            let loaded = apply(&loaded, direction, x.clone(), context.as_ref());
            assert_eq!(loaded.0.into_data(), saved.0.into_data(), "{direction:?}: output");
            assert_eq!(loaded.1.into_data(), saved.1.into_data(), "{direction:?}: log-determinant");
        }
    }

    /// A flow with a context depends on it, and panics without; one without context gives the same
    /// whatever the context.
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
            assert!(here.iter().chain(&there).all(|value| value.is_finite()), "{direction:?}");
            assert!(here != there, "{direction:?}: the context must make a difference");
            let without = AssertUnwindSafe(|| drop(apply(&flow, direction, x.clone(), None)));
            assert!(
                catch_unwind(without).is_err(),
                "{direction:?}: a flow with a context must panic without one"
            );
        }
    }
}

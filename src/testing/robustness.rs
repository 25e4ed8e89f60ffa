//! The laws of what goes in, and of what is saved.

use burn::store::ModuleRecord;
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::compare::{assert_close, assert_values_close, host};
use super::laws::{BATCH, Laws, apply, both_ways, loss};
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
}

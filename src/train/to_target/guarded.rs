//! [`Guarded`]: a target whose values that are not finite are counted and kept from the training.

use std::cell::RefCell;

use burn::tensor::{Tensor, TensorData};

use crate::error::Error;
use crate::target::Target;

/// Turns NaN and infinity into minus infinity, which is no weight, and counts all three.
pub(super) struct Guarded<'a, T: ?Sized> {
    target: &'a T,
    faults: RefCell<Faults>,
}

#[derive(Default)]
struct Faults {
    /// The step of the training that goes on, from 0.
    step: usize,
    n_evaluated: usize,
    /// Of them, those whose values are counted below.
    n_counted: usize,
    kinds: [Option<Fault>; KINDS.len()],
}

/// The samples of a kind, and the first of them.
struct Fault {
    count: usize,
    step: usize,
    point: Vec<f64>,
}

/// What is wrong with a sample, and what becomes of it.
const KINDS: [(&str, &str); 4] = [
    ("log-density of the target was NaN", "they were left out, so mend the target"),
    ("log-density of the target was inf", "they were left out, so mend the target"),
    (
        "log-density of the target was -inf",
        "they are outside of the support and were left out, so nothing keeps the model from there",
    ),
    ("gradient of the target was not finite", "they were left out, so mend the target"),
];
const GRADIENT: usize = 3;

impl Faults {
    fn add(&mut self, kind: usize, x: &Tensor<2>, row: usize) {
        let step = self.step;
        let fault = self.kinds[kind].get_or_insert_with(|| Fault {
            count: 0,
            step,
            point: x.clone().narrow(0, row, 1).into_data().iter().collect(),
        });
        fault.count += 1;
    }
}

impl<'a, T: Target + ?Sized> Guarded<'a, T> {
    pub fn new(target: &'a T) -> Self {
        Self { target, faults: RefCell::default() }
    }

    pub fn enter(&self, step: usize) {
        self.faults.borrow_mut().step = step;
    }

    pub fn n_evaluated(&self) -> usize {
        self.faults.borrow().n_evaluated
    }

    /// Sentences about values that were not finite.
    pub fn warnings(&self) -> Vec<String> {
        let faults = self.faults.borrow();
        let kinds = faults.kinds.iter().zip(KINDS);
        let sentences = kinds.filter_map(|(fault, (kind, consequence))| {
            let Fault { count, step, point } = fault.as_ref()?;
            Some(format!(
                "the {kind} at {count} of {} samples, first in step {step} at {}: {consequence}",
                faults.n_counted,
                in_words(point)
            ))
        });
        sentences.collect()
    }

    /// That no sample of the model before the training has a finite log-density under the target.
    pub fn without_mass(&self) -> Error {
        let faults = self.faults.borrow();
        let kinds = faults.kinds.iter().zip(KINDS);
        let found = kinds.filter_map(|(fault, (kind, _))| {
            let Fault { count, point, .. } = fault.as_ref()?;
            Some(format!(
                "the {kind} at {count} of {}, first at {}",
                faults.n_evaluated,
                in_words(point)
            ))
        });
        if faults.kinds.iter().all(Option::is_none) {
            let sentence = "the log-density of the model is not finite at any of its own samples";
            return Error::Data(sentence.to_owned());
        }
        Error::Data(format!(
            "the target has no mass where the model starts: {}; widen or move the base of the \
             model, or mend the target",
            found.collect::<Vec<_>>().join("; ")
        ))
    }

    /// The log-densities, minus infinity where a sample is to be left out. `gradient_sums` has a number per sample
    /// that is finite if its gradient is.
    fn guard(
        &self,
        x: &Tensor<2>,
        log_density: Tensor<1>,
        gradient_sums: Option<Tensor<1>>,
    ) -> Tensor<1> {
        let mut values: Vec<f64> = log_density.clone().into_data().iter().collect();
        let sums: Option<Vec<f64>> = gradient_sums.map(|sums| sums.into_data().iter().collect());
        let faults = &mut *self.faults.borrow_mut();
        faults.n_evaluated += values.len();
        faults.n_counted += values.len();
        let mut is_changed = false;
        for (row, value) in values.iter_mut().enumerate() {
            let kind = match *value {
                value if value.is_nan() => 0,
                f64::INFINITY => 1,
                f64::NEG_INFINITY => 2,
                _ if sums.as_ref().is_some_and(|sums| !sums[row].is_finite()) => GRADIENT,
                _ => continue,
            };
            faults.add(kind, x, row);
            is_changed |= *value != f64::NEG_INFINITY;
            *value = f64::NEG_INFINITY;
        }
        if !is_changed {
            return log_density;
        }
        let n = values.len();
        let options = (&log_density.device(), log_density.dtype());
        Tensor::from_data(TensorData::new(values, [n]), options)
    }
}

impl<T: Target + ?Sized> Target for Guarded<'_, T> {
    fn d_features(&self) -> usize {
        self.target.d_features()
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        let x = x.without_autodiff();
        self.guard(&x, self.target.log_density(x.clone()), None)
    }

    fn log_density_and_gradient(&self, x: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        let x = x.without_autodiff();
        let (log_density, gradient) = self.target.log_density_and_gradient(x.clone());
        let sums = gradient.clone().abs().sum_dim(1).squeeze_dim(1);
        (self.guard(&x, log_density, Some(sums)), gradient)
    }
}

/// The same for points to which samples may move, and which are refused where the target is not finite: they are not
/// counted among those of the model.
pub(super) struct Moved<'a, 'b, T: ?Sized>(pub &'a Guarded<'b, T>);

impl<T: Target + ?Sized> Target for Moved<'_, '_, T> {
    fn d_features(&self) -> usize {
        self.0.d_features()
    }

    fn log_density(&self, x: Tensor<2>) -> Tensor<1> {
        let log_density = self.0.target.log_density(x);
        self.0.faults.borrow_mut().n_evaluated += log_density.dims()[0];
        refused(log_density)
    }

    fn log_density_and_gradient(&self, x: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        let (log_density, gradient) = self.0.target.log_density_and_gradient(x);
        self.0.faults.borrow_mut().n_evaluated += log_density.dims()[0];
        (refused(log_density), gradient)
    }
}

fn refused(log_density: Tensor<1>) -> Tensor<1> {
    let finite = log_density.clone().is_finite();
    log_density.mask_fill(finite.bool_not(), f64::NEG_INFINITY)
}

fn in_words(point: &[f64]) -> String {
    let numbers: Vec<String> = point.iter().map(|value| format!("{value:.4}")).collect();
    format!("[{}]", numbers.join(", "))
}

//! [`root`]: the root of an increasing function, of every number of a tensor by itself.
//!
//! Newton's iteration inside of a bracket. Every number keeps the largest point that was too low and the smallest that
//! was too high, and each step is
//!
//! 1. while one of the two is missing: Newton's, but no longer than a width that grows from step to step, so that any
//!    number that a float can hold is reached;
//! 2. then Newton's, if it stays between the two and is at most half as long as the step before, and else the middle.
//!
//! A number is done when a step is two roundings of its own size (or of 1, if it is smaller), or the bracket is. What is done no longer moves, so
//! that it depends on nothing else in the tensor, and rows that are done are left out of further steps.

use burn::tensor::{Bool, DType, Int, Tensor, TensorData};

use super::unsolved::{Unsolved, report};

/// The middle of a bracket from one end of f64 to the other is within a rounding after 1024 + 53 steps; no smooth map
/// takes more than a few dozen.
const MAX_STEPS: usize = 1200;
/// A step is over when it moves a number by so many roundings of its size.
const ROUNDINGS: f64 = 2.0;

/// The rows that a step is about, if not all.
pub(crate) type Rows<'a> = Option<&'a Tensor<1, Int>>;

/// The `x` at which an increasing function has the value `target`, both `[batch, d]`, to two roundings of its size or of 1, from a
/// start of the same shape. `function` gives values and logarithms of slopes at some points, of which rows it is told.
///
/// No graph is built: call it on tensors without autodiff. Where the target is not finite, or there is no root, `x`
/// is NaN; of the latter [`watched`](super::watched) is told.
pub(crate) fn root(
    target: &Tensor<2>,
    start: Tensor<2>,
    function: impl Fn(Tensor<2>, Rows) -> (Tensor<2>, Tensor<2>),
) -> Tensor<2> {
    let [batch, _] = target.dims();
    let mut search = Search::new(target.clone(), start);
    let mut finished = Finished::default();
    for step in 1..=MAX_STEPS {
        let rows = search.rows.as_ref().map(|rows| indices(rows, target));
        let (value, log_slope) = function(search.x.clone(), rows.as_ref());
        search.advance(value, log_slope);
        let open = search.open_rows();
        let n_open = open.iter().filter(|&&open| open).count();
        if n_open == 0 || step == MAX_STEPS {
            let n_rows = open.len();
            search.finish(vec![true; n_rows], step, &mut finished);
            break;
        }
        // Selecting costs about as much as it saves when little is left out.
        if 2 * n_open <= open.len() {
            let done = open.iter().map(|open| !open).collect();
            search.finish(done, step, &mut finished);
        }
    }
    finished.in_order(batch)
}

/// Some rows of a tensor, or all of them; one that has a single row for all keeps it.
pub(crate) fn of_rows<const D: usize>(tensor: &Tensor<D>, rows: Rows) -> Tensor<D> {
    match rows {
        Some(rows) if tensor.dims()[0] > 1 => tensor.clone().select(0, rows.clone()),
        _ => tensor.clone(),
    }
}

fn indices(rows: &[usize], like: &Tensor<2>) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    Tensor::from_data(TensorData::new(rows.clone(), [rows.len()]), &like.device())
}

/// Rows that are done, in the order in which they were.
#[derive(Default)]
struct Finished {
    rows: Vec<usize>,
    x: Vec<Tensor<2>>,
}

impl Finished {
    fn in_order(self, batch: usize) -> Tensor<2> {
        let x = if self.x.len() == 1 {
            self.x.into_iter().next().expect("there is one")
        } else {
            Tensor::cat(self.x, 0)
        };
        if self.rows.iter().copied().eq(0..batch) {
            return x;
        }
        let mut places = vec![0; batch];
        for (place, &row) in self.rows.iter().enumerate() {
            places[row] = place;
        }
        let places = indices(&places, &x);
        x.select(0, places)
    }
}

/// The numbers that are looked for, `[rows, d]` each.
struct Search {
    /// Which rows of the batch these are, if not all.
    rows: Option<Vec<usize>>,
    target: Tensor<2>,
    x: Tensor<2>,
    low: Tensor<2>,
    high: Tensor<2>,
    /// The length of the step before.
    length: Tensor<2>,
    residual: Tensor<2>,
    /// The targets that are finite, whose root there should be.
    sought: Tensor<2, Bool>,
    done: Tensor<2, Bool>,
    /// How long a step may be while there is no bracket, and what it grows by.
    reach: [f64; 2],
    epsilon: f64,
}

impl Search {
    fn new(target: Tensor<2>, start: Tensor<2>) -> Self {
        let sought = target.clone().is_finite();
        let done = sought.clone().bool_not();
        // What is not looked for must not disturb what is.
        let (target, x) = (target.mask_fill(done.clone(), 0.0), start.mask_fill(done.clone(), 0.0));
        Self {
            rows: None,
            low: x.full_like(f64::NEG_INFINITY),
            high: x.full_like(f64::INFINITY),
            length: x.full_like(f64::INFINITY),
            residual: x.zeros_like(),
            epsilon: if x.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) },
            target,
            x,
            sought,
            done,
            reach: [1.0, 2.0],
        }
    }

    /// One step, from the values and the logarithms of the slopes at `x`.
    fn advance(&mut self, value: Tensor<2>, log_slope: Tensor<2>) {
        let open = self.done.clone().bool_not();
        let residual = value - self.target.clone();
        self.residual = self.residual.clone().mask_where(open.clone(), residual.clone());
        let too_high = residual.clone().greater_elem(0.0).bool_and(open.clone());
        let too_low = residual.clone().lower_elem(0.0).bool_and(open.clone());
        self.high = self.high.clone().mask_where(too_high.clone(), self.x.clone());
        self.low = self.low.clone().mask_where(too_low.clone(), self.x.clone());

        let newton = residual.clone() * log_slope.neg().exp() * -1.0;
        let has_newton = newton.clone().is_finite();
        let newton = newton.mask_fill(has_newton.clone().bool_not(), 0.0);

        // Without a bracket: towards the root.
        let reach = self.reach[0];
        let away = self.x.full_like(reach).mask_fill(too_high.clone(), -reach);
        let growing = away.mask_where(has_newton.clone(), newton.clone().clamp(-reach, reach));
        // With one.
        let bracketed = self.low.clone().is_finite().bool_and(self.high.clone().is_finite());
        let none = bracketed.clone().bool_not();
        let low = self.low.clone().mask_fill(none.clone(), 0.0);
        let high = self.high.clone().mask_fill(none, 0.0);
        let half = high.clone() * 0.5 - low.clone() * 0.5;
        let to_middle = low.clone() + half.clone() - self.x.clone();
        let there = self.x.clone() + newton.clone();
        let inside = there.clone().greater(low).bool_and(there.lower(high));
        let shrinks = (newton.clone().abs() * 2.0).lower_equal(self.length.clone());
        let by_newton = has_newton.clone().bool_and(inside).bool_and(shrinks);
        let within = to_middle.mask_where(by_newton.clone(), newton.clone());
        // What is small enough, by Newton's step, which is then the last, or by the bracket.
        let size = self.x.clone().abs().clamp_min(1.0) * (ROUNDINGS * self.epsilon);
        let exact = residual.clone().equal_elem(0.0);
        let settled = has_newton.bool_and(newton.clone().abs().lower_equal(size.clone()));
        let narrow = bracketed.clone().bool_and((half * 2.0).lower_equal(size));
        let step = growing
            .mask_where(bracketed, within)
            .mask_where(settled.clone(), newton)
            .mask_fill(exact.clone(), 0.0);
        let moved = self.x.clone() + step.clone();
        // A value that is NaN says nothing about where the root is.
        let lost = residual.is_nan().bool_or(moved.clone().is_finite().bool_not());

        self.x = self.x.clone().mask_where(open.clone(), moved);
        self.length = self.length.clone().mask_where(open.clone(), step.abs());
        let lost = lost.bool_and(open);
        self.x = self.x.clone().mask_fill(lost.clone(), f64::NAN);
        self.done = self.done.clone().bool_or(settled).bool_or(narrow).bool_or(exact).bool_or(lost);
        let [reach, growth] = self.reach;
        self.reach = [(reach * growth).min(f64::MAX), 2.0 * growth];
    }

    /// Which rows have a number that is not done.
    fn open_rows(&self) -> Vec<bool> {
        let [n_rows, d] = self.done.dims();
        let done = self.done.clone().into_data();
        let done: Vec<bool> = done.iter::<bool>().collect();
        if d == 0 {
            return vec![false; n_rows];
        }
        done.chunks_exact(d).map(|row| !row.iter().all(|&done| done)).collect()
    }

    /// Takes rows out of the search, after so many steps.
    fn finish(&mut self, done: Vec<bool>, steps: usize, finished: &mut Finished) {
        let names: Vec<usize> = self.rows.take().unwrap_or_else(|| (0..done.len()).collect());
        let places = |of_done: bool| -> Vec<usize> {
            (0..done.len()).filter(|&place| done[place] == of_done).collect()
        };
        let (out, left) = (places(true), places(false));
        let out_rows = indices(&out, &self.x);
        let pick = |tensor: &Tensor<2>| match left.is_empty() {
            true => tensor.clone(),
            false => tensor.clone().select(0, out_rows.clone()),
        };
        // Selected as numbers: some backends have no selection of booleans.
        let not_done = pick(&self.done.clone().bool_not().float().cast(self.x.dtype()));
        let sought = pick(&self.sought.clone().float().cast(self.x.dtype()));
        let missing = not_done.greater_elem(0.5);
        let x = pick(&self.x).mask_fill(missing, f64::NAN);
        self.report(&x, &sought, &pick(&self.residual), (&out, &names), steps);
        let nothing_sought = sought.lower_elem(0.5);
        finished.x.push(x.mask_fill(nothing_sought, f64::NAN));
        finished.rows.extend(out.iter().map(|&place| names[place]));
        if left.is_empty() {
            return;
        }
        let left_rows = indices(&left, &self.x);
        let keep = |tensor: &Tensor<2>| tensor.clone().select(0, left_rows.clone());
        let keep_flags = |flags: &Tensor<2, Bool>| {
            keep(&flags.clone().float().cast(self.x.dtype())).greater_elem(0.5)
        };
        (self.sought, self.done) = (keep_flags(&self.sought), keep_flags(&self.done));
        (self.low, self.high) = (keep(&self.low), keep(&self.high));
        (self.length, self.residual) = (keep(&self.length), keep(&self.residual));
        (self.target, self.x) = (keep(&self.target), keep(&self.x));
        self.rows = Some(left.iter().map(|&place| names[place]).collect());
    }

    /// Tells of the rows in which a number that was sought is NaN.
    fn report(
        &self,
        x: &Tensor<2>,
        sought: &Tensor<2>,
        residual: &Tensor<2>,
        (places, names): (&[usize], &[usize]),
        steps: usize,
    ) {
        let missing = x.clone().is_nan().bool_and(sought.clone().greater_elem(0.5));
        if !missing.clone().any().into_scalar::<bool>() {
            return;
        }
        let [_, d] = x.dims();
        let missing: Vec<bool> = missing.into_data().iter::<bool>().collect();
        let residual: Vec<f64> = residual.clone().into_data().iter::<f64>().collect();
        let rows = places.iter().enumerate().filter_map(|(i, &place)| {
            let worst = (i * d..(i + 1) * d).find(|&entry| missing[entry])?;
            Some(Unsolved { row: names[place], residual: residual[worst].abs(), steps })
        });
        report(rows);
    }
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::super::watched;
    use super::*;
    use burn::tensor::Device;
    use std::cell::Cell;

    fn tensor(values: &[f64]) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), [values.len(), 1]);
        Tensor::from_data(data, (&Device::default(), DType::F64))
    }

    fn found(x: Tensor<2>) -> Vec<f64> {
        x.into_data().iter::<f64>().collect()
    }

    /// `x³ + x`, whose root from far away takes Newton's iteration dozens of steps; from 0 to the largest targets.
    #[test]
    fn roots_are_found_to_the_last_digits_however_far() {
        let targets = [0.0, 1e-300, 2.0, -2.0, 10.0, 1e6, -1e30, 1e200];
        let n_steps = Cell::new(0);
        let cubic = |x: Tensor<2>, _: Rows| {
            n_steps.set(n_steps.get() + 1);
            let square = x.clone().square();
            (x * (square.clone() + 1.0), (square * 3.0 + 1.0).log())
        };
        let (x, unsolved) = watched(|| root(&tensor(&targets), tensor(&[0.0; 8]), cubic));
        assert_eq!(unsolved, []);
        for (x, target) in found(x).iter().zip(targets) {
            let error = (x * x * x + x - target).abs();
            assert!(error <= 1e-14 * target.abs().max(1e-2), "{x} for {target}: {error:e}");
        }
        assert!(n_steps.get() < 120, "{}", n_steps.get());
    }

    /// A step of the value, and slopes that are too flat or NaN: the middle of the bracket is what is left.
    #[test]
    fn a_slope_that_is_wrong_does_no_harm() {
        for log_slope in [-300.0, 0.0, f64::NAN] {
            let stairs = |x: Tensor<2>, _: Rows| {
                let log_slope = x.full_like(log_slope);
                ((x - 3.125).sign(), log_slope)
            };
            let x = found(root(&tensor(&[0.5, -0.5]), tensor(&[-1e3, 40.0]), stairs));
            assert!(x.iter().all(|x| (x - 3.125).abs() < 1e-14), "{log_slope}: {x:?}");
        }
    }

    /// Values that are never reached, NaN, and targets that are not finite; the row beside them is found.
    #[test]
    fn what_has_no_root_is_nan_and_told_and_harms_no_other_row() {
        let bounded = |x: Tensor<2>, rows: Rows| {
            assert!(rows.is_none_or(|rows| rows.dims()[0] == x.dims()[0]));
            let value = x.clone().tanh();
            let log_slope = (value.clone().square().neg() + 1.0).log();
            (value, log_slope)
        };
        let targets = tensor(&[0.5, 2.0, f64::NAN, f64::INFINITY]);
        let (x, unsolved) = watched(|| root(&targets, tensor(&[0.0; 4]), bounded));
        let x = found(x);
        assert!((x[0] - 0.5_f64.atanh()).abs() < 1e-15, "{x:?}");
        assert!(x[1..].iter().all(|x| x.is_nan()), "{x:?}");
        let [Unsolved { row: 1, residual, steps }] = unsolved[..] else {
            panic!("{unsolved:?}");
        };
        assert!((residual - 1.0).abs() < 1e-12 && steps > 2, "{unsolved:?}");
    }

    #[test]
    fn rows_that_take_longer_are_the_only_ones_that_go_on() {
        let sizes = std::cell::RefCell::new(Vec::new());
        let targets: Vec<f64> =
            (0..64).map(|i| if i == 17 { 1e18 } else { 0.01 * f64::from(i) }).collect();
        let cubic = |x: Tensor<2>, rows: Rows| {
            sizes.borrow_mut().push((x.dims()[0], rows.map(|rows| rows.dims()[0])));
            let square = x.clone().square();
            (x * (square.clone() + 1.0), (square * 3.0 + 1.0).log())
        };
        let x = found(root(&tensor(&targets), tensor(&[0.0; 64]), cubic));
        for (x, target) in x.iter().zip(&targets) {
            assert!((x * x * x + x - target).abs() <= 1e-14 * target.abs().max(1e-2));
        }
        let sizes = sizes.into_inner();
        assert_eq!(sizes.first(), Some(&(64, None)));
        assert_eq!(sizes.last(), Some(&(1, Some(1))));
    }
}

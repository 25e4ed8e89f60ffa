//! The gradients of the spline.
//!
//! With the symbols of `univariate::spline::bin`, `r = (θ² + aθη) / D` and `ℓ = ln (s N / D²)`, the
//! derivatives are
//!
//! ```text
//! dr/dθ = N/D²    dr/da = θη (1 - r) / D       dr/db = -θη r / D
//! dℓ/dθ = N'/N - 2D'/D    dℓ/da = η²/N - 2θη/D    dℓ/db = θ²/N - 2θη/D    dℓ/ds = 1/s
//! ```
//!
//! from which those of the corners and slopes of the bin follow by the chain rule, and with
//! `f(x; p) = y` those of the inverse: `dx/dy = 1 / f'`, `dx/dp = -(∂f/∂p) / f'`.
//!
//! A knot is a sum of fractions `p_i`, which are a softmax. If `g` is the gradient of the knot to
//! the left of bin `k` over the scale of the axis, and `h` that of the bin's size, then that of raw
//! size `i` is `p_i (g ([i < k] - Σ_{j<k} p_j) + h ([i = k] - p_k))`.

use super::Spline;
use super::bins::{Bins, By};
use super::curve::BinPosition;
use super::lanes::{N_SAVED, load, store};
use crate::kernel::row::map_rows::{MapGradient, Parameters};
use crate::kernel::row::real::Real;
use crate::univariate::BoundarySlopes;

/// Where a value is, as [`apply`](super::apply) saved it.
#[derive(Clone, Copy)]
struct Saved<R> {
    position: BinPosition<R>,
    beyond: R,
}

/// The gradients of what makes a bin, of one row.
struct BinGradient<R> {
    /// Of its left and of its lower end.
    corner: [R; 2],
    /// Of its width and height.
    size: [R; 2],
    /// Of the raw slopes at its ends.
    slopes: [R; 2],
    /// Of the argument of the map.
    argument: R,
}

impl<R: Real> Spline<R> {
    #[inline(always)]
    pub(super) fn gradient_block<const N: usize, const INVERSE: bool>(
        &self,
        rows: &mut MapGradient<'_, R>,
        first: usize,
    ) {
        let n_rows = rows.saved.len() / N_SAVED;
        let saved = |i: usize| load::<R, N>(rows.saved, i * n_rows + first);
        let (index, theta, eta, beyond) = (saved(0), saved(1), saved(2), saved(3));
        let mut value = load::<R, N>(rows.value, first);
        let log_det = load::<R, N>(rows.log_det, first);
        let bins = self.bins(&rows.parameters, first, By::Index, &index);

        let (mut corner, mut size) = ([[R::ZERO; N]; 2], [[R::ZERO; N]; 2]);
        let mut slopes = [[R::ZERO; N]; 2];
        for l in 0..N {
            let position = BinPosition { theta: theta[l], eta: eta[l] };
            let saved = Saved { position, beyond: beyond[l] };
            let gradient = self.bin_gradient::<N, INVERSE>(&bins, l, saved, value[l], log_det[l]);
            for i in 0..2 {
                corner[i][l] = gradient.corner[i];
                size[i][l] = gradient.size[i];
                slopes[i][l] = gradient.slopes[i];
            }
            value[l] = gradient.argument;
        }
        store(rows.value, first, &value);
        for axis in 0..2 {
            self.shares_gradient(
                &mut rows.parameters,
                first,
                axis,
                &bins,
                corner[axis],
                size[axis],
            );
        }
        self.slopes_gradient(&mut rows.parameters, first, &index, slopes);
    }

    /// From the gradients of the result and of the log-determinant.
    #[inline(always)]
    fn bin_gradient<const N: usize, const INVERSE: bool>(
        &self,
        bins: &Bins<R, N>,
        lane: usize,
        Saved { position, beyond }: Saved<R>,
        result: R,
        log_det: R,
    ) -> BinGradient<R> {
        let zero = R::ZERO;
        let (curve, ends) = self.curve(bins, lane);
        let (a, b, width, height) = (curve.a, curve.b, curve.width, curve.height);
        let BinPosition { theta, eta } = position;
        let point = curve.at(position);
        let (d, n) = (point.d, point.n);

        let both = theta * eta;
        let difference = eta - theta;
        let two = R::ONE + R::ONE;
        let n_slope = two * (b * theta + difference - a * eta);
        let d_slope = (a + b - two) * difference;
        let log_slope = n_slope / n - two * (d_slope / d);
        let slope = curve.mean_slope * point.rise_slope;

        // Of the log-slope of the forward map, of its result (in the interval, in units, and beyond
        // it), of the position in the bin, and of the argument of the map that was applied.
        let outside = beyond != zero;
        let of_log_slope = if INVERSE { -log_det } else { log_det };
        let tail_slope = self.tail_slope(beyond, ends);
        let in_units = result * self.unit;
        let through_log = of_log_slope * (log_slope / width * self.inverse_unit);
        let (of_result, of_tail, of_position, argument) = if INVERSE {
            let of_argument = (result + through_log) / slope;
            let in_tail = result / tail_slope;
            let argument = if outside { in_tail } else { of_argument };
            (-(of_argument * self.unit), -in_tail, -(in_units * width), argument)
        } else {
            let of_position = in_units * height * point.rise_slope + of_log_slope * log_slope;
            let of_argument = result * slope + through_log;
            let argument = if outside { result * tail_slope } else { of_argument };
            (in_units, result, of_position, argument)
        };

        let shared = two * (both / d);
        let of_rise = of_result * height;
        let fall = (eta * eta + b * both) / d;
        let of_a = of_rise * (both * fall / d) + of_log_slope * (eta * eta / n - shared);
        let of_b =
            -(of_rise * (both * point.rise / d)) + of_log_slope * (theta * theta / n - shared);
        let of_size = of_log_slope - of_a * a - of_b * b;
        let within = |gradient: R| if outside { zero } else { gradient };
        let corner = [within(-(of_position / width)), within(of_result)];
        let size = [
            within(-((of_size + of_position * theta) / width)),
            within(of_result * point.rise + of_size / height),
        ];

        // A slope that is fixed has no parameter: whatever its gradient, it goes nowhere. One that
        // does not change has none, even where that of a far value overflows.
        let of_tail_slope = of_tail * beyond + of_log_slope / tail_slope;
        let of_raw = |in_tail: bool, inner: R, derivative: R| {
            let of_slope = if in_tail { of_tail_slope } else { within(inner) };
            if derivative == zero { zero } else { of_slope * derivative }
        };
        let [left, right] = ends;
        let slopes = [
            of_raw(beyond < zero, of_a / curve.mean_slope, left.derivative),
            of_raw(beyond > zero, of_b / curve.mean_slope, right.derivative),
        ];
        BinGradient { corner, size, slopes, argument }
    }

    /// The gradients of the raw widths or heights take the place of their fractions.
    #[inline(always)]
    fn shares_gradient<const N: usize>(
        &self,
        parameters: &mut Parameters<'_, R>,
        first: usize,
        axis: usize,
        bins: &Bins<R, N>,
        mut corner: [R; N],
        mut size: [R; N],
    ) {
        for l in 0..N {
            corner[l] *= self.axes[axis].scale;
            size[l] *= self.axes[axis].scale;
        }
        let mut k = R::ZERO;
        for parameter in axis * self.n_bins..(axis + 1) * self.n_bins {
            let mut fraction = load::<R, N>(parameters.get(parameter), first);
            for l in 0..N {
                let is_before = if k < bins.index[l] { R::ONE } else { R::ZERO };
                let is_own = if k == bins.index[l] { R::ONE } else { R::ZERO };
                fraction[l] *= corner[l] * (is_before - bins.before[axis][l])
                    + size[l] * (is_own - bins.own[axis][l]);
            }
            store(parameters.get_mut(parameter), first, &fraction);
            k += R::ONE;
        }
    }

    /// The gradients of the raw slopes take their place. A knot is the right end of the bin before
    /// it and the left end of its own; on a periodic map the last knot is the first.
    #[inline(always)]
    fn slopes_gradient<const N: usize>(
        &self,
        parameters: &mut Parameters<'_, R>,
        first: usize,
        index: &[R; N],
        [left, right]: [[R; N]; 2],
    ) {
        let last = R::from_f64((self.n_bins - 1) as f64);
        let periodic = self.ends == BoundarySlopes::Periodic;
        let mut knot = R::ZERO;
        for k in 0..self.n_bins + usize::from(!periodic) {
            if let Some(parameter) = self.slope_parameter(k) {
                let bin_before = if periodic & (k == 0) { last } else { knot - R::ONE };
                let mut gradient = [R::ZERO; N];
                for l in 0..N {
                    let as_left = if index[l] == knot { left[l] } else { R::ZERO };
                    let as_right = if index[l] == bin_before { right[l] } else { R::ZERO };
                    gradient[l] = as_left + as_right;
                }
                store(parameters.get_mut(parameter), first, &gradient);
            }
            knot += R::ONE;
        }
    }
}

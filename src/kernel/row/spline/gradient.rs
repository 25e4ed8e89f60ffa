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
//! from which those of the corners and slopes of the bin follow by the chain rule, and with `f(x; p) =
//! y` those of the inverse: `dx/dy = 1 / f'`, `dx/dp = -(∂f/∂p) / f'`.
//!
//! A knot is a sum of shares `p_i`, which are a softmax. If `g` is the gradient of the knot to the left
//! of bin `k` over the scale of the axis, and `h` that of the bin's size, then that of raw size `i` is
//! `p_i (g ([i < k] - Σ_{j<k} p_j) + h ([i = k] - p_k))`.

use super::bins::By;
use super::curve::{Curve, Place};
use super::{Spline, load, store};
use crate::kernel::row::map::MapGradient;
use crate::kernel::row::real::Real;
use crate::univariate::BoundarySlopes;

impl<R: Real> Spline<R> {
    #[inline(always)]
    pub(super) fn gradient_block<const N: usize, const INVERSE: bool>(
        &self,
        rows: &mut MapGradient<'_, R>,
        first: usize,
    ) {
        let n_rows = rows.kept.len() / super::N_KEPT;
        let kept = |i: usize| load::<R, N>(rows.kept, i * n_rows + first);
        let (index, theta, eta, beyond) = (kept(0), kept(1), kept(2), kept(3));
        let mut value = load::<R, N>(rows.value, first);
        let log_det = load::<R, N>(rows.log_det, first);
        let bins = self.bins(&rows.parameters, first, By::Index, &index);

        let (zero, one) = (R::ZERO, R::ONE);
        let last = R::from_f64((self.n_bins - 1) as f64);
        let fixed = self.ends == BoundarySlopes::One;
        // Of the corner to the left and below, of width and height, and of the raw slopes.
        let (mut corner, mut size, mut slopes) = ([[zero; N]; 2], [[zero; N]; 2], [[zero; N]; 2]);
        for l in 0..N {
            let (left, left_derivative) = self.slopes.slope(bins.raw_slopes[0][l]);
            let (right, right_derivative) = self.slopes.slope(bins.raw_slopes[1][l]);
            let left_fixed = fixed & (bins.index[l] == zero);
            let right_fixed = fixed & (bins.index[l] == last);
            let (left, left_derivative) =
                if left_fixed { (one, zero) } else { (left, left_derivative) };
            let (right, right_derivative) =
                if right_fixed { (one, zero) } else { (right, right_derivative) };
            let (width, height) = (bins.right[l] - bins.left[l], bins.top[l] - bins.bottom[l]);
            let curve = Curve::new(width, height, [left, right]);
            let (a, b) = (curve.a, curve.b);
            let (theta, eta, beyond) = (theta[l], eta[l], beyond[l]);
            let point = curve.at(Place { theta, eta });
            let (d, n) = (point.d, point.n);

            let both = theta * eta;
            let difference = eta - theta;
            let two = one + one;
            let n_slope = two * (b * theta + difference - a * eta);
            let d_slope = (a + b - two) * difference;
            let log_slope = n_slope / n - two * (d_slope / d);
            let slope = curve.mean_slope * point.rise_slope;

            // Of the result and the log-slope of the forward map, of the place in the bin, and of the
            // argument of the map that was applied.
            let outside = beyond != zero;
            let of_log_slope = if INVERSE { -log_det[l] } else { log_det[l] };
            let tail_slope = if beyond < zero { left } else { right };
            let (of_result, of_place, of_argument) = if INVERSE {
                let through_log = of_log_slope * log_slope / width;
                let total = value[l] + if outside { zero } else { through_log };
                let of_argument = total / if outside { tail_slope } else { slope };
                (-of_argument, -(value[l] * width), of_argument)
            } else {
                let of_place = value[l] * height * point.rise_slope + of_log_slope * log_slope;
                let in_tail = value[l] * tail_slope;
                (value[l], of_place, if outside { in_tail } else { of_place / width })
            };

            let shared = two * (both / d);
            let of_rise = of_result * height;
            let fall = (eta * eta + b * both) / d;
            let of_a = of_rise * (both * fall / d) + of_log_slope * (eta * eta / n - shared);
            let of_b =
                -(of_rise * (both * point.rise / d)) + of_log_slope * (theta * theta / n - shared);
            let of_size = of_log_slope - of_a * a - of_b * b;
            let in_box = |gradient: R| if outside { zero } else { gradient };
            corner[0][l] = in_box(-(of_place / width));
            corner[1][l] = in_box(of_result);
            size[0][l] = in_box(-((of_size + of_place * theta) / width));
            size[1][l] = in_box(of_result * point.rise + of_size / height);

            let of_tail_slope = of_result * beyond + of_log_slope / tail_slope;
            let end = |in_tail: bool, inner: R| {
                if in_tail & !fixed { of_tail_slope } else { in_box(inner) }
            };
            let of_left = end(beyond < zero, of_a / curve.mean_slope);
            let of_right = end(beyond > zero, of_b / curve.mean_slope);
            slopes[0][l] = of_left * left_derivative;
            slopes[1][l] = of_right * right_derivative;
            value[l] = of_argument;
        }
        store(rows.value, first, &value);

        let n = self.n_bins;
        for axis in 0..2 {
            let (mut before, mut own) = (corner[axis], size[axis]);
            for l in 0..N {
                before[l] *= self.axes[axis].scale;
                own[l] *= self.axes[axis].scale;
            }
            let mut k = zero;
            for parameter in axis * n..(axis + 1) * n {
                let mut share = load::<R, N>(rows.parameters.get(parameter), first);
                for l in 0..N {
                    let is_before = if k < index[l] { one } else { zero };
                    let is_own = if k == index[l] { one } else { zero };
                    share[l] *= before[l] * (is_before - bins.before[axis][l])
                        + own[l] * (is_own - bins.own[axis][l]);
                }
                store(rows.parameters.get_mut(parameter), first, &share);
                k += one;
            }
        }
        // A knot is the right end of the bin before it and the left end of its own; on a circle the
        // last knot is the first.
        let mut knot = zero;
        let circle = self.ends == BoundarySlopes::Periodic;
        for k in 0..n + usize::from(!circle) {
            if let Some(parameter) = self.slope_parameter(k) {
                let bin_before = if circle & (k == 0) { last } else { knot - one };
                let mut gradient = [zero; N];
                for l in 0..N {
                    let as_left = if index[l] == knot { slopes[0][l] } else { zero };
                    let as_right = if index[l] == bin_before { slopes[1][l] } else { zero };
                    gradient[l] = as_left + as_right;
                }
                store(rows.parameters.get_mut(parameter), first, &gradient);
            }
            knot += one;
        }
    }
}

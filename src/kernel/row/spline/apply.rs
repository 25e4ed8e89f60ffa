//! The spline itself.

use super::Spline;
use super::bins::By;
use super::curve::BinPosition;
use super::lanes::{N_SAVED, load, store};
use crate::kernel::row::map_rows::MapRows;
use crate::kernel::row::real::Real;
use crate::univariate::BoundarySlopes;

impl<R: Real> Spline<R> {
    #[inline(always)]
    pub(super) fn apply_block<const N: usize, const INVERSE: bool>(
        &self,
        rows: &mut MapRows<'_, R>,
        first: usize,
    ) {
        let mut value = load::<R, N>(rows.value, first);
        let mut log_det = load::<R, N>(rows.log_det, first);
        let (mut inside, mut beyond) = ([R::ZERO; N], [R::ZERO; N]);
        for l in 0..N {
            let placed = self.place(value[l]);
            (inside[l], beyond[l]) = (placed.inside, placed.beyond);
        }
        self.softmax::<N>(&mut rows.parameters, first);
        let by = if INVERSE { By::Y } else { By::X };
        let bins = self.bins(&rows.parameters, first, by, &inside);

        let fixed = self.ends == BoundarySlopes::One;
        let periodic = self.ends == BoundarySlopes::Periodic;
        let (mut theta, mut eta) = ([R::ZERO; N], [R::ZERO; N]);
        for l in 0..N {
            let (curve, ends) = self.curve(&bins, l);
            let position = if INVERSE {
                let (up, down) = (inside[l] - bins.bottom[l], bins.top[l] - inside[l]);
                curve.position_of(up / curve.height, down / curve.height)
            } else {
                let (from_left, from_right) = (inside[l] - bins.left[l], bins.right[l] - inside[l]);
                BinPosition { theta: from_left / curve.width, eta: from_right / curve.width }
            };
            let point = curve.at(position);
            let slope = curve.mean_slope * point.rise_slope;
            let slope = if INVERSE { R::ONE / slope } else { slope };
            let output = if INVERSE {
                bins.left[l] + curve.width * position.theta
            } else {
                bins.bottom[l] + curve.height * point.rise
            };
            let outside = !periodic & (beyond[l] != R::ZERO);
            let tail_slope = self.tail_slope(beyond[l], ends);
            let tail_slope = if INVERSE { R::ONE / tail_slope } else { tail_slope };
            let tail = tail_slope * beyond[l];
            let end = if beyond[l] > R::ZERO { self.half } else { -self.half };
            let periods = if periodic { beyond[l] } else { R::ZERO };
            let around = if outside { end + tail } else { output * self.unit + periods };
            let slope = if outside { tail_slope } else { slope };
            value[l] = if fixed & outside { value[l] } else { around + self.center };
            log_det[l] += slope.ln();
            (theta[l], eta[l]) = (position.theta, position.eta);
            // In the latent space, where the gradient is told from.
            let latent = if INVERSE { tail } else { beyond[l] };
            beyond[l] = if periodic { R::ZERO } else { latent };
        }
        store(rows.value, first, &value);
        store(rows.log_det, first, &log_det);
        if let Some(saved) = &mut rows.saved {
            let n = saved.len() / N_SAVED;
            for (i, lanes) in [&bins.index, &theta, &eta, &beyond].into_iter().enumerate() {
                store(saved, i * n + first, lanes);
            }
        }
    }
}

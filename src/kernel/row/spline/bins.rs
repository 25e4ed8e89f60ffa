//! The bin of each value: one walk along the knots.

use super::Spline;
use super::constants::Axis;
use super::lanes::{load, store};
use crate::kernel::row::map_rows::Parameters;
use crate::kernel::row::real::Real;

/// How a bin is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    X,
    Y,
    Index,
}

/// The bin of each lane.
pub(super) struct Bins<R, const N: usize> {
    pub index: [R; N],
    pub left: [R; N],
    pub right: [R; N],
    pub bottom: [R; N],
    pub top: [R; N],
    /// The raw slopes at the two ends; 0 where they are fixed.
    pub raw_slopes: [[R; N]; 2],
    /// Of both axes, the fractions of the bins before it, and its own.
    pub before: [[R; N]; 2],
    pub own: [[R; N]; 2],
}

impl<R: Real> Axis<R> {
    /// The knot before which the fractions add up to `sum`, around the middle of the interval.
    #[inline(always)]
    fn knot(&self, index: R, sum: R, half: R) -> R {
        index * self.floor - half + self.scale * sum
    }
}

impl<R: Real> Spline<R> {
    /// Raw widths and heights to normalised ones, in place.
    #[inline(always)]
    pub(super) fn softmax<const N: usize>(&self, parameters: &mut Parameters<'_, R>, first: usize) {
        for axis in 0..2 {
            let bins = axis * self.n_bins..(axis + 1) * self.n_bins;
            let mut most = load::<R, N>(parameters.get(bins.start), first);
            for k in bins.clone().skip(1) {
                let raw = load::<R, N>(parameters.get(k), first);
                for l in 0..N {
                    most[l] = if raw[l] > most[l] { raw[l] } else { most[l] };
                }
            }
            let mut sum = [R::ZERO; N];
            for k in bins.clone() {
                let mut fraction = load::<R, N>(parameters.get(k), first);
                for l in 0..N {
                    fraction[l] = (fraction[l] - most[l]).exp();
                    sum[l] += fraction[l];
                }
                store(parameters.get_mut(k), first, &fraction);
            }
            let scale = sum.map(|sum| R::ONE / sum);
            for k in bins {
                let mut fraction = load::<R, N>(parameters.get(k), first);
                for l in 0..N {
                    fraction[l] *= scale[l];
                }
                store(parameters.get_mut(k), first, &fraction);
            }
        }
    }

    /// The bin into which each value falls, from the fractions. A value on a knot is in the bin to
    /// the right; NaN is in the first bin.
    #[inline(always)]
    pub(super) fn bins<const N: usize>(
        &self,
        parameters: &Parameters<'_, R>,
        first: usize,
        by: By,
        value: &[R; N],
    ) -> Bins<R, N> {
        let (n, half) = (self.n_bins, self.half_units);
        let fractions = |k: usize| {
            [load::<R, N>(parameters.get(k), first), load::<R, N>(parameters.get(n + k), first)]
        };
        let raw_slope = |knot: usize| match self.slope_parameter(knot) {
            Some(parameter) => load::<R, N>(parameters.get(parameter), first),
            None => [R::ZERO; N],
        };
        let mut previous = fractions(0);
        // NaN where the widths are: no comparison below would notice, and the bin would be the
        // interval.
        let right = previous[0].map(|fraction| fraction * R::ZERO + half);
        let mut bins = Bins {
            index: [R::ZERO; N],
            left: [-half; N],
            right,
            bottom: [-half; N],
            top: [half; N],
            raw_slopes: [raw_slope(0), raw_slope(n)],
            before: [[R::ZERO; N]; 2],
            own: previous,
        };
        let mut sum = [[R::ZERO; N]; 2];
        let mut index = R::ZERO;
        for k in 1..n {
            index += R::ONE;
            let raw = raw_slope(k);
            let own = fractions(k);
            for l in 0..N {
                sum[0][l] += previous[0][l];
                sum[1][l] += previous[1][l];
                let x = self.axes[0].knot(index, sum[0][l], half);
                let y = self.axes[1].knot(index, sum[1][l], half);
                let past = match by {
                    By::X => value[l] >= x,
                    By::Y => value[l] >= y,
                    By::Index => value[l] >= index,
                };
                let ends_here = !past & (x < bins.right[l]);
                let take = |from: R, old: R| if past { from } else { old };
                let stop = |from: R, old: R| if ends_here { from } else { old };
                bins.index[l] = take(index, bins.index[l]);
                bins.left[l] = take(x, bins.left[l]);
                bins.bottom[l] = take(y, bins.bottom[l]);
                bins.raw_slopes[0][l] = take(raw[l], bins.raw_slopes[0][l]);
                for axis in 0..2 {
                    bins.before[axis][l] = take(sum[axis][l], bins.before[axis][l]);
                    bins.own[axis][l] = take(own[axis][l], bins.own[axis][l]);
                }
                bins.right[l] = stop(x, bins.right[l]);
                bins.top[l] = stop(y, bins.top[l]);
                bins.raw_slopes[1][l] = stop(raw[l], bins.raw_slopes[1][l]);
            }
            previous = own;
        }
        bins
    }
}

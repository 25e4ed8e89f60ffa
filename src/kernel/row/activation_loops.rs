//! The loops of an activation over a tile.

use super::Loop;
use super::function::Function;
use super::real::Real;

/// `tile = f(tile + bias)`.
pub(super) struct Forward<'a, R, F> {
    pub bias: Option<&'a [R]>,
    pub tile: &'a mut [R],
    pub rows: usize,
    pub f: F,
}

impl<R: Real, F: Function<R>> Loop for Forward<'_, R, F> {
    #[inline(always)]
    fn body(self) {
        let Self { bias, tile, rows, f } = self;
        match bias {
            None => tile.iter_mut().for_each(|x| *x = f.at(*x).0),
            // The loop over one row would not be worth its while.
            Some(bias) if rows == 1 => {
                tile.iter_mut().zip(bias).for_each(|(x, &b)| *x = f.at(*x + b).0);
            }
            Some(bias) => {
                for (values, &b) in tile.chunks_exact_mut(rows).zip(bias) {
                    values.iter_mut().for_each(|x| *x = f.at(*x + b).0);
                }
            }
        }
    }
}

/// [`Forward`] that also gives the derivatives of `f`.
pub(super) struct ForwardWithSlope<'a, R, F> {
    pub bias: Option<&'a [R]>,
    pub tile: &'a mut [R],
    pub slope: &'a mut [R],
    pub rows: usize,
    pub f: F,
}

impl<R: Real, F: Function<R>> Loop for ForwardWithSlope<'_, R, F> {
    #[inline(always)]
    fn body(self) {
        let Self { bias, tile, slope, rows, f } = self;
        // As above.
        if let (1, Some(bias)) = (rows, bias) {
            for ((x, slope), &b) in tile.iter_mut().zip(slope).zip(bias) {
                (*x, *slope) = f.at(*x + b);
            }
            return;
        }
        let features = tile.chunks_exact_mut(rows).zip(slope.chunks_exact_mut(rows));
        for (i, (values, slopes)) in features.enumerate() {
            let b = bias.map_or(R::ZERO, |bias| bias[i]);
            for (x, slope) in values.iter_mut().zip(slopes) {
                (*x, *slope) = f.at(*x + b);
            }
        }
    }
}

/// The gradient of the input by the derivatives that were saved.
pub(super) struct TimesSlope<'a, R> {
    pub gradient: &'a mut [R],
    pub slope: &'a [R],
}

impl<R: Real> Loop for TimesSlope<'_, R> {
    #[inline(always)]
    fn body(self) {
        self.gradient.iter_mut().zip(self.slope).for_each(|(g, &slope)| *g *= slope);
    }
}

/// The gradient of the input of ReLU, whose derivative is told from its output.
pub(super) struct WherePositive<'a, R> {
    pub gradient: &'a mut [R],
    pub output: &'a [R],
}

impl<R: Real> Loop for WherePositive<'_, R> {
    #[inline(always)]
    fn body(self) {
        for (g, &y) in self.gradient.iter_mut().zip(self.output) {
            *g = if y <= R::ZERO { R::ZERO } else { *g };
        }
    }
}

//! The sum of squares of a slice.

use super::Loop;
use super::real::Real;

/// Partial sums, so that additions need not wait for each other: as many on every instruction set, for the
/// same bits on all.
const N_SUMS: usize = 16;

/// The sum of the squares, in f64: the squares of no number in f32 overflow there.
pub(crate) fn sum_of_squares<R: Real>(values: &[R]) -> f64 {
    let mut sum = 0.0;
    Squares { values, sum: &mut sum }.run();
    sum
}

struct Squares<'a, R> {
    values: &'a [R],
    sum: &'a mut f64,
}

impl<R: Real> Loop for Squares<'_, R> {
    #[inline(always)]
    fn body(self) {
        let mut sums = [0.0; N_SUMS];
        let (chunks, rest) = self.values.as_chunks::<N_SUMS>();
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum += value.to_f64() * value.to_f64();
            }
        }
        for (sum, value) in sums.iter_mut().zip(rest) {
            *sum += value.to_f64() * value.to_f64();
        }
        *self.sum = sums.iter().sum();
    }
}

//! Products block by block, by microkernels of our own for AVX2.
//!
//! Method outline:
//!
//! 1. A block of the product is two vectors of rows by up to [`COLUMNS`] columns. It stays in registers while
//!    the sum runs: of each term, two vectors of the left operand times one number of the right operand per
//!    column.
//! 2. Both operands are read where they lie. A left operand whose rows are not side by side is transposed
//!    first, two vectors of rows at a time, on the stack.
//! 3. Rows that fill no vector make a block with rows before them, of which only the new ones are stored.
//!
//! So nothing is packed or allocated. Each number of the product is a sum in the order of the terms, by fused
//! multiply-adds, in runs of at most [`DEPTH`] terms of about the same length.

#![expect(unsafe_code, reason = "blocks are read and written by pointers")]

use std::arch::x86_64::{__m128, __m128d, __m256, __m256d};
use std::mem::MaybeUninit;

use pulp::NullaryFnOnce;
use pulp::x86::V3;

use super::microkernels::{Call, Operand};
use super::real::Real;

/// Six columns of two vectors leave four of the sixteen registers for the operands.
const COLUMNS: usize = 6;
/// The most terms of a run: the block of the left operand is 16 KiB then, half of a small first cache.
const DEPTH: usize = 256;
/// The bytes of a vector.
const VECTOR: usize = 32;

/// A float type in vectors of AVX2.
pub(super) trait Vectors: Real {
    type Vector: Copy;
    const LANES: usize = VECTOR / size_of::<Self>();
    /// Two vectors for each term of a run.
    type Panel;

    fn splat(simd: V3, x: Self) -> Self::Vector;
    fn mul_add(simd: V3, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn plus(simd: V3, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Transposes a square of as many rows and columns as a vector has lanes. Rows are this far from each
    /// other.
    ///
    /// # Safety
    ///
    /// All numbers of both squares may be accessed.
    unsafe fn transpose(
        simd: V3,
        from: *const Self,
        stride: usize,
        to: *mut Self,
        to_stride: usize,
    );
}

impl Vectors for f32 {
    type Vector = __m256;
    type Panel = [f32; 16 * DEPTH];

    #[inline(always)]
    fn splat(simd: V3, x: f32) -> __m256 {
        simd.avx._mm256_set1_ps(x)
    }
    #[inline(always)]
    fn mul_add(simd: V3, a: __m256, b: __m256, c: __m256) -> __m256 {
        simd.fma._mm256_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    fn plus(simd: V3, a: __m256, b: __m256) -> __m256 {
        simd.avx._mm256_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn transpose(simd: V3, from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        let avx = simd.avx;
        // SAFETY: the caller answers for both squares.
        unsafe {
            for half in [0, 4] {
                // Each vector has four numbers of a row, and of the fourth row after it.
                let mut r = [simd.avx._mm256_setzero_ps(); 4];
                for (row, r) in r.iter_mut().enumerate() {
                    let row = from.add(row * stride + half);
                    let low = row.cast::<__m128>().read_unaligned();
                    let high = row.add(4 * stride).cast::<__m128>().read_unaligned();
                    *r = avx._mm256_insertf128_ps::<1>(avx._mm256_castps128_ps256(low), high);
                }
                let [r0, r1, r2, r3] = r;
                let (low, next_low) =
                    (avx._mm256_unpacklo_ps(r0, r1), avx._mm256_unpacklo_ps(r2, r3));
                let (high, next_high) =
                    (avx._mm256_unpackhi_ps(r0, r1), avx._mm256_unpackhi_ps(r2, r3));
                let columns = [
                    avx._mm256_shuffle_ps::<0x44>(low, next_low),
                    avx._mm256_shuffle_ps::<0xee>(low, next_low),
                    avx._mm256_shuffle_ps::<0x44>(high, next_high),
                    avx._mm256_shuffle_ps::<0xee>(high, next_high),
                ];
                for (i, column) in columns.into_iter().enumerate() {
                    to.add((half + i) * to_stride).cast::<__m256>().write_unaligned(column);
                }
            }
        }
    }
}

impl Vectors for f64 {
    type Vector = __m256d;
    type Panel = [f64; 8 * DEPTH];

    #[inline(always)]
    fn splat(simd: V3, x: f64) -> __m256d {
        simd.avx._mm256_set1_pd(x)
    }
    #[inline(always)]
    fn mul_add(simd: V3, a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        simd.fma._mm256_fmadd_pd(a, b, c)
    }
    #[inline(always)]
    fn plus(simd: V3, a: __m256d, b: __m256d) -> __m256d {
        simd.avx._mm256_add_pd(a, b)
    }
    #[inline(always)]
    unsafe fn transpose(simd: V3, from: *const f64, stride: usize, to: *mut f64, to_stride: usize) {
        let avx = simd.avx;
        // SAFETY: the caller answers for both squares.
        unsafe {
            for half in [0, 2] {
                let mut r = [simd.avx._mm256_setzero_pd(); 2];
                for (row, r) in r.iter_mut().enumerate() {
                    let row = from.add(row * stride + half);
                    let low = row.cast::<__m128d>().read_unaligned();
                    let high = row.add(2 * stride).cast::<__m128d>().read_unaligned();
                    *r = avx._mm256_insertf128_pd::<1>(avx._mm256_castpd128_pd256(low), high);
                }
                let [r0, r1] = r;
                let columns = [avx._mm256_unpacklo_pd(r0, r1), avx._mm256_unpackhi_pd(r0, r1)];
                for (i, column) in columns.into_iter().enumerate() {
                    to.add((half + i) * to_stride).cast::<__m256d>().write_unaligned(column);
                }
            }
        }
    }
}

/// Whether [`multiply`] takes a product: the rows of the left operand lie side by side and fill a vector, or
/// its columns do.
pub(super) fn takes<R: Vectors>(call: &Call<R>) -> bool {
    let [m, _, _] = call.sizes;
    if call.lhs.row == 1 { m >= R::LANES } else { call.lhs.column == 1 }
}

/// The product of a call that [`takes`] takes.
///
/// # Safety
///
/// All elements of the three matrices may be accessed through their pointers, and the product overlaps with
/// neither operand.
pub(super) unsafe fn multiply<R: Vectors>(simd: V3, call: Call<R>) {
    struct Multiply<R> {
        simd: V3,
        call: Call<R>,
    }
    impl<R: Vectors> NullaryFnOnce for Multiply<R> {
        type Output = ();
        #[inline(always)]
        fn call(self) {
            // SAFETY: the caller answers for the matrices.
            unsafe { runs(self.simd, self.call) }
        }
    }
    debug_assert!(takes(&call));
    simd.vectorize(Multiply { simd, call });
}

/// Run after run of terms.
#[inline(always)]
unsafe fn runs<R: Vectors>(simd: V3, call: Call<R>) {
    let Call { sizes: [m, n, k], lhs, rhs, .. } = call;
    let depth = k.div_ceil(k.div_ceil(DEPTH).max(1));
    let mut first = 0;
    // Without terms the sums are zero.
    while first < k || first == 0 {
        let terms = depth.min(k - first);
        // SAFETY: the terms of the run are inside of both operands.
        unsafe {
            let run = Call {
                sizes: [m, n, terms],
                accumulate: call.accumulate || first > 0,
                lhs: Operand { data: lhs.data.offset(first as isize * lhs.column), ..lhs },
                rhs: Operand { data: rhs.data.offset(first as isize * rhs.row), ..rhs },
                ..call
            };
            if lhs.row == 1 { side_by_side(simd, run) } else { transposed(simd, run) }
        }
        first += terms.max(1);
    }
}

/// A left operand whose rows lie side by side, at least one vector of them. The numbers of the right operand
/// that a block reads are kept for those below it.
#[inline(always)]
unsafe fn side_by_side<R: Vectors>(simd: V3, call: Call<R>) {
    let ([m, n, _], lanes) = (call.sizes, R::LANES);
    for column in (0..n).step_by(COLUMNS) {
        let mut done = 0;
        while done < m {
            let left = m - done;
            let two = left >= 2 * lanes || (left > lanes && m >= 2 * lanes);
            let rows = if two { 2 * lanes } else { lanes };
            let start = done.min(m - rows);
            // SAFETY: the rows from `start` on are inside of the left operand and of the product.
            unsafe {
                let rows_of = Rows {
                    lhs: call.lhs.data.add(start),
                    stride: call.lhs.column,
                    product: call.product.add(start),
                    new: done - start..rows,
                };
                if two {
                    rows_of.columns::<2>(simd, &call, column);
                } else {
                    rows_of.columns::<1>(simd, &call, column);
                }
            }
            done = start + rows;
        }
    }
}

/// A left operand whose columns lie side by side.
#[inline(always)]
unsafe fn transposed<R: Vectors>(simd: V3, call: Call<R>) {
    let ([m, n, terms], lanes) = (call.sizes, R::LANES);
    let width = 2 * lanes;
    let mut panel = MaybeUninit::<R::Panel>::uninit();
    let panel = panel.as_mut_ptr().cast::<R>();
    for first in (0..m).step_by(width) {
        let rows = width.min(m - first);
        // SAFETY: a panel has room for two vectors for each term of a run, and of the first `rows` rows of it
        // all are written, as are those of the vectors that they are in; the rows are inside of the product.
        unsafe {
            let lhs = call.lhs.data.offset(first as isize * call.lhs.row);
            fill_panel(simd, lhs, call.lhs.row as usize, [rows, terms], panel);
            let rows_of = Rows {
                lhs: panel.cast_const(),
                stride: width as isize,
                product: call.product.add(first),
                new: 0..rows,
            };
            for column in (0..n).step_by(COLUMNS) {
                if rows > lanes {
                    rows_of.columns::<2>(simd, &call, column);
                } else {
                    rows_of.columns::<1>(simd, &call, column);
                }
            }
        }
    }
}

/// Writes rows of so many terms as columns of two vectors, zeros after them.
#[inline(always)]
unsafe fn fill_panel<R: Vectors>(
    simd: V3,
    from: *const R,
    stride: usize,
    [rows, terms]: [usize; 2],
    panel: *mut R,
) {
    let lanes = R::LANES;
    let whole_terms = terms / lanes * lanes;
    for row in (0..2 * lanes).step_by(lanes) {
        // SAFETY: the caller answers for the rows and the panel.
        unsafe {
            let whole = if row + lanes <= rows { whole_terms } else { 0 };
            for term in (0..whole).step_by(lanes) {
                let square = from.add(row * stride + term);
                R::transpose(simd, square, stride, panel.add(term * 2 * lanes + row), 2 * lanes);
            }
            for term in whole..terms {
                for i in row..row + lanes {
                    let value = if i < rows { *from.add(i * stride + term) } else { R::ZERO };
                    panel.add(term * 2 * lanes + i).write(value);
                }
            }
        }
    }
}

/// Some vectors of rows of a product.
struct Rows<R> {
    lhs: *const R,
    /// How far it is to the next column of the left operand.
    stride: isize,
    product: *mut R,
    /// Those that are stored.
    new: std::ops::Range<usize>,
}

impl<R: Vectors> Rows<R> {
    /// The next columns, as many as a block has or as are left.
    #[inline(always)]
    unsafe fn columns<const M: usize>(&self, simd: V3, call: &Call<R>, first: usize) {
        let [_, n, _] = call.sizes;
        // SAFETY: the caller answers for the matrices, and so many columns are left.
        unsafe {
            match n - first {
                1 => self.block::<M, 1>(simd, call, first),
                2 => self.block::<M, 2>(simd, call, first),
                3 => self.block::<M, 3>(simd, call, first),
                4 => self.block::<M, 4>(simd, call, first),
                5 => self.block::<M, 5>(simd, call, first),
                _ => self.block::<M, COLUMNS>(simd, call, first),
            }
        }
    }

    #[inline(always)]
    unsafe fn block<const M: usize, const N: usize>(&self, simd: V3, call: &Call<R>, first: usize) {
        let [_, _, terms] = call.sizes;
        let lanes = R::LANES;
        // SAFETY: the caller answers for the matrices.
        unsafe {
            let mut sums = [[R::splat(simd, R::ZERO); M]; N];
            let mut lhs = self.lhs;
            let mut rhs = call.rhs.data.offset(first as isize * call.rhs.column);
            for _ in 0..terms {
                let mut vectors = [R::splat(simd, R::ZERO); M];
                for (i, vector) in vectors.iter_mut().enumerate() {
                    *vector = lhs.add(i * lanes).cast::<R::Vector>().read_unaligned();
                }
                for (j, sums) in sums.iter_mut().enumerate() {
                    let factor = R::splat(simd, *rhs.offset(j as isize * call.rhs.column));
                    for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                        *sum = R::mul_add(simd, vector, factor, *sum);
                    }
                }
                // After the last term they are beyond their matrices, and nothing is read there.
                lhs = lhs.wrapping_offset(self.stride);
                rhs = rhs.wrapping_offset(call.rhs.row);
            }
            let product = self.product.offset(first as isize * call.column);
            if self.new == (0..M * lanes) {
                for (j, sums) in sums.into_iter().enumerate() {
                    for (i, sum) in sums.into_iter().enumerate() {
                        let place = product.offset(j as isize * call.column).add(i * lanes);
                        let place = place.cast::<R::Vector>();
                        let sum = if call.accumulate {
                            R::plus(simd, place.read_unaligned(), sum)
                        } else {
                            sum
                        };
                        place.write_unaligned(sum);
                    }
                }
            } else {
                // A copy, so that the sums themselves need no place in memory.
                let copy = sums;
                let sums = (&raw const copy).cast::<R>();
                for j in 0..N {
                    for i in self.new.clone() {
                        let (place, sum) = (
                            product.offset(j as isize * call.column).add(i),
                            *sums.add(j * M * lanes + i),
                        );
                        place.write(if call.accumulate { *place + sum } else { sum });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::microkernels::tests::is_the_sum_of_products;
    use super::*;

    fn check<R: Vectors>(sizes: [usize; 3], accumulate: bool) {
        // On processors without AVX2 there is nothing to check.
        let Some(simd) = V3::try_new() else { return };
        let multiply_taken = |call: Call<R>| {
            if takes(&call) {
                // SAFETY: the matrices of the call are in their buffers.
                unsafe { multiply(simd, call) }
            } else {
                assert!(call.sizes[0] < R::LANES, "only products of few rows are left to others");
                // SAFETY: the same.
                unsafe { R::capped_product(super::super::isa::Isa::Avx2, call) }
            }
        };
        is_the_sum_of_products(multiply_taken, sizes, accumulate);
    }

    #[test]
    fn every_size_gives_the_sum_of_products() {
        // All that can be left over of rows and columns, and of the terms of one, two and three runs.
        let rows = 1..=35;
        let columns = 1..=13;
        let sizes = rows.flat_map(|m| columns.clone().map(move |n| [m, n, 5 + m % 7]));
        let terms = [0, 1, 4, 8, 255, 256, 257, 511, 513, 530];
        let sizes = sizes.chain(terms.iter().flat_map(|&k| [[8, 2, k], [19, 7, k], [40, 6, k]]));
        for (sizes, accumulate) in sizes.flat_map(|sizes| [(sizes, false), (sizes, true)]) {
            check::<f32>(sizes, accumulate);
            check::<f64>(sizes, accumulate);
        }
    }
}

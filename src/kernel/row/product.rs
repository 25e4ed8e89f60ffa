//! Matrix products on slices, on the calling thread: by `blocks` where it has microkernels for the instruction
//! set, by the `gemm` crate elsewhere.

use super::isa::{Isa, in_use};
use super::microkernels::{Call, Operand};
use super::real::Real;

/// How a matrix lies in memory, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Column after column.
    Columns,
    /// Row after row.
    Rows,
}

/// A matrix to read.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, R> {
    data: &'a [R],
    order: Order,
    /// How far it is from one column, or row, to the next; `None` without gaps.
    stride: Option<usize>,
}

impl<'a, R> Matrix<'a, R> {
    pub fn new(data: &'a [R], order: Order) -> Self {
        Self { data, order, stride: None }
    }

    /// A part of a larger matrix, of which one column, or row, is this far from the next.
    pub fn part(data: &'a [R], order: Order, stride: usize) -> Self {
        Self { data, order, stride: Some(stride) }
    }

    /// Whether a matrix of this size lies in the slice.
    fn is_of(&self, rows: usize, columns: usize) -> bool {
        let (lines, len) = match self.order {
            Order::Columns => (columns, rows),
            Order::Rows => (rows, columns),
        };
        match self.stride {
            None => self.data.len() == rows * columns,
            Some(stride) => {
                let last = lines.saturating_sub(1) * stride;
                stride >= len && self.data.len() >= last + len
            }
        }
    }

    fn operand(&self, rows: usize, columns: usize) -> Operand<R> {
        let (column, row) = match self.order {
            Order::Columns => (self.stride.unwrap_or(rows) as isize, 1),
            Order::Rows => (1, self.stride.unwrap_or(columns) as isize),
        };
        Operand { data: self.data.as_ptr(), column, row }
    }
}

/// `product = lhs · rhs`, or `product += lhs · rhs` to accumulate: `lhs` is `m × k`, `rhs` is
/// `k × n`, and the product `m × n` column after column.
///
/// # Panics
///
/// If a slice does not have the size of its matrix, or a part is not inside of it.
pub(super) fn product<R: Real>(
    [m, n, k]: [usize; 3],
    product: &mut [R],
    lhs: Matrix<'_, R>,
    rhs: Matrix<'_, R>,
    accumulate: bool,
) {
    assert!(product.len() == m * n, "a product of another size");
    product_in_part([m, n, k], product, m, lhs, rhs, accumulate);
}

/// As [`product()`] into a part of a larger matrix, of which one column is this far from the next.
///
/// # Panics
///
/// If a slice does not have the size of its matrix, or a part is not inside of it.
#[expect(unsafe_code, reason = "the rows of a matrix are reached by pointers")]
pub(super) fn product_in_part<R: Real>(
    [m, n, k]: [usize; 3],
    product: &mut [R],
    column: usize,
    lhs: Matrix<'_, R>,
    rhs: Matrix<'_, R>,
    accumulate: bool,
) {
    let is_inside = column >= m && product.len() >= n.saturating_sub(1) * column + m;
    assert!(is_inside && lhs.is_of(m, k) && rhs.is_of(k, n), "a matrix of another size");
    let in_place = match rhs.order {
        Order::Columns => usize::MAX,
        Order::Rows => max_rows_in_place::<R>([n, k]),
    };
    let strip = if m.div_ceil(in_place) <= MAX_STRIPS { in_place } else { m };
    let product = product.as_mut_ptr();
    let (lhs, rhs) = (lhs.operand(m, k), rhs.operand(k, n));
    for first in (0..m).step_by(strip) {
        let sizes = [strip.min(m - first), n, k];
        // SAFETY: it was checked that the matrices lie in their slices, so every row is inside of its
        // slice; the product is borrowed mutably, so it overlaps with
        // neither operand.
        unsafe {
            let lhs = Operand { data: lhs.data.offset(first as isize * lhs.row), ..lhs };
            multiply(Call {
                sizes,
                product: product.add(first),
                column: column as isize,
                accumulate,
                lhs,
                rhs,
            });
        }
    }
}

/// The product of a call.
///
/// # Safety
///
/// All elements of the three matrices may be accessed through their pointers, and the product
/// overlaps with neither operand.
#[expect(unsafe_code, reason = "blocks and the `gemm` crate take pointers and strides")]
unsafe fn multiply<R: Real>(call: Call<R>) {
    let in_use = in_use();
    let Call { sizes: [m, n, k], product, column, accumulate, lhs, rhs } = call;
    // SAFETY: the caller answers for the matrices; `R` is `f32` or `f64`, which `gemm` supports.
    unsafe {
        if R::product_by_blocks(in_use.arch, &call) {
            return;
        }
        if in_use.is_capped {
            return R::capped_product(in_use.isa, call);
        }
        gemm::gemm(
            m,
            n,
            k,
            product,
            column,
            1,
            accumulate,
            lhs.data,
            lhs.column,
            lhs.row,
            rhs.data,
            rhs.column,
            rhs.row,
            R::ONE,
            R::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// In so many strips of rows a product takes no longer than in one.
const MAX_STRIPS: usize = 2;

/// The most rows that a product may have for a right operand of `k × n` that lies row after row to be read
/// where it is. If there are more, `gemm` copies it first, into memory that it allocates. What lies column
/// after column it always reads where it is, as `blocks` does both.
fn max_rows_in_place<R: Real>([n, k]: [usize; 2]) -> usize {
    // Single columns and sums of two have ways of their own. On aarch64 both orders are copied, so
    // that nothing is to be gained.
    let never_copied = n <= 1 || k <= 2 || has_blocks() || cfg!(target_arch = "aarch64");
    if never_copied { usize::MAX } else { 2 * R::rows(in_use().isa) }
}

fn has_blocks() -> bool {
    in_use().isa == Isa::Avx2
}

/// Whether the order of the sums depends on the number of rows, of at least 16: `gemm` divides long sums
/// otherwise where both sides of the product are short.
pub(super) fn depends_on_rows([n, k]: [usize; 2]) -> bool {
    !has_blocks() && n <= 64 && k > 512
}

/// The bytes of a right operand from which on `blocks` is slower where it lies row after row: it no longer
/// stays in the first cache, and each line that is read is left half used.
const ROWS_ARE_SLOWER_FROM: usize = 1 << 16;

/// Whether a product is slower with a right operand that lies row after row than column after column.
pub(super) fn prefers_columns<R: Real>([m, n, k]: [usize; 3]) -> bool {
    if has_blocks() {
        n * k * size_of::<R>() > ROWS_ARE_SLOWER_FROM
    } else {
        m.div_ceil(max_rows_in_place::<R>([n, k])) > MAX_STRIPS
    }
}

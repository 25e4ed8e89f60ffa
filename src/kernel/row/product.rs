//! Matrix products on slices, by the `gemm` crate, on the calling thread.

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
    pub data: &'a [R],
    pub order: Order,
}

/// `product = lhs · rhs`, or `product += lhs · rhs` to accumulate: `lhs` is `m × k`, `rhs` is
/// `k × n`, and the product `m × n` column after column.
///
/// # Panics
///
/// If a slice has not the size of its matrix.
#[expect(unsafe_code, reason = "the `gemm` crate takes pointers and strides")]
pub(super) fn product<R: Real>(
    [m, n, k]: [usize; 3],
    product: &mut [R],
    lhs: Matrix<'_, R>,
    rhs: Matrix<'_, R>,
    accumulate: bool,
) {
    assert_eq!(
        (product.len(), lhs.data.len(), rhs.data.len()),
        (m * n, m * k, k * n),
        "a matrix of another size"
    );
    let strides = |order: Order, rows: usize, columns: usize| match order {
        Order::Columns => (rows as isize, 1),
        Order::Rows => (1, columns as isize),
    };
    let (lhs_column, lhs_row) = strides(lhs.order, m, k);
    let (rhs_column, rhs_row) = strides(rhs.order, k, n);
    // SAFETY: the slices have the sizes of the matrices, which lie in them without gaps, so every
    // element that `gemm` reads or writes is inside of its slice; `product` is borrowed mutably, so
    // it overlaps with neither operand; `R` is `f32` or `f64`, which `gemm` supports.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            product.as_mut_ptr(),
            m as isize,
            1,
            accumulate,
            lhs.data.as_ptr(),
            lhs_column,
            lhs_row,
            rhs.data.as_ptr(),
            rhs_column,
            rhs_row,
            R::ONE,
            R::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

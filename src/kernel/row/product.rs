//! Matrix products on slices, by the `gemm` crate, on the calling thread.

use super::isa::in_use;
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
    pub data: &'a [R],
    pub order: Order,
}

impl<R> Matrix<'_, R> {
    fn operand(&self, rows: usize, columns: usize) -> Operand<R> {
        let (column, row) = match self.order {
            Order::Columns => (rows as isize, 1),
            Order::Rows => (1, columns as isize),
        };
        Operand { data: self.data.as_ptr(), column, row }
    }
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
    let (lhs, rhs) = (lhs.operand(m, k), rhs.operand(k, n));
    let product = product.as_mut_ptr();
    let in_use = in_use();
    // SAFETY: the slices have the sizes of the matrices, which lie in them without gaps, so every
    // element that `gemm` reads or writes is inside of its slice; `product` is borrowed mutably, so
    // it overlaps with neither operand; `R` is `f32` or `f64`, which `gemm` supports.
    unsafe {
        if in_use.is_capped {
            let call = Call { sizes: [m, n, k], product, accumulate, lhs, rhs };
            return R::capped_product(in_use.isa, call);
        }
        gemm::gemm(
            m,
            n,
            k,
            product,
            m as isize,
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

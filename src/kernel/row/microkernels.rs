//! The insides of `gemm`: its products by an instruction set that it would not take by itself,
//! since it always takes the best.

#![expect(unsafe_code, reason = "the `gemm` crates take pointers and strides")]

#[cfg(target_arch = "x86_64")]
use super::blocks;
use super::isa::Isa;

/// A product as `gemm` takes it.
#[derive(Clone, Copy)]
pub(crate) struct Call<R> {
    /// `m`, `n`, `k`: the product is `m × n`, and each of its numbers a sum of `k`.
    pub sizes: [usize; 3],
    pub product: *mut R,
    /// How far it is to the next column of the product; its rows are side by side.
    pub column: isize,
    pub accumulate: bool,
    pub lhs: Operand<R>,
    pub rhs: Operand<R>,
}

/// A matrix that is read.
#[derive(Clone, Copy)]
pub(crate) struct Operand<R> {
    pub data: *const R,
    /// How far it is to the next column, and to the next row.
    pub column: isize,
    pub row: isize,
}

/// A float type for which `gemm` has microkernels: functions for a small block of a product.
pub(crate) trait Microkernels: Sized {
    /// Computes a product by microkernels of our own, if the instruction set has any that take it.
    ///
    /// # Safety
    ///
    /// All elements of the three matrices may be accessed through their pointers, and the product
    /// overlaps with neither operand.
    unsafe fn product_by_blocks(arch: pulp::Arch, call: &Call<Self>) -> bool;

    /// How many rows of a product the largest of them takes.
    fn rows(isa: Isa) -> usize;

    /// A product by the microkernels of AVX2 or of the baseline.
    ///
    /// # Panics
    ///
    /// If the processor does not have them.
    ///
    /// # Safety
    ///
    /// All elements of the three matrices may be accessed through their pointers, and the product
    /// overlaps with neither operand.
    unsafe fn capped_product(isa: Isa, call: Call<Self>);
}

/// The product by a module of microkernels, `$lanes` numbers per vector, as the macros of `gemm`
/// make it.
macro_rules! product_by {
    ($float:ident, $microkernels:ident, $lanes:literal, $simd:ident, $call:expr) => {{
        use gemm_common::simd::{MixedSimd, $simd};
        use $microkernels::{H_M, H_N, H_UKR, MR_DIV_N, NR, UKR};
        let Call { sizes: [m, n, k], product, column, accumulate, lhs, rhs } = $call;
        let simd = <$simd as MixedSimd<$float, $float, $float, $float>>::try_new();
        // SAFETY: the caller answers for the matrices; there is a `simd` only if the processor has
        // the instructions; and the numbers of lanes and of microkernels belong together.
        unsafe {
            gemm_common::gemm::gemm_basic_generic::<
                _,
                $float,
                $lanes,
                { MR_DIV_N * $lanes },
                NR,
                MR_DIV_N,
                H_M,
                H_N,
            >(
                simd.expect("the instruction set that was chosen is there"),
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
                1.0,
                1.0,
                false,
                false,
                false,
                |a, b, c| a * b + c,
                &UKR,
                &H_UKR,
                false,
                gemm_common::Parallelism::None,
            );
        }
    }};
}

macro_rules! impl_microkernels {
    ($float:ident, $gemm:ident, $avx512_lanes:literal, $avx2_lanes:literal) => {
        impl Microkernels for $float {
            #[cfg(target_arch = "x86_64")]
            unsafe fn product_by_blocks(arch: pulp::Arch, call: &Call<Self>) -> bool {
                match arch {
                    pulp::Arch::V3(simd) if blocks::takes(call) => {
                        // SAFETY: the caller answers for the matrices.
                        unsafe { blocks::multiply(simd, *call) };
                        true
                    }
                    _ => false,
                }
            }

            #[cfg(not(target_arch = "x86_64"))]
            unsafe fn product_by_blocks(_: pulp::Arch, _: &Call<Self>) -> bool {
                false
            }

            fn rows(isa: Isa) -> usize {
                use $gemm::microkernel::scalar::$float as baseline;
                #[cfg(target_arch = "x86_64")]
                use $gemm::microkernel::{avx512f::$float as avx512, fma::$float as avx2};
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => avx512::MR_DIV_N * $avx512_lanes,
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => avx2::MR_DIV_N * $avx2_lanes,
                    _ => baseline::MR_DIV_N,
                }
            }

            unsafe fn capped_product(isa: Isa, call: Call<Self>) {
                #[cfg(target_arch = "x86_64")]
                use $gemm::microkernel::fma::$float as avx2;
                use $gemm::microkernel::scalar::$float as baseline;
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => product_by!($float, avx2, $avx2_lanes, V3, call),
                    _ => product_by!($float, baseline, 1, Scalar, call),
                }
            }
        }
    };
}

impl_microkernels!(f32, gemm_f32, 16, 8);
impl_microkernels!(f64, gemm_f64, 8, 4);

#[cfg(test)]
pub(super) mod tests {
    use super::super::isa::in_use;
    use super::super::real::Real;
    use super::*;

    /// Checks a product of whole numbers, whose sums are exact, so that every order of summing gives the same.
    /// The matrices lie in larger ones, of whose other numbers nothing is read or written.
    pub fn is_the_sum_of_products<R: Real>(
        multiply: impl Fn(Call<R>),
        [m, n, k]: [usize; 3],
        accumulate: bool,
    ) {
        let numbers = |rows: usize, columns: usize, stride: usize, modulus: usize| -> Vec<R> {
            let number = |i: usize| match i % stride < rows {
                true => R::from_f64((i * 7 % modulus) as f64 - 3.0),
                false => R::from_f64(f64::NAN),
            };
            (0..columns * stride).map(number).collect()
        };
        let column = m + 3;
        let before = numbers(m, n, column, 5);
        // Column after column, and row after row.
        for (lhs_in_columns, rhs_in_columns) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let matrix = |rows: usize, columns: usize, in_columns: bool, modulus: usize| {
                let (len, lines) = if in_columns { (rows, columns) } else { (columns, rows) };
                let stride = len + 2;
                let (column, row) = if in_columns { (stride, 1) } else { (1, stride) };
                (numbers(len, lines, stride, modulus), column, row)
            };
            let (lhs, lhs_column, lhs_row) = matrix(m, k, lhs_in_columns, 11);
            let (rhs, rhs_column, rhs_row) = matrix(k, n, rhs_in_columns, 13);
            let operand = |matrix: &[R], column: usize, row: usize| Operand {
                data: matrix.as_ptr(),
                column: column as isize,
                row: row as isize,
            };
            let mut product = before.clone();
            multiply(Call {
                sizes: [m, n, k],
                product: product.as_mut_ptr(),
                column: column as isize,
                accumulate,
                lhs: operand(&lhs, lhs_column, lhs_row),
                rhs: operand(&rhs, rhs_column, rhs_row),
            });
            for (i, j) in (0..column).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let found = product[j * column + i];
                if i >= m {
                    assert!(found.to_f64().is_nan(), "{m} × {n} × {k}: {i}, {j} was written");
                    continue;
                }
                let term = |l: usize| {
                    lhs[l * lhs_column + i * lhs_row] * rhs[j * rhs_column + l * rhs_row]
                };
                let start = if accumulate { before[j * column + i] } else { R::ZERO };
                let expected = start + (0..k).map(term).sum::<R>();
                assert_eq!(found, expected, "{m} × {n} × {k}: {i}, {j}");
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_sum_of_products() {
        for isa in [Isa::Baseline, Isa::Avx2].into_iter().filter(|isa| *isa <= in_use().isa) {
            for sizes in [[1, 1, 1], [5, 1, 9], [2, 7, 2], [64, 9, 5], [61, 65, 40], [130, 33, 7]] {
                for accumulate in [false, true] {
                    // SAFETY: the matrices of the call are in their buffers.
                    let single = |call| unsafe { f32::capped_product(isa, call) };
                    is_the_sum_of_products(single, sizes, accumulate);
                    // SAFETY: the same.
                    let double = |call| unsafe { f64::capped_product(isa, call) };
                    is_the_sum_of_products(double, sizes, accumulate);
                }
            }
        }
    }
}

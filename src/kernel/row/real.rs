//! [`Real`]: the float types that the kernels compute in.

use std::cell::RefCell;
use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};
use std::thread::LocalKey;

use super::microkernels::Microkernels;
use super::{exp, ln, normal};

/// `f32` or `f64`.
pub(crate) trait Real:
    Copy
    + Debug
    + Default
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + AddAssign
    + Div<Output = Self>
    + Mul<Output = Self>
    + MulAssign
    + Neg<Output = Self>
    + Sub<Output = Self>
    + Sum
    + Microkernels
{
    const ZERO: Self;
    const ONE: Self;

    /// The nearest value.
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    fn abs(self) -> Self;
    fn floor(self) -> Self;
    fn sqrt(self) -> Self;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn ln_1p(self) -> Self;
    fn tanh(self) -> Self;
    /// The probability of a standard normal below, and its density.
    fn normal(self) -> (Self, Self);
    fn sin_cos(self) -> (Self, Self);

    /// The buffer of each thread for [`with_scratch`](Self::with_scratch).
    fn scratch() -> &'static LocalKey<RefCell<Vec<Self>>>;

    /// Runs `f` on a buffer of this thread that holds `len` numbers, left over from the calls before. It
    /// grows and is kept: a second call of the same size allocates nothing.
    fn with_scratch<T>(len: usize, f: impl FnOnce(&mut [Self]) -> T) -> T {
        Self::scratch().with_borrow_mut(|scratch| {
            if scratch.len() < len {
                // What it held is of no use: growing would copy it, or hold both.
                *scratch = Vec::new();
                *scratch = vec![Self::ZERO; len];
            }
            f(&mut scratch[..len])
        })
    }

    /// Frees the buffer of this thread.
    fn free_scratch() {
        Self::scratch().with_borrow_mut(|scratch| *scratch = Vec::new());
    }
}

macro_rules! impl_real {
    ($float:ident, $exp:path, $ln:path, $ln_1p:path, $coefficients:path) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $float
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                $float::floor(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                $ln_1p(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $float::tanh(self)
            }
            #[inline(always)]
            fn normal(self) -> (Self, Self) {
                normal::normal(self, &$coefficients)
            }
            fn sin_cos(self) -> (Self, Self) {
                $float::sin_cos(self)
            }

            fn scratch() -> &'static LocalKey<RefCell<Vec<Self>>> {
                thread_local! {
                    static SCRATCH: RefCell<Vec<$float>> = const { RefCell::new(Vec::new()) };
                }
                &SCRATCH
            }
        }
    };
}

impl_real!(f32, exp::exp_f32, ln::ln, ln::ln_1p, normal::COEFFICIENTS_F32);
impl_real!(f64, exp::exp_f64, f64::ln, f64::ln_1p, normal::COEFFICIENTS_F64);

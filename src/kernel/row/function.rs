//! [`Function`]: what an inner loop does to a number.

/// A function of one number that gives two: a value and a derivative.
///
/// A trait and not a closure, since only a function can be told to be inlined always: one that is not is compiled for the
/// oldest processor, and for one number at a time.
pub(super) trait Function<R> {
    fn at(&self, x: R) -> (R, R);
}

/// A [`Function`] of a number `$x`, and of constants by their names.
macro_rules! function {
    ($R:ident, [$($constant:ident),*] |$x:ident| $body:expr) => {{
        struct Constants<$R> {
            $($constant: $R,)*
            float: std::marker::PhantomData<$R>,
        }
        impl<$R: $crate::kernel::row::Real> $crate::kernel::row::function::Function<$R>
            for Constants<$R>
        {
            #[inline(always)]
            fn at(&self, $x: $R) -> ($R, $R) {
                $(let $constant = self.$constant;)*
                $body
            }
        }
        Constants { $($constant,)* float: std::marker::PhantomData }
    }};
}

pub(super) use function;

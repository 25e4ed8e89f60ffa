//! The arithmetic of the kernels, on slices: no tensors, no threads.
//!
//! A *tile* is a block of rows stored feature by feature: feature `i` of all its rows is the slice
//! `i * rows..(i + 1) * rows`. So a loop over rows reads contiguous memory whatever the number of
//! features, a feature is picked by picking a slice, and a linear layer is one matrix product
//! without a transposition.

pub(crate) mod activation;
mod activation_loops;
pub(crate) mod adam;
pub(crate) mod affine;
#[cfg(target_arch = "x86_64")]
mod blocks;
mod exp;
pub(crate) mod fixed;
mod function;
pub(crate) mod gate;
mod isa;
pub(crate) mod linear;
mod ln;
mod map;
pub(crate) mod map_rows;
mod microkernels;
mod normal;
mod product;
mod real;
pub(crate) mod spline;
pub(crate) mod squares;

pub(crate) use activation::Activation;
pub(crate) use linear::{Linear, Part};
pub(crate) use map::Map;
pub(crate) use real::Real;

/// A loop that is compiled for several instruction sets; [`run`](Loop::run) takes the one that
/// [`isa`] says.
///
/// A type and not a closure, since only a function can be told to be inlined always: what is not
/// inlined is compiled for the oldest processor.
trait Loop: Sized {
    /// The loop. Implementations are `#[inline(always)]`.
    fn body(self);

    #[inline]
    fn run(self) {
        struct Dispatched<L>(L);
        impl<L: Loop> pulp::WithSimd for Dispatched<L> {
            type Output = ();
            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, _: S) {
                self.0.body();
            }
        }
        isa::in_use().arch.dispatch(Dispatched(self));
    }
}

/// The rows of one feature of a tile.
#[inline(always)]
pub(crate) fn feature<R>(tile: &[R], index: usize, rows: usize) -> &[R] {
    &tile[index * rows..(index + 1) * rows]
}

/// The rows of one feature of a tile, to write.
#[inline(always)]
pub(crate) fn feature_mut<R>(tile: &mut [R], index: usize, rows: usize) -> &mut [R] {
    &mut tile[index * rows..(index + 1) * rows]
}

//! The arithmetic of the kernels, on slices: no tensors, no threads.
//!
//! A *tile* is a block of rows stored feature by feature: feature `i` of all its rows is the slice
//! `i * rows..(i + 1) * rows`. So a loop over rows reads contiguous memory whatever the number of
//! features, a feature is picked by picking a slice, and a linear layer is one matrix product
//! without a transposition.

pub(crate) mod activation;
mod exp;
pub(crate) mod linear;
pub(crate) mod map;
mod product;
mod real;

pub(crate) use activation::Activation;
pub(crate) use linear::Linear;
pub(crate) use map::Map;
pub(crate) use real::Real;

/// Runs a loop compiled for the best instruction set that the processor has.
#[inline(always)]
fn vectorized<T>(f: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(f)
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

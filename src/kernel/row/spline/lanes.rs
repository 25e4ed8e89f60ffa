//! Rows side by side, and what is saved of each.

use crate::kernel::row::real::Real;

/// What the gradient needs besides the parameters: the index of the bin, the position in the bin
/// from the left and from the right, and how far beyond the interval the latent value is.
pub(in super::super) const N_SAVED: usize = 4;

/// The rows of a block: enough for a register of AVX-512 in `f32`. The rest of a tile is done row
/// by row.
pub(super) const LANES: usize = 16;

/// Some rows of a slice.
#[inline(always)]
pub(super) fn load<R: Real, const N: usize>(rows: &[R], first: usize) -> [R; N] {
    let mut lanes = [R::ZERO; N];
    lanes.copy_from_slice(&rows[first..first + N]);
    lanes
}

#[inline(always)]
pub(super) fn store<R: Real, const N: usize>(rows: &mut [R], first: usize, lanes: &[R; N]) {
    rows[first..first + N].copy_from_slice(lanes);
}

//! Buffers that outlive a call: what is allocated anew costs as much in page faults as the
//! arithmetic on it.

use super::super::row::Real;

/// The most bytes that wait for the next call, for each float type.
const MAX_POOLED_BYTES: usize = 1 << 28;

/// A buffer of at least `len` numbers, with whatever it holds: the smallest that is there.
pub(super) fn take_buffer<R: Real>(len: usize) -> Vec<R> {
    let mut pool = R::pool().lock().expect("no panic holds the lock");
    let fitting = pool.iter().enumerate().filter(|(_, buffer)| buffer.len() >= len);
    match fitting.min_by_key(|(_, buffer)| buffer.len()).map(|(index, _)| index) {
        Some(index) => pool.remove(index),
        None => {
            drop(pool);
            vec![R::ZERO; len]
        }
    }
}

/// Puts buffers back. If they are too many, those go that nobody took for longest.
pub(super) fn give_back<R: Real>(buffers: Vec<Vec<R>>) {
    let mut pool = R::pool().lock().expect("no panic holds the lock");
    pool.extend(buffers);
    let bytes = |buffer: &Vec<R>| buffer.len() * size_of::<R>();
    let mut pooled: usize = pool.iter().map(bytes).sum();
    while pooled > MAX_POOLED_BYTES {
        pooled -= bytes(&pool.remove(0));
    }
}

/// Takes a buffer apart.
pub(super) fn split<R, const N: usize>(mut buffer: &mut [R], sizes: [usize; N]) -> [&mut [R]; N] {
    sizes.map(|size| {
        let (part, rest) = std::mem::take(&mut buffer).split_at_mut(size);
        buffer = rest;
        part
    })
}

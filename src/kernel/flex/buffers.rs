//! Buffers that outlive a call: what is allocated anew costs as much in page faults as the
//! arithmetic on it.

use super::super::row::Real;

/// A buffer of at least `len` numbers, with whatever it holds.
pub(super) fn take_buffer<R: Real>(len: usize) -> Vec<R> {
    let mut pool = R::pool().lock().expect("no panic holds the lock");
    let fits = pool.iter().position(|buffer| buffer.len() >= len);
    match fits {
        Some(index) => pool.swap_remove(index),
        None => {
            pool.pop();
            drop(pool);
            vec![R::ZERO; len]
        }
    }
}

/// Puts buffers back.
pub(super) fn give_back<R: Real>(mut buffers: Vec<Vec<R>>) {
    R::pool().lock().expect("no panic holds the lock").append(&mut buffers);
}

/// Takes a buffer apart.
pub(super) fn split<R, const N: usize>(mut buffer: &mut [R], sizes: [usize; N]) -> [&mut [R]; N] {
    sizes.map(|size| {
        let (part, rest) = std::mem::take(&mut buffer).split_at_mut(size);
        buffer = rest;
        part
    })
}

//! Buffers that outlive a call: what is allocated anew costs as much in page faults as the
//! arithmetic on it.

use std::sync::Mutex;

use super::Stored;

/// The bytes of buffers that may wait for a next call, for each float type, however long ago they were used.
const LASTING_BYTES: usize = 1 << 28;
/// Beyond that they wait while so many others are put back.
const RECENT: usize = 64;

/// The buffers that nobody uses.
pub(in super::super) struct Pool<R> {
    /// The one that was put back last comes last.
    buffers: Vec<Pooled<R>>,
    n_put_back: usize,
}

struct Pooled<R> {
    numbers: Vec<R>,
    /// How many had been put back before it.
    before: usize,
}

impl<R> Pool<R> {
    pub const fn new() -> Self {
        Self { buffers: Vec::new(), n_put_back: 0 }
    }

    /// The smallest that has room.
    fn take(&mut self, len: usize) -> Option<Vec<R>> {
        let fitting = self.buffers.iter().enumerate();
        let fitting = fitting.filter(|(_, buffer)| buffer.numbers.len() >= len);
        let (index, _) = fitting.min_by_key(|(_, buffer)| buffer.numbers.len())?;
        Some(self.buffers.remove(index).numbers)
    }

    fn put_back(&mut self, numbers: Vec<R>) {
        self.buffers.push(Pooled { numbers, before: self.n_put_back });
        self.n_put_back += 1;
    }

    /// Frees what was not used for longest, until the others are few enough or recent.
    fn free_old(&mut self) {
        let bytes = |buffer: &Pooled<R>| buffer.numbers.len() * size_of::<R>();
        let mut pooled: usize = self.buffers.iter().map(bytes).sum();
        let is_old = |buffer: &Pooled<R>| buffer.before + RECENT < self.n_put_back;
        let old = self.buffers.iter().take_while(|buffer| {
            let goes = pooled > LASTING_BYTES && is_old(buffer);
            pooled -= if goes { bytes(buffer) } else { 0 };
            goes
        });
        let n_old = old.count();
        self.buffers.drain(..n_old);
    }
}

fn with_pool<R: Stored, T>(f: impl FnOnce(&mut Pool<R>) -> T) -> T {
    let pool: &Mutex<Pool<R>> = R::pool();
    f(&mut pool.lock().expect("no panic holds the lock"))
}

/// A buffer of at least `len` numbers, with whatever it holds.
pub(super) fn take_buffer<R: Stored>(len: usize) -> Vec<R> {
    with_pool(|pool| pool.take(len)).unwrap_or_else(|| vec![R::ZERO; len])
}

/// Puts buffers back.
pub(super) fn give_back<R: Stored>(buffers: Vec<Vec<R>>) {
    with_pool(|pool| {
        buffers.into_iter().for_each(|buffer| pool.put_back(buffer));
        pool.free_old();
    });
}

/// Frees all that waits for a next call.
pub(in super::super) fn release() {
    fn of<R: Stored>() {
        drop(with_pool(|pool: &mut Pool<R>| std::mem::take(&mut pool.buffers)));
        R::free_scratch();
        rayon::spawn_broadcast(|_| R::free_scratch());
    }
    of::<f32>();
    of::<f64>();
}

/// Takes a buffer apart.
pub(super) fn split<R, const N: usize>(mut buffer: &mut [R], sizes: [usize; N]) -> [&mut [R]; N] {
    sizes.map(|size| {
        let (part, rest) = std::mem::take(&mut buffer).split_at_mut(size);
        buffer = rest;
        part
    })
}

/// Cuts the first `len` values off.
pub(super) fn take_front<'a, R>(rest: &mut &'a mut [R], len: usize) -> &'a mut [R] {
    let (front, others) = std::mem::take(rest).split_at_mut(len);
    *rest = others;
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: usize = LASTING_BYTES / 2 / size_of::<f32>();

    /// Buffers of no memory: nobody writes to them.
    fn buffer(len: usize) -> Vec<f32> {
        vec![0.0; len]
    }

    #[test]
    fn the_smallest_that_has_room_is_taken() {
        let mut pool = Pool::new();
        [100, 30, 50].into_iter().for_each(|len| pool.put_back(buffer(len)));
        let lens = [40, 40, 101, 1].map(|len| pool.take(len).map(|buffer| buffer.len()));
        assert_eq!(lens, [Some(50), Some(100), None, Some(30)]);
    }

    #[test]
    fn what_each_call_uses_stays_whatever_its_size() {
        let mut pool = Pool::new();
        for call in 0..2 * RECENT {
            for _ in 0..3 {
                let taken = pool.take(HALF);
                assert_eq!(taken.is_some(), call > 0, "call {call}");
            }
            // All three are put back, though they are more than may last.
            (0..3).for_each(|_| pool.put_back(buffer(HALF)));
            pool.free_old();
        }
    }

    #[test]
    fn what_nobody_uses_any_more_goes_if_it_is_too_much() {
        let mut pool = Pool::new();
        (0..4).for_each(|_| pool.put_back(buffer(HALF)));
        pool.put_back(buffer(7));
        let lens =
            |pool: &Pool<f32>| pool.buffers.iter().map(|b| b.numbers.len()).collect::<Vec<_>>();
        for call in 0..2 * RECENT {
            let small = pool.take(7).expect("it is there");
            pool.put_back(small);
            pool.free_old();
            let kept =
                if call < RECENT / 2 { vec![HALF, HALF, HALF, HALF, 7] } else { lens(&pool) };
            assert_eq!(lens(&pool), kept, "call {call}");
        }
        assert_eq!(lens(&pool), [HALF, 7]);
    }
}

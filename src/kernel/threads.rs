//! Sharing work between threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `work` on every item, on the calling thread and on rayon's, and gives the results in the
/// order of the items.
///
/// The calling thread takes part: it starts at once, while others may have to wake up first, and a
/// single item never leaves it. Items are taken in order, by whoever is free. It waits for all
/// helpers that it called, as rayon does: on a rayon worker it may meanwhile run other jobs of that
/// pool.
pub(super) fn share<T: Send, O: Send>(
    items: Vec<T>,
    work: impl Fn(usize, T) -> O + Sync,
) -> Vec<O> {
    let helpers = items.len().min(rayon::current_num_threads()) - usize::from(!items.is_empty());
    if helpers == 0 {
        return items.into_iter().enumerate().map(|(index, item)| work(index, item)).collect();
    }
    let next = AtomicUsize::new(0);
    let slots: Vec<_> = items.into_iter().map(|item| Mutex::new((Some(item), None))).collect();
    let take_part = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = slots.get(index) else { break };
            let mut slot = slot.lock().expect("each slot is taken once");
            let item = slot.0.take().expect("each slot is taken once");
            slot.1 = Some(work(index, item));
        }
    };
    rayon::in_place_scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| take_part());
        }
        take_part();
    });
    let results = slots.into_iter().map(|slot| slot.into_inner().expect("no panic").1);
    results.map(|result| result.expect("every item was worked on")).collect()
}

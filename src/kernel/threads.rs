//! Sharing work between threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// Runs `work` on every item, on the calling thread and on rayon's, and gives the results in the
/// order of the items.
///
/// The calling thread takes part: it starts at once, while others may have to wake up first, and a
/// single item never leaves it. Items are taken in order, by whoever is free. It waits for the
/// helpers that have begun, not for those that a busy pool has only queued.
///
/// # Panics
///
/// If `work` does, once no thread works any more.
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
    with_helpers(helpers, &take_part);
    let results = slots.into_iter().map(|slot| slot.into_inner().expect("no panic").1);
    results.map(|result| result.expect("every item was worked on")).collect()
}

/// Runs `part` on the calling thread and on up to so many of rayon's. Returns when it is over on all
/// that began it; those that come later do nothing.
fn with_helpers(helpers: usize, part: &(dyn Fn() + Sync)) {
    let crew = Arc::new(Crew::new(part));
    for _ in 0..helpers {
        let crew = Arc::clone(&crew);
        rayon::spawn(move || crew.help());
    }
    let closing = Closing(&crew);
    part();
    drop(closing);
    let panic = crew.state.lock().expect(NO_PANIC).panic.take();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

const NO_PANIC: &str = "nothing panics while it holds the lock";

/// The threads that work on one call.
struct Crew {
    /// What each does. It may be called only by who is counted in `at_work`.
    part: *const (dyn Fn() + Sync),
    state: Mutex<CrewState>,
    is_done: Condvar,
}

struct CrewState {
    is_open: bool,
    /// The helpers that are inside of `part`.
    at_work: usize,
    /// The first panic of a helper.
    panic: Option<Box<dyn Any + Send>>,
}

#[expect(unsafe_code, reason = "helpers outlive the call that they may help")]
// SAFETY: what `part` points to can be shared between threads, and lives for as long as a helper is at work:
// `Closing` waits for them, and lets no others begin.
unsafe impl Send for Crew {}
#[expect(unsafe_code, reason = "helpers outlive the call that they may help")]
// SAFETY: the same.
unsafe impl Sync for Crew {}

impl Crew {
    fn new<'p>(part: &'p (dyn Fn() + Sync + 'p)) -> Self {
        let part: *const (dyn Fn() + Sync + 'p) = part;
        #[expect(unsafe_code, reason = "helpers outlive the call that they may help")]
        // SAFETY: only the lifetime changes, and the pointer is followed only within the old one.
        let part = unsafe {
            std::mem::transmute::<*const (dyn Fn() + Sync + 'p), *const (dyn Fn() + Sync)>(part)
        };
        let state = CrewState { is_open: true, at_work: 0, panic: None };
        Self { part, state: Mutex::new(state), is_done: Condvar::new() }
    }

    fn help(&self) {
        {
            let mut state = self.state.lock().expect(NO_PANIC);
            if !state.is_open {
                return;
            }
            state.at_work += 1;
        }
        #[expect(unsafe_code, reason = "helpers outlive the call that they may help")]
        // SAFETY: this helper is counted, so the call is not over.
        let part = unsafe { &*self.part };
        let result = catch_unwind(AssertUnwindSafe(part));
        let mut state = self.state.lock().expect(NO_PANIC);
        if let Err(panic) = result {
            state.panic.get_or_insert(panic);
        }
        state.at_work -= 1;
        if state.at_work == 0 {
            self.is_done.notify_one();
        }
    }
}

/// Lets no helper begin any more and waits for those that have, at its end, also if that is a panic.
struct Closing<'c>(&'c Crew);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().expect(NO_PANIC);
        state.is_open = false;
        while state.at_work > 0 {
            state = self.0.is_done.wait(state).expect(NO_PANIC);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool")
    }

    #[test]
    fn results_are_in_the_order_of_the_items() {
        for threads in [1, 2, 5] {
            for n in [0, 1, 2, 100] {
                let results = pool(threads).install(|| {
                    share((0..n).collect(), |index, item: usize| {
                        // Not all take the same time.
                        thread::sleep(Duration::from_micros(50 * (index as u64 % 3)));
                        (index, 2 * item)
                    })
                });
                assert_eq!(results, (0..n).map(|i| (i, 2 * i)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn more_than_one_thread_works() {
        // Each of the two waits for the other.
        let both = std::sync::Barrier::new(2);
        let leaders = pool(2).install(|| share(vec![(), ()], |_, ()| both.wait().is_leader()));
        assert_ne!(leaders[0], leaders[1]);
    }

    #[test]
    fn a_busy_pool_is_not_waited_for() {
        let (release, released) = mpsc::channel::<()>();
        let (finished, is_finished) = mpsc::channel();
        let busy = pool(2);
        busy.spawn(move || released.recv().expect("it is released"));
        busy.spawn(move || {
            let sum: usize = share((0..10).collect(), |_, item: usize| item).into_iter().sum();
            finished.send(sum).expect("somebody waits");
        });
        let sum = is_finished.recv_timeout(Duration::from_secs(60));
        release.send(()).expect("it waits");
        assert_eq!(sum, Ok(45), "the other thread of the pool is busy all the time");
    }

    #[test]
    fn a_panic_of_any_thread_is_that_of_the_call() {
        for bad in 0..4 {
            let both = std::sync::Barrier::new(2);
            let outcome = catch_unwind(|| {
                pool(2).install(|| {
                    share((0..4).collect(), |index, item: usize| {
                        if index < 2 {
                            both.wait();
                        }
                        assert!(item != bad, "item {bad} is bad");
                    })
                })
            });
            let panic = outcome.expect_err("an item is bad");
            assert_eq!(panic.downcast_ref::<String>(), Some(&format!("item {bad} is bad")));
        }
    }
}

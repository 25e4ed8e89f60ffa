//! [`Unsolved`]: what a solver did not find. Tensors can only say NaN; the details go to whoever watches.

use std::cell::RefCell;

/// A row of which a solver did not find a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unsolved {
    /// The row, from 0.
    pub row: usize,
    /// How far the equation was from being satisfied at the end.
    pub residual: f64,
    /// The steps that were taken.
    pub steps: usize,
}

impl Unsolved {
    /// The same of another row.
    pub fn at(self, row: usize) -> Self {
        Self { row, ..self }
    }
}

thread_local! {
    /// What every call of [`watched`] that is under way on this thread has been told, the innermost last.
    static WATCHES: RefCell<Vec<Vec<Unsolved>>> = const { RefCell::new(Vec::new()) };
}

/// Tells the innermost call of [`watched`], if there is one.
pub(crate) fn report(unsolved: impl IntoIterator<Item = Unsolved>) {
    WATCHES.with_borrow_mut(|watches| {
        if let Some(innermost) = watches.last_mut() {
            innermost.extend(unsolved);
        }
    });
}

/// What `f` gives, and what the solvers in it did not find. Solvers run on the thread that calls the tensor
/// operations.
pub(crate) fn watched<T>(f: impl FnOnce() -> T) -> (T, Vec<Unsolved>) {
    /// Takes the innermost watch away, after a panic too.
    struct Watch;
    impl Drop for Watch {
        fn drop(&mut self) {
            WATCHES.with_borrow_mut(|watches| watches.pop());
        }
    }
    WATCHES.with_borrow_mut(|watches| watches.push(Vec::new()));
    let watch = Watch;
    let value = f();
    let found = WATCHES.with_borrow_mut(|watches| watches.last_mut().map(std::mem::take));
    drop(watch);
    (value, found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_watch_is_told_and_a_panic_ends_it() {
        let of_row = |row| Unsolved { row, residual: 1.0, steps: 2 };
        report([of_row(9)]);
        let ((inner, caught), outer) = watched(|| {
            report([of_row(0)]);
            let ((), inner) = watched(|| report([of_row(1), of_row(2)]));
            let caught = std::panic::catch_unwind(|| watched(|| panic!("of the test"))).is_err();
            report([of_row(3)]);
            (inner, caught)
        });
        assert!(caught);
        assert_eq!(inner, [of_row(1), of_row(2)]);
        assert_eq!(outer, [of_row(0), of_row(3)]);
    }
}

//! A line of things to do, of which one thread at a time does the first.

use std::collections::VecDeque;

/// Entries that wait, and whether somebody is at it; the lock around it is its owner's.
#[derive(Debug)]
pub(super) struct Line<T> {
    waiting: VecDeque<T>,
    served: bool,
}

impl<T> Line<T> {
    /// Nothing waits, and nobody is at it.
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), served: false }
    }

    /// Adds to the end. True: nobody was at it, from now on the caller is.
    #[must_use = "who is told to serve must do so, else nobody ever will"]
    pub(super) fn join(&mut self, entries: impl IntoIterator<Item = T>) -> bool {
        self.waiting.extend(entries);
        let calls = !self.served && !self.waiting.is_empty();
        self.served |= calls;
        calls
    }

    /// The next entry for who is at it; `None`: there is none, and nobody is at it any more.
    pub(super) fn next(&mut self) -> Option<T> {
        let entry = self.waiting.pop_front();
        self.served = entry.is_some();
        entry
    }

    /// For who is at it and will not take another entry yet: true, it still is; false, there is none.
    #[must_use = "who is told to go on must do so, else nobody ever will"]
    pub(super) fn goes_on(&mut self) -> bool {
        self.served = !self.waiting.is_empty();
        self.served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_serves_at_a_time_and_in_order() {
        let mut line = Line::new();
        assert!(!line.join([]));
        assert!(line.join([1, 2]));
        assert!(!line.join([3]));
        assert_eq!([line.next(), line.next(), line.next()], [Some(1), Some(2), Some(3)]);
        assert!(!line.join([4]), "who took 3 is still at it");
        assert!(line.goes_on());
        assert_eq!((line.next(), line.next()), (Some(4), None));
        assert!(line.join([5]));
        assert_eq!(line.next(), Some(5));
        assert!(!line.goes_on());
        assert!(line.join([6]));
    }
}

//! Handles: numbers that C has, and what they stand for here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Objects by their handle; a handle is never used twice, so a closed one is told.
#[derive(Debug)]
pub(crate) struct Table<T> {
    next: usize,
    open: BTreeMap<usize, Arc<T>>,
}

impl<T> Table<T> {
    /// A table of objects of that kind, a number below 16 that no other table has.
    pub(crate) const fn new(kind: usize) -> Self {
        Self { next: kind, open: BTreeMap::new() }
    }

    /// Takes an object in; its handle.
    pub(crate) fn insert(&mut self, object: T) -> usize {
        self.next += HANDLES_APART;
        self.open.insert(self.next, Arc::new(object));
        self.next
    }

    pub(crate) fn get(&self, handle: usize) -> Option<Arc<T>> {
        self.open.get(&handle).cloned()
    }

    pub(crate) fn remove(&mut self, handle: usize) -> Option<Arc<T>> {
        self.open.remove(&handle)
    }
}

/// Between them lie the handles of other kinds, which are told so.
const HANDLES_APART: usize = 16;

/// A poisoned lock is sound: a panic has ended the process.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A table whose entries are found by index without a lock and let go after the last pass has left.
//!
//! Regions, queue pairs and shared receive queues are reached through it: [`Table::get`] hands out a
//! reference that lives as long as the caller's [`Pin`]. Insertion and removal are control calls and
//! lock. An index rests before it is used again, so that a stale key meets an empty place for long.
//!
//! This file may use `unsafe`: it turns a pointer into a reference under a pin.

use super::pins::{Grace, Pin, Pins};
use crate::sync::{Arc, AtomicPtr, Mutex, Ordering, mutant, ord};
use std::collections::VecDeque;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

/// Entries of the first chunk; chunk `k` holds twice those of chunk `k - 1`.
const FIRST_CHUNK: u32 = if cfg!(qpair_loom) { 2 } else { 64 };
const CHUNKS: usize = if cfg!(qpair_loom) { 2 } else { 19 };
/// Indices have 24 bits; index 0 is never given out, so that no key is 0.
const INDEX_MAX: u32 = if cfg!(qpair_loom) { 5 } else { (1 << 24) - 1 };

/// Every index is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table is full: all {INDEX_MAX} indices are taken; close or deregister something first")]
pub struct TableFull;

#[derive(Debug, Default)]
struct Control {
    /// The generation that each index had last; its length is the highest index given out.
    generations: Vec<u8>,
    resting: VecDeque<u32>,
}

/// Values by index, read under a pin.
#[derive(Debug)]
pub struct Table<T> {
    chunks: [OnceLock<Box<[AtomicPtr<T>]>>; CHUNKS],
    pins: Arc<Pins>,
    rest: usize,
    control: Mutex<Control>,
}

// SAFETY: a `Table` owns its values behind raw pointers. `&Table` hands out `&T` to any thread (needs `T:
// Sync`), takes values in and gives them out on any thread (needs `T: Send`); all else in it is `Send` and
// `Sync` by itself.
unsafe impl<T: Send + Sync> Sync for Table<T> {}
// SAFETY: moving the table moves the values (needs `T: Send`); references under pins borrow the table, so
// none moves along.
unsafe impl<T: Send + Sync> Send for Table<T> {}

impl<T> Table<T> {
    /// An empty table whose freed indices rest until `rest` others have been freed after them.
    pub fn new(pins: Arc<Pins>, rest: usize) -> Self {
        let table =
            Self { chunks: std::array::from_fn(|_| OnceLock::new()), pins, rest, control: Mutex::default() };
        table.chunk(0);
        table
    }

    /// The registry whose pins this table respects.
    pub fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// Takes in what `make` builds for its index and generation; control, locks and may allocate.
    ///
    /// # Errors
    /// [`TableFull`] where all 2^24 - 1 indices are taken; `make` was not called.
    pub fn insert(&self, make: impl FnOnce(u32, u8) -> T) -> Result<u32, TableFull> {
        let (index, generation) = self.reserve()?;
        let value = Box::into_raw(Box::new(make(index, generation)));
        let (chunk, offset) = place(index);
        self.chunk(chunk)[offset].store(value, ord!(TablePublish: Release, "the value before its pointer"));
        Ok(index)
    }

    fn reserve(&self) -> Result<(u32, u8), TableFull> {
        let mut control = self.control.lock().unwrap_or_else(|p| p.into_inner());
        let highest = control.generations.len() as u32;
        let rested = control.resting.len() > self.rest || highest == INDEX_MAX;
        if rested {
            if let Some(index) = control.resting.pop_front() {
                let generation = &mut control.generations[index as usize - 1];
                *generation = generation.wrapping_add(1);
                return Ok((index, *generation));
            }
            return Err(TableFull);
        }
        control.generations.push(0);
        Ok((highest + 1, 0))
    }

    /// The value at `index`, alive as long as the pin; whether it is the one meant is the caller's check.
    ///
    /// # Panics
    /// When the pin belongs to another registry than the table.
    #[inline]
    pub fn get<'p>(&'p self, pin: &'p Pin<'_>, index: u32) -> Option<&'p T> {
        assert!(
            Arc::ptr_eq(pin.handle().pins(), &self.pins),
            "a table is read under a pin of its own registry"
        );
        let (chunk, offset) = place(index);
        let slot = self.chunks.get(chunk)?.get()?.get(offset)?;
        let value = slot.load(ord!(TableLoad: Acquire, "pairs with TablePublish: the value is whole"));
        // SAFETY: a pointer in a slot came from `Box::into_raw` in `insert` and is freed only by
        // `Retired::try_reclaim` or `Table::drop`. The former waits until every pass that began before the
        // slot was emptied is over; the pin of this registry (checked above) is such a pass or began later
        // and then read the slot empty (PinFence against GraceFence). The latter needs the table, which the
        // reference borrows. Nobody makes a `&mut` to it meanwhile.
        unsafe { value.as_ref() }
    }

    /// Takes the value at `index` out of sight; it is let go by [`Retired::try_reclaim`]. Control, locks.
    pub fn remove(&self, index: u32) -> Option<Retired<T>> {
        let (chunk, offset) = place(index);
        let slot = self.chunks.get(chunk)?.get()?.get(offset)?;
        let early = mutant!(GraceBeforeHide => Some(self.pins.grace()), None);
        let order = Ordering::Relaxed; // the fence of `grace` acquires the value as its maker left it
        let value = mutant!(HideWithoutSwap => {
            let value = slot.load(order);
            slot.store(ptr::null_mut(), order);
            value
        }, slot.swap(ptr::null_mut(), order));
        let value = NonNull::new(value)?;
        let grace = early.unwrap_or_else(|| self.pins.grace());
        self.control.lock().unwrap_or_else(|p| p.into_inner()).resting.push_back(index);
        Some(Retired { value, grace })
    }

    /// Notes the last generation that was used under `index`, by who gave out some beside the table's own.
    ///
    /// Before the removal, so that the next value under this index begins after it. Control, locks.
    pub fn set_generation(&self, index: u32, generation: u8) {
        let mut control = self.control.lock().unwrap_or_else(|p| p.into_inner());
        if let Some(last) = control.generations.get_mut((index as usize).wrapping_sub(1)) {
            *last = generation;
        }
    }

    fn chunk(&self, chunk: usize) -> &[AtomicPtr<T>] {
        let size = FIRST_CHUNK << chunk;
        self.chunks[chunk].get_or_init(|| (0..size).map(|_| AtomicPtr::new(ptr::null_mut())).collect())
    }
}

/// Chunk and offset of an index.
#[inline]
fn place(index: u32) -> (usize, usize) {
    let chunk = (index / FIRST_CHUNK + 1).ilog2();
    (chunk as usize, (index - FIRST_CHUNK * ((1 << chunk) - 1)) as usize)
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        for slot in self.chunks.iter().filter_map(OnceLock::get).flat_map(|chunk| chunk.iter()) {
            let value = slot.load(Ordering::Relaxed); // `&mut self`: everything happened before
            if !value.is_null() {
                // SAFETY: from `Box::into_raw` in `insert`, not removed (removal empties the slot); `&mut
                // self` says that no reference handed out by `get` is left, since each borrows the table.
                drop(unsafe { Box::from_raw(value) });
            }
        }
    }
}

/// A value out of sight that a pass may still be reading.
///
/// Dropped before the passes are over it leaks the value, which is safe; so keep asking.
#[derive(Debug)]
#[must_use = "ask try_reclaim until the passes are over, else the value leaks"]
pub struct Retired<T> {
    value: NonNull<T>,
    grace: Grace,
}

// SAFETY: `Retired` owns the value alone but for readers under pins, which hold `&T`: moving it is moving a
// `T` that is shared, hence both bounds.
unsafe impl<T: Send + Sync> Send for Retired<T> {}

impl<T> Retired<T> {
    /// The value, if every pass that may have seen it is over; never blocks.
    ///
    /// # Errors
    /// Itself, while such a pass runs.
    pub fn try_reclaim(mut self) -> Result<T, Self> {
        if !self.grace.is_over() {
            return Err(self);
        }
        // SAFETY: from `Box::into_raw` in `insert`; `remove` took it out of its slot, so this is the only
        // owner, and no pass that read the slot before is still running (`is_over`), so no reference is left.
        Ok(*unsafe { Box::from_raw(self.value.as_ptr()) })
    }
}

#[cfg(all(test, not(qpair_loom)))]
mod tests {
    use super::*;

    #[test]
    fn places_tile_the_index_space() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(place(index), expected, "index {index}");
            expected.1 += 1;
            if expected.1 == (FIRST_CHUNK as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(place(INDEX_MAX).0 < CHUNKS);
    }

    #[test]
    fn a_value_outlives_the_pass_that_found_it() {
        let pins = Pins::new();
        let table = Table::new(Arc::clone(&pins), 0);
        let me = pins.register();
        let index = table.insert(|index, generation| (index, generation)).unwrap();
        let retired = {
            let pin = me.pin();
            let found = table.get(&pin, index).unwrap();
            let retired = table.remove(index).unwrap().try_reclaim().unwrap_err();
            assert!(table.get(&pin, index).is_none());
            assert_eq!(*found, (index, 0));
            retired
        };
        assert_eq!(retired.try_reclaim().unwrap(), (index, 0));
    }

    #[test]
    fn an_index_rests_and_comes_back_with_another_generation() {
        let pins = Pins::new();
        let table = Table::new(pins, 2);
        let free = |index| drop(table.remove(index).unwrap().try_reclaim());
        let insert = || {
            let mut generation_seen = 0;
            let index = table.insert(|_, generation| generation_seen = generation).unwrap();
            (index, generation_seen)
        };
        let first = insert();
        assert_eq!(first, (1, 0));
        free(1);
        for expected in [2, 3] {
            assert_eq!(insert(), (expected, 0));
            free(expected);
        }
        assert_eq!(insert(), (1, 1), "two others were freed after it");
    }
}

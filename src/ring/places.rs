//! Numbered places, taken and given back in any order, each given back once.
//!
//! Who takes a place fills its words and lets its number go, to somebody who brings it back on any thread: a
//! device, whose completions name it. The number counts how often its place was taken, so one that comes
//! twice, late, or out of nowhere is told from the one that is awaited.
//!
//! Free places lie on a stack of indices whose head counts its changes, so that a place that comes back below
//! a taker's hands does not look as if it had never gone. A counter beside it lets in as many takers as the
//! depth says, and only them; who is let in finds a place. Places are made in segments that stay where they
//! are, so a deeper set is made without anybody waiting.

use super::entries::Crowded;
use crate::sync::{AtomicU64, Backoff, Mutex, Ordering, mutant, ord};
use crossbeam_utils::CachePadded;
use std::sync::OnceLock;

/// Places of the first segment; segment `k` holds twice those of segment `k - 1`.
const FIRST: u32 = if cfg!(qpair_loom) { 1 } else { 16 };
const SEGMENTS: usize = if cfg!(qpair_loom) { 3 } else { 20 };

/// Bits of an index, at the low end of a number and of the stack's head; all ones ends the stack.
const INDEX_BITS: u32 = 24;
const INDEX: u64 = (1 << INDEX_BITS) - 1;
/// The most places that there may be at a time.
pub const PLACES_MAX: u32 = FIRST * ((1 << SEGMENTS) - 1);
/// Bits of a number; those above are the caller's.
pub const NUMBER_BITS: u32 = 60;
const NUMBER: u64 = (1 << NUMBER_BITS) - 1;
/// In a place's state, beside its number: it is taken.
const TAKEN: u64 = 1 << 63;

/// What a place has beside its words.
#[derive(Debug, Default)]
struct Place {
    /// The number it was taken with last, and whether it is still.
    state: AtomicU64,
    /// Index of the place below it on the stack.
    below: AtomicU64,
    /// Read and written with the words: loom has no load buffering, so only a race on plain memory shows that
    /// a place is given back too early.
    #[cfg(qpair_loom)]
    witness: super::slots::Witness,
}

#[derive(Debug)]
struct Segment {
    places: Box<[Place]>,
    words: Box<[AtomicU64]>,
}

/// Places by number.
#[derive(Debug)]
pub struct Places {
    /// Changes of the stack, above the index of its first place.
    free: CachePadded<AtomicU64>,
    /// The depth, above how many are taken.
    count: CachePadded<AtomicU64>,
    segments: [OnceLock<Segment>; SEGMENTS],
    words: usize,
    /// Segments whose places have been put on the stack; one change of the depth at a time.
    control: Mutex<usize>,
}

/// A place was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the place is taken until its number is retired"]
pub struct TakenPlace {
    /// Names the place and this taking of it, in [`NUMBER_BITS`] bits.
    pub number: u64,
    /// Places taken, with this one, at the moment it was.
    pub count: u64,
}

/// The words of a place.
#[derive(Debug)]
pub struct Words<'p>(&'p [AtomicU64]);

impl Words<'_> {
    /// The word at `index`.
    ///
    /// # Panics
    /// When the place has no such word; so does [`set`](Words::set).
    #[inline]
    pub fn get(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed) // the place's state and the stack order all words
    }

    /// Writes the word at `index`.
    #[inline]
    pub fn set(&mut self, index: usize, value: u64) {
        self.0[index].store(value, Ordering::Relaxed); // as in `get`
    }
}

impl Places {
    /// `depth` places of so many words. Control: allocates.
    ///
    /// # Panics
    /// When the depth exceeds [`PLACES_MAX`].
    pub fn new(depth: u32, words: usize) -> Self {
        let places = Self {
            free: CachePadded::new(AtomicU64::new(INDEX)),
            count: CachePadded::new(AtomicU64::new(0)),
            segments: std::array::from_fn(|_| OnceLock::new()),
            words,
            control: Mutex::new(0),
        };
        // Loom does not know that who finds a segment sees it made.
        #[cfg(qpair_loom)]
        for segment in 0..SEGMENTS {
            places.segment(segment);
        }
        places.resize(depth).expect("nothing is taken yet");
        places
    }

    /// Places that may be taken.
    pub fn depth(&self) -> u32 {
        (self.count.load(Ordering::Relaxed) >> 32) as u32 // a figure
    }

    /// Places that are taken, at some moment during the call.
    pub fn taken(&self) -> u64 {
        u64::from(self.count.load(Ordering::Relaxed) as u32) // a figure
    }

    /// Takes a place, lets `write` fill its words, and gives it its number; `None`: the depth is reached.
    ///
    /// `write` must not panic: the place would be lost.
    #[inline]
    pub fn take(&self, write: impl FnOnce(&mut Words<'_>)) -> Option<TakenPlace> {
        let count = self.let_in()?;
        let (index, place, words) = self.pop();
        let last = place.state.load(Ordering::Relaxed); // FreePop acquired what the last taker left
        let number = ((last & NUMBER & !INDEX) + (1 << INDEX_BITS)) & NUMBER | index;
        #[cfg(qpair_loom)]
        place.witness.write();
        write(&mut Words(words));
        let order = ord!(PlaceFilled: Release, "the words before the number; what a device orders between its post and its completion the language does not see");
        place.state.store(number | TAKEN, order);
        Some(TakenPlace { number, count })
    }

    /// Shows the words of a place that is still taken under that number.
    pub fn look<R>(&self, number: u64, look: impl FnOnce(&Words<'_>) -> R) -> Option<R> {
        let (place, words) = self.named(number)?;
        let order = ord!(PlaceLook: Acquire, "pairs with PlaceFilled: the words are whole");
        let taken = number | TAKEN;
        // An exchange for itself, since a load may find what was there before. Relaxed: nothing is read
        // through a failure.
        place.state.compare_exchange(taken, taken, order, Ordering::Relaxed).ok()?;
        #[cfg(qpair_loom)]
        place.witness.read();
        Some(look(&Words(words)))
    }

    /// Gives the place of that number back after `read` has seen its words; `None`: it is not taken so.
    ///
    /// Of all calls with one number one succeeds. A `read` that panics loses the place.
    #[inline]
    pub fn retire<R>(&self, number: u64, read: impl FnOnce(&Words<'_>) -> R) -> Option<R> {
        let (place, words) = self.named(number)?;
        let order = ord!(PlaceRetire: Acquire, "pairs with PlaceFilled: the words are whole");
        let mine = mutant!(RetireByLook => {
            let mine = place.state.load(order) == number | TAKEN;
            place.state.swap(number, order);
            mine
        // Relaxed: nothing is read through a failure.
        }, place.state.compare_exchange(number | TAKEN, number, order, Ordering::Relaxed).is_ok());
        if !mine {
            return None;
        }
        #[cfg(qpair_loom)]
        place.witness.read();
        let seen = read(&Words(words));
        let free = || self.push(number & INDEX, place);
        let let_out = || {
            let order = ord!(CountLess: Release, "pairs with LetIn: my place is on the stack before another is let in");
            self.count.fetch_sub(1, order);
        };
        mutant!(OutBeforeFree => {
            let_out();
            free();
        }, {
            free();
            let_out();
        });
        Some(seen)
    }

    /// Changes the depth, and says what it was; places that are taken stay. Control: locks, may allocate.
    ///
    /// # Errors
    /// [`Crowded`]: more than that are taken; nothing has changed.
    ///
    /// # Panics
    /// When the depth exceeds [`PLACES_MAX`].
    pub fn resize(&self, depth: u32) -> Result<u32, Crowded> {
        assert!(depth <= PLACES_MAX, "at most {PLACES_MAX} places, not {depth}");
        // A panic below this lock leaves all whole: the depth is changed last, by one compare-and-swap.
        let mut made = self.control.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut grow = || {
            while start(*made) < depth {
                self.free_all(*made);
                *made += 1;
            }
        };
        mutant!(DeepBeforeFree => (), grow());
        let mut count = self.count.load(Ordering::Relaxed); // the compare-and-swap judges it
        let before = loop {
            let taken = mutant!(ShrinkBlind => 0, u64::from(count as u32));
            if taken > depth.into() {
                return Err(Crowded { entries: taken });
            }
            let deeper = u64::from(depth) << 32 | u64::from(count as u32);
            let order =
                ord!(Deeper: Release, "pairs with LetIn: the places before the depth that counts them");
            // Relaxed: a failure goes round.
            match self.count.compare_exchange_weak(count, deeper, order, Ordering::Relaxed) {
                Ok(_) => break (count >> 32) as u32,
                Err(now) => count = now,
            }
        };
        mutant!(DeepBeforeFree => grow(), ()); // shares DeepBeforeFree: the same slip
        Ok(before)
    }

    /// A segment, made unless it is there.
    fn segment(&self, segment: usize) -> &Segment {
        let size = FIRST << segment;
        self.segments[segment].get_or_init(|| Segment {
            places: (0..size).map(|_| Place::default()).collect(),
            words: (0..size as usize * self.words).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    /// Puts the places of a segment on the stack, the first on top.
    fn free_all(&self, segment: usize) {
        let first = u64::from(start(segment));
        for (offset, place) in self.segment(segment).places.iter().enumerate().rev() {
            self.push(first + offset as u64, place);
        }
    }

    /// The place that a number names, if it can be one.
    #[inline]
    fn named(&self, number: u64) -> Option<(&Place, &[AtomicU64])> {
        if number <= NUMBER { self.place(number & INDEX) } else { None }
    }

    /// The place of that index, if it was ever made.
    #[inline]
    fn place(&self, index: u64) -> Option<(&Place, &[AtomicU64])> {
        let above = index as u32 + FIRST;
        let segment = (above / FIRST).ilog2() as usize;
        let offset = (above - (FIRST << segment)) as usize;
        let made = self.segments.get(segment)?.get()?;
        Some((&made.places[offset], &made.words[offset * self.words..(offset + 1) * self.words]))
    }

    /// One more is taken, of which there are so many then; `None`: the depth is reached.
    #[inline]
    fn let_in(&self) -> Option<u64> {
        let mut count = self.count.load(Ordering::Relaxed); // the compare-and-swap judges it
        loop {
            let taken = u64::from(count as u32);
            if taken >= count >> 32 {
                return None;
            }
            let order = ord!(LetIn: Acquire, "pairs with CountLess and Deeper: the stack as I see it has a place for me");
            let let_in = mutant!(LetInByLook => {
                self.count.fetch_add(1, order);
                Ok(count)
            // Relaxed: a failure goes round.
            }, self.count.compare_exchange_weak(count, count + 1, order, Ordering::Relaxed));
            match let_in {
                Ok(_) => return Some(taken + 1),
                Err(now) => count = now,
            }
        }
    }

    /// Takes the first place off the stack, by a caller who was let in.
    ///
    /// It is there: a place is off the stack only while its taker is counted, and as many as the depth says
    /// are.
    #[inline]
    fn pop(&self) -> (u64, &Place, &[AtomicU64]) {
        let backoff = Backoff::new();
        loop {
            let head = self.free.load(
                ord!(FreePop: Acquire, "pairs with FreePush, by which the head leads to a place whose last user is done"),
            );
            let index = head & INDEX;
            let (place, words) = self.place(index).expect("who is let in finds a place");
            // Out of date if another has it meanwhile; then the head has changed.
            let below = place.below.load(Ordering::Relaxed);
            // Relaxed: the load acquired it, and no two heads are equal.
            if self
                .free
                .compare_exchange_weak(head, next(head, below), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                return (index, place, words);
            }
            backoff.spin();
        }
    }

    #[inline]
    fn push(&self, index: u64, place: &Place) {
        let backoff = Backoff::new();
        let mut head = self.free.load(Ordering::Relaxed); // the compare-and-swap judges it
        loop {
            place.below.store(head & INDEX, Ordering::Relaxed); // FreePush publishes it
            let order = ord!(FreePush: Release, "what I did with the place before another takes it");
            // Relaxed: a failure goes round.
            match self.free.compare_exchange_weak(head, next(head, index), order, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => {
                    backoff.spin();
                    head = now;
                }
            }
        }
    }
}

/// Index of the first place of a segment.
fn start(segment: usize) -> u32 {
    FIRST * ((1 << segment) - 1)
}

/// The head after `head`, with that place first. It comes again after 2^40 changes: hours, for which a taker
/// would have to stand still between two instructions.
#[inline]
fn next(head: u64, index: u64) -> u64 {
    let changes = mutant!(FreeUnversioned => head & !INDEX, (head & !INDEX).wrapping_add(1 << INDEX_BITS));
    changes | index
}

#[cfg(all(test, not(qpair_loom)))]
mod tests {
    use super::*;

    fn take(places: &Places, word: u64) -> Option<u64> {
        places.take(|words| words.set(0, word)).map(|taken| taken.number)
    }

    fn retire(places: &Places, number: u64) -> Option<u64> {
        places.retire(number, |words| words.get(0))
    }

    #[test]
    fn each_number_comes_back_once() {
        let places = Places::new(3, 1);
        let numbers = [7, 8, 9].map(|word| take(&places, word).unwrap());
        assert_eq!((take(&places, 10), places.taken()), (None, 3));
        assert_eq!(retire(&places, numbers[1]), Some(8));
        let again = take(&places, 11).unwrap();
        assert!(again != numbers[1] && again & INDEX == numbers[1] & INDEX, "the same place, taken anew");
        assert_eq!((retire(&places, numbers[1]), places.look(numbers[1], |_| ())), (None, None));
        assert_eq!(places.look(again, |words| words.get(0)), Some(11));
        for number in [0, 1, INDEX, NUMBER, u64::MAX, numbers[0] + (1 << INDEX_BITS), numbers[0] | TAKEN] {
            assert_eq!(retire(&places, number), None, "{number:#x}");
        }
        assert_eq!(
            [numbers[2], again, numbers[0]].map(|number| retire(&places, number).unwrap()),
            [9, 11, 7]
        );
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn a_deeper_set_keeps_what_is_taken() {
        let places = Places::new(2, 1);
        let mut numbers: Vec<u64> = (0..2).map(|word| take(&places, word).unwrap()).collect();
        assert_eq!(places.resize(100), Ok(2));
        numbers.extend((2..100).map(|word| take(&places, word).unwrap()));
        assert_eq!(take(&places, 100), None);
        assert_eq!(places.resize(99), Err(Crowded { entries: 100 }));
        let distinct: std::collections::BTreeSet<_> = numbers.iter().map(|number| number & INDEX).collect();
        assert_eq!(distinct.len(), 100);
        for (word, number) in (0..).zip(numbers) {
            assert_eq!(retire(&places, number), Some(word));
        }
        assert_eq!((places.resize(1), places.depth()), (Ok(100), 1));
        assert!(take(&places, 0).is_some() && take(&places, 1).is_none());
    }

    #[test]
    fn a_number_fits_below_the_callers_bits() {
        let places = Places::new(1, 0);
        let (place, _) = places.place(0).unwrap();
        place.state.store(NUMBER & !INDEX, Ordering::Relaxed); // one thread
        let taken = places.take(|_| ()).unwrap();
        assert_eq!(taken, TakenPlace { number: 0, count: 1 }, "the count of takings begins again");
        assert!(places.retire(0, |_| ()).is_some() && places.retire(0, |_| ()).is_none());
    }
}

//! The word of an entry whose key changes: which registration of it is in force.
//!
//! Windows and fast registrations keep their index, and each binding or registration gets the next
//! generation. What is in force is one word, so that a reader can tell whether what it has read beside it
//! still is: it reads the word, then the rest by relaxed loads, then the word again. A word never repeats,
//! since each change counts in it.

use crate::sync::{AtomicU64, Ordering, fence};
use crate::work::Key;

/// Something is in force.
const VALID: u64 = 1 << 8;
/// A binder has it to itself.
const BUSY: u64 = 1 << 9;
const PLACE_SHIFT: u32 = 10;
const PLACES: u64 = 1 << 6;
const COUNT_SHIFT: u32 = 16;
/// Its handle is gone: nothing is ever in force again.
const CLOSED: u64 = 1 << 63;

/// The word at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Now(u64);

impl Now {
    pub(super) fn is_valid(self) -> bool {
        self.0 & (VALID | BUSY | CLOSED) == VALID
    }

    fn is_free(self) -> bool {
        self.0 & (VALID | BUSY | CLOSED) == 0
    }

    pub(super) fn generation(self) -> u8 {
        self.0 as u8
    }

    /// The number of the place that holds what is in force.
    pub(super) fn place(self) -> usize {
        (self.0 >> PLACE_SHIFT & (PLACES - 1)) as usize
    }

    /// What comes after this in the order of changes, with those bits.
    fn next(self, bits: u64) -> u64 {
        ((self.0 & !CLOSED) >> COUNT_SHIFT).wrapping_add(1) << (COUNT_SHIFT + 1) >> 1 | bits
    }
}

/// Which registration is in force, and which key was given out last.
#[derive(Debug)]
pub(super) struct Changing {
    /// The key that the handle knows the entry by; never given to a peer.
    home: Key,
    word: AtomicU64,
    /// The generation given out last.
    latest: AtomicU64,
}

impl Changing {
    pub(super) fn new(home: Key) -> Self {
        let latest = AtomicU64::new(home.generation().into());
        Self { home, word: AtomicU64::new(0), latest }
    }

    /// The key of the next registration, chosen when it is posted: the generation that is given, or the next
    /// one, never that of the home.
    pub(super) fn choose(&self, low: Option<u8>) -> Key {
        let next = |latest: u64| {
            let next = (latest as u8).wrapping_add(1);
            Some(u64::from(low.unwrap_or(if next == self.home.generation() {
                next.wrapping_add(1)
            } else {
                next
            })))
        };
        // Relaxed: only the number counts; it travels in a request.
        let before = self.latest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        Key::new(self.home.index(), before.ok().and_then(next).unwrap_or_default() as u8)
    }

    /// The key given out last.
    pub(super) fn latest(&self) -> Key {
        Key::new(self.home.index(), self.latest.load(Ordering::Relaxed) as u8) // as in `choose`
    }

    pub(super) fn now(&self) -> Now {
        Now(self.word.load(Ordering::Acquire)) // pairs with the changes: what they published is read after
    }

    /// What was read since `now` belongs to it.
    pub(super) fn still(&self, now: Now) -> bool {
        // Acquire, with the fence of `rewrite`: who has read a value of a later registration reads a later
        // word here.
        fence(Ordering::Acquire);
        self.word.load(Ordering::Relaxed) == now.0 // ordered by the fence
    }

    /// Before what belongs to a registration is written anew.
    pub(super) fn rewrite() {
        fence(Ordering::Release); // pairs with the fence of `still`
    }

    fn change(&self, from: Now, bits: u64) -> bool {
        // AcqRel: a registration is published with what belongs to it, and an end after all reads of who
        // ends it. Acquire for a failure, whose caller looks again.
        self.word.compare_exchange(from.0, from.next(bits), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Puts in force what lies in `place`; false: something else is, or the handle is gone.
    pub(super) fn enforce(&self, generation: u8, place: usize) -> bool {
        let now = self.now();
        now.is_free() && self.change(now, VALID | (place as u64) << PLACE_SHIFT | u64::from(generation))
    }

    /// Takes the entry for a binder, who publishes or gives it back; `None`: it is bound or taken.
    pub(super) fn take(&self) -> Option<Now> {
        let now = self.now();
        (now.is_free() && self.change(now, BUSY)).then(|| Now(now.next(BUSY)))
    }

    /// The binder is done: in force with that generation, or free again. False: the handle is gone meanwhile.
    pub(super) fn publish(&self, taken: Now, generation: Option<u8>) -> bool {
        self.change(taken, generation.map_or(0, |generation| VALID | u64::from(generation)))
    }

    /// Ends what is in force `now`; false: somebody else has.
    pub(super) fn end(&self, now: Now) -> bool {
        now.is_valid() && self.change(now, 0)
    }

    /// Ends it for ever; what was in force just before.
    pub(super) fn close(&self) -> Now {
        Now(self.word.fetch_or(CLOSED, Ordering::AcqRel)) // as in `change`
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_skip_the_home_and_come_round() {
        let changing = Changing::new(Key::new(7, 250));
        assert_eq!(changing.latest(), Key::new(7, 250));
        let chosen: Vec<u8> = (0..256).map(|_| changing.choose(None).generation()).collect();
        assert_eq!(chosen[..7], [251, 252, 253, 254, 255, 0, 1]);
        assert!(!chosen.contains(&250) && chosen[254] == 249 && chosen[255] == 251);
        assert_eq!(changing.latest(), Key::new(7, 251));
        assert_eq!(changing.choose(Some(9)), Key::new(7, 9));
        assert_eq!(changing.choose(None), Key::new(7, 10));
    }

    #[test]
    fn one_registration_is_in_force_at_a_time() {
        let changing = Changing::new(Key::new(1, 0));
        assert!(!changing.now().is_valid());
        assert!(changing.enforce(3, 5));
        let now = changing.now();
        assert!(now.is_valid() && now.generation() == 3 && now.place() == 5 && changing.still(now));
        assert!(!changing.enforce(4, 1) && changing.take().is_none());
        assert!(changing.end(now) && !changing.end(now) && !changing.still(now));
        let taken = changing.take().unwrap();
        assert!(!changing.enforce(4, 1) && !changing.now().is_valid());
        assert!(changing.publish(taken, None) && changing.take().is_some());
    }

    #[test]
    fn a_closed_one_never_comes_back() {
        let changing = Changing::new(Key::new(1, 0));
        let taken = changing.take().unwrap();
        assert!(!changing.close().is_valid());
        assert!(!changing.publish(taken, Some(1)) && !changing.enforce(2, 0) && changing.take().is_none());
        let other = Changing::new(Key::new(2, 0));
        assert!(other.enforce(1, 0));
        let now = other.close();
        assert!(now.is_valid() && !other.end(now) && !other.now().is_valid());
    }
}

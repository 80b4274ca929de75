//! Which of the successive contents of a place is in force: one word that never repeats.
//!
//! Something is put in force under a generation, ended, and something else put in force. A reader must not
//! wait, and must not take a part of one content and a part of another: it reads the word, then the content
//! by relaxed loads, then the word again. Each change of the word counts in it, so the same word twice means
//! that nothing has changed. A content is written only while it is not in force.

use crate::sync::{AtomicU64, Ordering, fence, mutant, ord};

/// Something is in force.
const VALID: u64 = 1 << 8;
/// A writer has it to itself.
const BUSY: u64 = 1 << 9;
const PLACE_SHIFT: u32 = 10;
const PLACES: u64 = 1 << 6;
const COUNT_SHIFT: u32 = 16;
/// Nothing is ever in force again.
const CLOSED: u64 = 1 << 63;

/// The word at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now(u64);

impl Now {
    /// Something is in force.
    pub fn is_valid(self) -> bool {
        self.0 & (VALID | BUSY | CLOSED) == VALID
    }

    fn is_free(self) -> bool {
        self.0 & (VALID | BUSY | CLOSED) == 0
    }

    /// Under which generation.
    pub fn generation(self) -> u8 {
        self.0 as u8
    }

    /// The number of the place that holds it.
    pub fn place(self) -> usize {
        (self.0 >> PLACE_SHIFT & (PLACES - 1)) as usize
    }

    /// What comes after this in the order of changes, with those bits.
    fn next(self, bits: u64) -> u64 {
        ((self.0 & !CLOSED) >> COUNT_SHIFT).wrapping_add(1) << (COUNT_SHIFT + 1) >> 1 | bits
    }
}

/// What is in force, and which generation was given out last.
#[derive(Debug)]
pub struct Changing {
    /// Never given out, unless somebody asks for it.
    home: u8,
    word: AtomicU64,
    latest: AtomicU64,
}

impl Changing {
    /// Nothing is in force; the first generation will be the one after `home`.
    pub fn new(home: u8) -> Self {
        Self { home, word: AtomicU64::new(0), latest: AtomicU64::new(home.into()) }
    }

    /// The generation of the next content: the one that is given, or the one after the last, never the home.
    pub fn choose(&self, given: Option<u8>) -> u8 {
        let mut latest = self.latest.load(Ordering::Relaxed); // only the number counts; it travels elsewhere
        loop {
            let after = (latest as u8).wrapping_add(1);
            let after = if after == self.home { after.wrapping_add(1) } else { after };
            let next = given.unwrap_or(after);
            // Relaxed: as above.
            let (weak, order) = (&self.latest, Ordering::Relaxed);
            match weak.compare_exchange_weak(latest, next.into(), order, order) {
                Ok(_) => return next,
                Err(now) => latest = now,
            }
        }
    }

    /// The generation given out last.
    pub fn latest(&self) -> u8 {
        self.latest.load(Ordering::Relaxed) as u8 // as in `choose`
    }

    /// The word; what is in force may be read after it, and judged by [`Changing::still`].
    pub fn now(&self) -> Now {
        Now(self
            .word
            .load(ord!(ChangeLoad: Acquire, "pairs with ChangeSwap: the content comes before its word")))
    }

    /// What was read since `now` belongs to it.
    pub fn still(&self, now: Now) -> bool {
        // With the fence of `rewrite`: who has read a word of later content reads a later word here.
        mutant!(StillUnfenced => (), fence(Ordering::Acquire));
        self.word.load(Ordering::Relaxed) == now.0 // ordered by the fence
    }

    /// Comes before content is written, which was ended or taken before.
    pub fn rewrite() {
        mutant!(RewriteUnfenced => (), fence(Ordering::Release)); // pairs with the fence of `still`
    }

    fn change(&self, from: Now, bits: u64) -> bool {
        let order = ord!(ChangeSwap: Release, "what is put in force was written before");
        let next = from.next(bits);
        mutant!(ChangeBySwap => {
            self.word.swap(next, order);
            true
        // Relaxed for a failure: nothing is read through it.
        }, self.word.compare_exchange(from.0, next, order, Ordering::Relaxed).is_ok())
    }

    /// Puts in force what lies in `place`; false: something else is, or all is over.
    pub fn enforce(&self, generation: u8, place: usize) -> bool {
        let now = self.now();
        now.is_free() && self.change(now, VALID | (place as u64) << PLACE_SHIFT | u64::from(generation))
    }

    /// Takes the only place for a writer, who publishes or gives it back; `None`: it is in force or taken.
    pub fn take(&self) -> Option<Now> {
        let now = self.now();
        (now.is_free() && self.change(now, BUSY)).then(|| Now(now.next(BUSY)))
    }

    /// The writer is done: in force with that generation, or free again. False: all is over meanwhile.
    pub fn publish(&self, taken: Now, generation: Option<u8>) -> bool {
        self.change(taken, generation.map_or(0, |generation| VALID | u64::from(generation)))
    }

    /// Ends what is in force `now`; false: somebody else has.
    pub fn end(&self, now: Now) -> bool {
        now.is_valid() && self.change(now, 0)
    }

    /// Ends it for ever; what was in force just before, and may be read.
    pub fn close(&self) -> Now {
        let order = ord!(ChangeClose: Acquire, "pairs with ChangeSwap: who closes reads what was in force");
        Now(mutant!(CloseAfterLook => {
            let before = self.word.load(order);
            self.word.swap(CLOSED, Ordering::Relaxed); // a slip: what is put in force between the two is lost
            before
        }, self.word.fetch_or(CLOSED, order)))
    }
}

#[cfg(all(test, not(qpair_loom)))]
mod tests {
    use super::*;

    #[test]
    fn generations_skip_the_home_and_come_round() {
        let changing = Changing::new(250);
        assert_eq!(changing.latest(), 250);
        let chosen: Vec<u8> = (0..256).map(|_| changing.choose(None)).collect();
        assert_eq!(chosen[..7], [251, 252, 253, 254, 255, 0, 1]);
        assert!(!chosen.contains(&250) && chosen[254] == 249 && chosen[255] == 251);
        assert_eq!(changing.latest(), 251);
        assert_eq!(changing.choose(Some(9)), 9);
        assert_eq!(changing.choose(None), 10);
    }

    #[test]
    fn one_registration_is_in_force_at_a_time() {
        let changing = Changing::new(0);
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
        let changing = Changing::new(0);
        let taken = changing.take().unwrap();
        assert!(!changing.close().is_valid());
        assert!(!changing.publish(taken, Some(1)) && !changing.enforce(2, 0) && changing.take().is_none());
        let other = Changing::new(0);
        assert!(other.enforce(1, 0));
        let now = other.close();
        assert!(now.is_valid() && !other.end(now) && !other.now().is_valid());
    }
}

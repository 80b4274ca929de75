//! Where a queue pair of a device stands, and who may move the device's.
//!
//! A device of the kernel cancels only by moving its queue pair to error, and forgets what it has when that
//! is reset. So three kinds of callers move it, and must not undo each other: who connects, who flushes one
//! that is not connected (to error, and back when all has come), and who takes an attempt to connect back.
//! One word gives them turns; to be over comes above all of them, at any moment, and stays.
//!
//! | phase | the device's is | receives | next, unless it is over |
//! |---|---|---|---|
//! | Init | in Init | are given to it | Flushed, Readied |
//! | Flushed | moved to Error, Reset and Init | wait | Init |
//! | Readied | moved on to send | are given | Connected, Returning |
//! | Returning | moved to Reset and Init | wait | Init |
//! | Connected | sending | are given | Returning |
//! | Error, Closed | in Error, at last | are given, and cancelled | |
//!
//! Whoever has a turn hears at its end whether it is over meanwhile. Then the device's queue pair may have
//! been brought back from the error, and is moved there again. A receive that a device gets in error it
//! leaves where it is (soft-RoCE), until it is moved to error once more: poster and breaker each write first
//! and look afterwards, with a full fence between (give the receive, fence, look at the phase; set the phase,
//! fence, have the device cancel what it has got), so that one of them sees the other.

use crate::sync::{AtomicU64, Ordering, fence, mutant, ord, recheck};

/// Where a queue pair stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not connected: receives only.
    Init,
    /// Not connected, and being flushed: receives wait.
    Flushed,
    /// Being connected: it receives already.
    Readied,
    /// An attempt to connect has failed: it is brought back, and receives wait.
    Returning,
    /// Connected.
    Connected,
    /// Broken: everything is cancelled, what comes later too.
    Error,
    /// Disconnected or closing: receives are cancelled, nothing else is taken.
    Closed,
}

impl Phase {
    const ALL: [Self; 7] = [
        Self::Init,
        Self::Flushed,
        Self::Readied,
        Self::Returning,
        Self::Connected,
        Self::Error,
        Self::Closed,
    ];

    fn of(word: u64) -> Self {
        Self::ALL[word as usize]
    }

    /// Broken, disconnected or closing, and so for ever.
    #[inline]
    pub fn is_over(self) -> bool {
        self >= Self::Error
    }

    /// Neither over nor beyond its first connection: requests of the initiator are refused.
    #[inline]
    pub fn is_unconnected(self) -> bool {
        self < Self::Connected
    }
}

/// How a turn has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "who is over has the device cancel once more"]
pub enum Turn {
    /// There was none of this kind, or it has ended before.
    Nobody,
    /// It lasts.
    Lasts,
    /// It has ended, and the queue pair is in Init.
    Ended,
    /// It has ended, and meanwhile all is over: the device is to be moved to error again, and what it may
    /// have forgotten is to be answered.
    Over,
}

/// The phase of a queue pair, and what is held back of its receives.
///
/// "In the role" is said of the role of its receive queue.
#[derive(Debug)]
pub struct Phases {
    phase: AtomicU64,
    /// 1 more than the ticket of the first receive that is held back by a flush, [`RETURN`] by who brings it
    /// back, else 0. Written in the role.
    held_back: AtomicU64,
}

const RETURN: u64 = u64::MAX;

impl Default for Phases {
    fn default() -> Self {
        Self::new()
    }
}

impl Phases {
    /// In Init.
    pub fn new() -> Self {
        Self { phase: AtomicU64::new(Phase::Init as u64), held_back: AtomicU64::new(0) }
    }

    /// The phase now.
    #[inline]
    pub fn now(&self) -> Phase {
        let order = ord!(PhaseLook: Acquire, "pairs with PhaseReady: what was agreed with the peer");
        Phase::of(self.phase.load(order))
    }

    /// It is over, with [`Phase::Error`] or [`Phase::Closed`]; true: it was not as far before.
    ///
    /// The caller has the device cancel afterwards, by [`cancel`](Phases::cancel).
    pub fn end(&self, phase: Phase) -> bool {
        debug_assert!(phase.is_over());
        // Relaxed: the fence of `cancel` orders it, and acquires what TurnEnd has released.
        self.phase.fetch_max(phase as u64, Ordering::Relaxed) < phase as u64
    }

    /// Has the device cancel what it has got; behind [`end`](Phases::end), or in the turn of a flush.
    pub fn cancel<R>(&self, to_error: impl FnOnce() -> R) -> R {
        fence!(ErrorFence, "the phase is set before the device cancels: a receive it gets later is seen");
        to_error()
    }

    /// The device has got receives; true: it may have been in error, and is to be moved there again.
    #[inline]
    #[must_use = "else the receives stay where they are"]
    pub fn is_over_for_given(&self) -> bool {
        fence!(GivenFence, "the receive is with the device before the phase is looked at");
        // Relaxed: the fences order it.
        recheck!(GivenRecheck, Phase::of(self.phase.load(Ordering::Relaxed)).is_over())
    }

    /// Receives are held back from the device; asked in the role.
    #[inline]
    pub fn holds_back(&self) -> bool {
        self.held_back.load(Ordering::Relaxed) != 0 // written in the role
    }

    /// The connection manager is going to move the device's queue pair; `Err`: it is not in Init.
    ///
    /// # Errors
    /// The phase: `Flushed` ends soon, and the others have no turn for it.
    pub fn ready(&self) -> Result<(), Phase> {
        let order = ord!(PhaseReady: Release, "what was agreed with the peer, for who finds it connected");
        mutant!(ReadyByMax => {
            self.phase.fetch_max(Phase::Readied as u64, order);
            Ok(())
        }, self.take(Phase::Init, Phase::Readied, order))
    }

    /// Initiator requests are taken from now on, if the connection manager has moved the queue pair.
    pub fn open(&self) {
        let order = Ordering::Relaxed; // a read-modify-write: it passes on what `ready` has released
        let opened = mutant!(OpenByMax => {
            self.phase.fetch_max(Phase::Connected as u64, order);
            Ok(())
        }, self.take(Phase::Readied, Phase::Connected, order));
        // Open already, taken back, or over: all of them stay.
        let (Ok(()) | Err(_)) = opened;
    }

    /// Begins the flush of a queue pair that is not connected, if its device has receives: it has got
    /// `given`, of which so many have `completed`; in the role.
    ///
    /// True: what is posted from now on is held back, and the caller has the device
    /// [`cancel`](Phases::cancel). False: the device has none, and nothing has begun. Somebody else would
    /// find such a flush at its end before the caller has moved the device to error.
    ///
    /// # Errors
    /// The phase: `Flushed` and `Returning` end soon, the others are flushed in other ways.
    pub fn begin_flush(&self, given: u64, completed: u64) -> Result<bool, Phase> {
        let none = mutant!(FlushOfNothing => false, given == completed);
        if none && self.now() == Phase::Init {
            return Ok(false);
        }
        self.take(Phase::Init, Phase::Flushed, Ordering::Relaxed)?; // the role orders the rest
        self.hold_back(mutant!(FlushHoldsNothing => 0, given + 1));
        Ok(true)
    }

    /// Whether nothing is to be ended, at some moment; a hint without the role.
    pub fn is_settled(&self) -> bool {
        self.held_back.load(Ordering::Relaxed) == 0 // a hint
    }

    /// Ends a flush once so many receives have `completed` that the device has none left; in the role.
    ///
    /// `back` puts the device's queue pair back, from Error through Reset to Init; its error is another's, if
    /// all is over meanwhile.
    ///
    /// # Errors
    /// That of `back`: the device's queue pair is nowhere.
    pub fn end_flush<E>(&self, completed: u64, back: impl FnOnce() -> Result<(), E>) -> Result<Turn, E> {
        let held_back = self.held_back.load(Ordering::Relaxed); // written in the role
        match held_back {
            0 => return Ok(Turn::Nobody),
            RETURN => return Ok(Turn::Lasts),
            _ if mutant!(FlushEndsEarly => false, completed + 1 < held_back) => return Ok(Turn::Lasts),
            _ => {}
        }
        let back = back();
        self.hold_back(0);
        match self.give_back(Phase::Flushed) {
            Turn::Over => Ok(Turn::Over),
            ended => back.map(|()| ended),
        }
    }

    /// Takes an attempt to connect back: no initiator requests are taken any more; false: there is none.
    #[must_use = "whoever begins a return ends it"]
    pub fn begin_return(&self) -> bool {
        // Relaxed: the device orders its moves, the role the rest.
        let readied = self.take(Phase::Readied, Phase::Returning, Ordering::Relaxed);
        // Opened meanwhile, by a message that came before.
        readied.or_else(|_| self.take(Phase::Connected, Phase::Returning, Ordering::Relaxed)).is_ok()
    }

    /// Holds back what is posted during a return, before the device is put back; in the role.
    pub fn hold_back_for_return(&self) {
        self.hold_back(mutant!(ReturnHoldsNothing => 0, RETURN));
    }

    /// Ends a return, when the device has its receives again; in the role.
    pub fn end_return(&self) -> Turn {
        self.hold_back(0);
        self.give_back(Phase::Returning)
    }

    fn hold_back(&self, word: u64) {
        self.held_back.store(word, Ordering::Relaxed); // in the role
    }

    /// The turn ends: back to Init, unless all is over.
    fn give_back(&self, from: Phase) -> Turn {
        // Who ends it all does so before this, and it is seen here, or afterwards, and then it moves the
        // device last.
        let order = ord!(TurnEnd: Release, "what the device was given again, for who ends it all");
        let back = mutant!(OverUnseen => {
            let _over = self.take(from, Phase::Init, order);
            Ok(())
        }, self.take(from, Phase::Init, order));
        if back.is_ok() { Turn::Ended } else { Turn::Over }
    }

    fn take(&self, from: Phase, to: Phase, order: Ordering) -> Result<(), Phase> {
        // Relaxed: nothing is read through a failure.
        match self.phase.compare_exchange(from as u64, to as u64, order, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(now) => Err(Phase::of(now)),
        }
    }
}

#[cfg(all(test, not(qpair_loom)))]
mod tests {
    use super::*;

    /// A queue pair in that phase.
    fn at(phase: Phase) -> Phases {
        Phases { phase: AtomicU64::new(phase as u64), held_back: AtomicU64::new(0) }
    }

    #[test]
    fn each_phase_has_its_moves() {
        use Phase::{Closed, Connected, Error, Flushed, Init, Readied, Returning};
        type Move = fn(&Phases);
        let moves: [(&str, Move, [Phase; 7]); 8] = [
            // From        Init       Flushed    Readied    Returning  Connected  Error  Closed
            (
                "flush",
                |it| _ = it.begin_flush(1, 0),
                [Flushed, Flushed, Readied, Returning, Connected, Error, Closed],
            ),
            ("ready", |it| _ = it.ready(), [Readied, Flushed, Readied, Returning, Connected, Error, Closed]),
            ("open", Phases::open, [Init, Flushed, Connected, Returning, Connected, Error, Closed]),
            (
                "return",
                |it| _ = it.begin_return(),
                [Init, Flushed, Returning, Returning, Returning, Error, Closed],
            ),
            (
                "flushed",
                |it| {
                    it.hold_back(1);
                    assert!(matches!(it.end_flush(0, || Ok::<_, ()>(())), Ok(Turn::Ended | Turn::Over)));
                },
                [Init, Init, Readied, Returning, Connected, Error, Closed],
            ),
            (
                "returned",
                |it| assert!(matches!(it.end_return(), Turn::Ended | Turn::Over)),
                [Init, Flushed, Readied, Init, Connected, Error, Closed],
            ),
            ("error", |it| _ = it.end(Error), [Error, Error, Error, Error, Error, Error, Closed]),
            ("close", |it| _ = it.end(Closed), [Closed; 7]),
        ];
        for (name, step, after) in moves {
            for (before, after) in Phase::ALL.into_iter().zip(after) {
                let phases = at(before);
                step(&phases);
                assert_eq!(phases.now(), after, "{name} from {before:?}");
            }
        }
    }
}

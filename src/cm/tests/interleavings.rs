//! Orders of calls, deliveries and accidents by chance, with several attempts: each call ends once, the two
//! sides never disagree.

use super::pair::*;
use super::witness::{Witness, fits};
use crate::cm::*;
use proptest::prelude::*;

/// One thing that may happen next; what is impossible at the time is skipped.
#[derive(Clone, Copy, Debug)]
enum Step {
    Call(End, usize),
    Deliver(End),
    EndDma(End),
    QpFatal(End),
    Established,
    Unreachable,
    TimeOut(End),
    PauseListener(bool),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(Active), Just(Passive)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (end(), 0..6usize).prop_map(|(end, call)| Step::Call(end, call)),
        6 => end().prop_map(Step::Deliver),
        2 => end().prop_map(Step::EndDma),
        1 => end().prop_map(Step::QpFatal),
        1 => Just(Step::Established),
        1 => Just(Step::Unreachable),
        1 => end().prop_map(Step::TimeOut),
        1 => any::<bool>().prop_map(Step::PauseListener),
    ]
}

struct World {
    pair: Pair,
    active: Witness,
    passive: Witness,
}

impl World {
    fn new() -> Self {
        Self { pair: Pair::new(), active: Witness::default(), passive: Witness::default() }
    }

    fn exists(&self, end: End) -> bool {
        end == Active || self.pair.passive.is_some()
    }

    fn state(&self, end: End) -> Option<State> {
        match end {
            Active => Some(self.pair.active.connector.state()),
            Passive => self.pair.passive.as_ref().map(|side| side.connector.state()),
        }
    }

    fn call(&mut self, end: End, number: usize) {
        // One request at a time has a passive side here; another attempt follows when that is through.
        let is_busy =
            number == 0 && end == Active && !matches!(self.state(Passive), None | Some(State::Closed));
        if !self.exists(end) || is_busy {
            return;
        }
        if number == 0 && end == Active && self.state(Active) == Some(State::Created) {
            self.observe();
            self.passive = Witness::default();
            self.pair.passive = None;
        }
        if self.pair.try_call(end, nth_call(number)).is_ok() {
            self.witness(end).called(number);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Call(end, number) => self.call(end, number),
            Step::Deliver(end) => _ = self.pair.deliver(end),
            Step::EndDma(end) => _ = self.pair.end_dma(end),
            Step::QpFatal(end) if self.exists(end) => self.pair.notice(end, Notice::QpFatal),
            // A first message can arrive only when the active side has begun to send.
            Step::Established if self.active.sends && self.exists(Passive) => {
                self.pair.notice(Passive, Notice::Established);
            }
            // The carrier says so of a request that it could not bring.
            Step::Unreachable if self.state(Passive).is_none() => {
                self.pair.notice(Active, Notice::Unreachable(Unreachable::Host));
            }
            Step::TimeOut(end) if self.exists(end) => {
                if self.pair.side(end).connector.next_timeout().is_some() {
                    self.pair.time_out(end);
                }
            }
            Step::PauseListener(pause) => self.pair.listener.pause(pause),
            Step::QpFatal(_) | Step::Established | Step::Unreachable | Step::TimeOut(_) => {}
        }
        self.observe();
    }

    fn witness(&mut self, end: End) -> &mut Witness {
        match end {
            Active => &mut self.active,
            Passive => &mut self.passive,
        }
    }

    fn observe(&mut self) {
        for end in [Active, Passive] {
            if self.exists(end) {
                for action in self.pair.side(end).told() {
                    self.witness(end).saw(action);
                }
            }
        }
    }

    /// With nothing under way, each side's idea of the connection fits the other's.
    fn agree(&mut self) {
        self.pair.drive();
        self.observe();
        let Some(passive) = self.state(Passive) else { return };
        let active = self.state(Active).unwrap();
        assert!(fits(active, passive), "active {active:?}, passive {passive:?}");
    }

    fn close(&mut self) {
        for end in [Active, Passive] {
            if !matches!(self.state(end), None | Some(State::Closed | State::Closing(_))) {
                self.pair.call(end, Call::Close);
                self.witness(end).has_left = true;
            }
            self.observe();
        }
        self.pair.drive();
        self.observe();
    }
}

proptest! {
    #[test]
    fn each_call_ends_once_and_the_sides_agree(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.agree();
        world.close();
        assert!(world.active.ended && (!world.exists(Passive) || world.passive.ended));
    }
}

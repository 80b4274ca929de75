//! All orders of calls, deliveries and accidents of one attempt, until no new situation turns up.

use super::pair::*;
use super::witness::{Witness, fits};
use crate::cm::message::Attempt;
use crate::cm::*;
use std::collections::{BTreeSet, HashSet};

/// A situation, and what each side has relied on so far.
#[derive(Clone)]
struct Situation {
    pair: Pair,
    witnesses: [Witness; 2],
}

/// Everything about a situation that decides what can follow.
type Key = ([Option<(State, Vec<Body>, bool)>; 2], [Witness; 2]);

impl Situation {
    fn key(&self) -> Key {
        let key = |side: &Side| {
            let inbox = side.inbox.iter().map(|message| message.body.clone()).collect();
            (side.connector.state(), inbox, side.draining)
        };
        ([Some(key(&self.pair.active)), self.pair.passive.as_ref().map(key)], self.witnesses.clone())
    }

    fn is_quiet(&self) -> bool {
        let quiet = |side: &Side| side.inbox.is_empty() && !side.draining;
        quiet(&self.pair.active) && self.pair.passive.as_ref().is_none_or(quiet)
    }

    /// What may follow on the side of `end`; the accidents are the queue pair's error and the end of a wait.
    fn following(&self, end: End, out: &mut Vec<Self>) {
        if end == Passive && self.pair.passive.is_none() {
            return;
        }
        for number in 0..6 {
            let again = number == 0 && self.pair.active.connector.attempt() != Attempt::default();
            let mut next = self.clone();
            if !again && next.pair.try_call(end, nth_call(number)).is_ok() {
                next.witnesses[end as usize].called(number);
                out.push(next.observed());
            }
        }
        let has_timeout = self.clone().pair.side(end).connector.next_timeout().is_some();
        out.push(self.after(|pair| _ = pair.deliver(end)));
        out.push(self.after(|pair| _ = pair.end_dma(end)));
        out.push(self.after(|pair| pair.notice(end, Notice::QpFatal)));
        if has_timeout {
            out.push(self.after(|pair| pair.time_out(end)));
        }
        if end == Passive && self.witnesses[0].sends {
            out.push(self.after(|pair| pair.notice(Passive, Notice::Established)));
        }
    }

    /// From anywhere, closing both sides ends every call and both connectors.
    fn assert_closes(mut self) {
        for end in [Active, Passive] {
            let exists = end == Active || self.pair.passive.is_some();
            if exists && self.pair.try_call(end, Call::Close).is_ok() {
                self.witnesses[end as usize].has_left = true;
                self = self.observed();
            }
        }
        let closed = self.after(Pair::drive);
        assert!(closed.witnesses[0].ended && (closed.pair.passive.is_none() || closed.witnesses[1].ended));
    }

    fn after(&self, change: impl FnOnce(&mut Pair)) -> Self {
        let mut next = self.clone();
        change(&mut next.pair);
        next.observed()
    }

    fn observed(mut self) -> Self {
        for end in [Active, Passive] {
            if end == Active || self.pair.passive.is_some() {
                for action in self.pair.side(end).told() {
                    self.witnesses[end as usize].saw(action);
                }
            }
        }
        self
    }
}

/// The snapshot is the list of pairs of states in which nothing is under way.
#[test]
fn all_interleavings_of_one_attempt() {
    let start = Situation { pair: Pair::new(), witnesses: Default::default() };
    let mut known = HashSet::from([start.key()]);
    let mut open = vec![start];
    let mut quiet = BTreeSet::new();
    while let Some(situation) = open.pop() {
        if let (true, Some(passive)) = (situation.is_quiet(), &situation.pair.passive) {
            let (active, passive) = (situation.pair.active.connector.state(), passive.connector.state());
            assert!(fits(active, passive), "active {active:?}, passive {passive:?}");
            quiet.insert(format!("{:<17} {passive:?}", format!("{active:?}")));
        }
        situation.clone().assert_closes();
        let mut following = vec![];
        situation.following(Active, &mut following);
        situation.following(Passive, &mut following);
        open.extend(following.into_iter().filter(|next| known.insert(next.key())));
    }
    assert!(known.len() > 1000, "only {} situations: the search has lost its way", known.len());
    insta::assert_snapshot!(quiet.into_iter().collect::<Vec<_>>().join("\n"));
}

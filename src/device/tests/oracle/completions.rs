//! A completion queue as a plain queue: entries, arm, overrun, and how often its user was called.

use crate::ring::{ArmLevel, Class};
use crate::work::Completion;
use std::collections::VecDeque;

pub(super) struct CompletionQueue {
    depth: usize,
    /// Classes of the entries that have not been polled.
    entries: VecDeque<Class>,
    /// All that ever came, of the send queue and of the receive queue: between the two no order is promised.
    pub(super) sends: Vec<Completion>,
    pub(super) receives: Vec<Completion>,
    polled: usize,
    /// So many of the entries that ever came were there at the last notification.
    notified: usize,
    armed: Option<ArmLevel>,
    dead: bool,
    due: bool,
    pub(super) notifications: u64,
}

impl CompletionQueue {
    pub(super) fn new(depth: usize) -> Self {
        Self {
            depth,
            entries: VecDeque::new(),
            sends: Vec::new(),
            receives: Vec::new(),
            polled: 0,
            notified: 0,
            armed: None,
            dead: false,
            due: false,
            notifications: 0,
        }
    }

    /// False: the queue is dead.
    pub(super) fn push(&mut self, receives: bool, class: Class, completion: Completion) -> bool {
        if !self.dead && self.entries.len() < self.depth {
            let queue = if receives { &mut self.receives } else { &mut self.sends };
            queue.push(completion);
            self.entries.push_back(class);
            self.fire(level(class));
        } else if !self.dead {
            self.dead = true;
            self.fire(ArmLevel::Errors);
        }
        !self.dead
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn poll(&mut self, most: usize) -> usize {
        let count = most.min(self.entries.len());
        self.entries.drain(..count);
        self.polled += count;
        count
    }

    pub(super) fn arm(&mut self, level_asked: ArmLevel) {
        self.armed = self.armed.max(Some(level_asked));
        if self.dead {
            return self.fire(ArmLevel::Errors);
        }
        let old = self.notified.saturating_sub(self.polled);
        if let Some(strongest) = self.entries.iter().skip(old).max() {
            self.fire(level(*strongest));
        }
    }

    fn fire(&mut self, level: ArmLevel) {
        if self.armed >= Some(level) {
            self.armed = None;
            self.due = true;
        }
    }

    pub(super) fn deliver(&mut self) {
        if std::mem::take(&mut self.due) {
            self.notified = self.polled + self.entries.len();
            self.notifications += 1;
        }
    }
}

fn level(class: Class) -> ArmLevel {
    match class {
        Class::Ordinary | Class::Unsure => ArmLevel::Any,
        Class::Solicited => ArmLevel::Solicited,
    }
}

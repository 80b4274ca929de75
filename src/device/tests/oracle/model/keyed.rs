//! The window and the fast-register region of each end of the model.

use super::memory::Access;
use super::*;
use crate::memory::{Denied, PLACES};

/// What is in force: by which bind or registration, for which bytes, with which rights.
#[derive(Clone, Copy)]
struct InForce {
    count: u8,
    from: u64,
    length: u64,
    rights: u8,
    /// Of a window.
    region: KeyOf,
}

impl InForce {
    fn grants(&self, entry: Entry, access: Access) -> Result<(), Denied> {
        if self.rights & access.right() != access.right() {
            return Err(Denied::MissingRight);
        }
        let (from, to) = (entry.offset, entry.offset + u64::from(entry.length));
        if from < self.from || to > self.from + self.length { Err(Denied::OutOfRange) } else { Ok(()) }
    }
}

#[derive(Default)]
pub(super) struct Keyed {
    window: Option<InForce>,
    listed: Option<InForce>,
    /// Binds and registrations posted.
    chosen: [u8; 2],
    /// Those of the requests that wait in the queue, in order.
    waiting: VecDeque<u8>,
    /// Places of registrations that are posted or in force.
    places: usize,
}

impl Keyed {
    /// A request was taken.
    pub(super) fn posted(&mut self, verb: &Verb) {
        let which = match verb {
            Verb::Bind { .. } => 0,
            Verb::FastRegister { .. } => {
                self.places += 1;
                1
            }
            _ => return,
        };
        self.chosen[which] += 1;
        self.waiting.push_back(self.chosen[which]);
    }

    /// A request is over without being executed.
    pub(super) fn cancelled(&mut self, verb: &Verb) {
        if let Verb::Bind { .. } | Verb::FastRegister { .. } = verb {
            self.waiting.pop_front();
            self.places -= usize::from(matches!(verb, Verb::FastRegister { .. }));
        }
    }

    pub(super) fn unbind(&mut self, count: u8) -> Result<(), Denied> {
        self.window.take_if(|window| window.count == count).map(drop).ok_or(Denied::UnknownKey)
    }

    pub(super) fn unlist(&mut self, count: u8) -> Result<(), Denied> {
        self.listed.take_if(|listed| listed.count == count).ok_or(Denied::UnknownKey)?;
        self.places -= 1;
        Ok(())
    }
}

impl Model {
    pub(in crate::device::tests::oracle) fn chosen(&self) -> Chosen {
        [0, 1].map(|end: usize| self.ends[end].keyed.chosen)
    }

    pub(super) fn judge_place(&self, end: usize, request: &Request) -> Result<(), PostRefused> {
        let registers = matches!(request.verb, Verb::FastRegister { .. });
        if registers && self.ends[end].keyed.places == PLACES {
            return Err(PostRefused::NoPlace { places: PLACES });
        }
        Ok(())
    }

    pub(super) fn check_window(
        &self,
        end: usize,
        count: u8,
        entry: Entry,
        access: Access,
    ) -> Result<(), Denied> {
        let window = self.ends[end].keyed.window.filter(|window| window.count == count);
        let window = window.ok_or(Denied::UnknownKey)?;
        if access.is_local() {
            return Err(Denied::MissingRight);
        }
        window.grants(entry, access)?;
        if window.region == KeyOf::Doomed && self.ends[end].doomed {
            return Err(Denied::UnknownKey);
        }
        Ok(())
    }

    pub(super) fn check_listed(
        &self,
        end: usize,
        count: u8,
        entry: Entry,
        access: Access,
    ) -> Result<(), Denied> {
        // Before the first registration is posted, its key is the home, which names what is in force.
        let is_it = |listed: &InForce| listed.count == count || count == 0 && access.is_local();
        let listed = self.ends[end].keyed.listed.filter(is_it);
        listed.ok_or(Denied::UnknownKey)?.grants(entry, access)
    }

    /// Executes a bind or a registration.
    pub(super) fn change_keys(&mut self, end: usize, request: &Request) -> Ended {
        let count = self.ends[end].keyed.waiting.pop_front().expect("one for each request");
        match request.verb {
            Verb::Bind { region, from, length, rights } => {
                if self.ends[end].keyed.window.is_some() {
                    return Err((Status::LocalQpOperation, Detail::StillValid));
                }
                let denied = self.bind_denied(end, region, from, length, rights);
                if let Some(denied) = denied {
                    return Err((Status::WindowBind, denied.detail()));
                }
                self.ends[end].keyed.window = Some(InForce { count, from, length, rights, region });
            }
            Verb::FastRegister { from, length, rights } => {
                let keyed = &mut self.ends[end].keyed;
                let refused = if length > 0 && from + length > MEMORY as u64 {
                    Some((Status::LocalProtection, Detail::OutOfRange))
                } else {
                    keyed.listed.map(|_| (Status::LocalQpOperation, Detail::StillValid))
                };
                if let Some(refused) = refused {
                    keyed.places -= 1;
                    return Err(refused);
                }
                keyed.listed = Some(InForce { count, from, length, rights, region: KeyOf::Whole });
            }
            _ => unreachable!("only these change keys of their own end"),
        }
        Ok(0)
    }

    fn bind_denied(&self, end: usize, region: KeyOf, from: u64, length: u64, rights: u8) -> Option<Denied> {
        match region {
            KeyOf::Unknown | KeyOf::Window(_) | KeyOf::Listed(_) => Some(Denied::UnknownKey),
            KeyOf::Doomed if self.ends[end].doomed => Some(Denied::UnknownKey),
            KeyOf::Foreign => Some(Denied::OtherProtectionDomain),
            KeyOf::ReadOnly if rights & 4 != 0 => Some(Denied::MissingRight),
            _ => (from + length > MEMORY as u64).then_some(Denied::OutOfRange),
        }
    }
}

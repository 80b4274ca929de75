//! What requests of a send queue do to windows and fast registrations: bind, register, invalidate.
//!
//! Each is executed under the pin of an engine's pass; they lock nothing, allocate nothing and wait for
//! nobody.

use super::fast_register::{FastRegister, NotStaged, PageList};
use super::keys::KeyTable;
use super::region::{Denied, Kind, Party, Region, Rights};
use super::window::{Binding, Window};
use crate::ring::{Pin, TableFull};
use crate::work::Key;

/// Why a window or fast registration stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unfit {
    /// Nothing is in force under the key, or it is no key that a request may invalidate.
    #[error("nothing that could be invalidated is in force under this key")]
    NotValid,
    /// It must be invalidated first.
    #[error("it is bound or registered already; invalidate it first")]
    StillValid,
    /// The memory below refuses.
    #[error("{0}")]
    Denied(#[from] Denied),
}

/// What ended a region's last window: the close of that region waits for it, if there is one.
pub type Unbound = Option<Key>;

impl KeyTable {
    /// A window, unbound. Control: locks and allocates.
    ///
    /// # Errors
    /// All keys are taken.
    pub fn create_window(&self, pd: u32) -> Result<Key, TableFull> {
        self.create_other(pd, |home| Kind::Window(Window::new(home)))
    }

    /// An entry for fast registrations of up to `pages` pages of mappings of `adapter`. Control.
    ///
    /// # Errors
    /// All keys are taken.
    pub fn create_fast_register(
        &self,
        pd: u32,
        adapter: u32,
        pages: usize,
        remote: bool,
    ) -> Result<Key, TableFull> {
        self.create_other(pd, |home| {
            Kind::FastRegister(Box::new(FastRegister::new(home, adapter, pages, remote)))
        })
    }

    fn window<'p>(&'p self, pin: &'p Pin<'_>, home: Key) -> Option<&'p Window> {
        match self.regions().get(pin, home.index())?.kind_at(home)? {
            Kind::Window(window) => Some(window),
            _ => None,
        }
    }

    fn fast<'p>(&'p self, pin: &'p Pin<'_>, home: Key) -> Option<&'p FastRegister> {
        match self.regions().get(pin, home.index())?.kind_at(home)? {
            Kind::FastRegister(entry) => Some(entry),
            _ => None,
        }
    }

    /// Chooses the key of the next binding or registration of a window or fast-register entry.
    ///
    /// `low` gives its generation, where the user chooses it; else it is the next one.
    pub fn choose(&self, pin: &Pin<'_>, home: Key, low: Option<u8>) -> Option<Key> {
        match self.regions().get(pin, home.index())?.kind_at(home)? {
            Kind::Window(window) => Some(Key::new(home.index(), window.changing.choose(low))),
            Kind::FastRegister(entry) => Some(Key::new(home.index(), entry.changing.choose(low))),
            _ => None,
        }
    }

    /// The key that was chosen last.
    pub fn latest(&self, pin: &Pin<'_>, home: Key) -> Option<Key> {
        match self.regions().get(pin, home.index())?.kind_at(home)? {
            Kind::Window(window) => Some(Key::new(home.index(), window.changing.latest())),
            Kind::FastRegister(entry) => Some(Key::new(home.index(), entry.changing.latest())),
            _ => None,
        }
    }

    /// Binds a window under `key`, for the queue pair of `party`.
    ///
    /// Fails, and nothing changed, if it is bound already or gone, or the region does not allow it.
    pub fn bind(
        &self,
        pin: &Pin<'_>,
        (home, key): (Key, Key),
        binding: &Binding,
        party: Party,
    ) -> (Result<(), Unfit>, Unbound) {
        let Some(window) = self.window(pin, home) else { return (Err(Unfit::NotValid), None) };
        let Some(taken) = window.changing.take() else { return (Err(Unfit::StillValid), None) };
        let below = self
            .below(pin, binding, party.pd)
            .and_then(|region| if region.tie() { Ok(region) } else { Err(Denied::UnknownKey) });
        let region = match below {
            Ok(region) => region,
            Err(denied) => {
                window.changing.publish(taken, None); // false: its handle is gone, which changes nothing
                return (Err(denied.into()), None);
            }
        };
        if window.bind(taken, key.generation(), binding, party) {
            return (Ok(()), None);
        }
        // The handle went meanwhile, and left what was taken to us.
        (Err(Unfit::NotValid), region.untie().then_some(binding.region))
    }

    /// The region that a binding names, if it may be bound so.
    fn below<'p>(&'p self, pin: &'p Pin<'_>, binding: &Binding, pd: u32) -> Result<&'p Region, Denied> {
        let region = self.region(pin, binding.region).filter(|region| region.is_open());
        let region = region.ok_or(Denied::UnknownKey)?;
        if region.pd != pd {
            return Err(Denied::OtherProtectionDomain);
        }
        if binding.rights.without(Rights::LOCAL_WRITE).lacks_local_write()
            && !region.rights.contains(Rights::LOCAL_WRITE)
        {
            return Err(Denied::MissingRight);
        }
        let length = usize::try_from(binding.length).map_err(|_| Denied::OutOfRange)?;
        region.part(binding.address, length)?;
        Ok(region)
    }

    /// Puts a registration into a place of its entry; gives the number of the place.
    ///
    /// # Errors
    /// Why not; nothing changed.
    pub fn stage(&self, pin: &Pin<'_>, home: Key, list: &PageList<'_>) -> Result<u8, NotStaged> {
        self.fast(pin, home).ok_or(NotStaged::Closed)?.stage(list)
    }

    /// Frees the place of a registration that will not be executed.
    pub fn unstage(&self, pin: &Pin<'_>, home: Key, place: u8) {
        if let Some(entry) = self.fast(pin, home) {
            entry.unstage(place);
        }
    }

    /// Puts the registration in `place` in force under `key`; a failure frees the place.
    ///
    /// # Errors
    /// One is in force already, or some bytes are in no mapping.
    pub fn fast_register(&self, pin: &Pin<'_>, (home, key): (Key, Key), place: u8) -> Result<(), Unfit> {
        let entry = self.fast(pin, home).ok_or(Unfit::NotValid)?;
        let logical = |address, length| self.logical(pin, entry.adapter, address, length);
        let result = match entry.enforce(key.generation(), place, logical) {
            Ok(true) => return Ok(()),
            Ok(false) => Unfit::StillValid,
            Err(denied) => denied.into(),
        };
        entry.unstage(place);
        Err(result)
    }

    /// Invalidates a key because the peer's message says so (SEND with invalidate).
    ///
    /// # Errors
    /// [`Denied::UnknownKey`] for a key that is none, [`Denied::OtherProtectionDomain`] for one of another
    /// domain, [`Denied::OtherQueuePair`] for a window of another queue pair, and [`Denied::MissingRight`]
    /// for a region without [`Rights::REMOTE_INVALIDATE`] or a fast registration without remote access.
    /// Nothing changed.
    pub fn invalidate(&self, pin: &Pin<'_>, key: Key, party: impl Into<Party>) -> Result<Unbound, Denied> {
        let party = party.into();
        let entry = self.regions().get(pin, key.index()).ok_or(Denied::UnknownKey)?;
        if entry.key == key {
            return entry.invalidate(party.pd).map(|()| None);
        }
        let kind = entry.other.as_deref().map(|other| &other.kind);
        match kind {
            Some(Kind::Window(_) | Kind::FastRegister(_)) if entry.pd != party.pd => {
                Err(Denied::OtherProtectionDomain)
            }
            Some(Kind::Window(window)) => self.unbind(pin, window, key, Some(party.qp)),
            Some(Kind::FastRegister(entry)) => {
                let now = entry.in_force(key, None).ok_or(Denied::UnknownKey)?;
                if !entry.is_remote() {
                    return Err(Denied::MissingRight);
                }
                if entry.end(now) { Ok(None) } else { Err(Denied::UnknownKey) }
            }
            _ => Err(Denied::UnknownKey),
        }
    }

    /// Invalidates the key of a window or fast registration because a request of this side says so.
    ///
    /// # Errors
    /// Nothing is in force under it, it names something else, or the domain is another.
    pub fn invalidate_own(&self, pin: &Pin<'_>, key: Key, party: Party) -> Result<Unbound, Unfit> {
        let entry = self.regions().get(pin, key.index()).ok_or(Unfit::NotValid)?;
        let other = entry.other.as_deref().ok_or(Unfit::NotValid)?;
        match &other.kind {
            Kind::Window(_) | Kind::FastRegister(_) if entry.pd != party.pd => {
                Err(Denied::OtherProtectionDomain.into())
            }
            Kind::Window(window) => self.unbind(pin, window, key, None).map_err(|_| Unfit::NotValid),
            Kind::FastRegister(entry) => {
                let now = entry.in_force(key, Some(other.home)).ok_or(Unfit::NotValid)?;
                if entry.end(now) { Ok(None) } else { Err(Unfit::NotValid) }
            }
            _ => Err(Unfit::NotValid),
        }
    }

    /// Ends the binding in force under `key`; by a peer only that of its own queue pair, `of`.
    fn unbind(&self, pin: &Pin<'_>, window: &Window, key: Key, of: Option<u64>) -> Result<Unbound, Denied> {
        let (now, binding, qp) = window.binding(key).ok_or(Denied::UnknownKey)?;
        if of.is_some_and(|of| of != qp) {
            return Err(Denied::OtherQueuePair);
        }
        if !window.changing.end(now) {
            return Err(Denied::UnknownKey); // somebody else was first
        }
        Ok(self.untie(pin, binding.region).then_some(binding.region))
    }

    /// A request of this side could invalidate that key just now.
    ///
    /// # Errors
    /// As [`KeyTable::invalidate_own`].
    pub fn may_invalidate(&self, pin: &Pin<'_>, key: Key, party: Party) -> Result<(), Unfit> {
        let entry = self.regions().get(pin, key.index()).ok_or(Unfit::NotValid)?;
        let other = entry.other.as_deref().ok_or(Unfit::NotValid)?;
        let valid = match &other.kind {
            Kind::Window(window) => window.binding(key).is_some(),
            Kind::FastRegister(entry) => entry.in_force(key, Some(other.home)).is_some(),
            _ => false,
        };
        if entry.pd != party.pd {
            return Err(Denied::OtherProtectionDomain.into());
        }
        if valid { Ok(()) } else { Err(Unfit::NotValid) }
    }
}

#[cfg(test)]
mod tests;

//! Memory regions as NDK makes them: first the object, then its registration, and perhaps another.

use super::adapter::AdapterCore;
use super::handle::{self, Object};
use super::mr::{self, REGISTER};
use super::pd::PdCore;
use super::request::{self, Request};
use super::{Error, Memory, Mr, MrFlags, Status, Token};
use crate::device::lifetime::Life;
use std::fmt;
use std::sync::{Arc, RwLock, TryLockError};

const DEREGISTER: &str = "NdkDeregisterMr";

/// An ordinary memory region that is registered, deregistered and registered again (`NDK_MR`).
///
/// Made by [`Pd::create_raw_mr`](super::Pd::create_raw_mr), for the C face and for code that follows NDK to
/// the letter; in Rust, [`Pd::register`](super::Pd::register) is shorter and keeps the memory. Addresses in
/// the region are the pointers themselves, as in NDK, but only as numbers: nothing is reached by them without
/// a token.
pub struct RawMr {
    life: Arc<Life>,
    pd: Arc<PdCore>,
    /// `None`: not registered.
    registered: RwLock<Option<Mr>>,
}

impl RawMr {
    pub(super) fn new(pd: &Arc<PdCore>) -> Self {
        Self { life: Life::new([pd.hold()]), pd: Arc::clone(pd), registered: RwLock::new(None) }
    }

    /// Registers `length` bytes from `base` on, which stay the caller's own (`NdkRegisterMr`).
    ///
    /// # Errors
    /// INVALID_DEVICE_REQUEST: it is registered already. Else as [`Pd::register_raw`].
    ///
    /// # Safety
    /// As [`Pd::register_raw`], where [`deregister`](Self::deregister) or [`close`](Self::close) of this
    /// object deregisters.
    ///
    /// [`Pd::register_raw`]: super::Pd::register_raw
    pub unsafe fn register(&self, base: *mut u8, length: usize, flags: MrFlags) -> Request<()> {
        self.pd.adapter.call(REGISTER, &self.life, || {
            // SAFETY: the caller's promise is that of `try_register`, word by word.
            unsafe { self.try_register(base, length, flags) }
        })
    }

    /// # Safety
    /// As [`register`](Self::register).
    unsafe fn try_register(&self, base: *mut u8, length: usize, flags: MrFlags) -> Result<(), Error> {
        let first = mr::first_byte(REGISTER, base)?;
        if self.with(|_| ()).is_some() {
            return Err(registered());
        }
        // SAFETY: what `Memory::borrowed` asks for is what the caller promises until the deregistration has
        // completed, and the region, or its successor in deregistration, lets the `Memory` go by then.
        let memory = unsafe { Memory::borrowed(first, length) };
        // This object is the antecedent of its registration, so that its own close waits for that one's.
        let region = Mr::register_at(&self.pd, self.life.hold(), memory, flags, base.addr() as u64)?;
        region.observe_made();
        let mut place = self.registered.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if place.is_some() {
            drop(place); // what is dropped closes: not below the lock
            return Err(registered());
        }
        *place = Some(region);
        Ok(())
    }

    /// Deregisters (`NdkDeregisterMr`): the token is refused at once, and the object can be registered again.
    ///
    /// Pends while an access is going on; the memory is the caller's again when it has completed.
    ///
    /// # Errors
    /// INVALID_DEVICE_REQUEST: it is not registered. DEVICE_BUSY: a window is bound to it, and it stays
    /// registered (MR-11).
    pub fn deregister(&self) -> Request<()> {
        let mut place = self.registered.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(region) = place.take() else {
            let error = Error::new(DEREGISTER, Status::INVALID_DEVICE_REQUEST);
            return request::ready(Err(error.with_hint("register it first")));
        };
        // Below the lock, which nothing of ours waits for: a region that is busy was never away.
        let going = match region.deregistering() {
            Ok(going) => going,
            Err(error) => {
                *place = Some(region);
                return request::ready(Err(error));
            }
        };
        drop(place); // what is closed may call back: not below the lock
        let (completer, request) = request::pending();
        region.finish(going).then(move |result| completer.complete_in_callback(result.map(drop)));
        request
    }

    /// The token of the registration, for this side's requests and the peer's alike
    /// (`NdkGetLocalTokenFromMr`, `NdkGetRemoteTokenFromMr`); `None` while it is not registered.
    pub fn token(&self) -> Option<Token> {
        self.with(Mr::local_token)
    }

    /// What `look` finds in the registration; `None` while there is none, or it is just coming or going on
    /// another thread.
    ///
    /// Never waits, so that it may stand on the way to a bind. `look` must not call back into this object.
    pub fn with<R>(&self, look: impl FnOnce(&Mr) -> R) -> Option<R> {
        let place = match self.registered.try_read() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        place.as_ref().map(look)
    }

    pub(super) fn adapter(&self) -> &Arc<AdapterCore> {
        &self.pd.adapter
    }

    /// Closes the region; deregisters it if it is registered. Pends while an access is going on.
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.pd.adapter.late_close(&self.life);
        handle::begin_close(&self, Some(callback));
        request // dropping `self` drops the registration, which held the close
    }
}

#[cold]
fn registered() -> Error {
    Error::new(REGISTER, Status::INVALID_DEVICE_REQUEST)
        .with_hint("deregister it first, or create another region")
}

impl Object for RawMr {
    fn life(&self) -> &Arc<Life> {
        &self.life
    }
}

impl Drop for RawMr {
    fn drop(&mut self) {
        handle::begin_close(self, None);
    }
}

impl fmt::Debug for RawMr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMr").field("token", &self.token()).finish_non_exhaustive()
    }
}

//! Memory regions: registration, tokens, and the bytes seen from this side.

use super::adapter::AdapterCore;
use super::handle::GivenBack;
use super::handle::{self, Object};
use super::pd::{self, PdCore};
use super::request::{self, Completer, Request};
use super::{Error, Memory, MrFlags, Sge, Status, Token, ext};
use crate::backend::{self, Going, Refused};
use crate::device::lifetime::{Hold, Life};
use crate::memory::{RegisterError, Registration, Rights};
use crate::observe::{self, Event};
use crate::work::Key;
use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

pub(super) const REGISTER: &str = "NdkRegisterMr";

/// Memory that requests and peers may use.
///
/// Requests name parts of it by [`sge`](Self::sge), peers by [`remote`](Self::remote). Its bytes may change
/// at any time by the hand of a peer, so they are read and written by copy. Its close, or drop, deregisters;
/// the token is refused at once, and the memory is let go when the last access has ended and no window is
/// bound to it any more.
pub struct Mr {
    /// `None` from the beginning of the close on.
    memory: Option<Arc<Memory>>,
    life: Arc<Life>,
    pub(super) adapter: Arc<AdapterCore>,
    pub(super) region: backend::Region,
    /// The number of the first byte, as requests give it.
    pub(super) base: u64,
    /// Number of the protection domain.
    pub(super) pd: u32,
    pub(super) rights: Rights,
}

/// Where a peer's memory is: what a read, write or atomic needs, to be sent to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RemoteAddress {
    /// Address of the first byte, in the numbering of its region.
    pub address: u64,
    /// The remote token of the region.
    pub token: Token,
}

impl RemoteAddress {
    /// Length of [`to_bytes`](Self::to_bytes).
    pub const BYTES: usize = 12;

    /// The address `offset` bytes further on; wraps, and is judged when it is used.
    #[must_use]
    pub const fn plus(self, offset: u64) -> Self {
        Self { address: self.address.wrapping_add(offset), token: self.token }
    }

    /// The same as bytes, most significant first, for a message or private data.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.address.to_be_bytes());
        bytes[8..].copy_from_slice(&self.token.0.to_be_bytes());
        bytes
    }

    /// The address that [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        Self {
            address: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            token: Key(u32::from_be_bytes([i, j, k, l])),
        }
    }
}

impl Mr {
    pub(super) fn register(pd: &PdCore, memory: Memory, flags: MrFlags) -> Result<Self, Error> {
        let base = pd.adapter.new_base(memory.view().as_ptr().addr() as u64, memory.len());
        Self::register_at(pd, pd.hold(), memory, flags, base)
    }

    /// Registers `memory` so that its first byte has the number `base`; `antecedent` is held until its close.
    pub(super) fn register_at(
        pd: &PdCore,
        antecedent: Hold,
        memory: Memory,
        flags: MrFlags,
        base: u64,
    ) -> Result<Self, Error> {
        pd.adapter.check_present(REGISTER)?;
        let rights = rights(flags)?;
        let length = memory.len();
        if length == 0 {
            let error = Error::new(REGISTER, Status::INVALID_BUFFER_SIZE).with_argument("Length", 0);
            return Err(error.with_hint("register at least one byte"));
        }
        let limit = pd.adapter.limits().max_registration_size;
        if length > limit {
            let error = Error::new(REGISTER, Status::INVALID_PARAMETER).with_argument("Length", length);
            return Err(error.with_limit(limit).with_hint("register it in several regions"));
        }
        let memory = Arc::new(memory);
        let registration = Registration { pd: pd.number, rights, range: 0..length, base };
        let region = pd.pd.register(&memory, registration).map_err(|error| refused(error, flags))?;
        let (life, adapter) = (Life::new([antecedent]), Arc::clone(&pd.adapter));
        Ok(Self { memory: Some(memory), life, adapter, region, base, pd: pd.number, rights })
    }

    /// # Safety
    /// As [`Pd::register_raw`](super::Pd::register_raw).
    pub(super) unsafe fn register_raw(
        pd: &PdCore,
        base: *mut u8,
        length: usize,
        flags: MrFlags,
    ) -> Result<Self, Error> {
        let base = first_byte(REGISTER, base)?;
        // SAFETY: what `Memory::borrowed` asks for is what the caller promises; the `Memory` goes with the
        // region, or comes back by its deregistration, and then touches the bytes only as its owner makes it.
        Self::register(pd, unsafe { Memory::borrowed(base, length) }, flags)
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.memory().len()
    }

    /// Never: a region has at least one byte.
    pub fn is_empty(&self) -> bool {
        self.memory().is_empty()
    }

    /// The token for entries of this side's requests (`NdkGetLocalTokenFromMr`).
    pub fn local_token(&self) -> Token {
        self.region.local_key()
    }

    /// The token for the peer's requests (`NdkGetRemoteTokenFromMr`); the same number on emulated devices.
    pub fn remote_token(&self) -> Token {
        self.region.remote_key()
    }

    /// A scatter/gather entry for a part of the region.
    ///
    /// # Errors
    /// INVALID_PARAMETER: the range leaves the region, or is longer than an entry can say (2^32 - 1 bytes).
    pub fn sge(&self, range: Range<usize>) -> Result<Sge, Error> {
        let length = range.end.checked_sub(range.start).and_then(|length| u32::try_from(length).ok());
        match length {
            Some(length) if range.end <= self.len() => {
                Ok(Sge { address: self.base + range.start as u64, length, token: self.local_token() })
            }
            _ => Err(self.outside("Mr::sge", "range", format_args!("{range:?}"))),
        }
    }

    /// Where the peer finds the byte at `offset`.
    ///
    /// # Errors
    /// INVALID_PARAMETER: `offset` is not in the region.
    pub fn remote(&self, offset: usize) -> Result<RemoteAddress, Error> {
        if offset >= self.len() {
            return Err(self.outside("Mr::remote", "offset", offset));
        }
        Ok(RemoteAddress { address: self.base + offset as u64, token: self.remote_token() })
    }

    /// Copies the bytes from `offset` on into `into`.
    ///
    /// Where a peer writes at the same time, any mix of old and new bytes comes out.
    ///
    /// # Errors
    /// INVALID_PARAMETER, and nothing copied: they leave the region.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), Error> {
        let length = into.len();
        self.memory().read(offset, into).ok_or_else(|| self.part("Mr::read", offset, length))
    }

    /// Copies `from` to `offset`.
    ///
    /// # Errors
    /// INVALID_PARAMETER, and nothing copied: it would leave the region.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<(), Error> {
        self.memory().write(offset, from).ok_or_else(|| self.part("Mr::write", offset, from.len()))
    }

    /// The byte at `offset`; what was stored before it is seen once it is.
    ///
    /// So the last byte of a peer's write may be polled: the others are there when it is.
    ///
    /// # Errors
    /// INVALID_PARAMETER: `offset` is not in the region.
    pub fn load_u8(&self, offset: usize) -> Result<u8, Error> {
        self.memory().view().load_u8(offset).ok_or_else(|| self.part("Mr::load_u8", offset, 1))
    }

    /// The eight bytes at `offset` as a number, in one piece and in the order of this machine.
    ///
    /// What was stored before them is seen once they are. Atomics of the peer work on the same number.
    ///
    /// # Errors
    /// INVALID_PARAMETER: they leave the region, or their machine address is not a multiple of 8.
    pub fn load_u64(&self, offset: usize) -> Result<u64, Error> {
        self.memory().view().load_u64(offset).ok_or_else(|| self.word("Mr::load_u64", offset))
    }

    /// Stores eight bytes in one piece, after all that this thread has stored.
    ///
    /// # Errors
    /// As [`load_u64`](Self::load_u64); nothing stored.
    pub fn store_u64(&self, offset: usize, value: u64) -> Result<(), Error> {
        self.memory().view().store_u64(offset, value).ok_or_else(|| self.word("Mr::store_u64", offset))
    }

    /// The ranges of the region whose last flush failed, until they were written again and flushed.
    ///
    /// In order. A failed sync leaves their content on the disk unknown, so a flush that touches one fails
    /// until its bytes were written anew: by a write, an atomic write or a fetch and add of a peer under the
    /// region's own token, or by [`write`](Self::write). They can be read meanwhile. Always empty for memory
    /// that is in no file.
    pub fn in_doubt(&self) -> Vec<Range<usize>> {
        self.memory().in_doubt()
    }

    /// Deregisters and closes, and gives the memory back (`NdkDeregisterMr`, `NdkCloseMr`).
    ///
    /// The token is refused at once, here and at peers. Pends while an access is going on.
    ///
    /// # Errors
    /// DEVICE_BUSY: a window is bound to the region, which stays until the window is gone and is closed then;
    /// [`try_deregister`](Self::try_deregister) gives it back instead.
    pub fn deregister(self) -> Request<Memory> {
        self.try_deregister().unwrap_or_else(|(_closed, error)| request::ready(Err(error)))
    }

    /// As [`deregister`](Self::deregister), but a region with a bound window comes back, registered as it was
    /// (MR-11).
    ///
    /// # Errors
    /// The region and DEVICE_BUSY: a window is bound to it. Invalidate or close the window first.
    pub fn try_deregister(self) -> Result<Request<Memory>, (Self, Error)> {
        match self.deregistering() {
            Ok(going) => Ok(self.finish(going)),
            Err(busy) => Err((self, busy)),
        }
    }

    /// Refuses the key, unless a window is bound to it; [`finish`](Self::finish) must follow.
    pub(super) fn deregistering(&self) -> Result<Going, Error> {
        self.region.begin().ok_or_else(|| {
            Error::new("NdkDeregisterMr", Status::DEVICE_BUSY)
                .with_argument("Mr", "bound to by a memory window")
                .with_hint("invalidate or close its windows first")
        })
    }

    /// Closes what is being deregistered, and gives the memory back.
    pub(super) fn finish(mut self, going: Going) -> Request<Memory> {
        let (completer, request) = request::pending();
        self.adapter.late_close(&self.life);
        self.close(Some(completer), Some(going));
        request
    }

    pub(super) fn adapter(&self) -> &Arc<AdapterCore> {
        &self.adapter
    }

    fn memory(&self) -> &Memory {
        self.memory.as_ref().expect("a handle in use has not begun to close")
    }

    /// Tells who watches that the region is there.
    ///
    /// Not while it is made: a watcher may panic, and borrowed memory must have its owner by then.
    pub(super) fn observe_made(&self) {
        observe::emit(Event::Registered { key: self.local_token(), base: self.base });
    }

    /// Tells who watches that the region is gone.
    pub(super) fn observe_gone(&self) {
        observe::emit(Event::Deregistered { key: self.local_token() });
    }

    /// Deregisters and closes a region of a scope, whose handles may live on; waits until no access is going
    /// on.
    pub(super) fn end_scoped(&self) {
        let _until_let_go = self.life.hold();
        handle::begin_close(self, None);
        self.region.end_now();
    }

    /// Refuses the key, and lets go of the memory, or hands it over, when no access is going on any more and
    /// no window is bound to it.
    fn close(&mut self, completer: Option<Completer<Memory>>, going: Option<Going>) {
        if self.life.is_closing() {
            return;
        }
        self.memory = None; // the table's share is the last one from now on
        let given_back = GivenBack::default();
        let until_let_go = self.life.hold();
        handle::begin_close(self, completer.map(|completer| given_back.when_closed(completer)));
        self.observe_gone();
        self.region.close(going, move |memory| {
            if let Some(memory) = memory {
                given_back.keep(memory);
            }
            drop(until_let_go);
        });
    }

    #[cold]
    fn part(&self, call: &'static str, offset: usize, length: usize) -> Error {
        self.outside(call, "offset", format_args!("{offset}, of {length} bytes"))
    }

    #[cold]
    fn outside(&self, call: &'static str, argument: &'static str, got: impl fmt::Display) -> Error {
        Error::new(call, Status::INVALID_PARAMETER)
            .with_argument(argument, got)
            .with_limit(format_args!("{} bytes", self.len()))
            .with_hint("stay within the region")
    }

    #[cold]
    fn word(&self, call: &'static str, offset: usize) -> Error {
        Error::new(call, Status::INVALID_PARAMETER)
            .with_argument("offset", offset)
            .with_limit(format_args!("{} bytes", self.len()))
            .with_hint("name eight bytes of the region whose machine address is a multiple of 8")
    }
}

/// The address of memory that is given by pointer, unless it is null.
pub(super) fn first_byte(call: &'static str, base: *mut u8) -> Result<NonNull<u8>, Error> {
    NonNull::new(base).ok_or_else(|| {
        let error = Error::new(call, Status::INVALID_PARAMETER).with_argument("base", "null");
        error.with_hint("give the address of the first byte")
    })
}

/// Every flag that a registration may have.
const FLAGS: MrFlags = MrFlags(
    MrFlags::ALLOW_REMOTE_READ.0
        | MrFlags::ALLOW_REMOTE_WRITE.0
        | MrFlags::RDMA_READ_SINK.0
        | ext::ALLOW_REMOTE_ATOMIC.0
        | ext::ALLOW_REMOTE_INVALIDATE.0
        | ext::ALLOW_FLUSH_GLOBAL.0
        | ext::ALLOW_FLUSH_PERSISTENT.0,
);

/// The rights that the flags grant; an adapter that asks for no right to a sink of reads ignores that one
/// (MR-4).
fn rights(flags: MrFlags) -> Result<Rights, Error> {
    let unknown = flags.outside(FLAGS);
    let mut rights = Rights::NONE;
    let mut known = MrFlags::ALLOW_LOCAL_READ;
    for (flag, right) in [
        (MrFlags::ALLOW_LOCAL_WRITE, Rights::LOCAL_WRITE),
        (MrFlags::RDMA_READ_SINK, Rights::READ_SINK),
        (MrFlags::ALLOW_REMOTE_READ, Rights::REMOTE_READ),
        (MrFlags::ALLOW_REMOTE_WRITE, Rights::REMOTE_WRITE),
        (ext::ALLOW_REMOTE_ATOMIC, Rights::REMOTE_ATOMIC),
        (ext::ALLOW_REMOTE_INVALIDATE, Rights::REMOTE_INVALIDATE),
        (ext::ALLOW_FLUSH_GLOBAL, Rights::FLUSH_GLOBAL),
        (ext::ALLOW_FLUSH_PERSISTENT, Rights::FLUSH_PERSISTENT),
    ] {
        if flags.contains(flag) {
            rights = rights | right;
            known |= flag;
        }
    }
    // A right of two bits of which only one is given is not known either.
    if !unknown.is_empty() || !flags.outside(known).is_empty() {
        return Err(Error::new(REGISTER, Status::INVALID_PARAMETER)
            .with_argument("Flags", format_args!("{flags:#x}"))
            .with_limit(format_args!("{FLAGS:#x}"))
            .with_hint("combine the constants of MrFlags and ndk::ext; remote write contains local write"));
    }
    Ok(rights)
}

#[cold]
fn refused(error: Refused, flags: MrFlags) -> Error {
    match error {
        Refused::Region(RegisterError::TooManyRegions(full)) => pd::table_full(REGISTER, full),
        Refused::Region(RegisterError::NotPersistent { why, .. }) => {
            Error::new(REGISTER, Status::NOT_SUPPORTED)
                .with_argument("Flags", format_args!("{flags:#x}"))
                .with_hint(why)
        }
        Refused::Region(other) => Error::new(REGISTER, Status::INVALID_PARAMETER)
            .with_argument("Flags", format_args!("{flags:#x}"))
            .with_source(other),
        other => pd::refused(REGISTER, other),
    }
}

impl Object for Mr {
    fn life(&self) -> &Arc<Life> {
        &self.life
    }
}

impl Drop for Mr {
    fn drop(&mut self) {
        self.close(None, None);
    }
}

impl fmt::Debug for Mr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.memory.as_ref().map(|memory| memory.len());
        f.debug_struct("Mr")
            .field("token", &self.local_token().0)
            .field("length", &length)
            .finish_non_exhaustive()
    }
}

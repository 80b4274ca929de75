//! Logical address mappings: memory for fast registrations and for the privileged token.

use super::adapter::AdapterCore;
use super::handle::{self, GivenBack, Object};
use super::request::{self, Completer, Request};
use super::{Error, Memory, Sge, Status, Token, mr, pd};
use crate::device::Device;
use crate::device::lifetime::Life;
use crate::memory::{LAM_MAX, Mapping, PAGE_SIZE, RegisterError};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub(super) const BUILD: &str = "NdkBuildLam";

/// Memory under logical addresses, a number for each of its pages (`NDK_LOGICAL_ADDRESS_MAPPING`).
///
/// The numbers are handles that are checked like tokens, never pointers: one that is guessed, or whose
/// mapping was released, gives no access. Its bytes are read and written by copy, since peers may change
/// them. Dropped, it is released.
pub struct Lam {
    /// `None` from the beginning of the release on.
    memory: Option<Arc<Memory>>,
    life: Arc<Life>,
    adapter: Arc<AdapterCore>,
    device: Arc<Device>,
    mapping: Mapping,
    pages: Box<[u64]>,
}

impl Lam {
    /// Bytes of a page (`PAGE_SIZE`).
    pub const PAGE_SIZE: usize = PAGE_SIZE as usize;

    pub(super) fn build(adapter: &Arc<AdapterCore>, memory: Memory) -> Result<Self, Error> {
        let length = memory.len();
        if length == 0 {
            let error = Error::new(BUILD, Status::INVALID_BUFFER_SIZE).with_argument("Length", 0);
            return Err(error.with_hint("map at least one byte"));
        }
        let memory = Arc::new(memory);
        let local = adapter.backend.emulated("logical addresses");
        let device = Arc::clone(local.map_err(|error| pd::refused(BUILD, error))?.device());
        let mapping =
            device.keys().build_lam(&memory, adapter.number).map_err(|error| refused(error, length))?;
        let page = |number: u32| mapping.first_page + u64::from(number) * PAGE_SIZE;
        let pages = (0..mapping.count).map(page).collect();
        let (life, adapter) = (Life::new([adapter.life.hold()]), Arc::clone(adapter));
        Ok(Self { memory: Some(memory), life, adapter, device, mapping, pages })
    }

    /// # Safety
    /// As [`Adapter::build_lam_raw`](super::Adapter::build_lam_raw).
    pub(super) unsafe fn build_raw(
        adapter: &Arc<AdapterCore>,
        base: *mut u8,
        length: usize,
    ) -> Result<Self, Error> {
        let base = mr::first_byte(BUILD, base)?;
        // SAFETY: what `Memory::borrowed` asks for is what the caller promises; the `Memory` goes with the
        // mapping, or comes back by its release, and then touches the bytes only as its owner makes it.
        Self::build(adapter, unsafe { Memory::borrowed(base, length) })
    }

    /// The logical addresses of its pages, in order; multiples of [`PAGE_SIZE`](Self::PAGE_SIZE).
    pub fn pages(&self) -> &[u64] {
        &self.pages
    }

    /// Where in the first page the first byte is (`FBO`).
    pub fn first_byte_offset(&self) -> u32 {
        self.mapping.first_byte_offset
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.memory().len()
    }

    /// Never: a mapping has at least one byte.
    pub fn is_empty(&self) -> bool {
        self.memory().is_empty()
    }

    /// An entry for a part of it under a domain's [privileged token](super::Pd::privileged_token).
    ///
    /// # Errors
    /// INVALID_PARAMETER: the range leaves the mapping, or is longer than an entry can say.
    pub fn sge(&self, privileged: Token, range: Range<usize>) -> Result<Sge, Error> {
        let length = range.end.checked_sub(range.start).and_then(|length| u32::try_from(length).ok());
        match length {
            Some(length) if range.end <= self.len() => {
                let offset = u64::from(self.mapping.first_byte_offset) + range.start as u64;
                Ok(Sge { address: self.mapping.first_page + offset, length, token: privileged })
            }
            _ => Err(self.outside("Lam::sge", "range", format_args!("{range:?}"))),
        }
    }

    /// Copies the bytes from `offset` on into `into`.
    ///
    /// # Errors
    /// INVALID_PARAMETER, and nothing copied: they leave the mapping.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), Error> {
        self.memory().read(offset, into).ok_or_else(|| self.outside("Lam::read", "offset", offset))
    }

    /// Copies `from` to `offset`.
    ///
    /// # Errors
    /// INVALID_PARAMETER, and nothing copied: it would leave the mapping.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<(), Error> {
        self.memory().write(offset, from).ok_or_else(|| self.outside("Lam::write", "offset", offset))
    }

    /// Releases the mapping and gives the memory back (`NdkReleaseLam`).
    ///
    /// Its logical addresses are refused at once, also where they are registered. Pends while an access is
    /// going on.
    pub fn release(mut self) -> Request<Memory> {
        let (completer, request) = request::pending();
        self.adapter.late_close(&self.life);
        self.end(Some(completer));
        request
    }

    fn memory(&self) -> &Memory {
        self.memory.as_ref().expect("a handle in use has not begun to close")
    }

    fn end(&mut self, completer: Option<Completer<Memory>>) {
        if self.life.is_closing() {
            return;
        }
        self.memory = None; // the table's share is the last one from now on
        let given_back = GivenBack::default();
        let until_let_go = self.life.hold();
        handle::begin_close(self, completer.map(|completer| given_back.when_closed(completer)));
        self.device.close_key(self.mapping.home, move |memory| {
            given_back.keep(memory);
            drop(until_let_go);
        });
    }

    #[cold]
    fn outside(&self, call: &'static str, argument: &'static str, got: impl fmt::Display) -> Error {
        Error::new(call, Status::INVALID_PARAMETER)
            .with_argument(argument, got)
            .with_limit(format_args!("{} bytes", self.len()))
            .with_hint("stay within the mapping")
    }
}

#[cold]
fn refused(error: RegisterError, length: usize) -> Error {
    match error {
        RegisterError::TooManyRegions(full) => pd::table_full(BUILD, full),
        _ => Error::new(BUILD, Status::INVALID_PARAMETER)
            .with_argument("Length", length)
            .with_limit(format_args!("{LAM_MAX} bytes of pages"))
            .with_hint("build several mappings; a registration may take pages of them all"),
    }
}

impl Object for Lam {
    fn life(&self) -> &Arc<Life> {
        &self.life
    }
}

impl Drop for Lam {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl fmt::Debug for Lam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.memory.as_ref().map(|memory| memory.len());
        f.debug_struct("Lam")
            .field("first_page", &format_args!("{:#x}", self.mapping.first_page))
            .field("length", &length)
            .finish_non_exhaustive()
    }
}

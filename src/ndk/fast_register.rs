//! Regions for fast registrations.

use super::adapter::AdapterCore;
use super::handle::{self, Object};
use super::pd::{self, PdCore};
use super::{Error, Request, Status, Token};
use crate::device::Device;
use crate::device::lifetime::{Hold, Life, Task};
use crate::device::qp::latest_key;
use crate::sync::{AtomicU64, Ordering};
use crate::work::Key;
use std::fmt;
use std::sync::{Arc, Mutex};

const INITIALIZE: &str = "NdkInitializeFastRegisterMr";

/// A region whose memory changes in the send queue: pages of [`Lam`](super::Lam)s, registered anew each time.
///
/// [`initialize`](Self::initialize) it, then let [`Qp::fast_register`](super::Qp::fast_register) and
/// [`Qp::invalidate`](super::Qp::invalidate) take turns. Up to 4 registrations of it can be posted or in
/// force at a time. It cannot be registered as an ordinary [`Mr`](super::Mr), nor that as one of these
/// (MR-5).
pub struct FastRegisterMr {
    life: Arc<Life>,
    pub(super) adapter: Arc<AdapterCore>,
    pub(super) pd: u32,
    device: Arc<Device>,
    /// The key that it is known by since it was initialised last; 0: it was not.
    home: AtomicU64,
    /// Held while it is being initialised.
    initializing: Mutex<()>,
}

/// What a fast registration puts together (`NdkFastRegister`).
///
/// `length` <= pages x 4096 - `first_byte_offset`, and `base_virtual_address` is congruent to
/// `first_byte_offset` modulo 4096.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastRegister<'a> {
    /// Logical addresses of pages, of one [`Lam`](super::Lam) or several, in the order they shall have.
    pub pages: &'a [u64],
    /// Where in the first page the registration begins, in bytes (`FBO`); below 4096.
    pub first_byte_offset: u32,
    /// Length in bytes, at least 1.
    pub length: u64,
    /// The number of the first byte, as requests will give it.
    pub base_virtual_address: u64,
}

impl FastRegisterMr {
    pub(super) fn new(pd: &PdCore) -> Result<Self, Error> {
        let local = pd.adapter.backend.emulated("fast-register regions");
        let device = Arc::clone(local.map_err(|error| pd::refused("NdkCreateMr", error))?.device());
        let (life, adapter) = (Life::new([pd.hold()]), Arc::clone(&pd.adapter));
        let (pd, home, initializing) = (pd.number, AtomicU64::new(0), Mutex::new(()));
        Ok(Self { life, adapter, pd, device, home, initializing })
    }

    /// Makes room for registrations of up to `adapter_page_count` pages (`NdkInitializeFastRegisterMr`).
    ///
    /// Only with `remote_access` may they grant rights to peers. Done again, it begins anew, with other
    /// tokens: what was registered before is over.
    ///
    /// # Errors
    /// IMPLEMENTATION_LIMIT: above [`frmr_page_count`](super::AdapterInfo::frmr_page_count) (MR-6).
    /// INVALID_PARAMETER: no page. INVALID_DEVICE_REQUEST: another thread is initialising it.
    /// INSUFFICIENT_RESOURCES: all keys are taken. It stays as it was then.
    pub fn initialize(&self, adapter_page_count: u32, remote_access: bool) -> Request<()> {
        let initialize = || self.begin_anew(adapter_page_count, remote_access);
        self.adapter.call(INITIALIZE, &self.life, initialize)
    }

    fn begin_anew(&self, pages: u32, remote: bool) -> Result<(), Error> {
        let wrong = |status| Error::new(INITIALIZE, status).with_argument("AdapterPageCount", pages);
        let most = self.adapter.limits().frmr_page_count;
        if pages > most {
            let error = wrong(Status::IMPLEMENTATION_LIMIT).with_limit(most);
            return Err(error.with_hint("ask for at most FRMRPageCount pages"));
        }
        if pages == 0 {
            return Err(wrong(Status::INVALID_PARAMETER).with_hint("ask for at least one page"));
        }
        let Ok(_one_at_a_time) = self.initializing.try_lock() else {
            return Err(Error::new(INITIALIZE, Status::INVALID_DEVICE_REQUEST)
                .with_hint("wait for the request that initialises it already"));
        };
        let home =
            self.device.keys().create_fast_register(self.pd, self.adapter.number, pages as usize, remote);
        let home = home.map_err(|full| pd::table_full(INITIALIZE, full))?;
        // AcqRel: who posts with the new key finds what it names.
        let before = self.home.swap(home.0.into(), Ordering::AcqRel);
        self.take_back(Key(before as u32), self.life.hold());
        Ok(())
    }

    /// Refuses what is registered under that home; `hold` goes when no access is going on any more.
    fn take_back(&self, home: Key, hold: Hold) {
        if home != Key::default() {
            self.device.close_key(home, move |_| drop(hold));
        }
    }

    pub(super) fn home(&self) -> Key {
        Key(self.home.load(Ordering::Acquire) as u32) // pairs with `begin_anew`
    }

    /// The token for entries of this side's requests (`NdkGetLocalTokenFromMr`); 0 before it is initialised.
    ///
    /// It stays the same until it is initialised anew, and names whatever is registered when a request is
    /// executed.
    pub fn local_token(&self) -> Token {
        self.home()
    }

    /// The token for the peer's requests (`NdkGetRemoteTokenFromMr`): that of the last registration posted
    /// (MR-8).
    ///
    /// Each registration gives another one, so that stale tokens fail. This side's requests may name
    /// it too, as verbs does.
    pub fn remote_token(&self) -> Token {
        latest_key(&self.device, self.home())
    }

    /// Closes the region; what is registered is over.
    ///
    /// Pends while an access through it is going on.
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.adapter.late_close(&self.life);
        self.end(Some(callback));
        request
    }

    fn end(&self, callback: Option<Task>) {
        if self.life.is_closing() {
            return;
        }
        let until_unused = self.life.hold();
        handle::begin_close(self, callback);
        self.take_back(self.home(), until_unused);
    }
}

impl Object for FastRegisterMr {
    fn life(&self) -> &Arc<Life> {
        &self.life
    }
}

impl Drop for FastRegisterMr {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl fmt::Debug for FastRegisterMr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastRegisterMr").field("token", &self.home().0).finish_non_exhaustive()
    }
}

//! Protection domains: what may touch what.

use super::adapter::AdapterCore;
use super::handle::{self, Object};
use super::qp::{QpDescription, description};
use super::scope::Scope;
use super::{
    Error, FastRegisterMr, Memory, Mr, MrFlags, Mw, ObjectType, Qp, RawMr, Request, Srq, SrqDescription,
    Token, mr, srq,
};
use crate::backend::{self, Refused};
use crate::device::lifetime::{Hold, Life};
use std::fmt;
use std::sync::Arc;

/// A fence around memory and queue pairs: a token of one domain is worthless in another.
///
/// Its close pends while a region, window, queue pair or shared receive queue of it lives.
pub struct Pd {
    core: Arc<PdCore>,
}

/// The domain as its children hold it.
pub(super) struct PdCore {
    pub(super) life: Arc<Life>,
    pub(super) number: u32,
    pub(super) adapter: Arc<AdapterCore>,
    pub(super) pd: backend::Pd,
}

impl Pd {
    pub(super) fn new(adapter: &Arc<AdapterCore>) -> Result<Self, Error> {
        let pd = adapter.backend.create_pd(adapter.number);
        let pd = pd.map_err(|error| refused("NdkCreatePd", error))?;
        let life = Life::new([adapter.life.hold()]);
        let (closing, number) = (pd.clone(), pd.number());
        life.set_teardown(move || closing.close());
        Ok(Self { core: Arc::new(PdCore { life, number, adapter: Arc::clone(adapter), pd }) })
    }

    /// Registers `memory`, so that requests and peers may use it (`NdkCreateMr`, `NdkRegisterMr`).
    ///
    /// The memory is kept until [`Mr::deregister`] gives it back; meanwhile it is read and written through
    /// the region. Local read is always granted.
    ///
    /// # Errors
    /// INVALID_BUFFER_SIZE for no bytes at all (MR-13); INVALID_PARAMETER for more than
    /// [`max_registration_size`](super::AdapterInfo::max_registration_size) or for unknown flags;
    /// INSUFFICIENT_RESOURCES when all keys are taken. The memory is dropped then.
    pub fn register(&self, memory: impl Into<Memory>, flags: MrFlags) -> Request<Mr> {
        self.create(ObjectType::Mr, mr::REGISTER, || {
            Mr::register(&self.core, memory.into(), flags).inspect(Mr::observe_made)
        })
    }

    /// Registers memory that stays the caller's own.
    ///
    /// As [`register`](Self::register); the [`Memory`] that deregistration gives back frees nothing.
    ///
    /// # Errors
    /// As [`register`](Self::register); INVALID_PARAMETER also for a null `base` (MR-12).
    ///
    /// # Safety
    /// From the call until the request of [`Mr::deregister`] has completed, or the adapter's close has
    /// returned:
    /// - `base` is valid for reads and writes of `length` bytes, all of one allocation and initialised;
    /// - nobody holds a reference to any of these bytes, or touches them by plain loads and stores, unless
    ///   nothing that names the region is pending and no peer has its token. Atomic accesses are fine at any
    ///   time.
    pub unsafe fn register_raw(&self, base: *mut u8, length: usize, flags: MrFlags) -> Request<Mr> {
        self.create(ObjectType::Mr, mr::REGISTER, || {
            // SAFETY: the caller's promise is that of `Mr::register_raw`, word by word.
            unsafe { Mr::register_raw(&self.core, base, length, flags) }.inspect(Mr::observe_made)
        })
    }

    /// Creates a memory region that is not registered yet, for memory that stays the caller's own
    /// (`NdkCreateMr`).
    pub fn create_raw_mr(&self) -> Request<RawMr> {
        self.create(ObjectType::Mr, "NdkCreateMr", || Ok(RawMr::new(&self.core)))
    }

    /// Lends memory to the domain for as long as `body` runs.
    ///
    /// What was registered in the scope is deregistered when `body` returns or unwinds. That waits for
    /// accesses going on just then, a fraction of a millisecond at most; requests still pending that name
    /// such a region fail with ACCESS_VIOLATION.
    ///
    /// ```
    /// # use qpair::ndk::{Adapter, MrFlags};
    /// # let adapter = Adapter::open("local/docs")?;
    /// let pd = adapter.create_pd().wait()?;
    /// let mut buffer = [0; 64];
    /// pd.scope(|scope| {
    ///     let region = scope.register(&mut buffer, MrFlags::ALLOW_LOCAL_WRITE)?;
    ///     region.write(0, b"lent")
    /// })?;
    /// assert_eq!(&buffer[..4], b"lent");
    /// # Ok::<(), qpair::ndk::Error>(())
    /// ```
    pub fn scope<'env, R>(&self, body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R) -> R {
        Scope::run(&self.core, body)
    }

    /// Creates a queue pair (`NdkCreateQp`, `NdkCreateQpWithSrq`).
    ///
    /// # Errors
    /// INVALID_PARAMETER, naming the argument: over its limit (QP-1), or an object of another adapter or
    /// domain. INVALID_PARAMETER_MIX: a receive depth or entries, with a shared receive queue.
    /// INSUFFICIENT_RESOURCES: 2^24 - 1 queue pairs live.
    pub fn create_qp(&self, description: QpDescription<'_>) -> Request<Qp> {
        self.create(ObjectType::Qp, description::CREATE, || Qp::new(&self.core, &description))
    }

    /// Creates a shared receive queue of `depth` receives with up to `max_sge` entries each (`NdkCreateSrq`).
    ///
    /// # Errors
    /// INVALID_PARAMETER: `depth` is 0 or above [`max_srq_depth`](super::AdapterInfo::max_srq_depth), or
    /// `max_sge` above [`max_receive_request_sge`](super::AdapterInfo::max_receive_request_sge) (SRQ-1).
    /// NOT_SUPPORTED: the adapter has no shared receive queues (SRQ-13). INSUFFICIENT_RESOURCES: 2^24 - 1 of
    /// them live.
    pub fn create_srq(&self, depth: u32, max_sge: u32) -> Request<Srq> {
        self.create_srq_with(SrqDescription::new(depth, max_sge))
    }

    /// Creates a shared receive queue, perhaps with a threshold and its notification (`NdkCreateSrq`).
    ///
    /// # Errors
    /// As [`create_srq`](Self::create_srq).
    pub fn create_srq_with(&self, description: SrqDescription) -> Request<Srq> {
        self.create(ObjectType::Srq, srq::CREATE, || Srq::new(&self.core, description))
    }

    /// Creates a memory window, not bound to anything (`NdkCreateMw`).
    ///
    /// # Errors
    /// INSUFFICIENT_RESOURCES: all keys are taken.
    pub fn create_mw(&self) -> Request<Mw> {
        self.create(ObjectType::Mw, "NdkCreateMw", || Mw::new(&self.core))
    }

    /// Creates a region for fast registrations (`NdkCreateMr` with FastRegister), not initialised.
    pub fn create_fast_register_mr(&self) -> Request<FastRegisterMr> {
        self.create(ObjectType::Mr, "NdkCreateMr", || FastRegisterMr::new(&self.core))
    }

    /// The token under which requests of this side name logical addresses
    /// (`NdkGetPrivilegedMemoryRegionToken`).
    ///
    /// Entries with it hold a logical address of a [`Lam`](super::Lam) of the same adapter, and may read and
    /// write it locally. Peers never have access by it (MR-14). Each domain has its own.
    pub fn privileged_token(&self) -> Token {
        self.core.pd.privileged()
    }

    /// Closes the domain; pends until all that was created in it is closed.
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.core.adapter.late_close(&self.core.life);
        handle::begin_close(&self, Some(callback));
        request
    }
}

impl Pd {
    pub(super) fn adapter(&self) -> &Arc<AdapterCore> {
        &self.core.adapter
    }

    fn create<T: Send + 'static>(
        &self,
        kind: ObjectType,
        call: &'static str,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Request<T> {
        self.core.adapter.create(kind, call, &self.core.life, make)
    }
}

impl PdCore {
    pub(super) fn hold(&self) -> Hold {
        self.life.hold()
    }
}

impl Object for Pd {
    fn life(&self) -> &Arc<Life> {
        &self.core.life
    }
}

impl Drop for Pd {
    fn drop(&mut self) {
        handle::begin_close(self, None);
    }
}

impl fmt::Debug for Pd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pd({})", self.core.number)
    }
}

/// The error of a creation for which every index is taken.
#[cold]
pub(super) fn table_full(call: &'static str, error: crate::ring::TableFull) -> Error {
    Error::new(call, super::Status::INSUFFICIENT_RESOURCES)
        .with_hint("close some objects of this kind first")
        .with_source(error)
}

/// The error of a creation or change that the backend has refused.
#[cold]
pub(super) fn refused(call: &'static str, error: Refused) -> Error {
    match error {
        Refused::Full(full) => table_full(call, full),
        Refused::NotSupported { .. } => Error::new(call, super::Status::NOT_SUPPORTED)
            .with_hint("do without it, or open an emulated device, which has it")
            .with_source(error),
        Refused::Lacks { .. } => {
            Error::new(call, super::Status::NOT_SUPPORTED).with_hint(error.to_string()).with_source(error)
        }
        #[cfg(feature = "rdma-core")]
        Refused::Device(ref device) => {
            let status = super::error::device_status(device);
            Error::new(call, status).with_hint("see what the device says").with_source(error)
        }
        // Of regions and of changed depths, whose calls say more.
        Refused::Crowded(_) | Refused::Region(_) => {
            Error::new(call, super::Status::INVALID_PARAMETER).with_source(error)
        }
    }
}

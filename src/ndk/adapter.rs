//! The adapter: what a name opens, and what everything else is created on.

use super::cq::{self, CqNotify};
use super::handle::{self, Object};
use super::{
    AdapterFlags, AdapterInfo, AdapterOptions, Connector, Cq, Error, Lam, Listener, Memory, NdkVersion,
    ObjectType, Pd, Request, SharedEndpoint, Status, lam, options, shared_endpoint,
};
use crate::backend::Backend;
use crate::cm::ReadLimits;
use crate::device::faults;
use crate::device::lifetime::Life;
use crate::sync::{AtomicU64, Ordering};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// An opened device.
///
/// Closed by [`close`](Self::close), which waits for everything that was created on it, or by dropping it,
/// which does not wait. Several adapters may be open on one NET; each sees only its own objects, and they can
/// connect.
///
/// ```
/// use qpair::ndk::Adapter;
///
/// let adapter = Adapter::open("local/docs")?;
/// assert!(adapter.info().max_cq_depth >= 1024);
/// adapter.close()?;
/// # Ok::<(), qpair::ndk::Error>(())
/// ```
pub struct Adapter {
    pub(super) core: Arc<AdapterCore>,
}

/// The adapter as its children hold it.
pub(super) struct AdapterCore {
    pub(super) life: Arc<Life>,
    pub(super) backend: Backend,
    /// What tells it from the others of its NET.
    pub(super) number: u32,
    name: String,
    info: AdapterInfo,
    /// Faults on purpose; mostly none.
    pub(super) faults: Option<Arc<faults::Faults>>,
    in_net: AtomicU64,
    /// The number of the next region's first byte.
    next_base: Mutex<u64>,
}

impl Adapter {
    /// Opens the adapter of that name with the default options.
    ///
    /// | name | opens |
    /// |---|---|
    /// | `local` | the NET without a name, shared by the whole process |
    /// | `local/NET` | the NET of that name, with addresses and ports of its own |
    /// | `local/NET@ADDRESS` | the same, as the host with that address; without it, both loopback addresses |
    /// | `rxe0`, `mlx5_0`, ... | with the feature `rdma-core`, that device of the kernel and its first port |
    /// | `rxe0@ADDRESS` | the same with that one of its addresses; without it, all but link-local ones |
    ///
    /// A device of the kernel has no faults on purpose, no clock that can be set, no fast
    /// registrations and no logical addresses: NOT_SUPPORTED, with the device and what it lacks. Requests
    /// name bytes there by their machine addresses, and a flush ends a connection.
    ///
    /// # Errors
    /// As [`AdapterOptions::open`].
    pub fn open(name: &str) -> Result<Self, Error> {
        Self::options(name).open()
    }

    /// Options to open the adapter of that name with.
    pub fn options(name: &str) -> AdapterOptions {
        AdapterOptions::new(name)
    }

    /// Names of the devices of the kernel, each of which [`open`](Self::open) may be tried with.
    ///
    /// # Errors
    /// NOT_SUPPORTED: built without the feature `rdma-core`, or the kernel has no RDMA.
    pub fn kernel_devices() -> Result<Vec<String>, Error> {
        options::kernel_devices()
    }

    /// What it can do, and its limits (`NdkQueryAdapterInfo`).
    pub fn info(&self) -> &AdapterInfo {
        self.core.limits()
    }

    /// The addresses that connectors and listeners of this adapter may use; their ports are 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.core.backend.addresses().iter().map(|ip| SocketAddr::new(*ip, 0)).collect()
    }

    /// Creates a protection domain (`NdkCreatePd`).
    ///
    /// # Errors
    /// INSUFFICIENT_RESOURCES: all keys are taken, of which each domain needs one.
    pub fn create_pd(&self) -> Request<Pd> {
        self.create(ObjectType::Pd, "NdkCreatePd", Pd::new)
    }

    /// Gives memory logical addresses (`NdkBuildLam`).
    ///
    /// They can be registered page by page by [`Qp::fast_register`](super::Qp::fast_register), and used
    /// without registration under [`Pd::privileged_token`]. The memory is kept until [`Lam::release`] gives
    /// it back.
    ///
    /// # Errors
    /// INVALID_BUFFER_SIZE: no bytes at all. INVALID_PARAMETER: more than 2^32 bytes of pages.
    /// INSUFFICIENT_RESOURCES: all keys are taken. The memory is dropped then.
    pub fn build_lam(&self, memory: impl Into<Memory>) -> Request<Lam> {
        self.core.call(lam::BUILD, &self.core.life, || Lam::build(&self.core, memory.into()))
    }

    /// Gives memory that stays the caller's own logical addresses.
    ///
    /// As [`build_lam`](Self::build_lam); the [`Memory`] that the release gives back frees nothing.
    ///
    /// # Errors
    /// As [`build_lam`](Self::build_lam); INVALID_PARAMETER also for a null `base`.
    ///
    /// # Safety
    /// As for [`Pd::register_raw`], until the request of [`Lam::release`] has completed, or the adapter's
    /// close has returned.
    pub unsafe fn build_lam_raw(&self, base: *mut u8, length: usize) -> Request<Lam> {
        self.core.call(lam::BUILD, &self.core.life, || {
            // SAFETY: the caller's promise is that of `Lam::build_raw`, word by word.
            unsafe { Lam::build_raw(&self.core, base, length) }
        })
    }

    /// Creates a completion queue of `depth` entries (`NdkCreateCq`).
    ///
    /// Dimension it for all requests that can be pending at once on the queues that complete into it, silent
    /// ones included; creation does not check that (CQ-24).
    ///
    /// # Errors
    /// INVALID_PARAMETER: `depth` is 0 or above [`AdapterInfo::max_cq_depth`].
    pub fn create_cq(&self, depth: u32, notify: CqNotify) -> Request<Cq> {
        self.create(ObjectType::Cq, cq::CREATE, |core| Cq::new(core, depth, notify))
    }

    /// Creates a connector, for one outgoing connection (`NdkCreateConnector`).
    pub fn create_connector(&self) -> Request<Connector> {
        self.create(ObjectType::Connector, "NdkCreateConnector", |core| Ok(Connector::new(core)))
    }

    /// Creates a listener (`NdkCreateListener`), which does not listen yet.
    ///
    /// `on_connect` is called for each request to connect, perhaps for several at the same time, with a
    /// connector to accept, to reject or to drop, which refuses. It must not block, may make any call but the
    /// adapter's close, and is dropped when the listener is closed and it is not running.
    pub fn create_listener(
        &self,
        on_connect: impl Fn(Connector) + Send + Sync + 'static,
    ) -> Request<Listener> {
        self.create(ObjectType::Listener, "NdkCreateListener", |core| Ok(Listener::new(core, on_connect)))
    }

    /// Creates an endpoint at `local` that several connectors can share (`NdkCreateSharedEndpoint`).
    ///
    /// Port 0 chooses one from 49152-65535.
    ///
    /// # Errors
    /// SHARING_VIOLATION: address and port are taken. INVALID_ADDRESS: not one of the adapter's.
    /// TOO_MANY_ADDRESSES: no port is left.
    pub fn create_shared_endpoint(&self, local: SocketAddr) -> Request<SharedEndpoint> {
        let call = shared_endpoint::CREATE;
        self.create(ObjectType::SharedEndpoint, call, |core| SharedEndpoint::new(core, local))
    }

    fn create<T: Send + 'static>(
        &self,
        kind: ObjectType,
        call: &'static str,
        make: impl FnOnce(&Arc<AdapterCore>) -> Result<T, Error>,
    ) -> Request<T> {
        self.core.create(kind, call, &self.core.life, || make(&self.core))
    }

    /// Closes the adapter and waits until everything that was created on it is closed.
    ///
    /// When it returns, no callback of any of these objects is running or will run (CLOSE-10). The only call
    /// that blocks for its objects: close or drop them first, or have another thread do so.
    ///
    /// # Errors
    /// INVALID_DEVICE_REQUEST inside a callback, for which it would wait; the adapter is then closed without
    /// waiting.
    pub fn close(self) -> Result<(), Error> {
        let life = Arc::clone(&self.core.life);
        drop(self);
        life.wait_closed().map_err(|refused| {
            Error::new("CloseAdapter", Status::INVALID_DEVICE_REQUEST)
                .with_hint(
                    "close it on a thread that is in no callback; it is closing now, without your waiting",
                )
                .with_source(refused)
        })
    }
}

impl Object for Adapter {
    fn life(&self) -> &Arc<Life> {
        &self.core.life
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        handle::begin_close(self, None);
        if let Some(faults) = &self.core.faults {
            faults.end();
        }
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Adapter({})", self.core.name)
    }
}

/// The first byte of the first region has this number: no small integer passes for an address.
const FIRST_BASE: u64 = 1 << 32;
/// Regions begin in pages of their own.
const PAGE: u64 = 4096;

impl AdapterCore {
    pub(super) fn new(
        name: String,
        backend: Backend,
        info: AdapterInfo,
        faults: Option<Arc<faults::Faults>>,
    ) -> Arc<Self> {
        let number = backend.new_adapter();
        let (life, next_base) = (Life::new([]), Mutex::new(FIRST_BASE));
        let in_net = AtomicU64::new(1);
        let core = Arc::new(Self { life, backend, number, name, info, faults, in_net, next_base });
        let closing = Arc::clone(&core);
        core.life.set_teardown(move || closing.leave_net());
        core
    }

    /// Its addresses are no longer reached by way of it.
    pub(super) fn leave_net(&self) {
        // Relaxed: only which call is the first counts.
        if self.in_net.swap(0, Ordering::Relaxed) != 0 {
            self.backend.close();
        }
    }

    /// The version that this instance speaks.
    pub(super) fn version(&self) -> NdkVersion {
        self.info.version
    }

    /// What this instance can do at most.
    pub(super) fn limits(&self) -> &AdapterInfo {
        &self.info
    }

    /// What this instance can do beside.
    pub(super) fn flags(&self) -> AdapterFlags {
        self.info.adapter_flags
    }

    /// The read limits of its connectors at most.
    pub(super) fn read_limits(&self) -> ReadLimits {
        let info = &self.info;
        ReadLimits { inbound: info.max_inbound_read_limit, outbound: info.max_outbound_read_limit }
    }

    /// A number for the first byte of a region: never the pointer, but at the same place in its page.
    ///
    /// Only a device of the kernel knows bytes by their pointers.
    ///
    /// A page lies unused between any two regions, so that who runs over the end of one is found out. Numbers
    /// come back when 2^64 have been given; that is harmless, since a key says which region is meant.
    pub(super) fn new_base(&self, pointer: u64, length: usize) -> u64 {
        if self.backend.names_machine_addresses() {
            return pointer;
        }
        let mut next = self.next_base.lock().unwrap_or_else(PoisonError::into_inner);
        let span = (length as u64).next_multiple_of(PAGE) + 2 * PAGE;
        let first = if next.checked_add(span).is_some() { *next } else { FIRST_BASE };
        *next = first + span;
        first + pointer % PAGE
    }
}

impl fmt::Debug for AdapterCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdapterCore").field("name", &self.name).finish_non_exhaustive()
    }
}

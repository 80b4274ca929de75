//! How an adapter is opened: version, limits, flags, clock, time limits, faults.

mod by_name;

use super::adapter::AdapterCore;
use super::limits::{self, AdapterLimits};
use super::{Adapter, AdapterFlags, AdapterInfo, Error, Faults, NdkVersion, Status, pd};
use crate::backend::{Backend, NameError, OpenError, Options};
use crate::cm;
use crate::fabric::clock::{self, ManualClock};
use std::sync::Arc;
use std::time::Duration;

const OPEN: &str = "OpenAdapter";

/// How an adapter is opened; made by [`Adapter::options`].
///
/// Clock and time limits belong to the NET: who opens one that is open already must ask for the same. The
/// rest is this instance's own, so adapters of different kinds can meet in one NET.
#[derive(Clone, Debug)]
#[must_use = "it opens nothing until `open` is called"]
pub struct AdapterOptions {
    name: String,
    version: NdkVersion,
    enabled: bool,
    limits: AdapterLimits,
    flags: AdapterFlags,
    clock: Clock,
    timeouts: Timeouts,
    faults: Option<Faults>,
}

/// What the time limits of a NET go by.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Clock {
    /// The machine's monotonic clock.
    #[default]
    System,
    /// A clock that moves when it is told to, for tests.
    Manual(ManualClock),
}

/// How long a connector waits for its peer; the local consumer is never hurried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From a connect to its answer. Default 2 minutes.
    pub connect: Duration,
    /// From an accept to the peer's completion. Default 2 minutes.
    pub accept: Duration,
    /// From a disconnect to that of the peer. Default 2 minutes.
    pub disconnect: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let long = Duration::from_secs(120);
        Self { connect: long, accept: long, disconnect: long }
    }
}

impl AdapterOptions {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: NdkVersion::default(),
            enabled: true,
            limits: AdapterLimits::new(),
            flags: limits::FLAGS,
            clock: Clock::default(),
            timeouts: Timeouts::default(),
            faults: None,
        }
    }

    /// The version that its user speaks. Default: 2.1.
    ///
    /// 1.0 to 1.2 open an instance that reports 1.2, 2.0 and 2.1 one that reports 2.1. An instance of
    /// major 1 gives no provider error codes and no reasons of a disconnect: both are 0.
    pub fn version(mut self, version: NdkVersion) -> Self {
        self.version = version;
        self
    }

    /// NDK is enabled on the adapter. Default: true; false has [`open`](Self::open) fail.
    pub fn ndk_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// What the adapter can do at most. Default: what the engine can.
    pub fn limits(mut self, limits: AdapterLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What the adapter can do beside. Default: all that the engine can.
    ///
    /// A flag that is left out has its meaning: without `CQ_RESIZE_SUPPORTED` and
    /// `CQ_INTERRUPT_MODERATION_SUPPORTED` these calls return NOT_SUPPORTED, without
    /// `RDMA_READ_LOCAL_INVALIDATE_SUPPORTED` that flag of a read is ignored (MR-23), without
    /// `RDMA_READ_SINK_NOT_REQUIRED` a read needs a sink that was registered with
    /// [`MrFlags::RDMA_READ_SINK`](super::MrFlags::RDMA_READ_SINK), and without
    /// `LOOPBACK_CONNECTIONS_SUPPORTED` an address cannot connect to itself. `IN_ORDER_DMA_SUPPORTED` and
    /// `MULTI_ENGINE_SUPPORTED` are claims only: without them nothing behaves otherwise.
    pub fn flags(mut self, flags: AdapterFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Lets `faults` order what goes wrong on this adapter. Default: none.
    pub fn faults(mut self, faults: &Faults) -> Self {
        self.faults = Some(faults.clone());
        self
    }

    /// What the time limits of the NET go by. Default: the system's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How long connectors wait for their peers. Default: two minutes each.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Opens the adapter.
    ///
    /// # Errors
    /// BAD_VERSION: a major or minor that is not spoken (ADP-3). ADAPTER_NOT_READY: NDK is not enabled on it.
    /// INVALID_PARAMETER: a malformed name, limits or flags that the engine does not have, or faults that
    /// concern another adapter. NOT_SUPPORTED: the name of a device that is not built in. INVALID_ADDRESS: a
    /// device of the kernel does not have the address. SHARING_VIOLATION: the NET is open with another clock
    /// or other time limits.
    pub fn open(self) -> Result<Adapter, Error> {
        #[cfg_attr(not(feature = "rdma-core"), expect(unused_mut, reason = "real devices can do less"))]
        let mut info = self.judge()?;
        let clock = match self.clock {
            Clock::System => clock::Clock::system(),
            Clock::Manual(clock) => clock::Clock::Manual(clock),
        };
        let Timeouts { connect, accept, disconnect } = self.timeouts;
        let timeouts =
            cm::Timeouts { connect: connect.into(), accept: accept.into(), disconnect: disconnect.into() };
        let options = Options { clock, timeouts };
        let backend = Backend::open(&self.name, options).map_err(|error| refused(&self.name, error))?;
        if let Some(faults) = &self.faults {
            attach(faults, &backend).inspect_err(|_| backend.close())?;
        }
        #[cfg(feature = "rdma-core")]
        if let Some(device) = backend.real() {
            info.lower_to(device.capabilities());
        }
        let engine = self.faults.as_ref().map(|faults| Arc::clone(faults.engine()));
        let adapter = Adapter { core: AdapterCore::new(self.name, backend, info, engine) };
        if let Some(faults) = self.faults {
            faults.set_adapter(&adapter.core);
        }
        Ok(adapter)
    }

    /// What the adapter will say of itself, if it can be opened so.
    fn judge(&self) -> Result<AdapterInfo, Error> {
        let Some(version) = self.version.negotiated() else {
            return Err(Error::new(OPEN, Status::BAD_VERSION)
                .with_argument("version", self.version)
                .with_limit("1.2 or 2.1")
                .with_hint("ask for 1.0 to 1.2, or for 2.0 or 2.1"));
        };
        if !self.enabled {
            return Err(Error::new(OPEN, Status::ADAPTER_NOT_READY)
                .with_hint("enable NDK on the adapter: AdapterOptions::ndk_enabled(true)"));
        }
        self.limits.judge(OPEN)?;
        if !self.flags.outside(limits::FLAGS).is_empty() {
            return Err(Error::new(OPEN, Status::INVALID_PARAMETER)
                .with_argument("flags", format_args!("{:#x}", self.flags))
                .with_limit(format_args!("{:#x}", limits::FLAGS))
                .with_hint("leave out what the engine cannot do"));
        }
        Ok(AdapterInfo::local(version, &self.limits, self.flags))
    }
}

/// Names of the devices of the kernel.
pub(super) fn kernel_devices() -> Result<Vec<String>, Error> {
    let call = "ListAdapters";
    #[cfg(feature = "rdma-core")]
    return crate::backend::real::names().map_err(|error| {
        let (status, hint) = device_refused(&error);
        Error::new(call, status).with_hint(hint).with_source(error)
    });
    #[cfg(not(feature = "rdma-core"))]
    Err(Error::new(call, Status::NOT_SUPPORTED)
        .with_hint("devices of the kernel take the feature `rdma-core`: cargo build --features rdma-core"))
}

/// Has the faults concern what was opened.
fn attach(faults: &Faults, backend: &Backend) -> Result<(), Error> {
    let local = backend.emulated("faults on purpose").map_err(|error| pd::refused(OPEN, error))?;
    if faults.attach(local.device()) {
        return Ok(());
    }
    Err(Error::new(OPEN, Status::INVALID_PARAMETER)
        .with_argument("faults", "of another adapter")
        .with_hint("make Faults of its own for each adapter"))
}

/// Why a device of the kernel is not opened.
#[cfg(feature = "rdma-core")]
fn device_refused(error: &crate::backend::real::OpenError) -> (Status, &'static str) {
    use crate::backend::real::OpenError;
    match error {
        OpenError::Device(_) => (
            Status::NOT_SUPPORTED,
            "see that the module of the device is loaded (rdma link), and that you may use /dev/infiniband",
        ),
        OpenError::NoAddress { .. } => (
            Status::ADAPTER_NOT_READY,
            "give the network interface of the device an IP address, and set it up",
        ),
        OpenError::Address { .. } => {
            (Status::INVALID_ADDRESS, "open it with one of its addresses behind the @, or without one")
        }
        OpenError::Clock { .. } => (Status::NOT_SUPPORTED, "open it with the system's clock"),
    }
}

#[cold]
fn refused(name: &str, error: OpenError) -> Error {
    let (status, hint) = match &error {
        OpenError::Name(NameError::Unknown { .. }) => (
            Status::NOT_SUPPORTED,
            if cfg!(feature = "rdma-core") {
                "open `local`, `local/NET`, `local/NET@ADDRESS`, or a device of the kernel as `DEVICE` or \
                 `DEVICE@ADDRESS`"
            } else {
                "open `local`, `local/NET` or `local/NET@ADDRESS`; devices of the kernel take the feature \
                 `rdma-core`: cargo build --features rdma-core"
            },
        ),
        OpenError::Name(NameError::Net { .. }) => {
            (Status::INVALID_PARAMETER, "write local/NET with a NET that is not empty and has no `/` in it")
        }
        OpenError::Name(NameError::Address { .. }) => {
            (Status::INVALID_PARAMETER, "write one IPv4 or IPv6 address behind the @")
        }
        #[cfg(feature = "rdma-core")]
        OpenError::Device(device) => device_refused(device),
        OpenError::Options(_) => (
            Status::SHARING_VIOLATION,
            "open the NET with the clock and time limits it has, or open another one",
        ),
    };
    Error::new(OPEN, status)
        .with_argument("name", format_args!("`{name}`"))
        .with_hint(hint)
        .with_source(error)
}

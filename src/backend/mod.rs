//! The device behind a name: one of { emulated device, real device }.
//!
//! A name is parsed here, and what it opens is a [`Backend`], which makes objects: one enum for each kind,
//! whose variants wrap the object of an emulated device (a NET of this process) or, behind the feature
//! `rdma-core`, that of a device of the kernel (`real`). The face does not ask which one it is. Without the
//! feature each enum has one variant, and there is nothing to choose at run time; with it a post or poll has
//! one predictable branch more.
//!
//! May come in: the other carriers (udp, sim), each as a variant with what it wraps. Not here: names, flags
//! and statuses of a face; what a device does with work.

// Only the registration of memory with a real device is unsafe; it says so at its door.
#![cfg_attr(not(feature = "rdma-core"), forbid(unsafe_code))]
#![deny(unsafe_code)]

mod connect;
mod cq;
mod either;
mod memory;
mod name;
mod qp;
#[cfg(feature = "rdma-core")]
pub(crate) mod real;
mod refused;
mod srq;

pub(crate) use crate::fabric::local::NetOptions as Options;
pub(crate) use connect::{Connector, Listener, OnConnect, SharedEndpoint};
pub(crate) use cq::{Cq, WeakCq};
pub(crate) use memory::{Going, Pd, Region, Window};
pub(crate) use name::{Name, NameError};
pub(crate) use qp::{Qp, QpDescription};
pub(crate) use refused::Refused;
pub(crate) use srq::{Srq, WeakSrq};

use crate::cm::{EndpointError, ReadLimits};
use crate::device::connect::Exchange;
use crate::device::cq::Notify;
use crate::device::faults::Faults;
use crate::device::lifetime::{Hold, Life};
use crate::device::srq::SrqDescription;
use crate::device::{Device, connect as emulated, cq as emulated_cq};
use crate::fabric::local::{Net, OtherOptions};
use crate::work::Feature;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// What an adapter is opened on.
#[derive(Debug)]
pub(crate) enum Backend {
    /// A NET within the process.
    Local(Local),
    /// A device of the kernel.
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::Adapter>),
}

/// An adapter's place in a NET.
#[derive(Debug)]
pub(crate) struct Local {
    net: Arc<Net>,
    addresses: Arc<[IpAddr]>,
}

/// Why a name could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The NET goes by other options.
    #[error(transparent)]
    Options(#[from] OtherOptions),
    /// No device of the kernel, or one that cannot be opened.
    #[cfg(feature = "rdma-core")]
    #[error(transparent)]
    Device(#[from] real::OpenError),
}

impl Backend {
    /// Opens what `name` stands for.
    ///
    /// # Errors
    /// The name is malformed or stands for a device that is not built in or does not have the address, or its
    /// NET is open with other options.
    pub(crate) fn open(name: &str, options: Options) -> Result<Self, OpenError> {
        let (net, address) = match Name::parse(name)? {
            Name::Local { net, address } => (net, address),
            #[cfg(feature = "rdma-core")]
            Name::Device { name, address } => {
                return Ok(Self::Real(real::Adapter::open(name, address, options)?));
            }
        };
        let net = Net::open(net, options)?;
        let addresses: Arc<[IpAddr]> = match address {
            Some(address) => Arc::new([address]),
            None => Arc::new([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        };
        addresses.iter().for_each(|address| net.exchange().add_address(*address));
        Ok(Self::Local(Local { net, addresses }))
    }

    /// The adapter is closed: its addresses are no longer reached by way of it.
    pub(crate) fn close(&self) {
        match self {
            Self::Local(local) => {
                local.addresses.iter().for_each(|address| local.exchange().remove_address(*address));
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(adapter) => adapter.stop(),
        }
    }

    /// The addresses of this adapter.
    pub(crate) fn addresses(&self) -> Arc<[IpAddr]> {
        match self {
            Self::Local(local) => Arc::clone(&local.addresses),
            #[cfg(feature = "rdma-core")]
            Self::Real(adapter) => adapter.addresses(),
        }
    }

    /// The real device, if it is one.
    #[cfg(feature = "rdma-core")]
    pub(crate) fn real(&self) -> Option<&Arc<real::Adapter>> {
        match self {
            Self::Local(_) => None,
            Self::Real(adapter) => Some(adapter),
        }
    }

    /// What an emulated device alone has.
    ///
    /// # Errors
    /// [`Refused::NotSupported`]: `feature`, by a real one.
    #[cfg_attr(not(feature = "rdma-core"), expect(clippy::unnecessary_wraps, reason = "real devices refuse"))]
    pub(crate) fn emulated(
        &self,
        #[cfg_attr(
            not(feature = "rdma-core"),
            expect(unused_variables, reason = "only real devices refuse")
        )]
        feature: &'static str,
    ) -> Result<&Local, Refused> {
        match self {
            Self::Local(local) => Ok(local),
            #[cfg(feature = "rdma-core")]
            Self::Real(adapter) => Err(adapter.lacks(feature)),
        }
    }

    /// Whether it has a feature beyond NDK.
    ///
    /// # Errors
    /// [`Refused::Lacks`], by a real one.
    #[cfg_attr(
        not(feature = "rdma-core"),
        expect(clippy::unnecessary_wraps, reason = "real devices lack some")
    )]
    pub(crate) fn has(
        &self,
        #[cfg_attr(
            not(feature = "rdma-core"),
            expect(unused_variables, reason = "emulated devices have all")
        )]
        feature: Feature,
    ) -> Result<(), Refused> {
        match self {
            Self::Local(_) => Ok(()),
            #[cfg(feature = "rdma-core")]
            Self::Real(adapter) => adapter.has(feature),
        }
    }

    /// The number of the next adapter of the device, from which logical addresses know whose they are.
    pub(crate) fn new_adapter(&self) -> u32 {
        match self {
            Self::Local(local) => local.device().new_adapter(),
            #[cfg(feature = "rdma-core")]
            Self::Real(_) => 0, // it has no logical addresses
        }
    }

    /// Whether requests name bytes by their machine addresses.
    pub(crate) fn names_machine_addresses(&self) -> bool {
        match self {
            Self::Local(_) => false,
            #[cfg(feature = "rdma-core")]
            Self::Real(_) => true,
        }
    }

    pub(crate) fn create_pd(&self, adapter: u32) -> Result<Pd, Refused> {
        match self {
            Self::Local(local) => Pd::emulated(local.device(), adapter),
            #[cfg(feature = "rdma-core")]
            Self::Real(real) => Ok(Pd::Real(real::Pd::new(real)?)),
        }
    }

    #[cfg_attr(not(feature = "rdma-core"), expect(clippy::unnecessary_wraps, reason = "real devices refuse"))]
    pub(crate) fn create_cq(&self, life: Arc<Life>, depth: u32, notify: Notify) -> Result<Cq, Refused> {
        match self {
            Self::Local(local) => {
                let device = Arc::clone(local.device());
                Ok(Cq::Emulated(emulated_cq::Cq::new(device, life, depth, notify)))
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(real) => Ok(Cq::Real(real::Cq::new(real, life, depth, notify)?)),
        }
    }

    pub(crate) fn create_srq(&self, pd: &Pd, of: SrqDescription, holds: Vec<Hold>) -> Result<Srq, Refused> {
        match (self, pd) {
            (Self::Local(local), _) => Ok(Srq::Emulated(local.device().create_srq(of, holds)?)),
            #[cfg(feature = "rdma-core")]
            (Self::Real(_), Pd::Real(pd)) => Ok(Srq::Real(real::Srq::new(pd, of, holds)?)),
            #[cfg(feature = "rdma-core")]
            (Self::Real(_), Pd::Emulated { .. }) => unreachable!("a domain is asked by its own adapter"),
        }
    }

    pub(crate) fn create_qp(&self, of: QpDescription, holds: Vec<Hold>) -> Result<Qp, Refused> {
        match self {
            Self::Local(local) => {
                let of = of.emulated().expect("the face judges that all is of one adapter");
                Ok(Qp::Emulated(local.device().create_qp(of, holds)?))
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(_) => Ok(Qp::Real(real::Qp::new(of, holds)?)),
        }
    }

    /// An active connector.
    pub(crate) fn create_connector(&self, adapter: Hold, maximum: ReadLimits) -> Connector {
        match self {
            Self::Local(local) => {
                Connector::Emulated(emulated::Connector::over(local.messenger(), adapter, maximum))
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(it) => Connector::Real(real::Connector::over(real::RdmaCm::new(it), adapter, maximum)),
        }
    }

    /// An endpoint for several connectors; port 0 chooses one.
    pub(crate) fn create_shared_endpoint(
        &self,
        adapter: Hold,
        local: SocketAddr,
    ) -> Result<SharedEndpoint, EndpointError> {
        match self {
            Self::Local(net) => {
                let made = emulated::SharedEndpoint::new(net.messenger(), adapter, local);
                Ok(SharedEndpoint::Emulated(made?))
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(it) => {
                let made = real::SharedEndpoint::new(real::RdmaCm::new(it), adapter, local);
                Ok(SharedEndpoint::Real(made?))
            }
        }
    }

    /// A listener, which `faults` may act on.
    pub(crate) fn create_listener(
        &self,
        adapter: Hold,
        maximum: ReadLimits,
        on_connect: OnConnect,
        faults: Option<&Faults>,
    ) -> Listener {
        match self {
            Self::Local(local) => {
                let on_connect = Box::new(move |connector| on_connect(Connector::Emulated(connector)));
                let listener = emulated::Listener::new(local.messenger(), adapter, maximum, on_connect);
                if let Some(faults) = faults {
                    faults.adopt_listener(&listener);
                }
                Listener::Emulated(listener)
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(it) => {
                let on_connect = Box::new(move |connector| on_connect(Connector::Real(connector)));
                let messenger = real::RdmaCm::new(it);
                Listener::Real(real::Listener::new(messenger, adapter, maximum, on_connect))
            }
        }
    }
}

impl Local {
    /// The device that owns rings, keys and queue pairs.
    pub(crate) fn device(&self) -> &Arc<Device> {
        self.net.device()
    }

    /// Where connectors and listeners meet.
    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        self.net.exchange()
    }

    /// For what is to be found there.
    fn messenger(&self) -> emulated::InProcess {
        emulated::InProcess::new(self.exchange(), Arc::clone(&self.addresses))
    }
}

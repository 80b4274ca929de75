//! The device behind a name: one of { emulated device, real device }.
//!
//! A name is parsed here, and what it opens is a [`Backend`]; the face reaches addresses, device and exchange
//! through it and does not ask which one it is. So far there is one: a NET of this process. May come in: the
//! other carriers (udp, sim) and real devices, each as a variant with what it wraps. Not here: names, flags
//! and statuses of a face; what a device does with work.

#![forbid(unsafe_code)]

mod name;

pub(crate) use crate::fabric::local::NetOptions as Options;
pub(crate) use name::{Name, NameError};

use crate::device::Device;
use crate::device::connect::Exchange;
use crate::fabric::local::{Net, OtherOptions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// What an adapter is opened on.
#[derive(Debug)]
pub(crate) enum Backend {
    /// A NET within the process.
    Local(Local),
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
}

impl Backend {
    /// Opens what `name` stands for.
    ///
    /// # Errors
    /// The name is malformed or stands for a device that is not built in, or its NET is open with other
    /// options.
    pub(crate) fn open(name: &str, options: Options) -> Result<Self, OpenError> {
        let Name::Local { net, address } = Name::parse(name)?;
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
        let Self::Local(local) = self;
        local.addresses.iter().for_each(|address| local.net.exchange().remove_address(*address));
    }

    /// The device that owns rings, keys and queue pairs.
    pub(crate) fn device(&self) -> &Arc<Device> {
        let Self::Local(local) = self;
        local.net.device()
    }

    /// Where connectors and listeners meet.
    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        let Self::Local(local) = self;
        local.net.exchange()
    }

    /// The addresses of this adapter.
    pub(crate) fn addresses(&self) -> Arc<[IpAddr]> {
        let Self::Local(local) = self;
        Arc::clone(&local.addresses)
    }
}

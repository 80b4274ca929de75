//! What all connectors of one NET share: addresses, listeners, waits.

use super::endpoint::Ports;
use super::in_process::Side;
use super::listener::Listener;
use crate::cm::{Body, Message, Notice, RejReason, Timeouts, Unreachable};
use crate::device::Device;
use crate::device::qp::QpId;
use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The place where requests to connect find their listeners; one for each NET.
pub(crate) struct Exchange {
    device: Arc<Device>,
    ports: Arc<Ports>,
    net: Mutex<Net>,
}

/// Under a lock that is always taken last.
struct Net {
    timeouts: Timeouts,
    /// How many adapters have each address.
    addresses: BTreeMap<IpAddr, usize>,
    listeners: BTreeMap<(IpAddr, u16), Arc<Listener>>,
    /// By time, then by the number of the side, so that equal times are handled in order of creation.
    waits: BTreeMap<(Time, u64), Weak<Side>>,
    last_side: u64,
}

impl Exchange {
    /// The exchange of a NET without addresses; `timeouts` are for connectors made from now on.
    pub(crate) fn new(device: Arc<Device>, timeouts: Timeouts) -> Arc<Self> {
        let net = Net {
            timeouts,
            addresses: BTreeMap::new(),
            listeners: BTreeMap::new(),
            waits: BTreeMap::new(),
            last_side: 0,
        };
        Arc::new(Self { device, ports: Arc::default(), net: Mutex::new(net) })
    }

    /// The device whose queue pairs are connected here.
    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Its local addresses and ports.
    pub(super) fn ports(&self) -> &Arc<Ports> {
        &self.ports
    }

    /// How long connectors wait for their peers; of a new connector, not of those that exist.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.net().timeouts
    }

    /// Changes it.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests look at it"))]
    pub(crate) fn set_timeouts(&self, timeouts: Timeouts) {
        self.net().timeouts = timeouts;
    }

    /// An adapter with this address has been opened; several may have the same.
    pub(crate) fn add_address(&self, address: IpAddr) {
        *self.net().addresses.entry(address).or_insert(0) += 1;
        self.ports.add_address(address);
    }

    /// An adapter with this address has been closed; with the last one, nobody is reached there any more.
    ///
    /// Which local address an adapter may use is its own list's matter; here it is only where peers are.
    pub(crate) fn remove_address(&self, address: IpAddr) {
        let mut net = self.net();
        match net.addresses.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(net.addresses.remove(&address)),
        }
    }

    /// Ends the waits that are over at `now`; says when to call again.
    ///
    /// Called by the device's driver, holding nothing, at the times for which [`Device::wake_at`] has asked.
    pub(crate) fn handle_timeouts(&self, now: Time) -> Option<Time> {
        loop {
            let (due, side) = {
                let mut net = self.net();
                match net.waits.first_entry() {
                    Some(entry) if entry.key().0 <= now => (entry.key().0, entry.remove()),
                    next => return next.map(|entry| entry.key().0),
                }
            };
            if let Some(side) = side.upgrade() {
                side.handle_timeout(due, now);
            }
        }
    }

    /// A number for a new side.
    pub(super) fn number(&self) -> u64 {
        let mut net = self.net();
        net.last_side += 1;
        net.last_side
    }

    /// From now on requests to `local` come to `listener`, whose endpoint it is.
    pub(super) fn announce(&self, local: SocketAddr, listener: &Arc<Listener>) {
        self.net().listeners.insert((local.ip(), local.port()), Arc::clone(listener));
    }

    /// From now on nobody listens at `local`.
    pub(super) fn withdraw(&self, local: SocketAddr) {
        let listener = self.net().listeners.remove(&(local.ip(), local.port()));
        drop(listener); // not below the lock: it may be the last of it
    }

    /// Brings a request of `active`, whose queue pair is `qp`, to whom it is for, or says that it cannot be.
    pub(super) fn request(&self, active: &Arc<Side>, message: Message, qp: QpId) {
        let Body::Req(request) = &message.body else { unreachable!("only requests have no peer yet") };
        let (local, remote) = (request.route.local, request.route.peer);
        let found = {
            let net = self.net();
            match net.addresses.contains_key(&remote.ip()) {
                true => Ok(net.listeners.get(&(remote.ip(), remote.port())).cloned()),
                // Each family is one network: those of the other are not even on the way.
                false if local.is_ipv4() != remote.is_ipv4() => Err(Unreachable::Network),
                false => Err(Unreachable::Host),
            }
        };
        let refused = match found {
            Err(how) => return active.notice(Notice::Unreachable(how)),
            Ok(None) => Err(RejReason::NoListener),
            Ok(Some(listener)) => listener.arrive(message.attempt, request.clone(), qp, |side| {
                side.answers(active);
                active.set_peer(Arc::downgrade(side));
            }),
        };
        if let Err(reason) = refused {
            active.hear(message.refusal(reason), None);
        }
    }

    /// Moves the wait of a side from one time to another.
    pub(super) fn watch(&self, side: &Arc<Side>, from: Option<Time>, to: Option<Time>) {
        let mut net = self.net();
        if let Some(from) = from {
            net.waits.remove(&(from, side.number()));
        }
        if let Some(to) = to {
            net.waits.insert((to, side.number()), Arc::downgrade(side));
        }
    }

    /// A poisoned lock is sound: below it only whole values move in and out.
    fn net(&self) -> MutexGuard<'_, Net> {
        self.net.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let net = self.net();
        f.debug_struct("Exchange")
            .field("addresses", &net.addresses)
            .field("listening", &net.listeners.len())
            .field("waits", &net.waits.len())
            .finish_non_exhaustive()
    }
}

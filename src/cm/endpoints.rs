//! Local addresses and ports, counted: who uses which, and when each is free again (ndkpi.md 1.5).

use crate::planted::planted;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// The ports from which one is chosen when port 0 is asked for.
pub const PORTS_CHOSEN: RangeInclusive<u16> = 49152..=65535;

/// An address and a port. A socket address would also compare the flow label and scope of IPv6.
type Port = (IpAddr, u16);

/// The port space of a set of addresses: shared by all who open them.
///
/// Each reference is a [`Hold`], given back with [`release`](Self::release). An endpoint is free when the
/// last one is given back: a listener's lives on in the connectors accepted there, a shared one in those
/// that connected.
#[derive(Debug, Default)]
pub struct Endpoints {
    addresses: BTreeSet<IpAddr>,
    references: BTreeMap<Port, u32>,
    connections: BTreeSet<(Port, Port)>,
    /// How far into [`PORTS_CHOSEN`] the search begins: past the last choice, so that ports rest.
    cursor: u16,
}

/// A reference to an endpoint; of a connector, also the claim to its pair of addresses.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the endpoint stays taken until the hold is released"]
pub struct Hold {
    local: SocketAddr,
    peer: Option<SocketAddr>,
}

impl Hold {
    /// The local address, with the port that was chosen if port 0 was asked for.
    pub fn local(&self) -> SocketAddr {
        self.local
    }
}

/// Why an endpoint cannot be had; nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The address is none of the adapter's (CONN-26, LSN-11); the any-address is none either.
    #[error("{address} is not an address of this adapter; ask the adapter for those it has")]
    InvalidAddress {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address and port are in use (CONN-25, LSN-2, SEP-3).
    #[error("{address} is in use; take port 0, or close whoever holds it and all connectors over it")]
    SharingViolation {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Port 0 was asked for and none is free (CONN-27).
    #[error("{address} has no free port left in 49152-65535; close connectors or use a shared endpoint")]
    TooManyAddresses {
        /// The address asked for.
        address: IpAddr,
    },
    /// There is a connection between just these two already (CONN-28, SEP-2).
    #[error("{local} and {peer} are connected already; use another local port")]
    AlreadyExists {
        /// This side.
        local: SocketAddr,
        /// The other side.
        peer: SocketAddr,
    },
}

impl Endpoints {
    /// Adds an address, with every port free; one that is there already stays.
    pub fn add_address(&mut self, address: IpAddr) {
        self.addresses.insert(address);
    }

    /// Takes an endpoint of its own: for a listener, or for a shared endpoint. Port 0 chooses one.
    ///
    /// # Errors
    ///
    /// `InvalidAddress`, `SharingViolation`, `TooManyAddresses`.
    pub fn open(&mut self, local: SocketAddr) -> Result<Hold, EndpointError> {
        self.check_address(local)?;
        let local = self.choose(local)?;
        let taken = self.references.contains_key(&port(local));
        if taken && !planted!(AddressSharedByAll, "an address that is taken can be taken again") {
            return Err(EndpointError::SharingViolation { address: local });
        }
        Ok(self.hold(local, None))
    }

    /// Takes an endpoint for one outgoing connection. Port 0 chooses one.
    ///
    /// Release it when the connect fails, so that the connector may try again, or else at its close.
    ///
    /// # Errors
    ///
    /// `InvalidAddress`, `SharingViolation`, `TooManyAddresses`; `AlreadyExists` rather than
    /// `SharingViolation` if what holds the endpoint is a connection to this very peer.
    pub fn connect(&mut self, local: SocketAddr, peer: SocketAddr) -> Result<Hold, EndpointError> {
        self.check_address(local)?;
        self.check_connection(local, peer)?;
        let local = self.open(local)?.local; // its one reference becomes the connection's
        self.connections.insert((port(local), port(peer)));
        Ok(Hold { local, peer: Some(peer) })
    }

    /// Adds a connection to an endpoint that is open: over a shared endpoint, or accepted by a listener.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`; a listener then answers with [`RejReason::Stale`](super::RejReason::Stale).
    pub fn share(&mut self, endpoint: &Hold, peer: SocketAddr) -> Result<Hold, EndpointError> {
        self.check_connection(endpoint.local, peer)?;
        Ok(self.hold(endpoint.local, Some(peer)))
    }

    /// Gives a reference back; true if the endpoint is free now.
    pub fn release(&mut self, hold: Hold) -> bool {
        let local = port(hold.local);
        if let Some(peer) = hold.peer {
            self.connections.remove(&(local, port(peer)));
        }
        match self.references.get_mut(&local) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            _ if planted!(AddressKept, "an address that was let go stays taken") => false,
            _ => {
                self.references.remove(&local);
                true
            }
        }
    }

    fn check_address(&self, local: SocketAddr) -> Result<(), EndpointError> {
        if self.addresses.contains(&local.ip()) {
            Ok(())
        } else {
            Err(EndpointError::InvalidAddress { address: local })
        }
    }

    fn check_connection(&self, local: SocketAddr, peer: SocketAddr) -> Result<(), EndpointError> {
        if self.connections.contains(&(port(local), port(peer))) {
            return Err(EndpointError::AlreadyExists { local, peer });
        }
        Ok(())
    }

    /// The address with a port: the one it has, or the next free one for port 0.
    fn choose(&mut self, mut local: SocketAddr) -> Result<SocketAddr, EndpointError> {
        if local.port() != 0 {
            return Ok(local);
        }
        let (first, count) = (*PORTS_CHOSEN.start(), PORTS_CHOSEN.len() as u16);
        let offset = (0..count)
            .map(|tried| (self.cursor + tried) % count)
            .find(|offset| !self.references.contains_key(&(local.ip(), first + offset)))
            .ok_or(EndpointError::TooManyAddresses { address: local.ip() })?;
        self.cursor = (offset + 1) % count;
        let low = planted!(PortFromBelow, "chosen ports are not from 49152-65535");
        local.set_port(if low { 1024 + offset } else { first + offset });
        Ok(local)
    }

    fn hold(&mut self, local: SocketAddr, peer: Option<SocketAddr>) -> Hold {
        *self.references.entry(port(local)).or_insert(0) += 1;
        if let Some(peer) = peer {
            self.connections.insert((port(local), port(peer)));
        }
        Hold { local, peer }
    }
}

fn port(address: SocketAddr) -> Port {
    (address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CONN-44: each test runs on both families.
    fn each_family(test: impl Fn(&mut Endpoints, IpAddr)) {
        for address in ["10.0.0.1", "fd00::1"] {
            let address = address.parse().unwrap();
            let mut endpoints = Endpoints::default();
            endpoints.add_address(address);
            test(&mut endpoints, address);
        }
    }

    fn at(address: IpAddr, port: u16) -> SocketAddr {
        SocketAddr::new(address, port)
    }

    #[test]
    fn lsn_1_port_0_chooses_from_the_dynamic_range_and_lets_ports_rest() {
        each_family(|endpoints, ip| {
            let first = endpoints.open(at(ip, 0)).unwrap();
            let port = first.local().port();
            assert!(PORTS_CHOSEN.contains(&port));
            assert!(endpoints.release(first));
            assert_ne!(endpoints.open(at(ip, 0)).unwrap().local().port(), port);
        });
    }

    #[test]
    fn lsn_2_and_sep_3_a_taken_endpoint_is_refused() {
        each_family(|endpoints, ip| {
            let _listener = endpoints.open(at(ip, 7)).unwrap();
            let taken = EndpointError::SharingViolation { address: at(ip, 7) };
            assert_eq!(endpoints.open(at(ip, 7)), Err(taken));
            assert_eq!(endpoints.connect(at(ip, 7), at(ip, 9)), Err(taken)); // CONN-25
        });
    }

    #[test]
    fn lsn_7_the_endpoint_is_free_when_the_last_accepted_connector_is_closed() {
        each_family(|endpoints, ip| {
            let listener = endpoints.open(at(ip, 7)).unwrap();
            let accepted = endpoints.share(&listener, at(ip, 9)).unwrap();
            assert!(!endpoints.release(listener));
            assert!(endpoints.open(at(ip, 7)).is_err());
            assert!(endpoints.release(accepted));
            assert!(endpoints.open(at(ip, 7)).is_ok());
        });
    }

    #[test]
    fn conn_26_and_lsn_11_a_foreign_address_is_refused() {
        each_family(|endpoints, ip| {
            let foreign: IpAddr = if ip.is_ipv4() { "10.0.0.2" } else { "::" }.parse().unwrap();
            let refused = EndpointError::InvalidAddress { address: at(foreign, 1) };
            assert_eq!(endpoints.open(at(foreign, 1)), Err(refused));
            assert_eq!(endpoints.connect(at(foreign, 1), at(ip, 9)), Err(refused));
            endpoints.add_address(foreign);
            assert!(endpoints.open(at(foreign, 1)).is_ok());
        });
    }

    #[test]
    fn conn_27_no_port_is_left_until_one_is_released() {
        each_family(|endpoints, ip| {
            let mut holds: Vec<_> =
                PORTS_CHOSEN.map(|_| endpoints.connect(at(ip, 0), at(ip, 9)).unwrap()).collect();
            let none = EndpointError::TooManyAddresses { address: ip };
            assert_eq!(endpoints.connect(at(ip, 0), at(ip, 9)), Err(none));
            let free = holds.swap_remove(1000);
            let port = free.local().port();
            endpoints.release(free);
            assert_eq!(endpoints.open(at(ip, 0)).unwrap().local().port(), port);
        });
    }

    #[test]
    fn conn_28_and_sep_2_the_same_pair_of_addresses_connects_once() {
        each_family(|endpoints, ip| {
            let shared = endpoints.open(at(ip, 7)).unwrap();
            let first = endpoints.share(&shared, at(ip, 9)).unwrap();
            let exists = EndpointError::AlreadyExists { local: at(ip, 7), peer: at(ip, 9) };
            assert_eq!(endpoints.share(&shared, at(ip, 9)), Err(exists));
            assert_eq!(endpoints.connect(at(ip, 7), at(ip, 9)), Err(exists));
            assert!(!endpoints.release(first));
            assert!(endpoints.share(&shared, at(ip, 9)).is_ok());
        });
    }

    #[test]
    fn sep_1_and_sep_4_a_shared_endpoint_serves_several_peers_and_outlives_its_object() {
        each_family(|endpoints, ip| {
            let shared = endpoints.open(at(ip, 0)).unwrap(); // SEP-5
            let one = endpoints.share(&shared, at(ip, 1)).unwrap();
            let two = endpoints.share(&shared, at(ip, 2)).unwrap();
            assert_eq!(one.local(), two.local());
            let local = shared.local();
            assert!(!endpoints.release(shared));
            assert!(!endpoints.release(one));
            assert_eq!(endpoints.open(local), Err(EndpointError::SharingViolation { address: local }));
            assert!(endpoints.release(two));
        });
    }

    #[test]
    fn a_failed_connect_leaves_nothing_taken() {
        each_family(|endpoints, ip| {
            let hold = endpoints.connect(at(ip, 5), at(ip, 9)).unwrap();
            assert!(endpoints.release(hold));
            assert!(endpoints.connect(at(ip, 5), at(ip, 9)).is_ok());
        });
    }
}

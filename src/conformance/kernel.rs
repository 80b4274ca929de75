//! Devices of the kernel under the suite.
//!
//! They have one network, the machine's own, so one check runs at a time but for those that wait, and no
//! clock that can be set. Two hosts are two addresses of one device. What a device tells comes by way of the
//! kernel, hence a check that looks for what must not come waits a little.

use super::device::{Device, Host, Promises};
use crate::ndk::{Adapter, AdapterOptions};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

/// So long whatever can go on is given the time to; some checks ask for it a thousand times.
const LITTLE: Duration = Duration::from_millis(20);

/// A device of the kernel, by name.
#[derive(Debug)]
pub(super) struct Kernel {
    name: String,
    /// Names of its hosts: of the device at each address of IPv4.
    hosts: Vec<String>,
}

impl Kernel {
    /// The device of that name, which may end with `@` and one address; its adapters have `addresses`.
    pub(super) fn new(name: &str, addresses: &[SocketAddr]) -> Self {
        let device = name.split('@').next().unwrap_or_default();
        let hosts = addresses.iter().filter(|address| address.is_ipv4());
        let hosts = hosts.map(|address| format!("{device}@{}", address.ip())).collect();
        Self { name: name.to_owned(), hosts }
    }

    fn host(&self, number: usize) -> Result<&str, String> {
        self.hosts.get(number).map(String::as_str).ok_or_else(|| {
            format!(
                "two hosts, each an IPv4 address of {}, which has {}; `ip address add` gives its network \
                 interface another",
                self.name,
                self.hosts.len()
            )
        })
    }
}

impl Device for Kernel {
    fn name(&self) -> &str {
        &self.name
    }

    /// The net is always the machine's.
    fn options(&self, _net: &str, host: Host) -> Result<AdapterOptions, String> {
        let name = match host {
            Host::Any => &self.name,
            Host::One => self.host(0)?,
            Host::Other => self.host(1)?,
        };
        Ok(Adapter::options(name))
    }

    fn promises(&self) -> Promises {
        Promises { connected_after_flush: false, remote_access_violation: true }
    }

    fn settle(&self) {
        let (_never, waits) = mpsc::channel::<()>();
        // Nobody sends: this is over when the time is.
        let _over = waits.recv_timeout(LITTLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(of: &[&str]) -> Vec<SocketAddr> {
        of.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn two_hosts_are_two_ipv4_addresses_of_one_device() {
        let device = Kernel::new("rxe0", &addresses(&["10.99.0.1", "10.99.0.11", "fd99::1"]));
        assert_eq!(device.hosts, ["rxe0@10.99.0.1", "rxe0@10.99.0.11"]);
        assert!([Host::Any, Host::One, Host::Other].iter().all(|host| device.options("", *host).is_ok()));
    }

    #[test]
    fn a_device_with_one_address_says_what_is_missing() {
        for (name, ips) in [("rxe0", &["10.99.0.1", "fd99::1"][..]), ("rxe0@10.99.0.1", &["10.99.0.1"])] {
            let device = Kernel::new(name, &addresses(ips));
            assert_eq!(device.hosts, ["rxe0@10.99.0.1"]);
            let missing = device.options("", Host::Other).unwrap_err();
            assert!(missing.contains("two hosts") && missing.contains("which has 1;"), "{missing}");
            assert!(missing.contains(name), "{missing}");
        }
    }
}

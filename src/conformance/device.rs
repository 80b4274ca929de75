//! What the suite asks of a device: adapters, addresses, and what it promises beyond the statements.

use crate::ndk::{Adapter, AdapterOptions};
use std::fmt;
use std::sync::Arc;

/// A device that can be held to the statements.
///
/// Implement it for a device of your own; [`device`] gives those that are built in.
pub trait Device: fmt::Debug + Send + Sync {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// Options to open an adapter with.
    ///
    /// Every check asks for a `net` of its own and shares addresses and ports with no other; a device that
    /// has only one network gives adapters of that one, and then one check runs at a time but for those that
    /// wait for time to pass ([`Pace::Slow`](super::Pace::Slow)).
    ///
    /// # Errors
    /// It has no such host: what is missing.
    fn options(&self, net: &str, host: Host) -> Result<AdapterOptions, String>;

    /// What it promises where the statements leave a choice.
    fn promises(&self) -> Promises;

    /// Returns when whatever can go on by itself has had the time to, before a check looks for what must
    /// *not* have come.
    ///
    /// A device that does its work on the callers' threads has nothing to do here; one with hardware behind
    /// it waits for a fraction of a second.
    fn settle(&self);
}

/// Which adapter of a net a check wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Any, with an IPv4 and an IPv6 address if the device has both.
    Any,
    /// One of two with different addresses that reach each other.
    One,
    /// The other of these two.
    Other,
}

/// What a device promises where the statements leave a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promises {
    /// A connected queue pair stays connected when it is flushed.
    pub connected_after_flush: bool,
    /// A refused remote access is ACCESS_VIOLATION at the requester and never REMOTE_RESOURCES.
    pub remote_access_violation: bool,
}

impl Promises {
    /// All that can be promised: what qpair's own devices do.
    pub const ALL: Self = Self { connected_after_flush: true, remote_access_violation: true };
}

/// The built-in device of that name: `local`, and with the feature `rdma-core` any other that opens.
pub fn device(name: &str) -> Option<Arc<dyn Device>> {
    if name == LOCAL {
        return Some(Arc::new(Local));
    }
    #[cfg(feature = "rdma-core")]
    if let Ok(adapter) = Adapter::open(name) {
        return Some(Arc::new(super::kernel::Kernel::new(name, &adapter.addresses())));
    }
    None
}

const LOCAL: &str = "local";

/// The emulated device of this process.
#[derive(Debug)]
struct Local;

impl Device for Local {
    fn name(&self) -> &str {
        LOCAL
    }

    fn options(&self, net: &str, host: Host) -> Result<AdapterOptions, String> {
        let address = match host {
            Host::Any => "",
            Host::One => "@10.0.0.1",
            Host::Other => "@10.0.0.2",
        };
        Ok(Adapter::options(&format!("{LOCAL}/{net}{address}")))
    }

    fn promises(&self) -> Promises {
        Promises::ALL
    }

    /// Traffic runs on the callers' threads; the helper thread is given a turn.
    fn settle(&self) {
        std::thread::yield_now();
    }
}

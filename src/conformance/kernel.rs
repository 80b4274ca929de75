//! Devices of the kernel under the suite.
//!
//! They have one network, the machine's own, so one check runs at a time, and no clock that can be set. What
//! a device tells comes by way of the kernel, hence a check that looks for what must not come waits a little.

use super::device::{Device, Host, Promises};
use crate::ndk::{Adapter, AdapterOptions};
use std::sync::mpsc;
use std::time::Duration;

/// So long whatever can go on is given the time to; some checks ask for it a thousand times.
const LITTLE: Duration = Duration::from_millis(20);

/// A device of the kernel, by name.
#[derive(Debug)]
pub(super) struct Kernel {
    name: String,
}

impl Kernel {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

impl Device for Kernel {
    fn name(&self) -> &str {
        &self.name
    }

    /// The net is always the machine's; the other of two hosts would be another device.
    fn options(&self, _net: &str, host: Host) -> Option<AdapterOptions> {
        (host != Host::Other).then(|| Adapter::options(&self.name))
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

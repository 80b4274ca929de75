//! What NDK lacks, and not every device has.

use std::fmt;

/// An operation or a right beyond NDK that not every device has.
///
/// Emulated devices have all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// Compare and swap, fetch and add.
    Atomics,
    /// ATOMIC WRITE, as a request.
    AtomicWrite,
    /// RDMA FLUSH, as a request.
    Flush,
    /// Regions that grant `ALLOW_FLUSH_GLOBAL`.
    FlushGlobal,
    /// Regions that grant `ALLOW_FLUSH_PERSISTENT`, where the
    /// memory is of the kind that the device can make survive.
    FlushPersistent,
    /// Regions that grant `ALLOW_REMOTE_INVALIDATE`.
    RemoteInvalidate,
}

impl Feature {
    /// Every feature there is.
    pub const ALL: [Self; 6] = [
        Self::Atomics,
        Self::AtomicWrite,
        Self::Flush,
        Self::FlushGlobal,
        Self::FlushPersistent,
        Self::RemoteInvalidate,
    ];

    /// Its name, as `qpair devices` tells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Atomics => "ATOMICS",
            Self::AtomicWrite => "ATOMIC_WRITE",
            Self::Flush => "FLUSH",
            Self::FlushGlobal => "ALLOW_FLUSH_GLOBAL",
            Self::FlushPersistent => "ALLOW_FLUSH_PERSISTENT",
            Self::RemoteInvalidate => "ALLOW_REMOTE_INVALIDATE",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

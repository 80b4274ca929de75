//! Access bits of regions, windows and queue pairs.

use std::ops::{BitOr, BitOrAssign};

/// What may be done with memory, by whom; bits of `ibv_access_flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access(pub(crate) u32);

impl Access {
    /// Local read only.
    pub const NONE: Self = Self(0);
    /// The device may write for local requests: receives, reads, atomics' results.
    pub const LOCAL_WRITE: Self = Self(1);
    /// A peer may write. On a region it asks for local write too.
    pub const REMOTE_WRITE: Self = Self(1 << 1);
    /// A peer may read.
    pub const REMOTE_READ: Self = Self(1 << 2);
    /// A peer may do atomics. On a region it asks for local write too.
    pub const REMOTE_ATOMIC: Self = Self(1 << 3);
    /// Memory windows may be bound to the region.
    pub const WINDOW_BIND: Self = Self(1 << 4);
    /// Addresses count from zero at the first byte.
    pub const ZERO_BASED: Self = Self(1 << 5);
    /// A peer may flush to global visibility. The kernel judges it: before 6.2 none knew it, and a library
    /// older than rdma-core 45, which has no name for it, passes it on as it is.
    pub const FLUSH_GLOBAL: Self = Self(1 << 8);
    /// A peer may flush to persistence. Soft-RoCE wants persistent memory that is mapped directly, and says
    /// EINVAL of any other.
    pub const FLUSH_PERSISTENT: Self = Self(1 << 9);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Access {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Access {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

#[test]
fn bits_are_those_of_the_header() {
    use rdma_sys::ibv_access_flags as flags;
    let pairs = [
        (Access::LOCAL_WRITE, flags::IBV_ACCESS_LOCAL_WRITE),
        (Access::REMOTE_WRITE, flags::IBV_ACCESS_REMOTE_WRITE),
        (Access::REMOTE_READ, flags::IBV_ACCESS_REMOTE_READ),
        (Access::REMOTE_ATOMIC, flags::IBV_ACCESS_REMOTE_ATOMIC),
        (Access::WINDOW_BIND, flags::IBV_ACCESS_MW_BIND),
        (Access::ZERO_BASED, flags::IBV_ACCESS_ZERO_BASED),
    ];
    pairs.iter().for_each(|(ours, theirs)| assert_eq!(ours.0, theirs.0));
    assert!((Access::LOCAL_WRITE | Access::REMOTE_READ).contains(Access::REMOTE_READ));
    assert!(!Access::LOCAL_WRITE.contains(Access::REMOTE_READ));
}

//! What execution sees of the world: one narrow trait, implemented by the device and by tests.
//!
//! May come in: what a state machine of the execution layer must ask of its surroundings. Not here:
//! behaviour.

use crate::memory::{Denied, Flush, Grant, LocalAccess, RemoteAccess};
use crate::work::{Detail, FlushPlacement, Key, Sge};

/// One end of a connection, as execution reaches it for the length of a pass.
pub(crate) trait Host {
    /// The memory of a scatter/gather entry of this end.
    ///
    /// # Errors
    /// Why the entry may not be used so.
    fn local(&self, sge: Sge, access: LocalAccess) -> Result<Grant<'_>, Denied>;

    /// This end's memory as its peer asks for it.
    ///
    /// # Errors
    /// Why the peer may not.
    fn remote(&self, key: Key, address: u64, length: u32, access: RemoteAccess) -> Result<Grant<'_>, Denied>;

    /// A flush of this end's memory as its peer asks for it; `range` is `None` for the whole region.
    ///
    /// # Errors
    /// Why the peer may not; nothing was started.
    fn flush(&self, key: Key, range: Option<(u64, u32)>, placement: FlushPlacement) -> Result<Flush, Denied>;

    /// Invalidates a key of this end because its peer says so.
    ///
    /// # Errors
    /// Why that key cannot be invalidated remotely; nothing changed.
    fn invalidate(&self, key: Key) -> Result<(), Detail>;
}

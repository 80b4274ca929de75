//! Memory windows of type 2: bound and invalidated by requests.
//!
//! Nothing of a bind is held back: one that may be deferred goes with what was deferred before it, at once.

#![forbid(unsafe_code)]

use super::shadow::Slot;
use super::{Adapter, Pd, Qp, Region, lock};
use crate::backend::Refused;
use crate::device::qp::{How, PostRefused};
use crate::memory::{Binding, Rights};
use crate::work::{CompletionKind, Detail, Key, RequestFlags, Status};
use qpair_rdma_core::{self as rdma, Access};
use std::fmt;
use std::sync::{Arc, Mutex};

/// A memory window.
pub(crate) struct Window {
    adapter: Arc<Adapter>,
    /// The key that tells it from others, as it came.
    pub(crate) home: Key,
    held: Mutex<Held>,
}

struct Held {
    /// Until it is closed.
    mw: Option<rdma::Mw>,
    /// The key of the last bind that was posted, or the one it came with.
    key: u32,
    /// A bind was posted, and no invalidation since.
    bound: bool,
    /// A bind was posted, ever.
    used: bool,
}

impl Window {
    pub(crate) fn new(pd: &Pd) -> Result<Arc<Self>, Refused> {
        let mw = pd.pd.create_mw()?;
        let key = mw.first_rkey();
        let held = Held { mw: Some(mw), key, bound: false, used: false };
        Ok(Arc::new(Self { adapter: Arc::clone(&pd.adapter), home: Key(key), held: Mutex::new(held) }))
    }

    /// The key of the last bind posted; 0 before the first.
    pub(crate) fn latest_key(&self) -> Key {
        let held = lock(&self.held);
        if held.used { Key(held.key) } else { Key::default() }
    }

    /// Destroys it, bound or not; `done` is called when it is gone.
    pub(crate) fn close(self: &Arc<Self>, done: impl FnOnce() + Send + 'static) {
        let (window, mut done) = (Arc::clone(self), Some(done));
        self.adapter.chore(move || {
            let gone = window.destroy();
            if gone {
                if let Some(done) = done.take() {
                    done();
                }
            }
            gone
        });
    }

    fn destroy(&self) -> bool {
        let mut held = lock(&self.held);
        let Some(mw) = held.mw.take() else { return true };
        match mw.close() {
            Ok(()) => true,
            Err(refused) => {
                tracing::debug!(error = %refused.error, "a window is not destroyed yet");
                held.mw = Some(refused.object);
                false
            }
        }
    }
}

impl Qp {
    /// Posts the binding of a window; gives its new key.
    pub(crate) fn post_bind(
        self: &Arc<Self>,
        window: &Window,
        region: &Region,
        binding: &Binding,
        how: How,
    ) -> Result<Key, PostRefused> {
        let mut held = lock(&window.held);
        let Held { mw: Some(mw), key, bound, .. } = &*held else { return Err(PostRefused::OtherDomain) };
        let rkey = rdma::next_rkey(*key);
        let posted = region.with_mr(|mr| {
            let bind = rdma::Bind {
                window: mw,
                replaces: *key,
                rkey,
                region: mr,
                address: binding.address,
                length: binding.length,
                access: access(binding.rights),
            };
            self.post_at_once(slot(how, CompletionKind::Bind, *bound), how.flags, rdma::Operation::Bind(bind))
        });
        // A region that is gone by now has the key of nothing.
        posted.unwrap_or(Err(PostRefused::OtherDomain))?;
        (held.key, held.bound, held.used) = (rkey, true, true);
        Ok(Key(rkey))
    }

    /// Posts the invalidation of a window's last bind.
    pub(crate) fn post_invalidate(self: &Arc<Self>, window: &Window, how: How) -> Result<(), PostRefused> {
        let mut held = lock(&window.held);
        // Soft-RoCE (Linux 6.12) follows a null pointer in the kernel if the window is not bound. The key of
        // nothing is refused in the same place, and that is what the invalidation is to come to (MW-8).
        let key = if held.bound { held.key } else { 0 };
        let operation = rdma::Operation::LocalInvalidate(key);
        self.post_at_once(slot(how, CompletionKind::Invalidate, held.bound), how.flags, operation)?;
        held.bound = false;
        Ok(())
    }
}

/// What a device calls the rights of a peer.
fn access(rights: Rights) -> Access {
    let pick = |right, bit| if rights.contains(right) { bit } else { Access::NONE };
    pick(Rights::REMOTE_READ, Access::REMOTE_READ) | pick(Rights::REMOTE_WRITE, Access::REMOTE_WRITE)
}

/// What is remembered of a request on a window; in place of a length, whether the window was bound.
fn slot(how: How, kind: CompletionKind, bound: bool) -> Slot {
    let silent = how.flags.contains(RequestFlags::SILENT_SUCCESS);
    Slot { context: how.context, kind, silent, length: bound.into() }
}

/// Why a request on a window was refused, where the device says only that everything is flushed.
pub(super) fn refusal(slot: &Slot) -> Option<(Status, Detail)> {
    match (slot.kind, slot.length) {
        (CompletionKind::Bind, 0) => Some((Status::WindowBind, Detail::None)),
        (CompletionKind::Bind, _) => Some((Status::LocalQpOperation, Detail::StillValid)),
        (CompletionKind::Invalidate, _) => Some((Status::LocalQpOperation, Detail::NotValid)),
        _ => None,
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("key", &self.latest_key()).finish_non_exhaustive()
    }
}

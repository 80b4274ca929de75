//! Memory windows of type 2: bound and invalidated by requests.
//!
//! Nothing of a bind is held back: one that may be deferred goes with what was deferred before it, at once.
//! A bind names objects of the C library, which do not fit a slot: they wait beside the queue, and posting
//! one takes a lock of the window and, for a moment, that of those who wait.

#![forbid(unsafe_code)]

use super::{Adapter, Pd, Qp, Region, lock};
use crate::backend::Refused;
use crate::device::callbacks;
use crate::device::qp::{How, PostRefused};
use crate::memory::{self, Rights};
use crate::ring::Post;
use crate::work::{CompletionKind, Detail, Key, Opcode, SendRequest, Status};
use qpair_rdma_core::{self as rdma, Access};
use std::fmt;
use std::sync::{Arc, Mutex};

/// A memory window.
pub(crate) struct Window {
    adapter: Arc<Adapter>,
    /// The key that tells it from others, as it came.
    pub(crate) home: Key,
    /// Held while a request on the window is posted.
    keys: Mutex<Keys>,
    /// Until it is closed; held while the device gets a bind.
    mw: Mutex<Option<rdma::Mw>>,
}

struct Keys {
    /// The key of the last bind that was posted, or the one it came with.
    key: u32,
    /// A bind was posted, and no invalidation since.
    bound: bool,
    /// A bind was posted, ever.
    used: bool,
}

/// A bind that the device has not got yet.
pub(super) struct Binding {
    window: Arc<Window>,
    region: Arc<Region>,
    binding: memory::Binding,
    replaces: u32,
    rkey: u32,
}

/// Binds that the device has not got yet, by number.
#[derive(Default)]
pub(super) struct Bindings {
    next: u64,
    waiting: Vec<(u64, Box<Binding>)>,
}

impl Binding {
    /// Does something with the operation of verbs.
    pub(super) fn with_operation(
        &self,
        with: impl FnOnce(rdma::Operation<'_>) -> Result<(), rdma::Error>,
    ) -> Result<(), rdma::Error> {
        let mw = lock(&self.window.mw);
        let Some(window) = &*mw else { return Err(gone()) };
        let done = self.region.with_mr(|region| {
            with(rdma::Operation::Bind(rdma::Bind {
                window,
                replaces: self.replaces,
                rkey: self.rkey,
                region,
                address: self.binding.address,
                length: self.binding.length,
                access: access(self.binding.rights),
            }))
        });
        done.unwrap_or_else(|| Err(gone()))
    }
}

/// The objects of a request were closed before the device got it.
pub(super) fn gone() -> rdma::Error {
    let problem = "was closed while a request on it was pending";
    rdma::Error::Unfit { call: "post", argument: "the window or its region", problem }
}

impl Window {
    pub(crate) fn new(pd: &Pd) -> Result<Arc<Self>, Refused> {
        let mw = pd.pd.create_mw()?;
        let key = mw.first_rkey();
        let keys = Mutex::new(Keys { key, bound: false, used: false });
        let (adapter, mw) = (Arc::clone(&pd.adapter), Mutex::new(Some(mw)));
        Ok(Arc::new(Self { adapter, home: Key(key), keys, mw }))
    }

    /// The key of the last bind posted; 0 before the first.
    pub(crate) fn latest_key(&self) -> Key {
        let keys = lock(&self.keys);
        if keys.used { Key(keys.key) } else { Key::default() }
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
        let mut held = lock(&self.mw);
        let Some(mw) = held.take() else { return true };
        match mw.close() {
            Ok(()) => true,
            Err(refused) => {
                tracing::debug!(error = %refused.error, "a window is not destroyed yet");
                *held = Some(refused.object);
                false
            }
        }
    }
}

impl Qp {
    /// Posts the binding of a window; gives its new key.
    pub(crate) fn post_bind(
        self: &Arc<Self>,
        window: &Arc<Window>,
        region: &Arc<Region>,
        binding: memory::Binding,
        how: How,
    ) -> Result<Key, PostRefused> {
        let _told_without_lock = callbacks::guard();
        let mut keys = lock(&window.keys);
        // A region that is gone by now has the key of nothing.
        if lock(&window.mw).is_none() || region.with_mr(|_| ()).is_none() {
            return Err(PostRefused::OtherDomain);
        }
        let rkey = rdma::next_rkey(keys.key);
        let (window, region) = (Arc::clone(window), Arc::clone(region));
        let number = self.wait_for_device(Binding { window, region, binding, replaces: keys.key, rkey });
        let mut request = self.of_window(how, Opcode::Bind, keys.bound, rkey);
        request.remote_address = number;
        if let Err(refused) = self.put(Post::Plain, |payload, _| request.encode(payload)) {
            self.take_binding(&request);
            return Err(refused);
        }
        *keys = Keys { key: rkey, bound: true, used: true };
        Ok(Key(rkey))
    }

    /// Posts the invalidation of a window's last bind.
    pub(crate) fn post_invalidate(self: &Arc<Self>, window: &Window, how: How) -> Result<(), PostRefused> {
        let _told_without_lock = callbacks::guard();
        let mut keys = lock(&window.keys);
        // Soft-RoCE (Linux 6.12) follows a null pointer in the kernel if the window is not bound. The key of
        // nothing is refused in the same place, and that is what the invalidation is to come to (MW-8).
        let key = if keys.bound { keys.key } else { 0 };
        let request = self.of_window(how, Opcode::LocalInvalidate, keys.bound, key);
        self.put(Post::Plain, |payload, _| request.encode(payload))?;
        keys.bound = false;
        Ok(())
    }

    /// In place of a home, whether the window was bound.
    fn of_window(&self, how: How, opcode: Opcode, bound: bool, key: u32) -> SendRequest {
        SendRequest::of_keys(how.context, opcode, how.flags, Key(bound.into()), Key(key))
    }

    /// Keeps a bind until the device gets it; its number.
    fn wait_for_device(&self, binding: Binding) -> u64 {
        let mut bindings = lock(&self.bindings);
        bindings.next += 1;
        let number = bindings.next;
        bindings.waiting.push((number, Box::new(binding)));
        number
    }

    /// What such a request is to bind.
    pub(super) fn take_binding(&self, request: &SendRequest) -> Option<Box<Binding>> {
        let mut bindings = lock(&self.bindings);
        let place = bindings.waiting.iter().position(|(number, _)| *number == request.remote_address)?;
        Some(bindings.waiting.swap_remove(place).1)
    }
}

/// What a device calls the rights of a peer.
fn access(rights: Rights) -> Access {
    let pick = |right, bit| if rights.contains(right) { bit } else { Access::NONE };
    pick(Rights::REMOTE_READ, Access::REMOTE_READ) | pick(Rights::REMOTE_WRITE, Access::REMOTE_WRITE)
}

/// Why a request on a window was refused, where the device says only that everything is flushed.
pub(super) fn refusal(request: &SendRequest) -> Option<(Status, Detail)> {
    let bound = request.first.token != Key(0);
    match CompletionKind::from(request.opcode) {
        CompletionKind::Bind if !bound => Some((Status::WindowBind, Detail::None)),
        CompletionKind::Bind => Some((Status::LocalQpOperation, Detail::StillValid)),
        CompletionKind::Invalidate => Some((Status::LocalQpOperation, Detail::NotValid)),
        _ => None,
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("key", &self.latest_key()).finish_non_exhaustive()
    }
}

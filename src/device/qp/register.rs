//! Posting what works on keys: bind, fast register, local invalidate.
//!
//! The key of a binding or registration is chosen when its request is taken, so that a peer can be told of it
//! in the very next one; it grants something once the request has been executed.

use super::Qp;
use super::post::PostRefused;
use crate::device::Device;
use crate::device::pinned::with_pin;
use crate::memory::{Binding, NotStaged, PLACES, PageList};
use crate::observe::{self, Event};
use crate::ring::{NoRoom, Post};
use crate::work::{Key, Opcode, RequestFlags, SendRequest};
use std::sync::Arc;

/// How a request is posted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) context: u64,
    pub(crate) flags: RequestFlags,
    pub(crate) deferred: bool,
    /// The generation of the new key, where the user chooses it.
    pub(crate) low: Option<u8>,
}

/// What to bind; the range has been judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bind {
    /// The window's home.
    pub(crate) window: Key,
    pub(crate) binding: Binding,
}

impl Qp {
    /// Posts the binding of a window; gives its new key.
    pub(crate) fn post_bind(self: &Arc<Self>, bind: &Bind, how: How) -> Result<Key, PostRefused> {
        let Bind { window, binding } = bind;
        let mut request = SendRequest::of_keys(how.context, Opcode::Bind, how.flags, *window, Key(0));
        request.entries = binding.rights.bits();
        (request.rkey, request.remote_address) = (binding.region, binding.address);
        request.first.address = binding.length;
        self.post_keys(request, how, Some(*window))
    }

    /// Posts a fast registration; gives its new key.
    pub(crate) fn post_fast_register(
        self: &Arc<Self>,
        home: Key,
        list: &PageList<'_>,
        how: How,
    ) -> Result<Key, PostRefused> {
        let place = with_pin(|pin| self.device.keys().stage(pin, home, list)).map_err(|refused| {
            self.expose_deferred();
            PostRefused::of_stage(refused, list)
        })?;
        let mut request = SendRequest::of_keys(how.context, Opcode::FastRegister, how.flags, home, Key(0));
        request.entries = place;
        let posted = self.post_keys(request, how, Some(home));
        if posted.is_err() {
            with_pin(|pin| self.device.keys().unstage(pin, home, place));
        }
        posted
    }

    /// Posts the invalidation of what was last posted for a window or fast-register entry.
    pub(crate) fn post_invalidate(self: &Arc<Self>, home: Key, how: How) -> Result<(), PostRefused> {
        let key = latest_key(&self.device, home);
        let request = SendRequest::of_keys(how.context, Opcode::LocalInvalidate, how.flags, home, key);
        self.post_keys(request, how, None).map(|_| ())
    }

    /// Posts the request with its key: the next one of `chooser`, if there is one.
    fn post_keys(
        self: &Arc<Self>,
        mut request: SendRequest,
        how: How,
        chooser: Option<Key>,
    ) -> Result<Key, PostRefused> {
        let post = if how.deferred { Post::Deferred } else { Post::Plain };
        // The key is chosen in the slot: a post that is refused leaves the last one as it was.
        let posted = self.sq.post(1, post, |_, payload, _| {
            if let Some(home) = chooser {
                let chosen = with_pin(|pin| self.device.keys().choose(pin, home, how.low));
                request.immediate_or_key = chosen.unwrap_or_default().0;
            }
            request.encode(payload);
        });
        if posted.refused.is_none() {
            observe::request(|| {
                let (qpn, context, deferred) = (self.qpn(), how.context, how.deferred);
                Event::Posted { qpn, context, kind: request.opcode.into(), length: 0, deferred }
            });
        }
        if let Some(held) = posted.held {
            self.device.run_posted(self, held);
        }
        match posted.refused {
            None => Ok(Key(request.immediate_or_key)),
            Some(NoRoom::Full) => Err(PostRefused::Full { depth: self.sq.depth() }),
            Some(NoRoom::Closed) => Err(PostRefused::NotConnected),
        }
    }
}

/// The key that was chosen last for a window or fast-register entry; 0 for none.
pub(crate) fn latest_key(device: &Device, home: Key) -> Key {
    with_pin(|pin| device.keys().latest(pin, home)).unwrap_or_default()
}

impl PostRefused {
    fn of_stage(refused: NotStaged, list: &PageList<'_>) -> Self {
        match refused {
            NotStaged::Closed => Self::NotInitialized,
            NotStaged::TooManyPages { max } => Self::TooManyPages { got: list.pages.len(), max },
            NotStaged::NoPlace => Self::NoPlace { places: PLACES },
            NotStaged::NoRemoteAccess => Self::NoRemoteAccess,
        }
    }
}

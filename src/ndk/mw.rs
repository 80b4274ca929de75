//! Memory windows.

use super::adapter::AdapterCore;
use super::handle::{self, Object};
use super::pd::{self, PdCore};
use super::{Error, Request, Token};
use crate::backend;
use crate::device::lifetime::Life;
use std::fmt;
use std::sync::Arc;

/// A window: rights to a part of a region, given to the peer of one queue pair (type 2B).
///
/// It gives no access before [`Qp::bind`](super::Qp::bind) has bound it, and none any more when
/// [`Qp::invalidate`](super::Qp::invalidate), or a message of the peer, has ended that; then it may be bound
/// again, elsewhere too. Its close, or drop, unbinds it.
pub struct Mw {
    life: Arc<Life>,
    pub(super) adapter: Arc<AdapterCore>,
    pub(super) window: backend::Window,
    pub(super) pd: u32,
}

impl Mw {
    pub(super) fn new(pd: &PdCore) -> Result<Self, Error> {
        let window = pd.pd.create_window().map_err(|refused| pd::refused("NdkCreateMw", refused))?;
        let (life, adapter) = (Life::new([pd.hold()]), Arc::clone(&pd.adapter));
        Ok(Self { life, adapter, window, pd: pd.number })
    }

    /// The token for the peer's requests (`NdkGetRemoteTokenFromMw`): that of the last bind posted (MW-2).
    ///
    /// Each bind gives another one. Addresses go on in the numbering of the region that it is bound to.
    pub fn remote_token(&self) -> Token {
        self.window.latest_key()
    }

    /// Closes the window, and unbinds it if it is bound.
    ///
    /// Pends while an access through it is going on.
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.adapter.late_close(&self.life);
        self.end(Some(callback));
        request
    }

    fn end(&self, callback: Option<crate::device::lifetime::Task>) {
        if self.life.is_closing() {
            return;
        }
        let until_unused = self.life.hold();
        handle::begin_close(self, callback);
        self.window.close(move || drop(until_unused));
    }
}

impl Object for Mw {
    fn life(&self) -> &Arc<Life> {
        &self.life
    }
}

impl Drop for Mw {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl fmt::Debug for Mw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mw").field("token", &self.window.home().0).finish_non_exhaustive()
    }
}

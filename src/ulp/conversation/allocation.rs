//! Allocation: from what a program asks for to a session with an attach in its buffer.

use super::attach::Attach;
use super::code::{Abend, Code};
use super::lu::{LuCore, Partner};
use super::node::DEVICE_GONE;
use super::pending::Pending;
use super::session::{Link, Session, setup_code};
use super::state::State;
use event_listener::Event;
use std::sync::Arc;

/// Gets a session to `partner`; the attach stays in its buffer until something flushes it.
/// `owner` is notified with it, from the beginning.
pub(super) fn allocate(
    lu: &Arc<LuCore>,
    partner: &Partner,
    attach: Attach,
    owner: &Arc<Event>,
) -> Pending<Result<Share, Code>> {
    let session = match begin(lu, partner, attach) {
        Ok(session) => session,
        Err(code) => return Pending::ready(Err(code)),
    };
    session.set_owner(owner);
    let event = Arc::clone(&session.event);
    let mut share = Some(Share { lu: Arc::clone(lu), session });
    Pending::new(&event, move || match share.as_ref()?.session.link() {
        Link::Connecting => None,
        Link::Failed(code) => Some(Err(code)),
        // A connection that broke meanwhile is told by the next verb.
        Link::Up | Link::Down => share.take().map(Ok),
    })
}

fn begin(lu: &Arc<LuCore>, partner: &Partner, attach: Attach) -> Result<Arc<Session>, Code> {
    if !lu.node.is_up() {
        return Err(Code::NodeDown);
    }
    lu.node.system_call()?;
    attach.check().map_err(Code::Refused)?;
    Session::connect(lu, partner.address, attach).map_err(|error| {
        let code = setup_code(&error);
        if code == Code::NodeDown {
            lu.node.mark_down(DEVICE_GONE);
        }
        code
    })
}

/// A program's share in a session.
///
/// Dropped before its end, the conversation ends abnormally, as that of a program which ends without a word.
pub(super) struct Share {
    pub(super) lu: Arc<LuCore>,
    pub(super) session: Arc<Session>,
}

impl Share {
    /// The conversation is over for the program.
    pub(super) fn is_over(&self) -> bool {
        self.session.state() == State::Reset
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.session.act(|half| half.cancel(Abend::Program, Code::Cancelled));
        if self.session.link() == Link::Connecting {
            self.session.lose(); // nobody will use it when it is there
        }
    }
}

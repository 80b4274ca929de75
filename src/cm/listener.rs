//! A listener: what becomes of a connect request that arrives (ndkpi.md 4.6).

use super::message::RejReason;

/// Where a listener stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ListenerState {
    /// Not listening yet.
    #[default]
    Created,
    /// Requests are handed over.
    Listening,
    /// Requests are refused as if nobody listened; not held back (LSN-4).
    Paused,
    /// Closed by its consumer, perhaps kept alive by accepted connectors; requests are refused (LSN-6).
    Closing,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Make an incoming connector and call the connect event.
    HandOver,
    /// Send the active side a reject for this reason.
    Refuse(RejReason),
}

/// A listen that came at the wrong time; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("listen on a listener that is {state:?}: a listener listens once; create another")]
pub struct ListenerError {
    /// Where the listener stood, and still stands.
    pub state: ListenerState,
}

/// The gate in front of a listening endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listener {
    state: ListenerState,
}

impl Listener {
    /// A listener that does not listen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a listen would be taken now; ask before taking an endpoint.
    ///
    /// # Errors
    ///
    /// [`ListenerError`] if it has listened before (LSN-3) or is closing.
    pub fn check_listen(&self) -> Result<(), ListenerError> {
        if self.state == ListenerState::Created { Ok(()) } else { Err(ListenerError { state: self.state }) }
    }

    /// Begins to listen; its endpoint has been taken.
    ///
    /// # Errors
    ///
    /// As [`check_listen`](Self::check_listen).
    pub fn listen(&mut self) -> Result<(), ListenerError> {
        self.check_listen()?;
        self.state = ListenerState::Listening;
        Ok(())
    }

    /// Refuses, or hands over again, what arrives from now on; without effect where it does not listen.
    pub fn pause(&mut self, pause: bool) {
        if matches!(self.state, ListenerState::Listening | ListenerState::Paused) {
            self.state = if pause { ListenerState::Paused } else { ListenerState::Listening };
        }
    }

    /// Refuses from now on, for good.
    pub fn close(&mut self) {
        self.state = ListenerState::Closing;
    }

    /// What to do with a request that has just arrived.
    pub fn arrival(&self) -> Arrival {
        match self.state {
            ListenerState::Listening => Arrival::HandOver,
            ListenerState::Created | ListenerState::Paused | ListenerState::Closing => {
                Arrival::Refuse(RejReason::NoListener)
            }
        }
    }

    /// Where it stands.
    pub fn state(&self) -> ListenerState {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Arrival = Arrival::Refuse(RejReason::NoListener);

    fn listening() -> Listener {
        let mut listener = Listener::new();
        listener.listen().unwrap();
        listener
    }

    #[test]
    fn lsn_3_listening_twice_fails() {
        let mut listener = listening();
        assert_eq!(listener.listen(), Err(ListenerError { state: ListenerState::Listening }));
        assert_eq!(listener.arrival(), Arrival::HandOver);
    }

    #[test]
    fn lsn_4_paused_refuses_and_lsn_5_restarted_hands_over() {
        let mut listener = listening();
        listener.pause(true);
        assert_eq!(listener.arrival(), REFUSED);
        listener.pause(false);
        assert_eq!(listener.arrival(), Arrival::HandOver);
    }

    #[test]
    fn lsn_6_closing_refuses_whatever_comes_after() {
        let mut listener = listening();
        listener.close();
        listener.pause(false);
        assert_eq!(listener.arrival(), REFUSED);
        assert_eq!(listener.listen(), Err(ListenerError { state: ListenerState::Closing }));
    }

    #[test]
    fn pausing_before_listening_changes_nothing() {
        let mut listener = Listener::new();
        assert_eq!(listener.arrival(), REFUSED);
        listener.pause(true);
        listener.listen().unwrap();
        assert_eq!(listener.arrival(), Arrival::HandOver);
    }
}

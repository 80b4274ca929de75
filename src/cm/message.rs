//! What two connectors say to each other, as types; bytes are the codec's.

use super::ReadLimits;
use crate::planted::planted;
use crate::work::Qpn;
use std::net::SocketAddr;

/// Most bytes of private data with a connect: 56.
///
/// What a CM REQ has left of its 92 bytes after the 36 of the IP header (NDK `MaxCallerData`).
pub const CONNECT_DATA_MAX: usize = 56;

/// Most bytes of private data with an accept or a reject: 148.
///
/// A CM REP could carry 196, a REJ only 148, and one number holds for both (NDK `MaxCalleeData`).
pub const ANSWER_DATA_MAX: usize = 148;

/// Bytes of private data that a REP has room for: 196.
///
/// What a consumer reads of an accept is padded to it on the wire (ndkpi.md 4.4).
pub const REPLY_DATA_ROOM: usize = 196;

/// Bytes that a consumer sends along with a connect, an accept or a reject.
///
/// That its length is legal was checked when it was made, so a call that carries it cannot fail by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PrivateData(Box<[u8]>);

impl PrivateData {
    /// No data: zero bytes are legal everywhere.
    pub fn none() -> Self {
        Self::default()
    }

    /// Data for a connect, at most [`CONNECT_DATA_MAX`] bytes.
    ///
    /// # Errors
    ///
    /// [`TooLong`]; the connector was not touched, so the same one may try again (CONN-12).
    pub fn for_connect(data: &[u8]) -> Result<Self, TooLong> {
        Self::within(data, "connect", CONNECT_DATA_MAX)
    }

    /// Data for an accept or a reject, at most [`ANSWER_DATA_MAX`] bytes.
    ///
    /// # Errors
    ///
    /// [`TooLong`]; the connector was not touched, so the same one may try again (CONN-12).
    pub fn for_answer(data: &[u8]) -> Result<Self, TooLong> {
        Self::within(data, "accept or reject", ANSWER_DATA_MAX)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn within(data: &[u8], call: &'static str, max: usize) -> Result<Self, TooLong> {
        if data.len() > max {
            return Err(TooLong { call, got: data.len(), max });
        }
        let cut = planted!(PrivateDataCut, "private data ends after 32 bytes");
        Ok(Self(if cut { &data[..data.len().min(32)] } else { data }.into()))
    }
}

/// Private data that does not fit its message; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {got} bytes of private data, at most {max} fit; send the rest after connecting")]
pub struct TooLong {
    /// The call that would have carried it.
    pub call: &'static str,
    /// Bytes given.
    pub got: usize,
    /// Bytes allowed.
    pub max: usize,
}

/// What the peer must know of a queue pair to reach it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QpAddress {
    /// Its number.
    pub qpn: Qpn,
    /// The PSN with which whoever **reads** this must begin to send, 24 bits; not the author's own.
    pub starting_psn: u32,
}

/// Both ends of a connection, as one side sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// This side's address and port.
    pub local: SocketAddr,
    /// The other side's.
    pub peer: SocketAddr,
}

impl Route {
    /// The same connection as the other side sees it.
    pub fn reversed(self) -> Self {
        Self { local: self.peer, peer: self.local }
    }
}

/// One attempt to connect, numbered by the active connector; each message names it.
///
/// A connector whose connect failed may connect again; what the passive side of the earlier attempt still
/// had under way is told apart by this number and dropped. On a wire it is the active communication id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attempt(pub u32);

impl Attempt {
    /// The number of the next attempt of the same connector.
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A message from one connector to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The attempt that it belongs to.
    pub attempt: Attempt,
    /// What it says.
    pub body: Body,
}

impl Message {
    /// The answer with which a request is turned away before it has a connector.
    pub fn refusal(&self, reason: RejReason) -> Self {
        Self { attempt: self.attempt, body: Body::Rej { reason, private_data: PrivateData::none() } }
    }
}

/// What a message says, by the names of the CM messages of IBTA 12.6.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Active: may I connect?
    Req(Request),
    /// Passive: accepted, from now on my queue pair takes requests.
    Rep(Reply),
    /// Active: connected, from now on you may send.
    Rtu,
    /// Either: there will be no connection.
    Rej {
        /// Why.
        reason: RejReason,
        /// The rejecting consumer's words; empty if no consumer had a say.
        private_data: PrivateData,
    },
    /// Either: I take my leave, in good order.
    Dreq,
    /// Either: so do I. The answer to a `Dreq`, given when the consumer has disconnected too.
    Drep,
    /// Either: this connection is dead, whatever was under way. It has no answer.
    Gone,
}

/// The content of a REQ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Both ends, as the active side sees them.
    pub route: Route,
    /// The active queue pair.
    pub qp: QpAddress,
    /// What the active side asks for, capped by what it can do.
    pub limits: ReadLimits,
    /// The connecting consumer's words.
    pub private_data: PrivateData,
}

/// The content of a REP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reply {
    /// The passive queue pair.
    pub qp: QpAddress,
    /// What holds on the passive side.
    pub limits: ReadLimits,
    /// The accepting consumer's words.
    pub private_data: PrivateData,
}

/// Why there will be no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejReason {
    /// Nobody listens there, or the listener is paused or closing (IBTA reason 8).
    NoListener,
    /// The passive side has no room for another connection (3).
    #[expect(dead_code, reason = "the wire carrier needs it")]
    Overloaded,
    /// The consumer rejected or closed its connector (28).
    Consumer,
    /// The passive side still has a connection between these two addresses and ports (10).
    Stale,
    /// The author's wait was over, or its queue pair died (4).
    GaveUp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conn_12_private_data_that_is_too_long_is_refused() {
        let refused = PrivateData::for_connect(&[0; 57]).unwrap_err();
        assert_eq!(refused, TooLong { call: "connect", got: 57, max: 56 });
        assert_eq!(PrivateData::for_answer(&[0; 149]).unwrap_err().max, 148);
    }

    #[test]
    fn conn_13_private_data_of_the_maximum_length_is_taken() {
        assert_eq!(PrivateData::for_connect(&[7; CONNECT_DATA_MAX]).unwrap().as_bytes(), [7; 56]);
        assert_eq!(PrivateData::for_answer(&[7; ANSWER_DATA_MAX]).unwrap().as_bytes(), [7; 148]);
        assert_eq!(PrivateData::for_connect(&[]).unwrap(), PrivateData::none());
    }
}

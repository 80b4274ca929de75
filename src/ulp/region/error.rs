//! Why a region is not to be had, or does not do what was asked of it.

use crate::ndk::{CqError, Error, MemoryError, PostError, Status};
use std::fmt;
use std::net::SocketAddr;

/// Why a server does not give a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It has none of that name.
    Unknown = 1,
    /// It has as many connections as it takes, or no resources for one more.
    Full = 2,
    /// It does not understand who asks.
    Words = 3,
}

impl Refusal {
    pub(super) const ALL: [Self; 3] = [Self::Unknown, Self::Full, Self::Words];

    pub(super) fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| *refusal as u32 == number)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "it offers no region of that name",
            Self::Full => "it takes no more connections now; try again later",
            Self::Words => "it is of another version",
        })
    }
}

/// Why a region is not to be had, or does not do what was asked of it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// There is no connection, or nothing to make one of.
    #[error("region {name:?} at {address}: {error}")]
    Setup {
        /// The region.
        name: String,
        /// The server's address.
        address: SocketAddr,
        /// What failed.
        #[source]
        error: Error,
    },
    /// The server does not give it.
    #[error("region {name:?} at {address}: the server refuses, {refusal}")]
    Refused {
        /// The region.
        name: String,
        /// The server's address.
        address: SocketAddr,
        /// Why.
        refusal: Refusal,
    },
    /// Who answers there is no server of regions.
    #[error("region {name:?} at {address}: who answers there is no server of regions, or of another version")]
    Stranger {
        /// The region.
        name: String,
        /// The server's address.
        address: SocketAddr,
    },
    /// The part of this side's memory leaves its region.
    #[error("{0}")]
    Part(#[from] Error),
    /// There is no memory to send from and to read into.
    #[error("{0}")]
    Memory(#[from] MemoryError),
    /// A request was not taken: the connection is gone.
    #[error("{0}")]
    Post(#[from] PostError),
    /// The completion queue is of no use any more.
    #[error("{0}")]
    Queue(#[from] CqError),
    /// A request has failed, and the connection is gone.
    #[error("{request} ended with {status}: {}", meaning(*.status))]
    Request {
        /// Which.
        request: &'static str,
        /// With what.
        status: Status,
    },
}

/// What a status says here, and what to do.
fn meaning(status: Status) -> &'static str {
    match status {
        Status::REMOTE_RESOURCES => {
            "the peer's storage failed, or the bytes are in doubt since it did; write them again and flush"
        }
        Status::ACCESS_VIOLATION => "the region was withdrawn, has become shorter, or lacks the right",
        _ => "the connection is gone; connect again",
    }
}

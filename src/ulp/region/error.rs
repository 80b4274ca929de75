//! Why regions are not to be had, or do not do what was asked of them.

use crate::fabric::done::Abandoned;
use crate::ndk::{Error, Status};
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

/// What a server offers: its address, and the name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionName {
    /// The server's address.
    pub address: SocketAddr,
    /// What it calls the regions.
    pub name: String,
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.name)
    }
}

/// Why a server does not give regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It has none of that name.
    Unknown = 1,
    /// It has as many connections as it takes, or no resources for one more.
    Full = 2,
    /// It does not understand who asks.
    Words = 3,
    /// They are for one user at a time, and another has them.
    Taken = 4,
}

impl Refusal {
    pub(super) const ALL: [Self; 4] = [Self::Unknown, Self::Full, Self::Words, Self::Taken];
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "it offers nothing of that name",
            Self::Full => "it takes no more connections now; try again later",
            Self::Words => "it is of another version",
            Self::Taken => "another user has it; try again when that one has parted",
        })
    }
}

/// Why a request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The range leaves the region; nothing was done, and the connection stands.
    Outside,
    /// It ended with that status, and the connection is gone.
    Status(Status),
    /// The connection is gone.
    Lost,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("the region ends before"),
            Self::Status(status) => write!(f, "it ended with {status}: {}", meaning(*status)),
            Self::Lost => f.write_str("the connection is gone; connect again"),
        }
    }
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

/// Why regions are not to be had, or do not do what was asked of them.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// There is no connection, or nothing to make one of.
    #[error("{of}: {error}")]
    Setup {
        /// Whose.
        of: RegionName,
        /// What failed.
        #[source]
        error: Error,
    },
    /// The server does not give them.
    #[error("{of}: the server refuses, {refusal}")]
    Refused {
        /// What it was asked for.
        of: RegionName,
        /// Why.
        refusal: Refusal,
    },
    /// Who answers there is no server of regions.
    #[error("{of}: who answers there is no server of regions, or of another version")]
    Stranger {
        /// What it was asked for.
        of: RegionName,
    },
    /// A request has failed.
    #[error("{request} of bytes {}..{} of region {region} of {of}: {failure}", range.start, range.end)]
    Request {
        /// Which.
        request: &'static str,
        /// Whose region.
        of: RegionName,
        /// Which region.
        region: usize,
        /// Which bytes.
        range: Range<u64>,
        /// Why.
        failure: Failure,
    },
    /// The link was dropped before.
    #[error("the link to the regions is closed")]
    Closed,
}

impl Abandoned for RegionError {
    fn abandoned() -> Self {
        Self::Closed
    }
}

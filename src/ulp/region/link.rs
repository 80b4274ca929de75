//! Who uses a region: a connection, and requests that are waited for.

use super::RegionError;
use super::words;
use crate::ndk::ext::{FlushPlacement, QpExt};
use crate::ndk::{
    Adapter, Completion, Connector, Cq, CqNotify, Error, Mr, OnDisconnect, OpFlags, Pd, PostError, Qp,
    QpDescription, ReadLimits, RemoteAddress, Sge, Status,
};
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

/// Requests that can be under way at once.
const DEPTH: u32 = 16;
/// As many reads and flushes as the adapter can make; none of the peer.
const LIMITS: ReadLimits = ReadLimits { inbound: 0, outbound: u32::MAX };

/// A connection to one region of a server.
///
/// Each call waits for its requests, and so must not be made in a callback of the adapter. After a failure
/// the connection is gone: make another. One user at a time; dropped, it parts.
pub struct RegionLink {
    first: RemoteAddress,
    length: u64,
    /// Bytes that one request may move.
    transfer: usize,
    // In this order: the connection breaks off before what it uses closes.
    _connector: Connector,
    qp: Qp,
    cq: Cq,
}

impl RegionLink {
    /// Connects to the region of that name.
    ///
    /// Parts of memory that is registered with `pd` can be moved by it.
    ///
    /// # Errors
    /// [`RegionError::Setup`]: nobody listens there, say. [`RegionError::Refused`],
    /// [`RegionError::Stranger`].
    pub fn connect(adapter: &Adapter, pd: &Pd, address: SocketAddr, name: &str) -> Result<Self, RegionError> {
        let setup = |error: Error| RegionError::Setup { name: name.to_owned(), address, error };
        let stranger = || RegionError::Stranger { name: name.to_owned(), address };
        let cq = adapter.create_cq(DEPTH, CqNotify::Waiters).wait().map_err(setup)?;
        let description = QpDescription::new(&cq).receive_depth(0).initiator_depth(DEPTH);
        let qp = pd.create_qp(description).wait().map_err(setup)?;
        let connector = adapter.create_connector().wait().map_err(setup)?;
        let local = own_address(adapter, address).map_err(setup)?;
        let said = |connector: &Connector| connector.connection_data().map(|data| data.private_data);
        if let Err(error) = connector.connect(&qp, local, address, LIMITS, &words::ask(name)).wait() {
            let refusal = said(&connector).ok().and_then(|said| words::refused(&said));
            return Err(match refusal {
                Some(refusal) => RegionError::Refused { name: name.to_owned(), address, refusal },
                None => setup(error),
            });
        }
        let answer = said(&connector).map_err(setup)?;
        let (length, first) = words::answered(&answer).ok_or_else(stranger)?;
        connector.complete_connect(OnDisconnect::ignore()).wait().map_err(setup)?;
        let transfer = adapter.info().max_transfer_length as usize;
        Ok(Self { first, length, transfer, _connector: connector, qp, cq })
    }

    /// Bytes of the region, as the server said when it was connected.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes a part of `mr` to the region, from `at` on; then the peer's memory has it.
    ///
    /// # Errors
    /// [`RegionError::Part`]: the part leaves `mr`, and nothing was written. Else the connection is gone,
    /// and any of it may have been written.
    pub fn write(&self, mr: &Mr, part: Range<usize>, at: u64) -> Result<(), RegionError> {
        self.transfer("RDMA WRITE", mr, part, at, |sge, place| self.qp.write(0, &[sge], place, OpFlags::NONE))
    }

    /// Reads into a part of `mr`, from `at` on.
    ///
    /// # Errors
    /// As [`write`](Self::write), with what was read.
    pub fn read(&self, mr: &Mr, part: Range<usize>, at: u64) -> Result<(), RegionError> {
        self.transfer("RDMA READ", mr, part, at, |sge, place| self.qp.read(0, &[sge], place, OpFlags::NONE))
    }

    /// Has the peer make parts of the region survive a crash: RDMA FLUSH to persistence of each, in order.
    ///
    /// Covers what this link has written there before. Each range has up to 2^32 - 1 bytes.
    ///
    /// # Errors
    /// [`RegionError::Request`]: some range was not made stable, and the connection is gone. What its storage
    /// failed to make stable is in doubt until it was written again: a flush of it fails without.
    pub fn flush(&self, ranges: &[Range<u64>]) -> Result<(), RegionError> {
        for ranges in ranges.chunks(DEPTH as usize) {
            for range in ranges {
                let (place, length) = (self.first.plus(range.start), (range.end - range.start) as u32);
                let placement = FlushPlacement::PERSISTENT;
                self.qp.flush_remote(0, place, length, placement, OpFlags::NONE)?;
            }
            self.end("RDMA FLUSH", ranges.len())?;
        }
        Ok(())
    }

    /// Moves a part in as many requests as the adapter wants, one after the other.
    fn transfer(
        &self,
        request: &'static str,
        mr: &Mr,
        part: Range<usize>,
        at: u64,
        post: impl Fn(Sge, RemoteAddress) -> Result<(), PostError>,
    ) -> Result<(), RegionError> {
        let mut moved = 0;
        while moved < part.len() {
            let from = part.start + moved;
            let to = part.end.min(from + self.transfer);
            post(mr.sge(from..to)?, self.first.plus(at + moved as u64))?;
            self.end(request, 1)?;
            moved += to - from;
        }
        Ok(())
    }

    /// Waits until so many requests have ended; the first failure, if there is one.
    fn end(&self, request: &'static str, posted: usize) -> Result<(), RegionError> {
        let mut left = posted;
        let mut failure = None;
        while left > 0 {
            let mut ended = [Completion::default(); DEPTH as usize];
            let count = self.cq.wait(&mut ended, None)?;
            let failed = ended[..count].iter().find(|ended| ended.status != Status::SUCCESS);
            failure = failure.or(failed.map(|ended| ended.status));
            left = left.saturating_sub(count);
        }
        failure.map_or(Ok(()), |status| Err(RegionError::Request { request, status }))
    }
}

impl fmt::Debug for RegionLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionLink").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The adapter's address to connect from, with a port of its choice.
fn own_address(adapter: &Adapter, to: SocketAddr) -> Result<SocketAddr, Error> {
    let found = adapter.addresses().into_iter().find(|own| own.is_ipv4() == to.is_ipv4());
    found.ok_or_else(|| {
        Error::new("RegionLink::connect", Status::INVALID_ADDRESS)
            .with_argument("address", to)
            .with_hint("give one of the family that the adapter's addresses are of")
    })
}

//! Files that are regions of a peer, whose disk forgets.

use super::*;
use crate::fabric::storage::forget::Fails;
use crate::ulp::file::peer::Peer;

const EIO: i32 = 5;
const TEXT: &[u8] = b"more than the buffer of this file holds, twice over";

/// What was flushed is there after any crash, what a spill wrote before too; what was not may be lost.
pub(super) fn mmio_32_flushed() -> Plain {
    let peer = Peer::new("mmio_32")?;
    let mut file = peer.open(&peer.files(), 16)?;
    same!(file.write(TEXT)?, TEXT.len());
    holds!(!peer.keeps(0, &TEXT[..16]), "a spill alone promises nothing");
    file.flush(Flush::Keep)?;
    holds!(peer.keeps(0, TEXT));
    file.write(b"lost?")?;
    holds!(!peer.keeps(TEXT.len(), b"lost?"), "the disk forgets what was not flushed");
    file.close(false).map_err(Error::from)?;
    holds!(peer.keeps(TEXT.len(), b"lost?"), "a close flushes");
    Ok(())
}

/// An error of the peer's disk is CANNOTWRITE; the bytes are kept, and a later flush makes them stable.
pub(super) fn mmio_32_disk_in_trouble() -> Plain {
    for fails in [Fails::Write, Fails::Sync] {
        let peer = Peer::new("mmio_32_trouble")?;
        let mut file = peer.open(&peer.files(), 16)?;
        file.write(TEXT)?;
        peer.disk.fail(fails, 0, EIO);
        same!(code(file.flush(Flush::Empty)), Code::CANNOT_WRITE);
        holds!(file.info().flags.contains(OpenFlags::DIRTY));
        same!(file.position(), TEXT.len() as i64);
        file.flush(Flush::Empty)?;
        holds!(peer.keeps(0, TEXT), "what had been spilled before the error, too");
    }
    Ok(())
}

/// A peer that crashes and comes back has everything once a flush has succeeded.
pub(super) fn mmio_32_peer_crashes() -> Plain {
    for seed in 0..10 {
        let mut peer = Peer::new("mmio_32_crash")?;
        let mut file = peer.open(&peer.files(), 16)?;
        file.write(&TEXT[..20])?;
        file.flush(Flush::Keep)?;
        file.write(&TEXT[20..])?;
        peer.crash(seed);
        holds!(peer.keeps(0, &TEXT[..20]));
        same!(code(file.flush(Flush::Keep)), Code::CANNOT_WRITE);
        peer.start()?;
        file.flush(Flush::Keep)?;
        holds!(peer.keeps(0, TEXT));
    }
    Ok(())
}

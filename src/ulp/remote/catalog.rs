//! What server and user tell each other: in private data when they connect, and in the catalog.
//!
//! All numbers are most significant byte first. Whatever a peer says is judged here; nothing of it is taken
//! for a length before it was found to be in bounds.

use crate::ndk::RemoteAddress;

const MAGIC: [u8; 8] = *b"qpregion";
/// Regions that a server may have: a log's containers at most, and its base.
pub(super) const REGIONS: usize = 1024;
/// Bytes of an entry of the catalog.
const ENTRY: usize = RemoteAddress::BYTES + 8;

/// Who asks for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    /// The same for every connection of one user, so that it finds its own place again.
    pub(super) user: u128,
}

impl Hello {
    pub(super) fn encode(self) -> Vec<u8> {
        [&MAGIC[..], &self.user.to_be_bytes()].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (user, _) = bytes.strip_prefix(&MAGIC)?.split_first_chunk()?;
        Some(Self { user: u128::from_be_bytes(*user) })
    }
}

/// What a server answers: where its catalog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) catalog: RemoteAddress,
    /// From 1 to [`REGIONS`].
    pub(super) regions: usize,
}

impl Welcome {
    pub(super) fn encode(self) -> Vec<u8> {
        [&MAGIC[..], &self.catalog.to_bytes(), &(self.regions as u32).to_be_bytes()].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (catalog, rest) = bytes.strip_prefix(&MAGIC)?.split_first_chunk()?;
        let regions = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let catalog = RemoteAddress::from_bytes(*catalog);
        (1..=REGIONS).contains(&regions).then_some(Self { catalog, regions })
    }

    /// Bytes of the catalog.
    pub(super) fn catalog_length(self) -> usize {
        self.regions * ENTRY
    }
}

/// One region of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) at: RemoteAddress,
    pub(super) length: u64,
}

/// The catalog of these regions.
pub(super) fn encode(regions: &[Region]) -> Vec<u8> {
    let entry = |region: &Region| [&region.at.to_bytes()[..], &region.length.to_be_bytes()].concat();
    regions.iter().flat_map(entry).collect()
}

/// The regions of a catalog.
pub(super) fn decode(catalog: &[u8]) -> Vec<Region> {
    let entry = |bytes: &[u8]| {
        let (at, rest) = bytes.split_first_chunk()?;
        Some(Region { at: RemoteAddress::from_bytes(*at), length: u64::from_be_bytes(*rest.first_chunk()?) })
    };
    catalog.chunks(ENTRY).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ndk::Token;

    fn at(address: u64) -> RemoteAddress {
        RemoteAddress { address, token: Token(7) }
    }

    #[test]
    fn what_is_told_is_understood() {
        let hello = Hello { user: 1 << 100 | 5 };
        assert_eq!(Hello::decode(&hello.encode()), Some(hello));
        let welcome = Welcome { catalog: at(1 << 40), regions: REGIONS };
        assert_eq!(Welcome::decode(&welcome.encode()), Some(welcome));
        let regions = [Region { at: at(1), length: 1 << 33 }, Region { at: at(2), length: 1 }];
        assert_eq!(decode(&encode(&regions)), regions);
    }

    #[test]
    fn what_is_short_foreign_or_out_of_bounds_is_not() {
        let whole = Welcome { catalog: at(9), regions: 3 }.encode();
        assert!((0..whole.len()).all(|length| Welcome::decode(&whole[..length]).is_none()));
        let whole = Hello { user: 3 }.encode();
        assert!((0..whole.len()).all(|length| Hello::decode(&whole[..length]).is_none()));
        assert_eq!(Hello::decode(b"something else, as long as a hello"), None);
        for regions in [0, REGIONS + 1, u32::MAX as usize] {
            assert_eq!(Welcome::decode(&Welcome { catalog: at(9), regions }.encode()), None);
        }
        assert_eq!(decode(&[1; ENTRY + 3]).len(), 1, "a piece of an entry is none");
    }
}

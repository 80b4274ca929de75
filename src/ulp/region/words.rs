//! What server and user tell each other: in private data when they connect, and in the catalog.
//!
//! All numbers are most significant byte first. Whatever a peer says is judged here; nothing of it is taken
//! for a length before it was found to be in bounds.

use super::Refusal;
use crate::ndk::RemoteAddress;

/// Whom it is for, and the version.
const HEAD: [u8; 4] = *b"QPR\x01";
/// Bytes of a name at most: what is left of the shortest private data.
pub(super) const NAME_MAX: usize = 44;
/// Regions under one name at most: a log's containers, and its base.
pub(super) const REGIONS: usize = 1024;
/// Bytes of an entry of the catalog.
const ENTRY: usize = RemoteAddress::BYTES + 8;

/// One region, as the catalog has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) first: RemoteAddress,
    pub(super) length: u64,
}

impl Region {
    fn to_bytes(self) -> Vec<u8> {
        [&self.first.to_bytes()[..], &self.length.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first_chunk()?;
        let length = u64::from_be_bytes(*rest.first_chunk()?);
        Some(Self { first: RemoteAddress::from_bytes(*first), length })
    }
}

/// A name that can be asked for.
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && !name.contains('\0')
}

/// Asks for what has that name; `user` is the same for all connections of one user, who is known by it.
pub(super) fn ask(user: u64, name: &str) -> Vec<u8> {
    [&HEAD[..], &user.to_be_bytes(), name.as_bytes()].concat()
}

/// Who asks, and for what; transports may have padded the name with zeros.
pub(super) fn asked(data: &[u8]) -> Option<(u64, &str)> {
    let (user, name) = data.strip_prefix(&HEAD)?.split_first_chunk()?;
    let name = std::str::from_utf8(name).ok()?.trim_end_matches('\0');
    is_name(name).then_some((u64::from_be_bytes(*user), name))
}

/// What there is under the name: how many regions, and where the catalog of them is.
///
/// One region needs no catalog: `at` is the region itself.
pub(super) fn answer(regions: usize, at: Region) -> Vec<u8> {
    [&HEAD[..], &(regions as u32).to_be_bytes(), &at.to_bytes()].concat()
}

/// How many regions, from 1 to [`REGIONS`], and the one, or a catalog that is as long as they need.
pub(super) fn answered(data: &[u8]) -> Option<(usize, Region)> {
    let (regions, at) = data.strip_prefix(&HEAD)?.split_first_chunk()?;
    let (regions, at) = (u32::from_be_bytes(*regions) as usize, Region::from_bytes(at)?);
    let sound = regions == 1 || (2..=REGIONS).contains(&regions) && at.length == (regions * ENTRY) as u64;
    sound.then_some((regions, at))
}

/// It is not to be had, for that reason.
pub(super) fn refuse(refusal: Refusal) -> Vec<u8> {
    [&HEAD[..], &(refusal as u32).to_be_bytes()].concat()
}

/// Why it is not to be had.
pub(super) fn refused(data: &[u8]) -> Option<Refusal> {
    let number = u32::from_be_bytes(*data.strip_prefix(&HEAD)?.first_chunk()?);
    Refusal::ALL.into_iter().find(|refusal| *refusal as u32 == number)
}

/// The catalog of these regions.
pub(super) fn catalog(regions: &[Region]) -> Vec<u8> {
    regions.iter().flat_map(|region| region.to_bytes()).collect()
}

/// The regions of a catalog.
pub(super) fn regions(catalog: &[u8]) -> Vec<Region> {
    catalog.chunks(ENTRY).filter_map(Region::from_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ndk::Token;
    use proptest::prelude::*;

    fn region(address: u64, length: u64) -> Region {
        Region { first: RemoteAddress { address, token: Token(77) }, length }
    }

    #[test]
    fn what_is_said_is_understood_padded_or_not() {
        for padding in [0, 5] {
            let padded = |mut words: Vec<u8>| {
                words.resize(words.len() + padding, 0);
                words
            };
            assert_eq!(asked(&padded(ask(1 << 50 | 5, "records.rdma"))), Some((1 << 50 | 5, "records.rdma")));
            let answers = [(1, region(1 << 40, 9)), (REGIONS, region(2, (REGIONS * ENTRY) as u64))];
            for (regions, at) in answers {
                assert_eq!(answered(&padded(answer(regions, at))), Some((regions, at)));
            }
            for refusal in Refusal::ALL {
                assert_eq!(refused(&padded(refuse(refusal))), Some(refusal));
            }
        }
        let listed = [region(1, 1 << 33), region(2, 1)];
        assert_eq!(regions(&catalog(&listed)), listed);
        assert_eq!(ask(0, &"n".repeat(NAME_MAX)).len(), 56, "what a request to connect has room for");
        assert!(!is_name("") && !is_name(&"n".repeat(NAME_MAX + 1)) && !is_name("a\0b"));
    }

    #[test]
    fn what_is_short_foreign_or_out_of_bounds_is_not() {
        let whole = answer(3, region(9, 3 * ENTRY as u64));
        assert!((0..whole.len()).all(|length| answered(&whole[..length]).is_none()));
        let whole = ask(3, "a");
        assert!((0..whole.len()).all(|length| asked(&whole[..length]).is_none()));
        assert_eq!(asked(b"something else, as long as a request"), None);
        for regions in [0, REGIONS + 1, u32::MAX as usize] {
            assert_eq!(answered(&answer(regions, region(9, (regions * ENTRY) as u64))), None);
        }
        assert_eq!(answered(&answer(3, region(9, 2 * ENTRY as u64))), None, "a catalog of another length");
        assert_eq!(refused(&[&HEAD[..], &[0; 4]].concat()), None);
        assert_eq!(regions(&[1; ENTRY + 3]).len(), 1, "a piece of an entry is none");
    }

    proptest! {
        #[test]
        fn any_bytes_are_understood_or_not(mut data in proptest::collection::vec(any::<u8>(), 0..80), near in any::<bool>()) {
            if near && data.len() >= HEAD.len() {
                data[..HEAD.len()].copy_from_slice(&HEAD);
            }
            let _understood = (asked(&data).map(|(_, name)| name.len()), answered(&data), refused(&data), regions(&data));
        }
    }
}

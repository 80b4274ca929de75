//! What the two sides say when they connect: private data, to bytes and back.

use super::Refusal;
use crate::ndk::RemoteAddress;

const MAGIC: [u8; 4] = *b"QPRG";
const VERSION: u32 = 1;
/// Magic and version.
const HEAD: usize = 8;
/// Bytes of a name at most: what is left of the shortest private data.
pub(super) const NAME_MAX: usize = 48;

fn head() -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_be_bytes()].concat()
}

/// What follows the head, if there is one of this version.
fn behind_head(data: &[u8]) -> Option<&[u8]> {
    let (head, rest) = data.split_first_chunk::<HEAD>()?;
    let version = [head[4], head[5], head[6], head[7]];
    (head[..4] == MAGIC && version == VERSION.to_be_bytes()).then_some(rest)
}

/// A name that can be asked for.
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && !name.contains('\0')
}

/// Asks for the region of that name.
pub(super) fn ask(name: &str) -> Vec<u8> {
    [&head(), name.as_bytes()].concat()
}

/// The name that is asked for; transports may have padded it with zeros.
pub(super) fn asked(data: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(behind_head(data)?).ok()?.trim_end_matches('\0');
    is_name(name).then_some(name)
}

/// The region is there: its length and its first byte.
pub(super) fn answer(length: u64, place: RemoteAddress) -> Vec<u8> {
    [&head()[..], &length.to_be_bytes(), &place.to_bytes()].concat()
}

/// Length and first byte.
pub(super) fn answered(data: &[u8]) -> Option<(u64, RemoteAddress)> {
    let (length, rest) = behind_head(data)?.split_first_chunk()?;
    let (place, _) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*length), RemoteAddress::from_bytes(*place)))
}

/// It is not to be had, for that reason.
pub(super) fn refuse(refusal: Refusal) -> Vec<u8> {
    [&head()[..], &(refusal as u32).to_be_bytes()].concat()
}

/// Why it is not to be had.
pub(super) fn refused(data: &[u8]) -> Option<Refusal> {
    let (number, _) = behind_head(data)?.split_first_chunk()?;
    Refusal::of(u32::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ndk::Token;
    use proptest::prelude::*;

    #[test]
    fn what_is_said_is_understood_padded_or_not() {
        let place = RemoteAddress { address: 1 << 40, token: Token(77) };
        for padding in [0, 5] {
            let padded = |mut words: Vec<u8>| {
                words.resize(words.len() + padding, 0);
                words
            };
            assert_eq!(asked(&padded(ask("records.rdma"))), Some("records.rdma"));
            assert_eq!(answered(&padded(answer(9, place))), Some((9, place)));
            for refusal in Refusal::ALL {
                assert_eq!(refused(&padded(refuse(refusal))), Some(refusal));
            }
        }
        assert_eq!(ask(&"n".repeat(NAME_MAX)).len(), 56, "what a request to connect has room for");
        assert!(!is_name("") && !is_name(&"n".repeat(NAME_MAX + 1)) && !is_name("a\0b"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_understood_or_not(mut data in proptest::collection::vec(any::<u8>(), 0..80), near in any::<bool>()) {
            if near && data.len() >= HEAD {
                data[..HEAD].copy_from_slice(&head());
            }
            let _understood = (asked(&data).map(str::len), answered(&data), refused(&data));
        }
    }
}

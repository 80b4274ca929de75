//! Frames: what one SEND of a conversation carries, to bytes and back.
//!
//! A header of 24 bytes, most significant first, then the body. What a peer sends is judged here as far as
//! one frame alone can be: [`Frame::parse`] never panics and allocates nothing.
//!
//! | byte | field |
//! |---|---|
//! | 0 | version, 1 |
//! | 1 | kind |
//! | 2-3 | flags |
//! | 4-7 | number of the turn that it belongs to |
//! | 8-11 | sequence number of a normal frame |
//! | 12-15 | normal frames that its sender can take, in all since the beginning |
//! | 16-19 | sense code of an ERROR or RESPONSE |
//! | 20-23 | 0 |

use super::code::Refusal;

/// Length of a header.
pub(crate) const HEADER: usize = 24;
const VERSION: u8 = 1;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Opens a conversation.
    Attach = 1,
    /// Bytes of the stream of logical records, perhaps none.
    Data = 2,
    /// A notice of an error, or with [`Flags::CEB`] an abend or refusal; its body is log data.
    Error = 3,
    /// Confirmed; or, with a sense code, that the protocol was broken.
    Response = 4,
    /// The side without the turn has an error to tell.
    Purge = 5,
    /// The side without the turn asks for it.
    RequestToSend = 6,
    /// Carries a grant.
    Credit = 7,
}

impl Kind {
    /// It needs no credit.
    pub(crate) fn is_expedited(self) -> bool {
        self > Self::Error
    }

    fn of(byte: u8) -> Option<Self> {
        use Kind::*;
        [Attach, Data, Error, Response, Purge, RequestToSend, Credit]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Indicators that ride on a normal frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// Change direction: the peer may send.
    pub(crate) const CD: Self = Self(1);
    /// A confirmation is requested.
    pub(crate) const RQD: Self = Self(2);
    /// The conversation ends.
    pub(crate) const CEB: Self = Self(4);

    /// All of `other` are set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The turn goes over with this frame, without an answer.
    pub(crate) const fn gives_turn(self) -> bool {
        self.has(Self::CD) && !self.has(Self::RQD)
    }

    /// The conversation is over with this frame, without an answer.
    pub(crate) const fn ends(self) -> bool {
        self.has(Self::CEB) && !self.has(Self::RQD)
    }
}

/// An SNA sense code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sense(pub(crate) u32);

impl Sense {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ABEND_PROGRAM: Self = Self(0x0864_0000);
    pub(crate) const ABEND_SERVICE: Self = Self(0x0864_0001);
    pub(crate) const ABEND_TIMER: Self = Self(0x0864_0002);
    pub(crate) const PROGRAM_ERROR: Self = Self(0x0889_0000);
    pub(crate) const PROGRAM_TRUNCATED: Self = Self(0x0889_0001);
    pub(crate) const SERVICE_ERROR: Self = Self(0x0889_0100);
    pub(crate) const SERVICE_TRUNCATED: Self = Self(0x0889_0101);
    /// The protocol was broken: the last word before the queue pair is torn down.
    pub(crate) const PROTOCOL: Self = Self(0x2001_0000);

    const ERRORS: [Self; 4] =
        [Self::PROGRAM_ERROR, Self::PROGRAM_TRUNCATED, Self::SERVICE_ERROR, Self::SERVICE_TRUNCATED];
    const ABENDS: [Self; 3] = [Self::ABEND_PROGRAM, Self::ABEND_SERVICE, Self::ABEND_TIMER];

    /// It may stand on an ERROR with these flags.
    fn suits(self, flags: Flags) -> bool {
        if flags.has(Flags::CEB) {
            Self::ABENDS.contains(&self) || Refusal::of(self).is_some()
        } else {
            Self::ERRORS.contains(&self)
        }
    }
}

/// The first 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    pub(crate) turn: u32,
    pub(crate) sequence: u32,
    pub(crate) granted: u32,
    pub(crate) sense: Sense,
}

/// One frame; the body stays where it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) header: Header,
    pub(crate) body: &'a [u8],
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Fewer bytes than a header.
    Short(usize),
    Version(u8),
    Kind(u8),
    Flags(Kind, u16),
    Sense(Kind, u32),
    Reserved(u32),
    /// A body where there is none.
    Body(Kind, usize),
}

impl Malformed {
    /// What is wrong, for the log.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Short(_) => "a message shorter than a header",
            Self::Version(_) => "another version",
            Self::Kind(_) => "an unknown kind of frame",
            Self::Flags(..) => "flags that the frame cannot have",
            Self::Sense(..) => "a sense code that the frame cannot have",
            Self::Reserved(_) => "reserved bytes that are not zero",
            Self::Body(..) => "a body where there is none",
        }
    }
}

impl<'a> Frame<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// What is wrong with it, for the log: whoever sent it is not asked again.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let Some((head, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(Malformed::Short(bytes.len()));
        };
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if head[0] != VERSION {
            return Err(Malformed::Version(head[0]));
        }
        let kind = Kind::of(head[1]).ok_or(Malformed::Kind(head[1]))?;
        let flags = Flags(u16::from_be_bytes([head[2], head[3]]));
        let sense = Sense(word(16));
        check_flags(kind, flags)?;
        check_sense(kind, flags, sense)?;
        if word(20) != 0 {
            return Err(Malformed::Reserved(word(20)));
        }
        if kind.is_expedited() && !body.is_empty() {
            return Err(Malformed::Body(kind, body.len()));
        }
        let (turn, sequence, granted) = (word(4), word(8), word(12));
        Ok(Self { header: Header { kind, flags, turn, sequence, granted, sense }, body })
    }

    /// Writes the frame behind what is in `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let Header { kind, flags, turn, sequence, granted, sense } = self.header;
        out.extend([VERSION, kind as u8]);
        out.extend(flags.0.to_be_bytes());
        for word in [turn, sequence, granted, sense.0, 0] {
            out.extend(word.to_be_bytes());
        }
        out.extend(self.body);
    }
}

/// Turn and end exclude each other; an end by error asks nothing; what is expedited has no flags.
fn check_flags(kind: Kind, flags: Flags) -> Result<(), Malformed> {
    let known = flags.0 & !(Flags::CD.0 | Flags::RQD.0 | Flags::CEB.0) == 0;
    let both = flags.has(Flags::CD.with(Flags::CEB));
    let asks = kind == Kind::Error && flags.has(Flags::CEB.with(Flags::RQD));
    if !known || both || asks || (kind.is_expedited() && flags != Flags::NONE) {
        return Err(Malformed::Flags(kind, flags.0));
    }
    Ok(())
}

fn check_sense(kind: Kind, flags: Flags, sense: Sense) -> Result<(), Malformed> {
    let suits = match kind {
        Kind::Error => sense.suits(flags),
        Kind::Response => matches!(sense, Sense::NONE | Sense::PROTOCOL),
        _ => sense == Sense::NONE,
    };
    if suits { Ok(()) } else { Err(Malformed::Sense(kind, sense.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> impl Strategy<Value = Header> {
        let normal = (prop_oneof![Just(Kind::Attach), Just(Kind::Data)], 0_u16..5)
            .prop_map(|(kind, flags)| (kind, Flags([0, 1, 2, 3, 6][usize::from(flags)]), Sense::NONE));
        let error = (0_usize..4).prop_map(|n| (Kind::Error, Flags::NONE, Sense::ERRORS[n]));
        let abend = (0_usize..3).prop_map(|n| (Kind::Error, Flags::CEB, Sense::ABENDS[n]));
        let expedited = (4_u8..8).prop_map(|kind| (Kind::of(kind).unwrap(), Flags::NONE, Sense::NONE));
        (prop_oneof![normal, error, abend, expedited], any::<[u32; 3]>()).prop_map(
            |((kind, flags, sense), [turn, sequence, granted])| Header {
                kind,
                flags,
                turn,
                sequence,
                granted,
                sense,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(header in header(), body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let body: &[u8] = if header.kind.is_expedited() { &[] } else { &body };
            let frame = Frame { header, body };
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), HEADER + body.len());
            prop_assert_eq!(Frame::parse(&bytes), Ok(frame));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), near in any::<bool>()) {
            if near && bytes.len() >= HEADER {
                bytes[0] = VERSION;
                bytes[1] %= 9;
                (bytes[2], bytes[20], bytes[21], bytes[22], bytes[23]) = (0, 0, 0, 0, 0);
            }
            if let Ok(frame) = Frame::parse(&bytes) {
                let mut again = Vec::new();
                frame.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let mut bytes = Vec::new();
        let header = Header {
            kind: Kind::Data,
            flags: Flags::CD,
            turn: 1,
            sequence: 2,
            granted: 3,
            sense: Sense::NONE,
        };
        Frame { header, body: b"ab" }.encode(&mut bytes);
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            Frame::parse(&bytes).map(|_| ())
        };
        assert_eq!(with(0, 2), Err(Malformed::Version(2)));
        assert_eq!(with(1, 8), Err(Malformed::Kind(8)));
        assert_eq!(with(2, 1), Err(Malformed::Flags(Kind::Data, 0x0101)));
        assert_eq!(with(3, 5), Err(Malformed::Flags(Kind::Data, 5)));
        assert_eq!(with(16, 1), Err(Malformed::Sense(Kind::Data, 0x0100_0000)));
        assert_eq!(with(23, 1), Err(Malformed::Reserved(1)));
        assert_eq!(Frame::parse(&bytes[..23]), Err(Malformed::Short(23)));
    }
}

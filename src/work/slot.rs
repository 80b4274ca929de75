//! Requests and completions as the 56 bytes of a ring slot.
//!
//! A send slot's seven words, low bits first:
//!
//! | word | plain | inline | atomic |
//! |---|---|---|---|
//! | 0 | context | context | context |
//! | 1 | opcode 8, entries 8, flags 16, immediate or key 32 | same | same |
//! | 2 | remote address (UD: address handle 32, QPN 24) | same | same |
//! | 3 | R_Key (UD: Q_Key) 32, length of entry 0 | R_Key 32, length 32 | R_Key 32, token 32 |
//! | 4 | token of entry 0, 32 free (XRC: SRQ number) | data | compare or add |
//! | 5 | address of entry 0 | data | address of the 8 bytes for the old value |
//! | 6 | total length of all entries | data | swap |
//!
//! An atomic write is an atomic whose words 5 and 6 and token are 0: word 4 holds its eight bytes as they lie
//! in memory. A flush has the plain words, with entry and token 0: the range begins at word 2 and is as long
//! as word 6 says, and where others have immediate data it has the header FETH (placement 4, selectivity 2).
//!
//! Entries after the first, and inline data over 24 bytes, lie in the side array of the slot.
//!
//! Bind, fast register and local invalidate use the plain words for things of their own. *Home* is the key by
//! which a window or fast-register region is known whatever its present key.
//!
//! | word | bind | fast register | local invalidate |
//! |---|---|---|---|
//! | 0 | context | context | context |
//! | 1, low half | opcode 8, rights 8, flags 16 | opcode 8, place 8, flags 16 | opcode 8, 0, flags 16 |
//! | 1, high half | new key 32 | new key 32 | key to invalidate 32 |
//! | 2 | address of the window | 0 | 0 |
//! | 3 | key of the region 32, 0 | 0 | 0 |
//! | 4 | home 32, 0 | home 32, 0 | home 32, 0 |
//! | 5 | length of the window | 0 | 0 |
//! | 6 | 0 | 0 | 0 |

use super::{
    Completion, CompletionFlags, CompletionKind, Detail, Key, Opcode, Qpn, RequestFlags, Sge, Status,
};

/// Bytes of inline data that fit the slot itself.
pub const INLINE_IN_SLOT: usize = 24;

/// The most bytes of inline data; they lie beside the slot, so an engine can take them up on its stack.
pub const INLINE_MAX: usize = 256;

/// The most scatter/gather entries of a request, so that an engine can resolve them on its stack.
pub const SGE_MAX: usize = 16;

/// A request of the send queue, but for its data entries after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendRequest {
    /// The 64 bits given with the request.
    pub context: u64,
    /// What to do.
    pub opcode: Opcode,
    /// How.
    pub flags: RequestFlags,
    /// Count of scatter/gather entries; 0 when inline.
    pub entries: u8,
    /// Immediate data, or the key to invalidate at the peer.
    pub immediate_or_key: u32,
    /// Where in the peer's memory.
    pub remote_address: u64,
    /// The peer's key.
    pub rkey: Key,
    /// The first entry; of an atomic, the eight bytes for the old value.
    pub first: Sge,
    /// Total length in bytes.
    pub length: u32,
    /// What an atomic compares with, or adds.
    pub compare_or_add: u64,
    /// What an atomic swaps in.
    pub swap: u64,
}

impl SendRequest {
    /// The slot words; the data of an inline request is put in afterwards with [`SendRequest::put_inline`].
    #[inline]
    pub fn encode(&self, words: &mut [u64; 7]) {
        words[0] = self.context;
        words[1] = self.opcode as u64
            | u64::from(self.entries) << 8
            | u64::from(self.flags.0) << 16
            | u64::from(self.immediate_or_key) << 32;
        words[2] = self.remote_address;
        if self.opcode.is_atomic() {
            words[3] = u64::from(self.rkey.0) | u64::from(self.first.token.0) << 32;
            words[4] = self.compare_or_add;
            words[5] = self.first.address;
            words[6] = self.swap;
        } else if self.flags.contains(RequestFlags::INLINE) {
            words[3] = u64::from(self.rkey.0) | u64::from(self.length) << 32;
        } else {
            words[3] = u64::from(self.rkey.0) | u64::from(self.first.length) << 32;
            words[4] = u64::from(self.first.token.0);
            words[5] = self.first.address;
            words[6] = u64::from(self.length);
        }
    }

    /// The request that the words of a slot hold; `None` for an opcode that is none.
    #[inline]
    pub fn decode(words: &[u64; 7]) -> Option<Self> {
        let opcode = Opcode::from_number(words[1] as u8)?;
        let flags = RequestFlags((words[1] >> 16) as u8);
        let mut request = Self {
            context: words[0],
            opcode,
            flags,
            entries: (words[1] >> 8) as u8,
            immediate_or_key: (words[1] >> 32) as u32,
            remote_address: words[2],
            rkey: Key(words[3] as u32),
            first: Sge::default(),
            length: 0,
            compare_or_add: 0,
            swap: 0,
        };
        let upper = (words[3] >> 32) as u32;
        if opcode.is_atomic() {
            request.first = Sge { address: words[5], length: 8, token: Key(upper) };
            request.length = 8;
            request.compare_or_add = words[4];
            request.swap = words[6];
        } else if flags.contains(RequestFlags::INLINE) {
            request.length = upper;
        } else {
            request.first = Sge { address: words[5], length: upper, token: Key(words[4] as u32) };
            request.length = words[6] as u32;
        }
        Some(request)
    }

    /// A request that works on keys of this side: what is not about keys is 0.
    pub fn of_keys(context: u64, opcode: Opcode, flags: RequestFlags, home: Key, key: Key) -> Self {
        let first = Sge { token: home, ..Sge::default() };
        let (entries, remote_address, rkey, length) = (0, 0, Key(0), 0);
        let (compare_or_add, swap, immediate_or_key) = (0, 0, key.0);
        Self {
            context,
            opcode,
            flags,
            entries,
            immediate_or_key,
            remote_address,
            rkey,
            first,
            length,
            compare_or_add,
            swap,
        }
    }

    /// It changes what is in force under a key of this side, perhaps beside its proper work.
    #[inline]
    pub fn changes_keys(&self) -> bool {
        self.opcode.is_local() || self.flags.contains(RequestFlags::LOCAL_INVALIDATE)
    }

    /// Opcode and flags alone; [`Opcode::Send`] for an opcode that is none.
    #[inline]
    pub fn decode_kind(words: &[u64; 7]) -> (Opcode, RequestFlags) {
        (Opcode::from_number(words[1] as u8).unwrap_or(Opcode::Send), RequestFlags((words[1] >> 16) as u8))
    }

    /// Puts the inline bytes of a request, at most [`INLINE_MAX`], into its slot or beside it.
    #[inline]
    pub fn put_inline(words: &mut [u64; 7], side: &mut [u64], data: &[u8]) {
        let fits = data.len() <= INLINE_IN_SLOT;
        pack(if fits { &mut words[4..7] } else { side }, data);
    }

    /// Takes the inline bytes out again; `out` is as long as they are.
    #[inline]
    pub fn take_inline(&self, words: &[u64; 7], side: &[u64], out: &mut [u8]) {
        let fits = out.len() <= INLINE_IN_SLOT;
        unpack(if fits { &words[4..7] } else { side }, out);
    }

    /// Words needed beside a slot for `entries` scatter/gather entries or `inline` bytes.
    pub fn side_words(entries: u32, inline: u32) -> usize {
        let inline = if inline as usize > INLINE_IN_SLOT { inline.div_ceil(8) } else { 0 };
        (2 * entries.saturating_sub(1)).max(inline) as usize
    }
}

/// Packs bytes into words, low bytes first; `words` holds them all.
#[inline]
pub fn pack(words: &mut [u64], data: &[u8]) {
    let mut rest = data;
    for word in words {
        // Eight bytes at a time: a copy of a length that is not known is a call.
        let Some((bytes, after)) = rest.split_first_chunk() else {
            if !rest.is_empty() {
                let mut last = [0; 8];
                last[..rest.len()].copy_from_slice(rest);
                *word = u64::from_le_bytes(last);
            }
            return;
        };
        *word = u64::from_le_bytes(*bytes);
        rest = after;
    }
}

/// Takes bytes out of words again.
#[inline]
pub fn unpack(words: &[u64], out: &mut [u8]) {
    let mut chunks = out.chunks_exact_mut(8);
    let mut words = words.iter();
    for (bytes, word) in chunks.by_ref().zip(&mut words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let rest = chunks.into_remainder();
    if let (false, Some(word)) = (rest.is_empty(), words.next()) {
        rest.copy_from_slice(&word.to_le_bytes()[..rest.len()]);
    }
}

/// Two side words for a scatter/gather entry after the first.
pub fn sge_to_words(sge: Sge) -> [u64; 2] {
    [sge.address, u64::from(sge.length) | u64::from(sge.token.0) << 32]
}

/// The entry that two side words hold.
pub fn sge_from_words(words: [u64; 2]) -> Sge {
    Sge { address: words[0], length: words[1] as u32, token: Key((words[1] >> 32) as u32) }
}

/// A request of a receive queue, but for its entries after the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveRequest {
    /// The 64 bits given with the request.
    pub context: u64,
    /// Count of scatter/gather entries.
    pub entries: u8,
    /// The first entry.
    pub first: Sge,
    /// Total length in bytes.
    pub length: u64,
}

impl ReceiveRequest {
    /// The slot words.
    #[inline]
    pub fn encode(&self, words: &mut [u64; 7]) {
        let [address, rest] = sge_to_words(self.first);
        *words = [self.context, u64::from(self.entries), address, rest, self.length, 0, 0];
    }

    /// The request that the words of a slot hold.
    #[inline]
    pub fn decode(words: &[u64; 7]) -> Self {
        Self {
            context: words[0],
            entries: words[1] as u8,
            first: sge_from_words([words[2], words[3]]),
            length: words[4],
        }
    }
}

/// The seven words of a completion ring's slot.
pub type CompletionWords = [u64; 7];

impl Completion {
    /// The slot words.
    #[inline]
    pub fn encode(&self) -> CompletionWords {
        [
            self.context,
            self.qp_context,
            u64::from(self.status as u8)
                | u64::from(self.detail as u8) << 8
                | u64::from(self.kind as u8) << 16
                | u64::from(self.flags.0) << 24
                | u64::from(self.length) << 32,
            u64::from(self.immediate_or_key) | u64::from(self.qpn.0) << 32,
            u64::from(self.source_qpn.0),
            self.timestamp,
            0,
        ]
    }

    /// The completion that the words hold.
    #[inline]
    pub fn decode(words: &CompletionWords) -> Self {
        Self {
            context: words[0],
            qp_context: words[1],
            status: Status::from_verbs(words[2] as u8),
            detail: Detail::from_number((words[2] >> 8) as u8),
            kind: CompletionKind::from_number((words[2] >> 16) as u8),
            flags: CompletionFlags((words[2] >> 24) as u8),
            length: (words[2] >> 32) as u32,
            immediate_or_key: words[3] as u32,
            qpn: Qpn((words[3] >> 32) as u32),
            source_qpn: Qpn(words[4] as u32),
            timestamp: words[5],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sge() -> impl Strategy<Value = Sge> {
        (any::<u64>(), any::<u32>(), any::<u32>()).prop_map(|(address, length, token)| Sge {
            address,
            length,
            token: Key(token),
        })
    }

    proptest! {
        #[test]
        fn plain_send_survives_its_slot(first in sge(), context: u64, address: u64, key: u32, imm: u32, length: u32) {
            for opcode in Opcode::ALL.into_iter().filter(|o| !o.is_atomic()) {
                let request = SendRequest {
                    context, opcode, flags: RequestFlags::READ_FENCE, entries: 3, immediate_or_key: imm,
                    remote_address: address, rkey: Key(key), first, length, compare_or_add: 0, swap: 0,
                };
                let mut words = [0; 7];
                request.encode(&mut words);
                prop_assert_eq!(SendRequest::decode(&words), Some(request));
            }
        }

        #[test]
        fn atomic_survives_its_slot(first in sge(), context: u64, address: u64, key: u32, a: u64, b: u64) {
            let first = Sge { length: 8, ..first };
            let request = SendRequest {
                context, opcode: Opcode::CompareAndSwap, flags: RequestFlags::NONE, entries: 1,
                immediate_or_key: 0, remote_address: address, rkey: Key(key), first, length: 8,
                compare_or_add: a, swap: b,
            };
            let mut words = [0; 7];
            request.encode(&mut words);
            prop_assert_eq!(SendRequest::decode(&words), Some(request));
        }

        #[test]
        fn inline_data_survives_its_slot(data in proptest::collection::vec(any::<u8>(), 0..=INLINE_MAX)) {
            let request = SendRequest {
                context: 1, opcode: Opcode::Send, flags: RequestFlags::INLINE, entries: 0, immediate_or_key: 9,
                remote_address: 0, rkey: Key(0), first: Sge::default(), length: data.len() as u32,
                compare_or_add: 0, swap: 0,
            };
            let mut words = [0; 7];
            request.encode(&mut words);
            let mut side = [0; INLINE_MAX / 8];
            SendRequest::put_inline(&mut words, &mut side, &data);
            prop_assert_eq!(SendRequest::decode(&words), Some(request));
            let mut out = vec![0; data.len()];
            request.take_inline(&words, &side, &mut out);
            prop_assert_eq!(out, data);
        }

        #[test]
        fn receive_survives_its_slot(first in sge(), context: u64, entries: u8, length: u64) {
            let request = ReceiveRequest { context, entries, first, length };
            let mut words = [0; 7];
            request.encode(&mut words);
            prop_assert_eq!(ReceiveRequest::decode(&words), request);
        }

        #[test]
        fn completion_survives_its_slot(context: u64, qp_context: u64, length: u32, key: u32, stamp: u64) {
            let completion = Completion {
                context, qp_context, status: Status::RemoteAccess, detail: Detail::OutOfRange,
                kind: CompletionKind::FetchAndAdd, flags: CompletionFlags::SOLICITED, length,
                immediate_or_key: key, qpn: Qpn(7), source_qpn: Qpn(0xff_ffff), timestamp: stamp,
            };
            prop_assert_eq!(Completion::decode(&completion.encode()), completion);
        }
    }
}

//! Tests of direct execution with a small host: regions are plain memories, a key is an index.

mod scattered;

use super::*;
use crate::memory::{KeyTable, Memory, Registration, Rights};
use crate::ring::{Pin, PinHandle, Pins};
use crate::work::{CompletionFlags, CompletionKind, FlushPlacement, Key, ReceiveRequest, Sge, sge_to_words};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

const LENGTH: usize = 512;
const PD: u32 = 1;
const OTHER_PD: u32 = 2;
const BASE: u64 = 0x7000;
const EVERY: [Rights; 5] = [
    Rights::LOCAL_WRITE,
    Rights::REMOTE_READ,
    Rights::REMOTE_WRITE,
    Rights::REMOTE_ATOMIC,
    Rights::REMOTE_INVALIDATE,
];

/// One side: a memory, and keys to all of it.
struct Side {
    pins: PinHandle,
    keys: KeyTable,
    memory: Arc<Memory>,
    whole: Key,
    read_only: Key,
    foreign: Key,
}

impl Side {
    fn new(first: u8) -> Self {
        let pins = Pins::new();
        let keys = KeyTable::new(Arc::clone(&pins));
        let memory = Arc::new(Memory::from(pattern(first)));
        let every = EVERY.into_iter().fold(Rights::NONE, |all, right| all | right);
        let key = |pd, rights| {
            keys.register(&memory, Registration { pd, rights, range: 0..LENGTH, base: BASE }).unwrap()
        };
        let (whole, read_only, foreign) = (key(PD, every), key(PD, Rights::NONE), key(OTHER_PD, every));
        Self { pins: pins.register(), keys, memory, whole, read_only, foreign }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        self.memory.read(0, &mut bytes).unwrap();
        bytes
    }

    fn sge(&self, offset: usize, length: usize) -> Sge {
        sge(self.whole, offset, length)
    }
}

fn pattern(first: u8) -> Vec<u8> {
    (0..LENGTH).map(|byte| first.wrapping_add((byte * 13) as u8)).collect()
}

fn sge(token: Key, offset: usize, length: usize) -> Sge {
    Sge { address: BASE + offset as u64, length: length as u32, token }
}

/// A side while a pass holds its pin.
struct At<'s>(&'s Side, Pin<'s>);

impl Host for At<'_> {
    fn local(&self, sge: Sge, access: LocalAccess) -> Result<Grant<'_>, Denied> {
        self.0.keys.check_local(&self.1, sge.token, PD, sge.address, sge.length, access)
    }

    fn remote(&self, key: Key, address: u64, length: u32, access: RemoteAccess) -> Result<Grant<'_>, Denied> {
        self.0.keys.check_remote(&self.1, key, PD, address, length, access)
    }

    fn flush(&self, key: Key, range: Option<(u64, u32)>, placement: FlushPlacement) -> Result<Flush, Denied> {
        self.0.keys.check_flush(&self.1, key, PD.into(), range, placement)
    }

    fn invalidate(&self, key: Key) -> Result<(), Detail> {
        self.0.keys.invalidate(&self.1, key, PD).map(drop).map_err(Denied::detail)
    }
}

/// A request in its slot.
struct Slot {
    words: [u64; 7],
    side: Vec<u64>,
}

fn side_of(sgl: &[Sge]) -> Vec<u64> {
    sgl.iter().skip(1).flat_map(|sge| sge_to_words(*sge)).collect()
}

fn slot(opcode: Opcode, remote: (u64, Key), sgl: &[Sge]) -> Slot {
    let request = SendRequest {
        context: 0,
        opcode,
        flags: RequestFlags::NONE,
        entries: sgl.len() as u8,
        immediate_or_key: remote.1.0,
        remote_address: remote.0,
        rkey: remote.1,
        first: sgl.first().copied().unwrap_or_default(),
        length: sgl.iter().map(|sge| sge.length).sum(),
        compare_or_add: 3,
        swap: 5,
    };
    let mut words = [0; 7];
    request.encode(&mut words);
    Slot { words, side: side_of(sgl) }
}

fn inline(opcode: Opcode, remote: (u64, Key), bytes: &[u8]) -> Slot {
    let mut slot = slot(opcode, remote, &[]);
    let mut request = SendRequest::decode(&slot.words).unwrap();
    request.flags = RequestFlags::INLINE;
    request.length = bytes.len() as u32;
    request.encode(&mut slot.words);
    slot.side = vec![0; INLINE_MAX / 8];
    SendRequest::put_inline(&mut slot.words, &mut slot.side, bytes);
    slot
}

/// Executes a write, read or atomic whole, in pieces; how it ended, and in how many.
fn run(slot: &Slot, (here, there): (&Side, &Side), piece: u64) -> (Outcome, usize) {
    let request = SendRequest::decode(&slot.words).unwrap();
    let (mut progress, mut pieces) = (0, 1);
    loop {
        let ends = (&At(here, here.pins.pin()), &At(there, there.pins.pin()));
        match execute(&request, &slot.side, &slot.words, ends, progress, piece) {
            Executed::Done(outcome) => return (outcome, pieces),
            Executed::Partly(moved) => {
                assert_eq!(moved, progress + piece);
                (progress, pieces) = (moved, pieces + 1);
            }
        }
    }
}

/// A message that meets receives, one after the other as `tickets` says for each piece.
fn meet(
    slot: &Slot,
    (here, there): (&Side, &Side),
    piece: u64,
    receive: impl Fn(u64) -> Vec<Sge>,
    tickets: impl IntoIterator<Item = u64>,
) -> (Outcome, Delivered) {
    let request = SendRequest::decode(&slot.words).unwrap();
    let (mut progress, mut last) = (0, u64::MAX);
    for ticket in tickets {
        let sgl = receive(ticket);
        let receive = ReceiveRequest {
            context: 0,
            entries: sgl.len() as u8,
            first: sgl.first().copied().unwrap_or_default(),
            length: sgl.iter().map(|sge| u64::from(sge.length)).sum(),
        };
        let mut message = Message {
            request: &request,
            words: &slot.words,
            side: &slot.side,
            progress,
            receive: last,
            piece,
            ended: None,
            partly: false,
        };
        let ends = (&At(here, here.pins.pin()), &At(there, there.pins.pin()));
        let delivered = message.deliver(ticket, &receive, &side_of(&sgl), ends);
        assert!(message.is_served());
        if let Some(outcome) = message.ended {
            return (outcome, delivered);
        }
        assert_eq!(delivered, Delivered::Stays);
        (progress, last) = (message.progress, message.receive);
    }
    panic!("the message did not end in the receives it met")
}

/// The one receive, for as many pieces as it takes.
fn deliver(slot: &Slot, ends: (&Side, &Side), piece: u64, receive: &[Sge]) -> (Outcome, Delivered) {
    meet(slot, ends, piece, |_| receive.to_vec(), std::iter::repeat(7))
}

fn sides() -> (Side, Side) {
    (Side::new(1), Side::new(100))
}

/// What an operation that writes into an entry is refused for.
fn bad_sinks(side: &Side) -> [(Sge, Detail); 4] {
    [
        (sge(Key(0xdead_be00), 0, 8), Detail::UnknownKey),
        (sge(side.foreign, 0, 8), Detail::OtherProtectionDomain),
        (sge(side.read_only, 0, 8), Detail::MissingRight),
        (sge(side.whole, LENGTH - 7, 8), Detail::OutOfRange),
    ]
}

/// What an operation that reads from an entry is refused for: no right is needed for that.
fn bad_sources(side: &Side) -> impl Iterator<Item = (Sge, Detail)> {
    bad_sinks(side).into_iter().filter(|(_, detail)| *detail != Detail::MissingRight)
}

fn untouched(here: &Side, there: &Side) {
    assert!(here.bytes() == pattern(1) && there.bytes() == pattern(100), "a refusal touches no byte");
}

#[test]
fn a_bad_entry_of_this_side_is_a_local_protection_error() {
    let (here, there) = sides();
    let remote = (BASE, there.whole);
    for (bad, detail) in bad_sources(&here) {
        for sgl in [vec![bad], vec![here.sge(0, 8), bad]] {
            let failed = Outcome::failure(Status::LocalProtection, detail);
            assert_eq!(run(&slot(Opcode::Write, remote, &sgl), (&here, &there), 4).0, failed);
            for opcode in Opcode::ALL.into_iter().filter(|opcode| opcode.takes_receive()) {
                let ended = deliver(&slot(opcode, remote, &sgl), (&here, &there), 4, &[there.sge(0, 64)]);
                assert_eq!(ended, (failed, Delivered::Stays), "{opcode:?}: its peer is not to blame");
            }
        }
    }
    for (bad, detail) in bad_sinks(&here) {
        let failed = Outcome::failure(Status::LocalProtection, detail);
        for sgl in [vec![bad], vec![here.sge(0, 8), bad]] {
            assert_eq!(run(&slot(Opcode::Read, remote, &sgl), (&here, &there), 4).0, failed);
        }
        for opcode in [Opcode::CompareAndSwap, Opcode::FetchAndAdd] {
            assert_eq!(run(&slot(opcode, remote, &[bad]), (&here, &there), 4).0, failed);
        }
    }
    untouched(&here, &there);
}

#[test]
fn a_bad_remote_key_is_a_remote_access_error() {
    let (here, there) = sides();
    let data = [here.sge(0, 8)];
    for (bad, detail) in bad_sinks(&there) {
        let failed = Outcome::failure(Status::RemoteAccess, detail);
        let remote = (bad.address, bad.token);
        for opcode in [Opcode::Write, Opcode::Read, Opcode::CompareAndSwap, Opcode::FetchAndAdd] {
            assert_eq!(run(&slot(opcode, remote, &data), (&here, &there), 4).0, failed, "{opcode:?}");
        }
        let written = inline(Opcode::Write, remote, &[1; 8]);
        assert_eq!(run(&written, (&here, &there), 4).0, failed);
        let write = slot(Opcode::WriteWithImmediate, remote, &data);
        assert_eq!(deliver(&write, (&here, &there), 4, &[]), (failed, Delivered::Stays));
    }
    untouched(&here, &there);
}

#[test]
fn the_senders_own_fault_comes_before_the_peers() {
    let (here, there) = sides();
    let (nowhere, unknown) = ((BASE, Key(0xdead_be00)), sge(Key(0xdead_be00), 0, 8));
    let failed = Outcome::failure(Status::LocalProtection, Detail::UnknownKey);
    for opcode in [Opcode::Write, Opcode::CompareAndSwap] {
        assert_eq!(run(&slot(opcode, nowhere, &[unknown]), (&here, &there), 4).0, failed);
    }
    let send = slot(Opcode::Send, nowhere, &[unknown]);
    assert_eq!(deliver(&send, (&here, &there), 4, &[there.sge(0, 7)]).0, failed, "nothing was sent");
    let read = slot(Opcode::Read, nowhere, &[unknown]);
    let refused = Outcome::failure(Status::RemoteAccess, Detail::UnknownKey);
    assert_eq!(run(&read, (&here, &there), 4).0, refused, "a read's answer never comes");
    untouched(&here, &there);
}

#[test]
fn a_receive_that_does_not_fit_fails_on_both_sides() {
    let (here, there) = sides();
    let nowhere = (0, there.whole);
    for opcode in [Opcode::Send, Opcode::SendWithImmediate, Opcode::SendWithInvalidate] {
        let send = slot(opcode, nowhere, &[here.sge(0, 5), here.sge(9, 4)]);
        let detail = Detail::ReceiveTooSmall;
        for small in [vec![], vec![there.sge(0, 8)], vec![there.sge(0, 4), there.sge(4, 4)]] {
            let (sender, receiver) = deliver(&send, (&here, &there), 4, &small);
            assert_eq!(sender, Outcome::failure(Status::RemoteInvalidRequest, detail));
            assert_eq!(receiver, Delivered::Receive(Outcome::failure(Status::LocalLength, detail)));
        }
        for (bad, detail) in bad_sinks(&there) {
            let (sender, receiver) = deliver(&send, (&here, &there), 4, &[there.sge(0, 32), bad]);
            assert_eq!(sender, Outcome::failure(Status::RemoteOperation, detail));
            assert_eq!(receiver, Delivered::Receive(Outcome::failure(Status::LocalProtection, detail)));
        }
    }
    untouched(&here, &there);
}

#[test]
fn an_invalidation_comes_with_the_last_piece_and_may_be_refused() {
    let (here, there) = sides();
    let receive = [there.sge(64, 32)];
    for (key, detail) in [
        (Key(0xdead_be00), Detail::UnknownKey),
        (there.foreign, Detail::OtherProtectionDomain),
        (there.read_only, Detail::MissingRight),
    ] {
        let send = slot(Opcode::SendWithInvalidate, (0, key), &[here.sge(0, 16)]);
        let ended = deliver(&send, (&here, &there), 16, &receive);
        assert_eq!(ended, (Outcome::failure(Status::RemoteAccess, detail), Delivered::Stays));
    }
    untouched(&here, &there);
    // The receive lies in the very region that is invalidated: all pieces arrive all the same.
    let send = slot(Opcode::SendWithInvalidate, (0, there.whole), &[here.sge(0, 16)]);
    let done = Outcome::success(16);
    assert_eq!(deliver(&send, (&here, &there), 5, &receive), (done, Delivered::Receive(done)));
    assert_eq!(there.bytes()[64..80], pattern(1)[..16]);
    let gone = Outcome::failure(Status::RemoteAccess, Detail::UnknownKey);
    let write = slot(Opcode::Write, (BASE, there.whole), &[here.sge(0, 1)]);
    assert_eq!(run(&write, (&here, &there), 5).0, gone);
    assert_eq!(deliver(&send, (&here, &there), 16, &[]).0.status, Status::RemoteInvalidRequest);
}

#[test]
fn atomics_are_whole_and_want_their_word_aligned() {
    let (here, there) = sides();
    there.memory.view().store_u64(8, 3).unwrap();
    let old = |side: &Side| side.memory.view().load_u64(40).unwrap();
    let place = [here.sge(40, 8)];
    let swap = slot(Opcode::CompareAndSwap, (BASE + 8, there.whole), &place);
    assert_eq!(run(&swap, (&here, &there), 1), (Outcome::success(8), 1), "in one piece whatever its size");
    assert_eq!((old(&here), there.memory.view().load_u64(8)), (3, Some(5)));
    assert_eq!(run(&swap, (&here, &there), 1).0, Outcome::success(8));
    assert_eq!((old(&here), there.memory.view().load_u64(8)), (5, Some(5)), "it compared unequal");
    let add = slot(Opcode::FetchAndAdd, (BASE + 8, there.whole), &[here.sge(43, 8)]);
    assert_eq!(run(&add, (&here, &there), 1).0, Outcome::success(8), "the old value may go anywhere");
    assert_eq!(
        (here.bytes()[43..51].to_vec(), there.memory.view().load_u64(8)),
        (5u64.to_ne_bytes().to_vec(), Some(8))
    );
    let before = (here.bytes(), there.bytes());
    for offset in [1, 4, 7] {
        let add = slot(Opcode::FetchAndAdd, (BASE + offset, there.whole), &place);
        let failed = Outcome::failure(Status::RemoteInvalidRequest, Detail::Misaligned);
        assert_eq!(run(&add, (&here, &there), 1).0, failed);
    }
    assert!((here.bytes(), there.bytes()) == before);
}

#[test]
fn nothing_is_checked_for_no_bytes() {
    let (here, there) = sides();
    let nowhere = (12, Key(0xdead_be00));
    let empty = sge(Key(77), 9999, 0);
    for opcode in [Opcode::Write, Opcode::Read] {
        for sgl in [vec![], vec![empty]] {
            assert_eq!(run(&slot(opcode, nowhere, &sgl), (&here, &there), 4), (Outcome::success(0), 1));
        }
    }
    let done = Outcome::success(0);
    let send = slot(Opcode::Send, nowhere, &[empty]);
    assert_eq!(deliver(&send, (&here, &there), 4, &[]), (done, Delivered::Receive(done)));
    untouched(&here, &there);
}

#[test]
fn a_message_begins_again_in_another_receive() {
    let (here, there) = sides();
    let send = slot(Opcode::Send, (0, Key(0)), &[here.sge(0, 20)]);
    // Two pieces into receive 1, which is flushed; receive 2 gets the whole message, from its beginning.
    let receive = |ticket: u64| vec![there.sge(64 * ticket as usize, 32)];
    let (outcome, _) = meet(&send, (&here, &there), 8, receive, [1, 1, 2, 2, 2]);
    assert_eq!(outcome, Outcome::success(20));
    assert_eq!(there.bytes()[128..148], pattern(1)[..20]);
    assert_eq!(there.bytes()[80..128], pattern(100)[80..128], "the third piece was never in receive 1");
}

#[test]
fn what_the_receiver_is_told() {
    let none = (0, Key(0));
    for (opcode, kind, flags) in [
        (Opcode::Send, CompletionKind::Receive, CompletionFlags::NONE),
        (Opcode::SendWithImmediate, CompletionKind::Receive, CompletionFlags::IMMEDIATE),
        (Opcode::SendWithInvalidate, CompletionKind::Receive, CompletionFlags::INVALIDATED),
        (Opcode::WriteWithImmediate, CompletionKind::ReceiveWrite, CompletionFlags::IMMEDIATE),
    ] {
        for solicited in [RequestFlags::NONE, RequestFlags::SOLICITED] {
            let slot = slot(opcode, none, &[]);
            let mut request = SendRequest::decode(&slot.words).unwrap();
            request.flags = solicited;
            let message = Message {
                request: &request,
                words: &slot.words,
                side: &slot.side,
                progress: 0,
                receive: 0,
                piece: 1,
                ended: None,
                partly: false,
            };
            assert_eq!(message.kind(), kind);
            assert_eq!(message.flags().contains(CompletionFlags::SOLICITED), solicited != RequestFlags::NONE);
            assert!(message.flags().contains(flags));
        }
    }
}

#[test]
fn an_outcome_survives_its_stash() {
    for status in Status::ALL {
        for outcome in
            [Outcome::failure(status, Detail::PeerGone), Outcome { status, ..Outcome::success(u32::MAX) }]
        {
            let mut payload = [7; 7];
            outcome.stash(&mut payload);
            assert_eq!(Outcome::unstash(&payload), outcome);
            assert_eq!(payload[..STASH], [7; STASH], "context, opcode and flags stay");
        }
    }
}

/// Entries of a list: gaps and lengths, so that they lie apart.
fn list() -> impl Strategy<Value = Vec<(usize, usize)>> {
    vec((0usize..9, prop_oneof![1 => Just(0usize), 5 => 0usize..20]), 0..=8)
}

/// The entries as offset and length, cut to `total` bytes.
fn laid_out(list: &[(usize, usize)], total: usize) -> Vec<(usize, usize)> {
    let (mut at, mut left) = (0, total);
    let mut entries = Vec::new();
    for (gap, length) in list {
        let length = (*length).min(left);
        entries.push((at + gap, length));
        (at, left) = (at + gap + length, left - length);
    }
    entries
}

fn places(entries: &[(usize, usize)]) -> impl Iterator<Item = usize> + '_ {
    entries.iter().flat_map(|(offset, length)| *offset..offset + length)
}

fn entries(side: &Side, entries: &[(usize, usize)]) -> Vec<Sge> {
    entries.iter().map(|(offset, length)| side.sge(*offset, *length)).collect()
}

fn total(list: &[(usize, usize)]) -> usize {
    list.iter().map(|(_, length)| length).sum()
}

proptest! {
    #[test]
    fn pieces_over_any_lists_make_a_plain_copy(from in list(), to in list(), piece in 1u64..50, at in 0usize..64) {
        // A send: as much as both lists hold, from list to list.
        let length = total(&from).min(total(&to));
        let (from, to) = (laid_out(&from, length), laid_out(&to, total(&to)));
        let (here, there) = sides();
        let send = slot(Opcode::Send, (0, Key(0)), &entries(&here, &from));
        let done = Outcome::success(length as u32);
        let ended = deliver(&send, (&here, &there), piece, &entries(&there, &to));
        prop_assert_eq!(ended, (done, Delivered::Receive(done)));
        let mut expected = pattern(100);
        for (source, sink) in places(&from).zip(places(&to)) {
            expected[sink] = pattern(1)[source];
        }
        prop_assert_eq!(there.bytes(), expected);
        // A write: from list to range. A read: from range to list.
        let remote = (BASE + at as u64, there.whole);
        let pieces = |length: usize| (length as u64).div_ceil(piece).max(1) as usize;
        let (here, there) = sides();
        let remote_of = |side: &Side| (remote.0, side.whole);
        let write = slot(Opcode::Write, remote_of(&there), &entries(&here, &from));
        prop_assert_eq!(run(&write, (&here, &there), piece), (done, pieces(length)));
        let mut expected = pattern(100);
        for (index, source) in places(&from).enumerate() {
            expected[at + index] = pattern(1)[source];
        }
        prop_assert_eq!(there.bytes(), expected);
        let (here, there) = sides();
        let read = slot(Opcode::Read, remote_of(&there), &entries(&here, &to));
        let done = Outcome::success(total(&to) as u32);
        prop_assert_eq!(run(&read, (&here, &there), piece), (done, pieces(total(&to))));
        let mut expected = pattern(1);
        for (index, sink) in places(&to).enumerate() {
            expected[sink] = pattern(100)[at + index];
        }
        prop_assert_eq!(here.bytes(), expected);
    }

    #[test]
    fn inline_bytes_arrive_in_pieces_too(bytes in vec(any::<u8>(), 0..=INLINE_MAX), piece in 1u64..300, to in list()) {
        let (here, there) = sides();
        let written = inline(Opcode::Write, (BASE + 3, there.whole), &bytes);
        prop_assert_eq!(run(&written, (&here, &there), piece).0, Outcome::success(bytes.len() as u32));
        prop_assert_eq!(&there.bytes()[3..3 + bytes.len()], &bytes[..]);
        let bytes = &bytes[..bytes.len().min(total(&to))];
        let to = laid_out(&to, LENGTH);
        let (here, there) = sides();
        let sent = inline(Opcode::SendWithImmediate, (0, Key(9)), bytes);
        let done = Outcome::success(bytes.len() as u32);
        let ended = deliver(&sent, (&here, &there), piece, &entries(&there, &to));
        prop_assert_eq!(ended, (done, Delivered::Receive(done)));
        let got: Vec<_> = places(&to).take(bytes.len()).map(|place| there.bytes()[place]).collect();
        prop_assert_eq!(got, bytes);
    }
}

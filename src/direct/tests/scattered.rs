//! Entries and remote accesses whose bytes lie on pages from here and there.

use super::*;
use crate::memory::PageList;

const PAGE: usize = 4096;
/// A round number of pages, so that bases keep the offset in the page.
const NUMBER: u64 = 0x50_0000;
const ADAPTER: u32 = 9;

/// A side with a fast registration of pages of two mappings.
struct Scattered {
    side: Side,
    lams: [Arc<Memory>; 2],
    /// Mapping and page, in the order of the registration.
    pages: Vec<(usize, usize)>,
    offset: usize,
    key: Key,
}

impl Scattered {
    fn new(first: u8, order: &[usize], offset: usize) -> Self {
        let side = Side::new(first);
        let lams = [0, 1].map(|_| Arc::new(Memory::zeroed(3 * PAGE).unwrap()));
        let mappings = [0, 1].map(|lam| side.keys.build_lam(&lams[lam], ADAPTER).unwrap());
        let pages: Vec<_> = order.iter().map(|page| (page / 3, page % 3)).collect();
        let logical: Vec<_> =
            pages.iter().map(|(lam, page)| mappings[*lam].first_page + (page * PAGE) as u64).collect();
        let rights = EVERY.iter().fold(Rights::NONE, |all, right| all | *right);
        let list = PageList {
            pages: &logical,
            first_byte_offset: offset as u32,
            length: (pages.len() * PAGE - offset) as u64,
            base: NUMBER + offset as u64,
            rights,
        };
        let home = side.keys.create_fast_register(PD, ADAPTER, 6, true).unwrap();
        let key = {
            let pin = side.pins.pin();
            let place = side.keys.stage(&pin, home, &list).unwrap();
            let key = side.keys.choose(&pin, home, None).unwrap();
            side.keys.fast_register(&pin, (home, key), place).unwrap();
            key
        };
        let scattered = Self { side, lams, pages, offset, key };
        (0..scattered.len()).for_each(|byte| scattered.put(byte, first.wrapping_add((byte * 13) as u8)));
        scattered
    }

    fn len(&self) -> usize {
        self.pages.len() * PAGE - self.offset
    }

    fn place(&self, byte: usize) -> (&Memory, usize) {
        let at = self.offset + byte;
        let (lam, page) = self.pages[at / PAGE];
        (&self.lams[lam], page * PAGE + at % PAGE)
    }

    fn put(&self, byte: usize, value: u8) {
        let (memory, at) = self.place(byte);
        memory.write(at, &[value]).unwrap();
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |byte| {
            let (memory, at) = self.place(byte);
            let mut one = [0];
            memory.read(at, &mut one).unwrap();
            one[0]
        };
        (0..self.len()).map(byte).collect()
    }

    fn address(&self, byte: usize) -> u64 {
        NUMBER + (self.offset + byte) as u64
    }

    fn sge(&self, from: usize, length: usize) -> Sge {
        Sge { address: self.address(from), length: length as u32, token: self.key }
    }
}

#[test]
fn a_key_that_is_invalidated_may_be_that_of_the_receive() {
    let here = Side::new(1);
    for piece in [4096, 3 * PAGE as u64] {
        let there = Scattered::new(90, &[4, 0, 2], 100);
        let send = slot(Opcode::SendWithInvalidate, (0, there.key), &[here.sge(0, LENGTH)]);
        let at = PAGE - 150; // over the end of its first page
        let done = Outcome::success(LENGTH as u32);
        let ended = deliver(&send, (&here, &there.side), piece, &[there.sge(at, LENGTH)]);
        assert_eq!(ended, (done, Delivered::Receive(done)), "pieces of {piece}");
        assert_eq!(there.bytes()[at..at + LENGTH], here.bytes());
        let again = deliver(&send, (&here, &there.side), piece, &[there.sge(at, LENGTH)]);
        assert_eq!(again.0.status, Status::RemoteOperation, "the receive's key is gone");
    }
}

/// Six pages in some order, of which some are left out, and the offset in the first.
fn order() -> impl Strategy<Value = (Vec<usize>, usize)> {
    let pages = Just((0..6).collect::<Vec<usize>>()).prop_shuffle();
    let offset = prop_oneof![1 => Just(0usize), 2 => 0..PAGE];
    (pages, 2usize..=6, offset).prop_map(|(pages, count, offset)| (pages[..count].to_vec(), offset))
}

/// Entries in thousandths of what there is: where each begins, and how long it is.
fn parts() -> impl Strategy<Value = Vec<(usize, usize)>> {
    vec((0usize..900, 0usize..900), 1..=4)
}

/// The parts as byte ranges of `length` bytes, together at most as long as `most`.
fn ranges(parts: &[(usize, usize)], length: usize, mut most: usize) -> Vec<(usize, usize)> {
    let range = |(from, size): &(usize, usize)| {
        let from = from * length / 1000;
        let size = (size * length / 1000).min(length - from).min(most);
        most -= size;
        (from, size)
    };
    parts.iter().map(range).collect()
}

fn gathered(bytes: &[u8], ranges: &[(usize, usize)]) -> Vec<u8> {
    ranges.iter().flat_map(|(from, size)| bytes[*from..from + size].to_vec()).collect()
}

fn scatter(bytes: &mut [u8], ranges: &[(usize, usize)], data: &[u8]) {
    let places = ranges.iter().flat_map(|(from, size)| *from..from + size);
    places.zip(data).for_each(|(place, byte)| bytes[place] = *byte);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn writes_and_reads_find_every_byte(
        (mine, at_mine) in order(), (theirs, at_theirs) in order(), parts in parts(),
        to in 0usize..1000, piece in 100u64..20_000, reads: bool,
    ) {
        let (here, there) =
            (Scattered::new(1, &mine, at_mine), Scattered::new(90, &theirs, at_theirs));
        let to = to * there.len() / 1000;
        let ranges = ranges(&parts, here.len(), there.len() - to);
        let sgl: Vec<_> = ranges.iter().map(|(from, size)| here.sge(*from, *size)).collect();
        let (mut expected, length) = ([here.bytes(), there.bytes()], ranges.iter().map(|r| r.1).sum::<usize>());
        let remote = (there.address(to), there.key);
        let opcode = if reads { Opcode::Read } else { Opcode::Write };
        if reads {
            let data = expected[1][to..to + length].to_vec();
            // Overlapping entries are written in order, piece by piece of the message: the last one wins.
            scatter(&mut expected[0], &ranges, &data);
        } else {
            let data = gathered(&expected[0], &ranges);
            expected[1][to..to + length].copy_from_slice(&data);
        }
        let (outcome, _) = run(&slot(opcode, remote, &sgl), (&here.side, &there.side), piece);
        prop_assert_eq!(outcome, Outcome::success(length as u32));
        prop_assert!([here.bytes(), there.bytes()] == expected);
    }

    #[test]
    fn messages_find_every_byte(
        (mine, at_mine) in order(), (theirs, at_theirs) in order(), sent in parts(), taken in parts(),
        piece in 100u64..20_000,
    ) {
        let (here, there) =
            (Scattered::new(1, &mine, at_mine), Scattered::new(90, &theirs, at_theirs));
        let taken = ranges(&taken, there.len(), usize::MAX);
        let room = taken.iter().map(|range| range.1).sum();
        let sent = ranges(&sent, here.len(), room);
        let sge = |side: &Scattered, ranges: &[(usize, usize)]| -> Vec<Sge> {
            ranges.iter().map(|(from, size)| side.sge(*from, *size)).collect()
        };
        let data = gathered(&here.bytes(), &sent);
        let mut expected = there.bytes();
        scatter(&mut expected, &taken, &data);
        let slot = slot(Opcode::Send, (0, Key(0)), &sge(&here, &sent));
        let (outcome, _) = deliver(&slot, (&here.side, &there.side), piece, &sge(&there, &taken));
        prop_assert_eq!(outcome, Outcome::success(data.len() as u32));
        prop_assert!(there.bytes() == expected);
    }
}

/// The eight bytes for an atomic's old value may lie on two pages.
#[test]
fn an_old_value_on_two_pages() {
    let (here, there) = (Scattered::new(1, &[4, 0], 0), Side::new(3));
    there.memory.write(0, &7_u64.to_ne_bytes()).unwrap();
    let entry = here.sge(PAGE - 3, 8);
    let (outcome, _) =
        run(&slot(Opcode::FetchAndAdd, (BASE, there.whole), &[entry]), (&here.side, &there), 64);
    assert_eq!(outcome, Outcome::success(8));
    assert_eq!(here.bytes()[PAGE - 3..PAGE + 5], 7_u64.to_ne_bytes());
    assert_eq!(there.bytes()[..8], 10_u64.to_ne_bytes());
}

/// Inline data goes to pages here and there, too.
#[test]
fn inline_data_across_pages() {
    let (here, there) = (Side::new(1), Scattered::new(50, &[2, 5], 0));
    let data = [9; 200];
    let slot = inline(Opcode::Write, (there.address(PAGE - 100), there.key), &data);
    let (outcome, pieces) = run(&slot, (&here, &there.side), 64);
    assert_eq!((outcome, pieces), (Outcome::success(200), 4));
    assert_eq!(there.bytes()[PAGE - 100..PAGE + 100], data);
}

/// One entry of several that is refused: nothing is touched, wherever the others lie.
#[test]
fn a_refusal_touches_nothing() {
    let (here, there) = (Scattered::new(1, &[4, 0, 2], 0), Scattered::new(90, &[1, 3, 5], 0));
    let before = there.bytes();
    for (bad, detail) in bad_sources(&here.side) {
        let sgl = [here.sge(0, 5000), bad];
        let slot = slot(Opcode::Write, (there.address(10), there.key), &sgl);
        let (outcome, _) = run(&slot, (&here.side, &there.side), 1 << 20);
        assert_eq!(outcome, Outcome::failure(Status::LocalProtection, detail));
        assert_eq!(there.bytes(), before);
    }
}

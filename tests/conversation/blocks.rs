//! A conversation by verb control blocks alone, byte by byte as old programs lay them out.

use crate::lus::*;
use qpair::ulp::conversation::appc::Appc;
use qpair::ulp::conversation::appc::codes::*;

/// A block of a verb, with a program and a conversation where it has them.
struct Block(Vec<u8>);

impl Block {
    fn new(opcode: u16, length: usize) -> Self {
        let mut bytes = vec![0; length];
        bytes[..2].copy_from_slice(&opcode.to_be_bytes());
        Self(bytes)
    }

    fn of(opcode: u16, length: usize, (tp, conv): Ids<'_>) -> Self {
        Self::new(opcode, length).with(12, tp).with(20, conv)
    }

    fn with(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Text with blanks behind it.
    fn text(mut self, at: usize, width: usize, text: &str) -> Self {
        self.0[at..at + width].fill(b' ');
        self.with(at, text.as_bytes())
    }

    /// Carries it out, and expects these codes.
    #[track_caller]
    fn call(mut self, appc: &Appc, data: &mut [u8], primary: u16, secondary: u32) -> Result<Self, String> {
        done("APPC", appc.call(&mut self.0, data))?;
        same("primary_rc", &self.0[4..6], &primary.to_be_bytes()[..])?;
        same("secondary_rc", &self.0[8..12], &secondary.to_be_bytes()[..])?;
        Ok(self)
    }

    fn ok(self, appc: &Appc, data: &mut [u8]) -> Result<Self, String> {
        self.call(appc, data, AP_OK, 0)
    }
}

/// Bytes of a native pointer.
const POINTER: usize = size_of::<usize>();

/// A program and a conversation of its.
type Ids<'a> = (&'a [u8], &'a [u8]);

/// From TP_STARTED to TP_ENDED, with every block on the way.
pub fn blocks() -> Check {
    let world = World::new("blocks")?;
    let [left, right] = &world.appc;
    let started = Block::new(0x1400, 92).text(12, 8, "LEFT").text(28, 64, "CLIENT").ok(left, &mut [])?;
    let tp = &started.0[20..28];
    let allocate = Block::new(0x0100, 184 + POINTER).with(12, tp).with(25, &[1]);
    let allocate = allocate.text(40, 8, "RIGHT").text(48, 8, "").text(56, 64, "PIPS");
    let mut pip = *b"pip";
    let allocated = allocate.with(152, &3_u16.to_ne_bytes()).ok(left, &mut pip)?;
    let here = (tp, &allocated.0[20..24]);
    let mut data = record(b"data");
    let send = Block::of(0x0F00, 32 + POINTER, here).with(26, &6_u16.to_ne_bytes());
    let send = send.with(28 + POINTER, &[1]); // with a flush
    send.ok(left, &mut data)?;

    let invoked = Block::new(0x1600, 156).text(12, 64, "PIPS").ok(right, &mut [])?;
    same("sync_level", invoked.0[88], 1)?;
    same("plu_alias", &invoked.0[108..116], &b"LEFT    "[..])?;
    same("fqplu_name", &invoked.0[132..149], &b"NET.LEFT         "[..])?;
    let there = (&invoked.0[76..84], &invoked.0[84..88]);
    let receive =
        |opcode: u16| Block::of(opcode, 44 + POINTER, there).with(27, &[1]).with(30, &99_u16.to_ne_bytes());
    let mut buffer = [0; 99];
    let received = receive(0x0C00).ok(right, &mut buffer)?;
    same("what_rcvd", &received.0[24..26], &AP_DATA_COMPLETE.to_be_bytes()[..])?;
    same("dlen", &received.0[32..34], &6_u16.to_ne_bytes()[..])?;
    same("data", &buffer[..6], &data[..])?;
    receive(0x0C00).call(right, &mut buffer, AP_UNSUCCESSFUL, 0)?;
    receive(0x0C00).call(right, &mut [0; 9], AP_PARAMETER_CHECK, AP_INVALID_DATA_SEGMENT)?;
    receive(0x0B00).with(27, &[9]).call(right, &mut buffer, AP_PARAMETER_CHECK, AP_RCV_AND_WAIT_BAD_FILL)?;
    // A wrong argument comes after the state.
    let wrong = Block::of(0x0F00, 32 + POINTER, there).with(28 + POINTER, &[9]);
    wrong.call(right, &mut [], AP_STATE_CHECK, AP_SEND_DATA_NOT_SEND_STATE)?;
    let short = Block::of(0x0F00, 32 + POINTER, there).with(26, &6_u16.to_ne_bytes());
    short.call(right, &mut [], AP_STATE_CHECK, AP_SEND_DATA_NOT_SEND_STATE)?;
    Block::of(0x0F00, 32 + POINTER, here).with(28 + POINTER, &[9]).call(
        left,
        &mut [],
        AP_PARAMETER_CHECK,
        AP_SEND_DATA_INVALID_TYPE,
    )?;

    let short = Block::of(0x0F00, 32 + POINTER, here).with(26, &6_u16.to_ne_bytes());
    short.call(left, &mut [], AP_PARAMETER_CHECK, AP_INVALID_DATA_SEGMENT)?;
    converse(&world, here, there)?;
    let abend = Block::of(0x0500, 28 + POINTER, there).with(25, &[2]);
    abend.ok(right, &mut [])?;
    Block::of(0x0600, 24, there).call(right, &mut [], AP_PARAMETER_CHECK, AP_BAD_CONV_ID)?;
    Block::new(0x0200, 24).call(left, &mut [], AP_INVALID_VERB, 0)?;
    Block::new(0x1300, 24).with(12, tp).with(20, &[7]).call(
        left,
        &mut [],
        AP_PARAMETER_CHECK,
        AP_BAD_TYPE,
    )?;
    Block::new(0x1300, 24).with(12, tp).ok(left, &mut [])?;
    Block::of(0x0600, 24, here).call(left, &mut [], AP_PARAMETER_CHECK, AP_BAD_TP_ID).map(drop)
}

/// What the two sides ask, and the turn with an error.
fn converse(world: &World, here: Ids<'_>, there: Ids<'_>) -> Check {
    let [left, right] = &world.appc;
    let receive = Block::of(0x0B00, 44 + POINTER, there).with(27, &[1]).with(30, &99_u16.to_ne_bytes());
    let attributes = Block::of(0x0700, 132, there).ok(right, &mut [])?;
    same("lu_name", &attributes.0[34..50], &b"NET     RIGHT   "[..])?;
    same("conv_state", Block::of(0x0900, 28, here).ok(left, &mut [])?.0[24], 2)?;
    Block::of(0x0E00, 24, there).ok(right, &mut [])?;
    Block::of(0x1200, 28, here).ok(left, &mut [])?;
    Block::of(0x0A00, 28, here).with(24, &[1]).ok(left, &mut [])?;
    let turn = receive.ok(right, &mut [0; 99])?;
    same("what_rcvd", &turn.0[24..26], &AP_SEND.to_be_bytes()[..])?;
    let mut log = [0, 5, 0x12, 0xE1, b'!'];
    let error = Block::of(0x1000, 32 + POINTER, there).with(28, &5_u16.to_ne_bytes());
    error.ok(right, &mut log)?;
    same("log", world.units[0].error_log(), vec![log.to_vec()])?;
    Ok(())
}

checks! { blocks }

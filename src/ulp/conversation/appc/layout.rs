//! Verb control blocks: where each field lies.
//!
//! The offsets are those of the Win32 header, which packs to four bytes; numbers of 32 bits stay such on
//! every host, pointers are native. Operation codes, return codes and `what_rcvd` stand most
//! significant byte first, lengths and identifiers of conversations as the host has them; the error number of
//! AP_UNEXPECTED_DOS_ERROR too.

use super::codes::AP_UNEXPECTED_DOS_ERROR;
use super::{ConvId, ReturnCode, TpId};

/// Operation codes.
pub(super) mod opcode {
    pub(crate) const ALLOCATE: u16 = 0x0100;
    pub(crate) const CONFIRM: u16 = 0x0300;
    pub(crate) const CONFIRMED: u16 = 0x0400;
    pub(crate) const DEALLOCATE: u16 = 0x0500;
    pub(crate) const FLUSH: u16 = 0x0600;
    pub(crate) const GET_ATTRIBUTES: u16 = 0x0700;
    pub(crate) const GET_TYPE: u16 = 0x0800;
    pub(crate) const GET_STATE: u16 = 0x0900;
    pub(crate) const PREPARE_TO_RECEIVE: u16 = 0x0A00;
    pub(crate) const RECEIVE_AND_WAIT: u16 = 0x0B00;
    pub(crate) const RECEIVE_IMMEDIATE: u16 = 0x0C00;
    pub(crate) const RECEIVE_AND_POST: u16 = 0x0D00;
    pub(crate) const REQUEST_TO_SEND: u16 = 0x0E00;
    pub(crate) const SEND_DATA: u16 = 0x0F00;
    pub(crate) const SEND_ERROR: u16 = 0x1000;
    pub(crate) const TEST_RTS: u16 = 0x1200;
    pub(crate) const TP_ENDED: u16 = 0x1300;
    pub(crate) const TP_STARTED: u16 = 0x1400;
    pub(crate) const RECEIVE_ALLOCATE: u16 = 0x1600;
}

/// Bytes of a native pointer.
const POINTER: usize = size_of::<usize>();

/// Length of the header that every block begins with.
pub(super) const HEADER: usize = 12;

/// Length of the block of a verb; `None`: there is no such verb.
pub(super) fn length(opcode: u16) -> Option<usize> {
    use opcode::*;
    Some(match opcode {
        FLUSH | CONFIRMED | REQUEST_TO_SEND | TP_ENDED => 24,
        CONFIRM | TEST_RTS | GET_TYPE | GET_STATE | PREPARE_TO_RECEIVE => 28,
        DEALLOCATE => 28 + POINTER,
        SEND_DATA => 28 + POINTER + 4,
        SEND_ERROR => 32 + POINTER,
        RECEIVE_AND_WAIT | RECEIVE_IMMEDIATE => 36 + POINTER + 8,
        RECEIVE_AND_POST => 36 + 2 * POINTER + 4,
        TP_STARTED => 92,
        GET_ATTRIBUTES => 132,
        RECEIVE_ALLOCATE => 156,
        ALLOCATE => 156 + POINTER + 28,
        _ => return None,
    })
}

/// What a block says of data that lies elsewhere, for those who have only its address (`sys/ulp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLayout {
    /// Bytes of the block.
    pub length: usize,
    /// Its data, if its verb has some.
    pub data: Option<DataField>,
}

/// Where a block says which data are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataField {
    /// Offset of the length, 16 bits in the host's order.
    pub length_at: usize,
    /// Offset of the native pointer.
    pub pointer_at: usize,
    /// The verb fills the data, as a receive does; the others read them.
    pub is_filled: bool,
}

impl BlockLayout {
    /// The layout of a verb's block by its operation code; `None`: there is no such verb.
    pub fn of(opcode: u16) -> Option<Self> {
        use opcode::*;
        let of = |length_at, pointer_at, is_filled| Some(DataField { length_at, pointer_at, is_filled });
        let data = match opcode {
            DEALLOCATE => of(at::DEALLOC_LOG_DLEN, 28, false),
            SEND_DATA => of(at::SEND_DLEN, 28, false),
            SEND_ERROR => of(at::ERROR_LOG_DLEN, 32, false),
            ALLOCATE => of(at::ALLOCATE_PIP_DLEN, 156, false),
            RECEIVE_AND_WAIT | RECEIVE_IMMEDIATE | RECEIVE_AND_POST => of(at::MAX_LEN, 36, true),
            _ => None,
        };
        Some(Self { length: length(opcode)?, data })
    }
}

/// A field of text: its offset and width.
pub(super) type Text = (usize, usize);

/// Offsets of fields, by verb.
pub(super) mod at {
    use super::{POINTER, Text};
    pub(crate) const OPEXT: usize = 2;
    const PRIMARY: usize = 4;
    const SECONDARY: usize = 8;
    pub(crate) const CODES: (usize, usize) = (PRIMARY, SECONDARY);
    pub(crate) const TP_ID: usize = 12;
    pub(crate) const CONV_ID: usize = 20;
    pub(crate) const RTS_RCVD: usize = 24;
    pub(crate) const CONV_TYPE: usize = 24;
    pub(crate) const CONV_STATE: usize = 24;

    pub(crate) const STARTED_LU_ALIAS: Text = (12, 8);
    pub(crate) const STARTED_TP_ID: usize = 20;
    pub(crate) const STARTED_TP_NAME: Text = (28, 64);
    pub(crate) const ENDED_TYPE: usize = 20;

    pub(crate) const ALLOCATE_SYNC_LEVEL: usize = 25;
    pub(crate) const ALLOCATE_RTN_CTL: usize = 28;
    pub(crate) const ALLOCATE_SENSE_DATA: usize = 36;
    pub(crate) const ALLOCATE_PLU_ALIAS: Text = (40, 8);
    pub(crate) const ALLOCATE_MODE: Text = (48, 8);
    pub(crate) const ALLOCATE_TP_NAME: Text = (56, 64);
    pub(crate) const ALLOCATE_SECURITY: usize = 120;
    pub(crate) const ALLOCATE_PASSWORD: Text = (132, 10);
    pub(crate) const ALLOCATE_USER: Text = (142, 10);
    pub(crate) const ALLOCATE_PIP_DLEN: usize = 152;
    pub(crate) const ALLOCATE_FQPLU_NAME: Text = (156 + POINTER + 1, 17);

    pub(crate) const INVOKED_TP_NAME: Text = (12, 64);
    pub(crate) const INVOKED_TP_ID: usize = 76;
    pub(crate) const INVOKED_CONV_ID: usize = 84;
    pub(crate) const INVOKED_SYNC_LEVEL: usize = 88;
    pub(crate) const INVOKED_CONV_TYPE: usize = 89;
    pub(crate) const INVOKED_USER: Text = (90, 10);
    pub(crate) const INVOKED_LU_ALIAS: Text = (100, 8);
    pub(crate) const INVOKED_PLU_ALIAS: Text = (108, 8);
    pub(crate) const INVOKED_MODE: Text = (116, 8);
    pub(crate) const INVOKED_FQPLU_NAME: Text = (132, 17);

    pub(crate) const DEALLOC_TYPE: usize = 25;
    pub(crate) const DEALLOC_LOG_DLEN: usize = 26;
    pub(crate) const PTR_TYPE: usize = 24;
    pub(crate) const LOCKS: usize = 25;

    pub(crate) const WHAT_RCVD: usize = 24;
    pub(crate) const RTN_STATUS: usize = 26;
    pub(crate) const FILL: usize = 27;
    pub(crate) const RECEIVE_RTS_RCVD: usize = 28;
    pub(crate) const MAX_LEN: usize = 30;
    pub(crate) const RECEIVE_DLEN: usize = 32;

    pub(crate) const SEND_DLEN: usize = 26;
    pub(crate) const SEND_TYPE: usize = 28 + POINTER;
    pub(crate) const ERR_TYPE: usize = 25;
    pub(crate) const ERR_DIR: usize = 26;
    pub(crate) const ERROR_LOG_DLEN: usize = 28;

    pub(crate) const ATTRIBUTES_SYNC_LEVEL: usize = 25;
    pub(crate) const ATTRIBUTES_MODE: Text = (26, 8);
    pub(crate) const ATTRIBUTES_NET_NAME: Text = (34, 8);
    pub(crate) const ATTRIBUTES_LU_NAME: Text = (42, 8);
    pub(crate) const ATTRIBUTES_LU_ALIAS: Text = (50, 8);
    pub(crate) const ATTRIBUTES_PLU_ALIAS: Text = (58, 8);
    pub(crate) const ATTRIBUTES_FQPLU_NAME: Text = (76, 17);
    pub(crate) const ATTRIBUTES_USER: Text = (94, 10);
}

/// A verb control block of the length that its verb has.
pub(super) struct Block<'a>(pub(super) &'a mut [u8]);

impl Block<'_> {
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.0[at]
    }

    pub(super) fn put_byte(&mut self, at: usize, value: impl Into<u8>) {
        self.0[at] = value.into();
    }

    /// A length, in the host's order.
    pub(super) fn length(&self, at: usize) -> u16 {
        u16::from_ne_bytes([self.0[at], self.0[at + 1]])
    }

    pub(super) fn put_length(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    }

    /// A code, most significant byte first.
    pub(super) fn put_code(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }

    pub(super) fn put_rc(&mut self, rc: ReturnCode) {
        let (primary, secondary) = at::CODES;
        self.put_code(primary, rc.primary);
        let native = rc.primary == AP_UNEXPECTED_DOS_ERROR;
        let bytes = if native { rc.secondary.to_ne_bytes() } else { rc.secondary.to_be_bytes() };
        self.0[secondary..secondary + 4].copy_from_slice(&bytes);
    }

    pub(super) fn put_word(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub(super) fn tp_id(&self) -> TpId {
        let mut tp_id = TpId::default();
        tp_id.copy_from_slice(&self.0[at::TP_ID..at::TP_ID + 8]);
        tp_id
    }

    pub(super) fn put_tp_id(&mut self, at: usize, tp_id: TpId) {
        self.0[at..at + 8].copy_from_slice(&tp_id);
    }

    pub(super) fn conv_id(&self) -> ConvId {
        let at = at::CONV_ID;
        ConvId::from_ne_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    pub(super) fn put_conv_id(&mut self, at: usize, conv_id: ConvId) {
        self.0[at..at + 4].copy_from_slice(&conv_id.to_ne_bytes());
    }

    /// Text without the blanks or zeros behind it; what is no UTF-8 names nothing that is defined.
    pub(super) fn text(&self, (at, width): Text) -> String {
        let text = String::from_utf8_lossy(&self.0[at..at + width]);
        text.trim_end_matches([' ', '\0']).to_owned()
    }

    /// Text, with blanks behind it; what is too long is cut.
    pub(super) fn put_text(&mut self, (at, width): Text, text: &str) {
        let padded = text.bytes().chain(std::iter::repeat(b' '));
        self.0[at..at + width].iter_mut().zip(padded).for_each(|(place, byte)| *place = byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appc_42_a_flush_block_has_24_bytes_and_its_conversation_at_20() {
        assert_eq!((length(opcode::FLUSH), at::CONV_ID, at::TP_ID), (Some(24), 20, 12));
    }

    #[test]
    fn blocks_with_pointers_grow_with_them_only() {
        let lengths = [opcode::DEALLOCATE, opcode::SEND_DATA, opcode::SEND_ERROR, opcode::RECEIVE_AND_WAIT]
            .map(|opcode| length(opcode).map(|length| length - POINTER));
        assert_eq!(lengths, [Some(28), Some(32), Some(32), Some(44)]);
        assert_eq!(length(opcode::ALLOCATE), Some(156 + POINTER + 28), "190 bytes of fields, to four");
        assert_eq!(length(0x0200), None);
    }
}

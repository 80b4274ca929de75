//! What two sides say of themselves when they connect, and what they agree on.

use super::frame::HEADER;
use super::half::Terms;
use super::node::Options;

const MAGIC: [u8; 4] = *b"QPCV";
const VERSION: u32 = 1;
/// A header and the fixed part of an attach fit, with room to spare.
pub(super) const FRAME_MIN: usize = 256;
pub(super) const FRAME_MAX: usize = 65_536 + HEADER;
pub(super) const WINDOW_MAX: u32 = 1024;

impl Options {
    /// What this side says when it connects.
    pub(super) fn private_data(&self) -> [u8; 16] {
        let mut data = [0; 16];
        data[..4].copy_from_slice(&MAGIC);
        data[4..8].copy_from_slice(&VERSION.to_be_bytes());
        data[8..12].copy_from_slice(&(self.frame_size as u32).to_be_bytes());
        data[12..].copy_from_slice(&self.window.to_be_bytes());
        data
    }

    /// What both sides can do, given what the peer said; `None`: nothing in common.
    pub(super) fn agree(&self, data: &[u8]) -> Option<Terms> {
        let data: &[u8; 16] = data.first_chunk()?;
        let word = |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
        let (frame_size, peer_window) = (word(8) as usize, word(12));
        let right = data[..4] == MAGIC
            && word(4) == VERSION
            && (FRAME_MIN..=FRAME_MAX).contains(&frame_size)
            && (1..=WINDOW_MAX).contains(&peer_window);
        let frame_size = frame_size.min(self.frame_size);
        right.then_some(Terms { frame_size, window: self.window, peer_window })
    }
}

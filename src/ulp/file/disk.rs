//! A procedure on bytes in memory: keeps a list of what it was asked, and has a size it cannot exceed.

use crate::ulp::file::{FAILED, Message, Origin, Procedure, State};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Content>>);

#[derive(Default)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    /// Bytes that fit; `None`: any.
    pub(crate) size: Option<usize>,
    /// What was asked since the last look.
    pub(crate) asked: Vec<String>,
    /// The words that the procedure found at its opening.
    pub(crate) words: [u32; 3],
}

impl Disk {
    pub(crate) fn with(bytes: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(Content { bytes: bytes.to_vec(), ..Content::default() })))
    }

    pub(crate) fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.content().bytes.clone()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.content().asked)
    }

    pub(crate) fn procedure(&self) -> Box<dyn Procedure> {
        let disk = self.clone();
        Box::new(move |state: &mut State, message: Message<'_>| disk.serve(state, message))
    }

    fn serve(&self, state: &mut State, message: Message<'_>) -> i64 {
        let mut content = self.content();
        let at = state.disk_offset as usize;
        let (note, answer) = match message {
            Message::Open { name } => {
                content.words = state.words;
                (format!("open {name}"), 0)
            }
            Message::Close { keep_open } => (format!("close {keep_open}"), 0),
            Message::Read(into) => {
                let from = content.bytes.get(at..).unwrap_or_default();
                let count = into.len().min(from.len());
                into[..count].copy_from_slice(&from[..count]);
                state.disk_offset += count as i64;
                (format!("read {}", into.len()), count as i64)
            }
            Message::Write(from) => (format!("write {}", from.len()), content.write(state, from)),
            Message::WriteFlush(from) => (format!("write_flush {}", from.len()), content.write(state, from)),
            Message::Seek { offset, origin } => {
                let target = match origin {
                    Origin::Start => offset,
                    Origin::Current => state.disk_offset + offset,
                    Origin::End => content.bytes.len() as i64 - offset,
                };
                if target >= 0 {
                    state.disk_offset = target;
                }
                (format!("seek {offset} {origin:?}"), if target < 0 { FAILED } else { target })
            }
            Message::Rename { old, new } => (format!("rename {old} {new}"), 0),
            Message::User { number, parameters: (a, b) } => (format!("user {number:#x}"), a + b),
        };
        content.asked.push(note);
        answer
    }
}

impl Content {
    fn write(&mut self, state: &mut State, from: &[u8]) -> i64 {
        let at = state.disk_offset as usize;
        let room = self.size.map_or(from.len(), |size| size.saturating_sub(at).min(from.len()));
        if room == 0 {
            return 0;
        }
        let end = at + room;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(&from[..room]);
        state.disk_offset += room as i64;
        room as i64
    }
}

//! What callbacks and events were called, in order.

use crate::device::callbacks::in_callback;
use crate::device::lifetime::Task;
use std::mem::take;
use std::sync::{Arc, Mutex};

/// A diary that callbacks write into.
#[derive(Clone, Default)]
pub(in crate::device) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub(in crate::device) fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// What was noted since the last time.
    pub(in crate::device) fn lines(&self) -> Vec<String> {
        take(&mut self.0.lock().unwrap())
    }

    /// A callback that notes `line`.
    pub(in crate::device) fn callback(&self, line: impl Into<String>) -> Option<Task> {
        let (diary, line) = (self.clone(), line.into());
        Some(Box::new(move || {
            assert!(in_callback());
            diary.note(line);
        }))
    }
}

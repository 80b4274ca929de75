//! Two connectors in one room: dialogues by the numbers of ndkpi.md, and interleavings of all kinds.

mod dialogue;
mod interleavings;
mod pair;

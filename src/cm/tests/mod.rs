//! Two connectors in one room: dialogues by the numbers of ndkpi.md, and interleavings, some and all.

mod dialogue;
mod exhaustive;
mod interleavings;
mod pair;
mod witness;

//! The C programs of `tests/c`, compiled and run.

#[path = "../../testing/c_programs.rs"]
mod c_programs;

use c_programs::{Face, Linked};

const FACE: Face =
    Face { root: env!("CARGO_MANIFEST_DIR"), place: env!("CARGO_TARGET_TMPDIR"), library: "qpair_ulp" };

#[test]
fn file() {
    FACE.run("file.c", Linked::Shared);
}

#[test]
fn conversation() {
    FACE.run("conversation.c", Linked::Shared);
}

#[test]
fn log() {
    FACE.run("log.c", Linked::Shared);
}

#[test]
fn file_linked_statically() {
    FACE.run("file.c", Linked::Statically);
}

#[test]
fn headers_are_those_of_cpp_too() {
    FACE.headers_are_those_of_cpp_too();
}

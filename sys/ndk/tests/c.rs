//! The C programs of `tests/c`, compiled and run.

#[path = "../../testing/c_programs.rs"]
mod c_programs;

use c_programs::{Face, Linked};

const FACE: Face =
    Face { root: env!("CARGO_MANIFEST_DIR"), place: env!("CARGO_TARGET_TMPDIR"), library: "qpair_ndk" };

#[test]
fn pingpong() {
    FACE.run("pingpong.c", Linked::Shared);
}

#[test]
fn pingpong_linked_statically() {
    FACE.run("pingpong.c", Linked::Statically);
}

#[test]
fn flush() {
    FACE.run("flush.c", Linked::Shared);
}

#[test]
fn dispatch_tables_can_be_replaced() {
    FACE.run("dispatch.c", Linked::Shared);
}

#[test]
fn misuse_is_told() {
    FACE.run("misuse.c", Linked::Shared);
}

#[test]
fn closing_in_any_order_and_inside_callbacks() {
    FACE.run("closing.c", Linked::Shared);
}

#[test]
fn extensions_beyond_ndk() {
    FACE.run("extension.c", Linked::Shared);
}

#[test]
fn windows_and_logical_addresses() {
    FACE.run("windows.c", Linked::Shared);
}

#[test]
fn connecting_tells_what_came() {
    FACE.run("connecting.c", Linked::Shared);
}

#[test]
fn queues_that_are_shared_resized_and_moderated() {
    FACE.run("queues.c", Linked::Shared);
}

#[test]
fn devices_with_options() {
    FACE.run("options.c", Linked::Shared);
}

#[test]
fn faults_on_purpose() {
    FACE.run("faults.c", Linked::Shared);
}

#[test]
fn headers_are_those_of_cpp_too() {
    FACE.headers_are_those_of_cpp_too();
}

//! The `qpair` command.

fn main() {}

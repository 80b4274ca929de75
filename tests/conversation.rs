//! Conversations as a user sees them, apart from their numbered statements, which the conformance suite has.

/// Runs each check as a test of its own.
macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        mod tests {
            $(
                #[test]
                fn $name() {
                    if let Err(what) = super::$name() {
                        panic!("{what}");
                    }
                }
            )*
        }
    };
}

#[path = "conversation/blocks.rs"]
mod blocks;
/// The suite's own, which names `crate::ndk` and `crate::ulp`.
#[path = "../src/conformance/family/lus/mod.rs"]
#[allow(dead_code, reason = "the checks of the suite need the rest")]
mod lus;
#[path = "conversation/random.rs"]
mod random;
#[path = "conversation/threads.rs"]
mod threads;

use qpair::{ndk, ulp};

//! Conversations as a user sees them: every statement about APPC, CPI-C and the wire by its number.
//!
//! Each check is a plain function that says what is not as it should be, so that it can be run elsewhere.

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

#[path = "conversation/appc.rs"]
mod appc;
#[path = "conversation/appc_turns.rs"]
mod appc_turns;
#[path = "conversation/blocks.rs"]
mod blocks;
#[path = "conversation/cpic.rs"]
mod cpic;
#[path = "conversation/random.rs"]
mod random;
#[path = "conversation/threads.rs"]
mod threads;
#[path = "conversation/wire.rs"]
mod wire;
#[path = "conversation/world.rs"]
mod world;

//! Known faults, for a build that is made to have them (`--cfg qpair_planted`, never a feature).
//!
//! The conformance suite must catch each of them, else it could not catch the real one: `cargo xtask planted`
//! builds so, chooses one fault after the other by the environment variable `QPAIR_PLANTED`, and runs the
//! suite. In every other build `planted!` is `false`, and nothing of a fault is left.
//!
//! May come in: nothing but the macro and the choice. A fault stands where its right form stands.

/// `planted!(Name, "what it does")` is true in a build with faults in which that one was chosen.
macro_rules! planted {
    ($name:ident, $what:literal) => {{
        #[cfg(qpair_planted)]
        let chosen = $crate::planted::chosen(stringify!($name));
        #[cfg(not(qpair_planted))]
        let chosen = false;
        chosen
    }};
}

pub(crate) use planted;

/// That fault was chosen.
#[cfg(qpair_planted)]
pub(crate) fn chosen(name: &str) -> bool {
    static CHOICE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOICE.get_or_init(|| std::env::var("QPAIR_PLANTED").ok()).as_deref() == Some(name)
}

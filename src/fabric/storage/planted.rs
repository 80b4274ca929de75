//! Faults planted on purpose, so that tests can show that they would see them.

/// Whether the fault of that name is to be made: never, but in a build with `--cfg qpair_planted` in which
/// the environment variable `QPAIR_PLANTED` names it.
macro_rules! planted {
    ($name:literal) => {{
        #[cfg(not(qpair_planted))]
        {
            false
        }
        #[cfg(qpair_planted)]
        {
            std::env::var("QPAIR_PLANTED").is_ok_and(|name| name == $name)
        }
    }};
}

pub(crate) use planted;

//! What the library tells of itself, on standard error.

use super::usage;
use std::io::{self, IsTerminal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const VARIABLE: &str = "RUST_LOG";

/// Listens as RUST_LOG says, else to all of `qpair` if `verbose`, else not at all.
pub fn start(verbose: bool) -> anyhow::Result<()> {
    let Some(targets) = targets(std::env::var(VARIABLE).ok().as_deref(), verbose)? else { return Ok(()) };
    // An error of standard error has nowhere to be told.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let lines = lines.with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry().with(lines).with(targets).try_init()?;
    Ok(())
}

fn targets(variable: Option<&str>, verbose: bool) -> anyhow::Result<Option<Targets>> {
    match variable.filter(|text| !text.trim().is_empty()) {
        Some(text) => text.parse().map(Some).map_err(|error| {
            usage(
                VARIABLE,
                format_args!("is `{text}` ({error}); write a level, or qpair=LEVEL, as in qpair=debug"),
            )
        }),
        None => Ok(verbose.then(|| Targets::new().with_target("qpair", LevelFilter::TRACE))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::filter::LevelFilter;

    fn level(variable: Option<&str>, verbose: bool) -> LevelFilter {
        let targets = targets(variable, verbose).expect("a filter");
        let levels = targets.into_iter().flatten().filter(|(target, _)| *target == "qpair");
        levels.map(|(_, level)| level).max().unwrap_or(LevelFilter::OFF)
    }

    #[test]
    fn the_variable_goes_before_the_flag() {
        assert_eq!(level(None, false), LevelFilter::OFF);
        assert_eq!(level(Some(" "), false), LevelFilter::OFF);
        assert_eq!(level(None, true), LevelFilter::TRACE);
        assert_eq!(level(Some("qpair=info"), true), LevelFilter::INFO);
        assert!(targets(Some("qpair=loud"), false).is_err());
    }
}

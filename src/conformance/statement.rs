//! A statement, the verdict on it, and how a check says what it found.

use super::bench::Bench;
use crate::ndk::{CqError, Error, PostError, Status};
use std::error::Error as AnyError;
use std::fmt;

/// One numbered statement, and the check that holds a device to it.
///
/// Statements about NDK are about the device under test. Of the flush family those about remote memory
/// are, too; the others are about the protocols of this library, on the device of this process.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    number: &'static str,
    mark: Mark,
    text: &'static str,
    evidence: Evidence,
}

/// What a statement rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// Documented.
    Documented,
    /// Asserted by Microsoft's tests.
    Tested,
    /// Documented, and asserted by Microsoft's tests as well.
    DocumentedAndTested,
    /// Inferred from what is documented.
    Inferred,
    /// Seen in a header, in another implementation, in a test of it, or measured.
    Evidence,
}

impl Mark {
    /// The letter or letters of the reference: D, T, DT, I or E.
    pub const fn letters(self) -> &'static str {
        match self {
            Self::Documented => "D",
            Self::Tested => "T",
            Self::DocumentedAndTested => "DT",
            Self::Inferred => "I",
            Self::Evidence => "E",
        }
    }
}

/// How a statement is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Evidence {
    Check(fn(&Bench) -> Outcome),
    /// A check that asks for no device.
    Plain(fn() -> Plain),
    /// What it is about is not there yet, for this reason.
    Waits(&'static str),
    /// Nobody who calls the face could see a difference, for this reason.
    None(&'static str),
}

/// What a check without a device returns; the words say what is not as it should be.
pub(super) type Plain = Result<(), Box<dyn AnyError + Send + Sync>>;

impl Statement {
    pub(super) const fn new(
        number: &'static str,
        mark: Mark,
        text: &'static str,
        check: fn(&Bench) -> Outcome,
    ) -> Self {
        Self { number, mark, text, evidence: Evidence::Check(check) }
    }

    /// A statement that cannot be shown through the face, and why.
    pub(super) const fn not_shown(
        number: &'static str,
        mark: Mark,
        text: &'static str,
        why: &'static str,
    ) -> Self {
        Self { number, mark, text, evidence: Evidence::None(why) }
    }

    /// A statement of the flush family, shown without a device of the caller's.
    pub(super) const fn plain(
        number: &'static str,
        mark: Mark,
        text: &'static str,
        check: fn() -> Plain,
    ) -> Self {
        Self { number, mark, text, evidence: Evidence::Plain(check) }
    }

    /// A statement whose check waits for something, and for what.
    #[cfg_attr(
        not(all(feature = "storage", unix)),
        expect(dead_code, reason = "what waits now is a statement about files")
    )]
    pub(super) const fn waits(
        number: &'static str,
        mark: Mark,
        text: &'static str,
        why: &'static str,
    ) -> Self {
        Self { number, mark, text, evidence: Evidence::Waits(why) }
    }

    /// Its number in the reference, "FLUSH-1" say.
    pub fn number(&self) -> &'static str {
        self.number
    }

    /// What it rests on.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// What it says, in short.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The group it belongs to, "FLUSH" say.
    pub fn group(&self) -> &'static str {
        self.number.split_once('-').map_or(self.number, |(group, _)| group)
    }

    /// `filter` is its number, or the beginning of it up to a hyphen or the end of a word: its group.
    pub fn matches(&self, filter: &str) -> bool {
        let filter = filter.trim_end_matches('-');
        self.number.eq_ignore_ascii_case(filter) || self.group().eq_ignore_ascii_case(filter)
    }

    pub(super) fn evidence(&self) -> Evidence {
        self.evidence
    }
}

/// What came of a statement on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not, for this reason.
    Fail(String),
    /// The device lacks what it is about.
    NotSupported(String),
    /// No check can show it through the face.
    NotShown(&'static str),
    /// Its check waits for this, which is not built yet.
    Waiting(&'static str),
}

impl Verdict {
    /// One word, as reports have it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::NotSupported(_) => "not supported",
            Self::NotShown(_) => "not shown",
            Self::Waiting(_) => "waiting",
        }
    }

    /// Why, unless it holds.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Pass => None,
            Self::Fail(reason) | Self::NotSupported(reason) => Some(reason),
            Self::NotShown(reason) | Self::Waiting(reason) => Some(reason),
        }
    }
}

/// What a check returns: nothing to say, or what it found.
pub(super) type Outcome<T = ()> = Result<T, Finding>;

/// Why a check ended early.
#[derive(Clone, Debug)]
pub(super) enum Finding {
    /// The statement does not hold.
    Wrong(String),
    /// The device lacks something.
    Lacks(String),
    /// It takes more time than there is: what has to pass.
    TakesTime(String),
}

impl Finding {
    /// Prefixes what was being done.
    pub(super) fn during(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Wrong(reason) => Self::Wrong(format!("{what}: {reason}")),
            Self::Lacks(reason) => Self::Lacks(format!("{what}: {reason}")),
            Self::TakesTime(reason) => Self::TakesTime(format!("{what}: {reason}")),
        }
    }
}

/// The statement does not hold: what was expected and what came.
pub(super) fn wrong<T>(what: impl fmt::Display) -> Outcome<T> {
    Err(Finding::Wrong(what.to_string()))
}

/// The device lacks what the statement is about.
pub(super) fn lacks<T>(what: impl fmt::Display) -> Outcome<T> {
    Err(Finding::Lacks(what.to_string()))
}

fn failed(status: Status, error: &impl fmt::Display) -> Finding {
    let reason = error.to_string();
    if status == Status::NOT_SUPPORTED { Finding::Lacks(reason) } else { Finding::Wrong(reason) }
}

/// A call that a check relies on and that is not supported leaves the statement open.
impl From<Error> for Finding {
    fn from(error: Error) -> Self {
        failed(error.status(), &error)
    }
}

impl From<PostError> for Finding {
    fn from(error: PostError) -> Self {
        failed(error.status(), &error)
    }
}

impl From<CqError> for Finding {
    fn from(error: CqError) -> Self {
        failed(error.status(), &error)
    }
}

/// `ensure!(condition, "what should be")` ends the check unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return $crate::conformance::statement::wrong(format_args!($($what)+));
        }
    };
}

/// `ensure_eq!(got, expected, "what")` ends the check unless both are equal, and shows them.
macro_rules! ensure_eq {
    ($got:expr, $expected:expr, $($what:tt)+) => {
        match (&$got, &$expected) {
            (got, expected) => {
                if *got != *expected {
                    let what = format_args!($($what)+).to_string();
                    return $crate::conformance::statement::wrong(format_args!(
                        "{what}: expected {expected:?}, got {got:?}"
                    ));
                }
            }
        }
    };
}

pub(super) use {ensure, ensure_eq};

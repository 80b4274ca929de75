//! The statements about the flush family, in the order of the reference.
//!
//! A folder or a file for each group: `appc` and `cpic` (one conversation under two faces), `wire`, `mmio`,
//! and, with the feature `storage` on Unix, `log` and `rflush`. What several conversations need stands in
//! `lus`.
//!
//! May come in: statements with numbers in the reference, each with the check that shows it, on public
//! faces; those of the log look behind it, and stand there. Not here: statements about NDK (`statements`),
//! and checks that a program of its own must make, such as a writer that is killed (`tests/log.rs`).

mod appc;
mod cpic;
#[cfg(all(feature = "storage", unix))]
mod log;
mod lus;
mod mmio;
#[cfg(all(feature = "storage", unix))]
mod rflush;
mod wire;

use super::statement::{Mark, Plain, Statement};

/// Each group and its statements.
const GROUPS: &[(&str, &[Statement])] = &[
    ("APPC", appc::STATEMENTS),
    ("CPIC", cpic::STATEMENTS),
    ("WIRE", wire::STATEMENTS),
    ("MMIO", mmio::STATEMENTS),
    #[cfg(all(feature = "storage", unix))]
    ("LOG", log::STATEMENTS),
    #[cfg(all(feature = "storage", unix))]
    ("RFLUSH", rflush::STATEMENTS),
];

/// All statements about the flush family, in the order of the reference.
///
/// They are about the protocols of this library, whatever device a report is about.
pub fn flush_family() -> impl Iterator<Item = &'static Statement> {
    GROUPS.iter().flat_map(|(_, statements)| *statements)
}

/// Its groups, in the order of the reference.
pub fn family_groups() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(group, _)| *group)
}

const D: Mark = Mark::Documented;
const E: Mark = Mark::Evidence;
const I: Mark = Mark::Inferred;

/// `same!(got, expected)` ends the check unless both are equal, and shows them.
macro_rules! same {
    ($got:expr, $expected:expr $(, $why:literal)?) => {
        match (&$got, &$expected) {
            (got, expected) => {
                if *got != *expected {
                    let what = concat!(stringify!($got) $(, " (", $why, ")")?);
                    return Err(format!("{what}: {got:?}, expected {expected:?}").into());
                }
            }
        }
    };
}

/// `holds!(condition)` ends the check unless it holds.
macro_rules! holds {
    ($condition:expr $(, $why:literal)?) => {
        if !$condition {
            return Err(concat!("not so: ", stringify!($condition) $(, " (", $why, ")")?).into());
        }
    };
}

/// `told!(number, mark, text, checks...)` is a statement that these checks show, which tell by a sentence.
macro_rules! told {
    ($number:literal, $mark:ident, $text:literal, $($check:path),+) => {
        Statement::plain($number, $mark, $text, || {
            $($check()?;)+
            Ok(())
        })
    };
}

use {holds, same, told};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The numbers of statements in each group of the reference.
    const COUNTS: &[(&str, usize)] = &[
        ("APPC", 42),
        ("CPIC", 30),
        ("WIRE", 5),
        ("MMIO", 32),
        #[cfg(all(feature = "storage", unix))]
        ("LOG", 34),
        #[cfg(all(feature = "storage", unix))]
        ("RFLUSH", 19),
    ];

    #[test]
    fn every_statement_of_the_reference_is_there_once_and_in_order() {
        let expected: Vec<String> = COUNTS
            .iter()
            .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}-{number}")))
            .collect();
        assert_eq!(flush_family().map(Statement::number).collect::<Vec<_>>(), expected);
        let groups: Vec<&str> = COUNTS.iter().map(|(group, _)| *group).collect();
        assert_eq!(family_groups().collect::<Vec<_>>(), groups);
    }

    #[test]
    #[cfg(all(feature = "storage", unix))]
    fn marks_add_up_as_in_the_reference() {
        let count = |mark| flush_family().filter(|statement| statement.mark() == mark).count();
        assert_eq!([D, E, I].map(count), [106, 21, 35]);
    }

    #[test]
    fn no_two_statements_say_the_same() {
        let texts: BTreeSet<&str> = flush_family().map(Statement::text).collect();
        assert_eq!(texts.len(), flush_family().count());
    }
}

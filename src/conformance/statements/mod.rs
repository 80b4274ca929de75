//! The statements, in the order of the reference, a file for each group or part of one.
//!
//! May come in: statements with numbers in the reference, each with the check that shows it. Not here: what
//! checks of several groups need (`world`, `bench`).

mod adapter;
mod callbacks;
mod closing;
mod conn_handshake;
mod conn_parting;
mod conn_reuse;
mod cq_arm;
mod cq_control;
mod cq_overrun;
mod cq_resize;
mod flush;
mod flush_states;
mod listening;
mod mr;
mod mr_pages;
mod mr_tokens;
mod mw;
mod prelude;
mod qp_create;
mod qp_order;
mod srq;
mod srq_modify;

use super::statement::Statement;

/// Each group and its statements, in parts.
const GROUPS: &[(&str, &[&[Statement]])] = &[
    ("FLUSH", &[flush::STATEMENTS, flush_states::STATEMENTS]),
    ("CQ", &[cq_arm::STATEMENTS, cq_overrun::STATEMENTS, cq_control::STATEMENTS]),
    ("QP", &[qp_create::STATEMENTS, qp_order::STATEMENTS]),
    ("MR", &[mr::STATEMENTS, mr_tokens::STATEMENTS]),
    ("MW", &[mw::STATEMENTS]),
    ("SRQ", &[srq::STATEMENTS]),
    ("CONN", &[conn_handshake::STATEMENTS, conn_reuse::STATEMENTS, conn_parting::STATEMENTS]),
    ("LSN", &[listening::LSN]),
    ("SEP", &[listening::SEP]),
    ("CREATE", &[closing::CREATE]),
    ("CLOSE", &[closing::CLOSE]),
    ("CB", &[callbacks::STATEMENTS]),
    ("ADP", &[adapter::ADP]),
    ("FLAG", &[adapter::FLAG]),
];

/// All statements, in the order of the reference.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    GROUPS.iter().flat_map(|(_, parts)| parts.iter().copied().flatten())
}

/// The groups, in the order of the reference: "FLUSH", "CQ" and so on.
pub fn groups() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(group, _)| *group)
}

#[cfg(test)]
mod tests {
    use super::super::statement::Evidence;
    use super::*;
    use std::collections::BTreeSet;

    /// The numbers of statements in each group of the reference.
    const COUNTS: [(&str, usize); 14] = [
        ("FLUSH", 27),
        ("CQ", 40),
        ("QP", 32),
        ("MR", 25),
        ("MW", 12),
        ("SRQ", 13),
        ("CONN", 44),
        ("LSN", 11),
        ("SEP", 5),
        ("CREATE", 5),
        ("CLOSE", 13),
        ("CB", 4),
        ("ADP", 9),
        ("FLAG", 4),
    ];

    #[test]
    fn every_statement_of_the_reference_is_there_once_and_in_order() {
        let expected: Vec<String> = COUNTS
            .iter()
            .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}-{number}")))
            .collect();
        let listed: Vec<&str> = statements().map(Statement::number).collect();
        assert_eq!(listed, expected);
        assert_eq!(listed.len(), 244);
    }

    #[test]
    fn marks_add_up_as_in_the_reference() {
        use super::super::statement::Mark;
        let count = |mark| statements().filter(|statement| statement.mark() == mark).count();
        let marks = [Mark::Documented, Mark::DocumentedAndTested, Mark::Tested, Mark::Inferred];
        assert_eq!(marks.map(count), [176, 2, 26, 40]);
    }

    #[test]
    fn statements_stand_in_their_groups() {
        for (group, parts) in GROUPS {
            assert!(parts.iter().copied().flatten().all(|statement| statement.group() == *group), "{group}");
        }
        assert_eq!(groups().collect::<Vec<_>>(), COUNTS.map(|(group, _)| group));
    }

    #[test]
    fn few_statements_cannot_be_shown_and_each_says_why() {
        let reasons: Vec<&str> = statements()
            .filter_map(|statement| match statement.evidence() {
                Evidence::None(why) => Some(why),
                _ => None,
            })
            .collect();
        assert!(reasons.len() < 10 && reasons.iter().all(|why| !why.is_empty()), "{reasons:?}");
    }

    #[test]
    fn no_two_statements_say_the_same() {
        let texts: BTreeSet<&str> = statements().map(Statement::text).collect();
        assert_eq!(texts.len(), 244);
    }

    #[test]
    fn a_filter_is_a_number_or_a_group() {
        let count = |filter: &str| statements().filter(|s| s.matches(filter)).count();
        assert_eq!((count("FLUSH-1"), count("FLUSH"), count("flush-"), count("CB")), (1, 27, 27, 4));
        assert_eq!((count("CQ-1"), count("C"), count("")), (1, 0, 0));
    }
}

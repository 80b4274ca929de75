//! The device of this process, held to the numbered statements about NDK, and the flush family to its own: a
//! test for each group.

#![cfg(feature = "conformance")]

use qpair::conformance::{self, Report, Verdict};

/// Every statement of the group holds on `local`, which lacks nothing; some may wait for what is not built.
#[track_caller]
fn holds(group: &str) {
    let device = conformance::device("local").expect("it is built in");
    let all = conformance::statements().chain(conformance::flush_family());
    let report = Report::of(&device, all.filter(|statement| statement.group() == group), |_| {});
    assert!(!report.rows().is_empty(), "no statement is in the group {group}");
    let open = |verdict: &Verdict| matches!(verdict, Verdict::Fail(_) | Verdict::NotSupported(_));
    let open: Vec<String> = report
        .rows()
        .iter()
        .filter(|row| open(&row.verdict))
        .map(|row| {
            let (number, text) = (row.statement.number(), row.statement.text());
            format!("{number} {}: {text}: {}", row.verdict.word(), row.verdict.reason().unwrap_or_default())
        })
        .collect();
    assert!(open.is_empty(), "{} of {group}:\n{}", open.len(), open.join("\n"));
}

macro_rules! groups {
    ($every:ident, $groups:path: $($(#[$if:meta])* $test:ident: $group:literal;)+) => {
        $(
            #[test]
            $(#[$if])*
            fn $test() {
                holds($group);
            }
        )+

        #[test]
        fn $every() {
            let expected: &[&str] = &[$($(#[$if])* $group),+];
            assert_eq!($groups().collect::<Vec<_>>(), expected);
        }
    };
}

groups! { every_group_has_a_test, conformance::groups:
    flush: "FLUSH";
    cq: "CQ";
    qp: "QP";
    mr: "MR";
    mw: "MW";
    srq: "SRQ";
    conn: "CONN";
    lsn: "LSN";
    sep: "SEP";
    create: "CREATE";
    close: "CLOSE";
    cb: "CB";
    adp: "ADP";
    flag: "FLAG";
}

groups! { every_group_of_the_flush_family_has_a_test, conformance::family_groups:
    appc: "APPC";
    cpic: "CPIC";
    wire: "WIRE";
    mmio: "MMIO";
    #[cfg(all(feature = "storage", unix))]
    log: "LOG";
    #[cfg(all(feature = "storage", unix))]
    rflush: "RFLUSH";
}

/// A caller that implements the trait is held to the same statements as the built-in device.
#[test]
fn a_device_of_ones_own_can_be_held_to_them() {
    use qpair::conformance::{Device, Host, Promises};
    use qpair::ndk::{Adapter, AdapterOptions};
    use std::sync::Arc;

    /// Forwards to `local`, but has one host only and promises nothing beyond the statements.
    #[derive(Debug)]
    struct Modest;

    impl Device for Modest {
        fn name(&self) -> &str {
            "modest"
        }

        fn options(&self, net: &str, host: Host) -> Option<AdapterOptions> {
            (host == Host::Any).then(|| Adapter::options(&format!("local/modest-{net}")))
        }

        fn promises(&self) -> Promises {
            Promises::default()
        }

        fn settle(&self) {}
    }

    let device: Arc<dyn Device> = Arc::new(Modest);
    let chosen = ["FLUSH-21", "MR-20", "ADP-8"];
    let report =
        Report::of(&device, conformance::statements().filter(|s| chosen.contains(&s.number())), |_| {});
    let verdicts: Vec<&str> = report.rows().iter().map(|row| row.verdict.word()).collect();
    assert_eq!(verdicts, ["pass", "pass", "not supported"], "{report}");
    assert!(report.holds() && report.device() == "modest");
    assert_eq!(report.counts().to_string(), "2 of 3 passed, 1 not supported");
}

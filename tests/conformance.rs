//! The device of this process, held to the numbered statements about NDK, and the flush family to its own: a
//! test for each group. Then once more with faults on: calls end late and out of order, completions show
//! late, and passes are cut where chance says. All of that is NDK as it is written, so every statement holds
//! there too; a check that fails there relies on calls that end before they return.

#![cfg(feature = "conformance")]

use qpair::conformance::{self, Device, Host, Promises, Report, Statement, Verdict};
use qpair::ndk::{Adapter, AdapterOptions, Faults, HoldCalls};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Every statement holds on the device, which lacks nothing; some may wait for what is not built.
#[track_caller]
fn all_hold(device: &Arc<dyn Device>, statements: impl Iterator<Item = &'static Statement>) {
    let report = Report::of(device, statements, |_| {});
    assert!(!report.rows().is_empty(), "there are no such statements");
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
    assert!(open.is_empty(), "{} on {}:\n{}", open.len(), report.device(), open.join("\n"));
}

fn local() -> Arc<dyn Device> {
    conformance::device("local").expect("it is built in")
}

#[track_caller]
fn holds(group: &str) {
    let all = conformance::statements().chain(conformance::flush_family());
    all_hold(&local(), all.filter(|statement| statement.group() == group));
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
    /// Forwards to `local`, but has one host only and promises nothing beyond the statements.
    #[derive(Debug)]
    struct Modest;

    impl Device for Modest {
        fn name(&self) -> &str {
            "modest"
        }

        fn options(&self, net: &str, host: Host) -> Result<AdapterOptions, String> {
            match host {
                Host::Any => Ok(Adapter::options(&format!("local/modest-{net}"))),
                Host::One | Host::Other => Err("a second host".to_owned()),
            }
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
    assert_eq!(report.rows()[2].verdict.reason(), Some("a second host"));
    assert!(report.holds() && report.device() == "modest");
    assert_eq!(report.counts().to_string(), "2 of 3 passed, 1 not supported");
}

/// The device of this process with faults on, chance coming from a seed.
#[derive(Debug)]
struct Late {
    plain: Arc<dyn Device>,
    seed: u64,
    /// Those of every adapter so far.
    faults: Mutex<Vec<Faults>>,
}

/// Calls end within so long after they are done.
const LATE: Duration = Duration::from_micros(50);
/// Completions show so long after they are there.
const DELAY: Duration = Duration::from_micros(20);

/// Checks that move the clock of their NET by hand: what is late by that clock would wait for them.
const CLOCKED: [&str; 6] = ["QP-22", "CONN-23", "CONN-33", "CQ-33", "CQ-34", "CQ-35"];
/// A check that makes a listener for each of 16,384 ports: one late call after the other takes too long.
const MANY: [&str; 1] = ["CONN-27"];
/// Entries of one flush show together, and delays let them show one by one.
const TOGETHER: [&str; 1] = ["FLUSH-8"];

impl Device for Late {
    fn name(&self) -> &str {
        "local with faults"
    }

    fn options(&self, net: &str, host: Host) -> Result<AdapterOptions, String> {
        let faults = Faults::new(self.seed);
        let is_one_of = |numbers: &[&str]| numbers.iter().any(|number| net.contains(&format!("-{number}-")));
        let clocked = is_one_of(&CLOCKED);
        faults.hold_calls(match () {
            () if is_one_of(&MANY) => HoldCalls::No,
            () if clocked => HoldCalls::For(Duration::ZERO), // they pend as well, and end on another thread
            () => HoldCalls::Shuffled(LATE),
        });
        if !clocked && !is_one_of(&TOGETHER) {
            faults.delay_completions(DELAY);
        }
        faults.cut_passes(true);
        let options = self.plain.options(net, host)?.faults(&faults);
        self.faults.lock().expect("nothing panics below it").push(faults);
        Ok(options)
    }

    fn promises(&self) -> Promises {
        self.plain.promises()
    }

    /// Until nothing is held back, unless that takes a thread which a callback keeps.
    fn settle(&self) {
        let faults = self.faults.lock().expect("nothing panics below it").clone();
        let of_this_check = &faults[faults.len().saturating_sub(16)..];
        for _ in 0..10_000 {
            self.plain.settle();
            if of_this_check.iter().all(|faults| faults.held() == 0) {
                break;
            }
        }
    }
}

fn holds_late(seed: u64) {
    let late = Arc::new(Late { plain: local(), seed, faults: Mutex::default() });
    let device: Arc<dyn Device> = Arc::clone(&late) as _;
    all_hold(&device, conformance::statements());
    let fired: u64 =
        late.faults.lock().expect("nothing panics below it").iter().map(Faults::fired_count).sum();
    assert!(fired > 10_000, "faults are on, and only {fired} fired");
}

#[test]
fn late_and_out_of_order_by_seed_1() {
    holds_late(1);
}

#[test]
fn late_and_out_of_order_by_seed_2() {
    holds_late(2);
}

#[test]
fn late_and_out_of_order_by_seed_3() {
    holds_late(3);
}

/// Nothing more without `QPAIR_STRESS`, which is how many seeds there shall be.
#[test]
fn late_and_out_of_order_by_more_seeds() {
    let seeds = std::env::var("QPAIR_STRESS").map_or(0, |seeds| seeds.parse().expect("a number"));
    for seed in 4..4 + seeds {
        println!("seed {seed}");
        holds_late(seed);
    }
}

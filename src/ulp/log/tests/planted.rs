//! LOG-33: each planted fault makes some test of the log or of its storage fail. README.md has the table.
//!
//! `RUSTFLAGS="--cfg qpair_planted" cargo test --lib --target-dir target/planted log_33 -- --nocapture`

use super::{Outcome, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where the faults stand.
const FOLDERS: [&str; 2] = ["src/ulp/log", "src/fabric/storage"];

/// Names and texts of all faults, from `planted!(Name, "what it does")` in the sources.
fn faults() -> std::io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(path)?;
            let calls = text.split("planted!(").skip(1);
            let parts = calls.filter_map(|call| call.split_once(',').zip(call.split('"').nth(1)));
            found.extend(parts.map(|((name, _), what)| (name.trim().to_owned(), what.to_owned())));
        }
    }
    Ok(found)
}

/// The test that a line of a run tells to have failed.
fn failed(line: &str) -> Option<(String, &str)> {
    Some(short(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?))
}

/// A test by the number of its statement, or in words, and the place of its log if it has two.
fn short(path: &str) -> (String, &str) {
    let parts: Vec<&str> = path.split("::").collect();
    let (name, place) = match parts[..] {
        [.., name, place @ ("folder" | "peer")] => (name, place),
        [.., "crash", "power_is_cut_at_every_boundary"] => ("crash", "folder"),
        [.., "crash", _] => ("crash", "peer"),
        [.., name] => (name, ""),
        [] => (path, ""),
    };
    let numbered = name.split_once('_').zip(name.split('_').nth(1).and_then(|n| n.parse::<u32>().ok()));
    match numbered {
        Some(((group, _), number)) => (format!("{}-{number}", group.to_uppercase()), place),
        None => (name.replace('_', " "), place),
    }
}

/// How the table names it: with its place, where it failed in one of two.
fn told((test, places): (String, BTreeSet<&str>)) -> String {
    match places.first() {
        Some(place) if places.len() == 1 && !place.is_empty() => format!("{test} ({place})"),
        _ => test,
    }
}

#[test]
fn log_33_every_planted_fault_is_seen() -> Outcome {
    let (faults, mut unseen) = (faults()?, Vec::new());
    ensure!(faults.len() >= 18, "only {} faults are found in the sources", faults.len());
    for (name, what) in &faults {
        let run = Command::new(std::env::current_exe()?)
            .args([
                "ulp::log::tests",
                "fabric::storage",
                "device::tests::flush",
                "--skip",
                "every_planted_fault",
                "--test-threads",
                "2",
            ])
            .env("QPAIR_PLANTED", name)
            .output()?;
        let text = String::from_utf8_lossy(&run.stdout);
        let mut seen: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (test, place) in text.lines().filter_map(failed) {
            seen.entry(test).or_default().insert(place);
        }
        let seen: Vec<String> = seen.into_iter().map(told).collect();
        println!("| `{name}` | {what} | {} |", seen.join(", "));
        if run.status.success() || seen.is_empty() {
            unseen.push(name);
        }
    }
    ensure!(unseen.is_empty(), "no test saw {unseen:?}");
    let clean = Command::new(std::env::current_exe()?)
        .args(["ulp::log::tests", "fabric::storage", "--skip", "log_33"])
        .env_remove("QPAIR_PLANTED")
        .status()?;
    ensure!(clean.success(), "without a fault the tests fail");
    Ok(())
}

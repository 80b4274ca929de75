//! LOG-33: each planted fault makes some test of the log or of its storage fail. README.md has the table.
//!
//! `RUSTFLAGS="--cfg qpair_planted" cargo test --lib --target-dir target/planted log_33 -- --nocapture`

use super::{Outcome, ensure};
use std::process::Command;

const FAULTS: &[(&str, &str)] = &[
    ("flush_returns_early", "a flush tells success when the blocks are written, before any sync"),
    ("flush_covers_late_comers", "a flush acknowledges what was appended while it ran"),
    ("sync_joins_running", "a sync that was asked for while another ran ends with that one"),
    ("header_with_data", "a restart area's metadata are made stable before the record that they name"),
    ("recycled_too_soon", "a container is reused before the metadata with the base above it are stable"),
    ("metadata_one_slot", "the metadata are written over the only good copy"),
    ("folder_not_synced", "the name of a new container is not made stable"),
    ("links_unchecked", "recovery takes any whole block at the right place for the next"),
    ("signatures_unchecked", "sectors of another write are not noticed as such"),
    ("checksum_unchecked", "damaged bytes are taken as they are"),
    ("incarnation_not_raised", "a new life of the log writes blocks like those of the last one"),
    ("searches_beyond_the_end", "recovery goes on behind a torn block"),
    (
        "failed_restart_is_news",
        "recovery takes a restart area for the newest whose call has failed before others",
    ),
    ("read_error_is_the_end", "a container that cannot be read is taken for the end of the log"),
    ("recovery_trusts_cache", "what recovery found is not written again and synced"),
    ("retry_without_rewrite", "after a failed sync the sync alone is tried again"),
];

#[test]
fn log_33_every_planted_fault_is_seen() -> Outcome {
    let mut unseen = Vec::new();
    for (name, what) in FAULTS {
        let run = Command::new(std::env::current_exe()?)
            .args([
                "ulp::log::tests",
                "fabric::storage",
                "--skip",
                "every_planted_fault",
                "--test-threads",
                "2",
            ])
            .env("QPAIR_PLANTED", name)
            .output()?;
        let text = String::from_utf8_lossy(&run.stdout);
        let failed = |line: &str| {
            Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.rsplit("::").next()?.to_owned())
        };
        let seen: Vec<String> = text.lines().filter_map(failed).collect();
        println!("| `{name}` | {what} | {} |", seen.join(", "));
        if run.status.success() || seen.is_empty() {
            unseen.push(*name);
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

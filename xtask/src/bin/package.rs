//! Packages every member that needs no headers, and builds each from its package as a user of the registry
//! would.
//!
//! `cargo xtask package` runs it. May come in: what stands between `cargo package` and a true answer.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

/// --allow-dirty: the habit is also run before a commit. --offline: each member is resolved anew, and an
/// index that does not answer for a moment is no fault of theirs.
const COMMAND: &str =
    "package --workspace --exclude qpair-rdma-core --allow-dirty --offline --config xtask/package.toml";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("package: {why}");
            ExitCode::FAILURE
        }
    }
}

/// In a target folder that no run had before: cargo unpacks a member that others depend on to a folder of its
/// cache that is named by the path of the target folder, and does not unpack it again when that is there.
/// From the same path, a second run would build the dependents against the member as it was in the first.
fn run() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask lies in no repository")?;
    let target = root.join("target").join(format!("package-{}", now()?));
    let status = Command::new("cargo")
        .args(COMMAND.split_whitespace())
        .arg("--target-dir")
        .arg(&target)
        .current_dir(root)
        .status()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if target.exists() {
        fs::remove_dir_all(&target)
            .map_err(|error| format!("cannot remove {}: {error}", target.display()))?;
    }
    if status.success() { Ok(()) } else { Err(format!("cargo {COMMAND}: {status}")) }
}

/// Nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a name that was not used before; nothing here is replayed")]
fn now() -> Result<u128, String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_nanos()).map_err(|error| format!("the clock of this machine: {error}"))
}

//! The examples and the longer runs of the command, each a process of its own on the device.

use super::rig::alone;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What an example is given besides the device.
const MORE: &[(&str, &[&str])] = &[
    ("network_stack", &["Cargo.lock"]), // a file, in place of the program itself, which is large
];
/// Examples of what some devices have not, which they say then.
const MAY_LACK: &[&str] = &["remote_flush"];

/// Seconds: far more than any takes, also in a guest whose processors are shared.
const LIMIT: &str = "300";

/// The names of all examples.
fn examples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).expect("the examples").map(|file| file.expect("a file").path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut names: Vec<_> =
        sources.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Where cargo has put them: beside this program's folder.
fn folder() -> PathBuf {
    let own = std::env::current_exe().expect("this program");
    own.parent().and_then(Path::parent).expect("a folder of cargo's").join("examples")
}

/// Runs a program to its end; whether it went well, and what it has said.
fn run(program: &Path, arguments: &[&str]) -> (bool, String) {
    assert!(program.exists(), "{}: cargo build --examples --features rdma-core", program.display());
    let mut command = Command::new("timeout"); // of coreutils
    command.arg(LIMIT).arg(program).args(arguments);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("RUST_LOG").stdin(Stdio::null());
    let output = command.output().expect("timeout can be started");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    (output.status.success(), format!("{} {arguments:?}, {}: {said}", program.display(), output.status))
}

#[test]
fn every_example_runs() {
    let _alone = alone();
    let device = crate::device();
    let (names, folder) = (examples(), folder());
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let more = MORE.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, more)| more);
        let (well, said) = run(&folder.join(&name), &[&["--device", &device], more].concat());
        let lacks = MAY_LACK.contains(&&*name) && said.contains("STATUS_NOT_SUPPORTED");
        assert!(well || lacks, "{said}");
    }
}

#[test]
fn conversations_flush_as_promised() {
    let _alone = alone();
    let command = Path::new(env!("CARGO_BIN_EXE_qpair"));
    for kind in ["appc", "cpic"] {
        let (well, said) = run(command, &["flush", "--kind", kind, "--device", &crate::device()]);
        assert!(well, "{said}");
    }
}

//! Plants known faults into the library, one after the other, and requires that the conformance suite catches
//! each.
//!
//! `cargo xtask planted` stops each run at the first statement that fails. With `--record` every run goes to
//! its end, and the table in the suite's README is written anew. May come in: how faults are found, run and
//! told. Not here: the faults, which stand in the library where their right forms stand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;

/// Faults run at the same time: most of them wait for what does not come.
const AT_ONCE: usize = 3;
const README: &str = "src/conformance/README.md";
const BEGIN: &str = "<!-- planted faults: begin -->";
const END: &str = "<!-- planted faults: end -->";

/// Rooms below the suite, whose faults their own tests must see (`log_33` of `ulp::log`).
const ELSEWHERE: [&str; 2] = ["src/ulp/log", "src/fabric/storage"];

/// What came of the faults: the statements that failed with each, or why there is no answer.
type Caught = BTreeMap<String, Result<Vec<String>, String>>;

fn main() -> ExitCode {
    let record = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [word] if word == "--record" => true,
        _ => {
            eprintln!("usage: planted [--record]");
            return ExitCode::from(2);
        }
    };
    match run(record) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("planted: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(record: bool) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask lies in no repository")?;
    let faults = faults(&root.join("src"))?;
    let program = build(root)?;
    let sound = failures(&program, None, false)?;
    if !sound.is_empty() {
        return Err(format!("without any fault these statements fail: {}", sound.join(", ")));
    }
    let caught = run_all(&program, &faults, record);
    let mut missed = Vec::new();
    for (name, what) in &faults {
        let said = match &caught[name] {
            Ok(statements) if statements.is_empty() => {
                missed.push(name.as_str());
                "MISSED".to_owned()
            }
            Ok(statements) => format!("caught by {}", shortened(statements)),
            Err(why) => {
                missed.push(name.as_str());
                format!("NO ANSWER: {why}")
            }
        };
        println!("{name:<24} {what}: {said}");
    }
    println!("\n{} of {} faults caught", faults.len() - missed.len(), faults.len());
    let readme = root.join(README);
    if record {
        write_table(&readme, &faults, &caught)?;
    } else {
        check_table(&readme, &faults)?;
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("not caught: {}", missed.join(", "))) }
}

/// Builds the command with faults; where it is.
fn build(root: &Path) -> Result<PathBuf, String> {
    let words =
        ["build", "--release", "--package", "qpair", "--bin", "qpair", "--target-dir", "target/planted"];
    let mut cargo = Command::new("cargo");
    cargo.args(words).env("RUSTFLAGS", "--cfg qpair_planted").current_dir(root);
    let status = cargo.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    if !status.success() {
        return Err(format!("the build with faults failed: {status}"));
    }
    Ok(root.join("target/planted/release").join(format!("qpair{}", std::env::consts::EXE_SUFFIX)))
}

/// The statements that fail on `local` with that fault.
fn failures(program: &Path, fault: Option<&str>, to_the_end: bool) -> Result<Vec<String>, String> {
    let mut command = Command::new(program);
    command.arg("conformance").args((!to_the_end).then_some("--fail-fast")).env_remove("QPAIR_PLANTED");
    command.envs(fault.map(|fault| ("QPAIR_PLANTED", fault)));
    let output = command.output().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(format!("the suite itself ended: {}", output.status));
    }
    Ok(failed(&String::from_utf8_lossy(&output.stdout)))
}

/// The numbers in lines `NUMBER fail: ...` of a report.
fn failed(report: &str) -> Vec<String> {
    let number = |line: &str| {
        let (number, rest) = line.trim_start().split_once(' ')?;
        (line.starts_with("  ") && rest.trim_start().starts_with("fail: ")).then(|| number.to_owned())
    };
    report.lines().filter_map(number).collect()
}

fn run_all(program: &Path, faults: &[(String, String)], to_the_end: bool) -> Caught {
    let (next, caught) = (Mutex::new(faults.iter()), Mutex::new(Caught::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let fault = next.lock().ok().and_then(|mut next| next.next());
                    let Some((name, _)) = fault else { return };
                    let found = failures(program, Some(name), to_the_end);
                    if let Ok(mut caught) = caught.lock() {
                        caught.insert(name.clone(), found);
                    }
                }
            });
        }
    });
    caught.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Name and meaning of each fault in the source, in the order of files and lines.
fn faults(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut found: Vec<(String, String)> = Vec::new();
    for path in files.iter().filter(|path| !path.ends_with("src/planted.rs")) {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        for (name, what) in of_source(&text).map_err(|why| format!("{}: {why}", path.display()))? {
            if found.iter().any(|(known, _)| *known == name) {
                return Err(format!("{}: a second fault {name}; give it a name of its own", path.display()));
            }
            found.push((name, what));
        }
    }
    Ok(found)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.is_dir() {
            if !ELSEWHERE.iter().any(|folder| path.ends_with(folder)) {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn of_source(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for (at, call) in text.match_indices("planted!(") {
        let rest = &text[at + call.len()..];
        let parts = rest.split_once(',').and_then(|(name, rest)| {
            let literal = rest.trim_start().strip_prefix('"')?;
            Some((name.trim(), literal.split_once('"')?.0))
        });
        let line = || rest.lines().next().unwrap_or_default().to_owned();
        let (name, what) = parts.ok_or_else(|| format!("planted!({}: write a name and a text", line()))?;
        if name.is_empty() || !name.chars().all(char::is_alphanumeric) {
            return Err(format!("planted!({}: {name:?} is no name", line()));
        }
        found.push((name.to_owned(), what.to_owned()));
    }
    Ok(found)
}

/// Up to six statements, and how many more.
fn shortened(statements: &[String]) -> String {
    const SHOWN: usize = 6;
    let shown = statements.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match statements.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn write_table(readme: &Path, faults: &[(String, String)], caught: &Caught) -> Result<(), String> {
    let mut table = "| fault | what it does | caught by |\n|---|---|---|\n".to_owned();
    for (name, what) in faults {
        let statements = caught[name].as_ref().map_err(Clone::clone)?;
        table += &format!("| {name} | {what} | {} |\n", shortened(statements));
    }
    let text = read(readme)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("the README has no table of planted faults")?;
    let (_, after) = rest.split_once(END).ok_or("the table of planted faults has no end")?;
    let text = format!("{before}{BEGIN}\n{table}{END}{after}");
    fs::write(readme, text).map_err(|error| format!("{}: {error}", readme.display()))
}

/// The README lists these faults, and no others.
fn check_table(readme: &Path, faults: &[(String, String)]) -> Result<(), String> {
    let text = read(readme)?;
    let table = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(table, _)| table);
    let rows = table.ok_or("the README has no table of planted faults")?.lines().skip(3);
    let listed: Vec<&str> = rows.filter_map(|row| row.split('|').nth(1).map(str::trim)).collect();
    let known: Vec<&str> = faults.iter().map(|(name, _)| name.as_str()).collect();
    if listed == known {
        return Ok(());
    }
    Err(format!("{README} lists other faults than the source; run planted --record"))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found_with_their_texts() {
        let text = "if planted!(A, \"does a\") {}\nlet x = planted!(\n    B,\n    \"does, b\"\n);";
        let found = of_source(text).unwrap();
        let expected = [("A", "does a"), ("B", "does, b")];
        assert_eq!(found, expected.map(|(name, what)| (name.to_owned(), what.to_owned())));
        assert!(of_source("planted!(A)").is_err());
        assert!(of_source("planted!(A B, \"c\")").is_err());
    }

    #[test]
    fn failures_are_read_from_a_report() {
        let report = "local held\n\n  CQ      1 of 2 passed, 1 failed\n\n  CQ-5      fail: one arm\n            why\n\
                      \x20 CQ-36     not shown: it\n";
        assert_eq!(failed(report), ["CQ-5"]);
    }

    #[test]
    fn long_lists_are_shortened() {
        let statements: Vec<String> = (1..=8).map(|n| format!("CQ-{n}")).collect();
        assert_eq!(shortened(&statements), "CQ-1, CQ-2, CQ-3, CQ-4, CQ-5, CQ-6 and 2 more");
        assert_eq!(shortened(&statements[..1]), "CQ-1");
    }
}

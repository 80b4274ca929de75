//! House rules that matter are tests: layers, sizes, comments, unsafe code, atomics.
//!
//! Plain text, no parser: a rule may be cruder than the compiler, but it must say `file:line`, which rule,
//! and what to do. Every rule has unit tests in which it fails. What clippy can hold is in clippy.toml.

#[path = "tidy/concurrency.rs"]
mod concurrency;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// A chain of rooms: each level may import those after it. Rooms of one level are strangers.
type Chain = &'static [&'static [&'static str]];

/// The import table. Rows import downwards only; in a row, chains say who may import whom.
const LAYERS: &[(&str, &[Chain])] = &[
    ("faces", &[&[&["command"], &["conformance"], &["ulp"], &["ndk"]]]),
    ("backend", &[&[&["backend"]]]),
    ("carriers", &[&[&["fabric"]]]),
    ("objects", &[&[&["device"]]]),
    ("execution", &[&[&["direct", "transport", "cm"]]]),
    ("nouns", &[&[&["host"], &["memory"], &["work"]], &[&["observe"], &["wire"], &["work"]]]),
    ("ground", &[&[&["ring"], &["sync"]], &[&["time"]], &[&["planted"]]]),
];

/// Files of `src/` that may hold unsafe code, by the beginning of their path; `ndk` has a rule of its own.
const UNSAFE_ROOMS: &[&str] = &[
    "src/ring/slots",
    "src/ring/claim.rs",
    "src/ring/table.rs",
    "src/memory/view",
    "src/memory/owner.rs",
    "src/memory/map.rs",
    "src/conformance/raw.rs",
    "src/fabric/udp",
    "src/fabric/storage",
    "src/backend/real/memory.rs",
];

/// The facade over the atomics of std and loom.
const SYNC: &str = "src/sync.rs";
/// Bytes a peer may change; names std's atomics itself. The file and the folder of its organs.
const VIEW: &str = "src/memory/view";

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 60;
const LINE_COLUMNS: usize = 110;

/// One breach of one rule.
#[derive(Debug)]
pub struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.what)
    }
}

fn finding(source: &Source, line: usize, rule: &'static str, what: String) -> Finding {
    Finding { path: source.path.clone(), line, rule, what }
}

/// Every text file of the repository, by its path from the root, sorted.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut found) = (vec![root.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() && !path.is_symlink() {
                folders.extend((!matches!(name.as_str(), "target" | ".git")).then_some(path));
            } else if is_text(&name) {
                found.push((relative(root, &path), read(&path)));
            }
        }
    }
    found.sort();
    found
}

fn is_text(name: &str) -> bool {
    const KINDS: &[&str] =
        &[".rs", ".md", ".toml", ".yml", ".yaml", ".sh", ".c", ".h", ".map", ".txt", ".snap"];
    KINDS.iter().any(|kind| name.ends_with(kind)) || matches!(name, "run" | "justfile")
}

fn relative(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn read(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources() -> Vec<Source> {
    let rust = texts().into_iter().filter(|(path, _)| path.ends_with(".rs"));
    let sources: Vec<Source> = rust.map(|(path, text)| Source::new(&path, &text)).collect();
    assert!(sources.iter().any(|s| s.path == "src/lib.rs"), "the walk did not find src/lib.rs");
    sources
}

#[track_caller]
fn none(findings: &[Finding]) {
    let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(list.is_empty(), "{} to mend:\n{}\n", list.len(), list.join("\n"));
}

fn each(check: fn(&Source) -> Vec<Finding>) -> Vec<Finding> {
    sources().iter().flat_map(check).collect()
}

#[test]
fn imports_point_down_the_layers() {
    none(&each(imports::check));
}

#[test]
fn files_and_functions_are_within_size() {
    none(&each(shape::sizes));
}

#[test]
fn every_file_says_what_it_is() {
    none(&each(shape::docs));
}

#[test]
fn comments_fit_the_width() {
    none(&each(shape::width));
}

#[test]
fn nothing_is_left_unfinished() {
    none(&each(shape::unfinished));
}

#[test]
fn prose_is_settled_and_names_no_machine() {
    none(&texts().iter().flat_map(|(path, text)| shape::prose(path, text)).collect::<Vec<_>>());
}

#[test]
fn unsafe_code_stays_in_its_rooms_and_is_argued() {
    none(&each(concurrency::unsafe_code));
}

#[test]
fn orderings_have_their_reasons() {
    none(&each(concurrency::orderings));
}

#[test]
fn mutations_name_one_place() {
    none(&concurrency::mutation_names(&sources()));
}

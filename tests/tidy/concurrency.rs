//! Unsafe code and atomics: only in their rooms, each with its argument beside it.
//!
//! May come in: rules about what a compiler or a model checker cannot see. Not here: whether the argument
//! is right; that is for readers, loom and Miri.

use std::collections::BTreeMap;

use crate::source::{Source, Token};
use crate::{Finding, SYNC, UNSAFE_ROOMS, VIEW, finding};

/// `unsafe` stands in its rooms only, and each block and impl has a SAFETY comment.
pub fn unsafe_code(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, _) in source.words().filter(|(_, word)| *word == "unsafe") {
        let line = source.line(index);
        let next = source.word(index + 1);
        let block = source.marks(index + 1, "{");
        if let Some(what) = misplaced(&source.path, block, next) {
            findings.push(finding(source, line, "unsafe", what));
        }
        if (block || next == "impl") && !source.comments_at(line).contains("SAFETY:") {
            let what =
                "no SAFETY comment above; write what is required, who upholds it, where it was checked";
            findings.push(finding(source, line, "unsafe", what.to_owned()));
        }
    }
    findings
}

/// Why this use of `unsafe` may not stand in that file.
fn misplaced(path: &str, block: bool, next: &str) -> Option<String> {
    if path.starts_with("src/ndk/") && (block || next == "fn") {
        return None; // the face has unsafe fns for raw pointers, and their bodies
    }
    let inner = ["src/", "examples/", "xtask/"].iter().any(|folder| path.starts_with(folder));
    let allowed = !inner || UNSAFE_ROOMS.iter().any(|room| path.starts_with(room));
    (!allowed).then(|| {
        "no room for unsafe code; use a safe call of a room of UNSAFE_ROOMS (tests/tidy.rs)".to_owned()
    })
}

const ORDERINGS: &[&str] = &["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// Each ordering comes through `ord!`, or has a comment; SeqCst and std's atomics stay in their file.
pub fn orderings(source: &Source) -> Vec<Finding> {
    let path = source.path.as_str();
    if !path.starts_with("src/") || path == SYNC {
        return Vec::new();
    }
    let bare_counts = path.starts_with("src/ring/") || path.starts_with(VIEW);
    let reasoned = reasoned(source);
    let mut findings = Vec::new();
    for (index, word) in source.words() {
        let line = source.line(index);
        if word == "atomic" && index >= 6 && source.marks(index - 2, "::") && source.word(index - 3) == "sync"
        {
            let foreign = matches!(source.word(index - 6), "std" | "core" | "loom");
            if foreign && !path.starts_with(VIEW) {
                let what = "name atomics through crate::sync, so that the models see them".to_owned();
                findings.push(finding(source, line, "atomics", what));
            }
        }
        if !ORDERINGS.contains(&word) || reasoned.iter().any(|(from, to)| (*from..*to).contains(&index)) {
            continue;
        }
        let qualified = index >= 3 && source.marks(index - 2, "::") && source.word(index - 3) == "Ordering";
        if word == "SeqCst" {
            let what =
                "loom weakens SeqCst accesses; write fence!(Name, \"reason\") and weaker ones".to_owned();
            findings.push(finding(source, line, "atomics", what));
        } else if (qualified || bare_counts) && source.comments_at(line).is_empty() {
            let what = format!("{word} without a reason; write ord!(Name: {word}, \"what it pairs with\")");
            findings.push(finding(source, line, "atomics", what));
        }
    }
    findings
}

/// Token ranges in which an ordering needs no comment: in `use` items, inside `ord!(...)`, and beside one
/// in the same call, since the reason of a compare-and-swap covers its failure too.
fn reasoned(source: &Source) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    for (index, word) in source.words() {
        if word == "ord" && source.marks(index + 1, "!(") {
            ranges.push((index, source.after_closing(index + 2)));
            ranges.extend(swap_around(source, index));
        } else if word == "use" {
            let end = (index..source.tokens.len()).find(|at| source.marks(*at, ";"));
            ranges.push((index, end.unwrap_or(source.tokens.len())));
        }
    }
    ranges
}

/// The arguments of the compare-and-swap that the token at `index` is an argument of.
fn swap_around(source: &Source, index: usize) -> Option<(usize, usize)> {
    let open = (0..index).rev().find(|at| source.marks(*at, "(") && source.after_closing(*at) > index)?;
    let swap = open > 0 && source.word(open - 1).starts_with("compare_exchange");
    swap.then(|| (open, source.after_closing(open)))
}

/// Names given to `ord!`, `fence!`, `recheck!` and `mutant!`, with their lines; reasons that are missing.
fn mutations(source: &Source) -> (Vec<(String, usize)>, Vec<Finding>) {
    let (mut names, mut findings) = (Vec::new(), Vec::new());
    for (index, word) in source.words() {
        if !matches!(word, "ord" | "fence" | "recheck" | "mutant") || !source.marks(index + 1, "!(") {
            continue;
        }
        let line = source.line(index);
        names.push((source.word(index + 3).to_owned(), line));
        let end = source.after_closing(index + 2);
        let reason = source.tokens[index..end].iter().find_map(|(_, token)| match token {
            Token::Text(text) => Some(text.trim()),
            _ => None,
        });
        if matches!(word, "ord" | "fence") && reason.is_none_or(str::is_empty) {
            findings.push(finding(
                source,
                line,
                "atomics",
                format!("{word}! without a reason; say what it is for"),
            ));
        }
    }
    (names, findings)
}

/// A mutation names one place; a second place says `shares Name`. Names in `[mutations: ...]` exist.
pub fn mutation_names(sources: &[Source]) -> Vec<Finding> {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    let mut findings = Vec::new();
    let library = || sources.iter().filter(|s| s.path.starts_with("src/") && s.path != SYNC);
    for source in library() {
        let (names, missing) = mutations(source);
        findings.extend(missing);
        for (name, line) in names {
            let shared = source.comments_at(line).contains(&format!("shares {name}"));
            let here = format!("{}:{line}", source.path);
            if let Some(there) = first.get(&name).filter(|_| !shared) {
                let what =
                    format!("{name} is used at {there} too; rename it, or comment \"shares {name}\" and why");
                findings.push(finding(source, line, "mutations", what));
            }
            first.entry(name).or_insert(here);
        }
    }
    for source in library() {
        for (line, text) in &source.comments {
            let Some((_, tail)) = text.split_once("[mutations: ") else { continue };
            let listed = tail.split(']').next().unwrap_or("").split(',').map(str::trim);
            findings.extend(listed.filter(|name| !first.contains_key(*name)).map(|name| {
                let what = format!("there is no mutation {name}; name an ord!, fence!, recheck! or mutant!");
                finding(source, *line, "mutations", what)
            }));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(check: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn unsafe_code_outside_its_rooms_or_without_argument_is_found() {
        let argued = "// SAFETY: `p` is valid.\nlet a = unsafe { *p };";
        assert_eq!(count(unsafe_code, "src/ring/slots.rs", argued), 0);
        assert_eq!(count(unsafe_code, "src/device/qp.rs", argued), 1);
        assert_eq!(count(unsafe_code, "src/ring/slots.rs", "\nlet a = unsafe { *p };"), 1);
        assert_eq!(count(unsafe_code, "src/ring/slots.rs", "unsafe impl Send for A {}"), 1);
        assert_eq!(count(unsafe_code, "src/ndk/mr.rs", "pub unsafe fn f() {}"), 0);
        assert_eq!(count(unsafe_code, "src/ndk/mr.rs", "// SAFETY: a\nunsafe impl Send for A {}"), 1);
        assert_eq!(count(unsafe_code, "src/work/mod.rs", "// unsafe { }\nconst A: &str = \"unsafe {\";"), 0);
    }

    #[test]
    fn an_ordering_without_reason_is_found() {
        assert_eq!(count(orderings, "src/device/qp.rs", "a.load(Ordering::Acquire);"), 1);
        assert_eq!(count(orderings, "src/device/qp.rs", "a.load(Ordering::Acquire); // pairs with b"), 0);
        assert_eq!(count(orderings, "src/ring/claim.rs", "a.load(Acquire);"), 1);
        assert_eq!(count(orderings, "src/ring/claim.rs", "a.load(ord!(A: Acquire, \"b\"));"), 0);
        assert_eq!(
            count(orderings, "src/ring/claim.rs", "use crate::sync::Ordering::{Acquire, Relaxed};"),
            0
        );
        let swap = "a.compare_exchange(b, c, ord!(A: Release, \"d\"), Ordering::Relaxed);";
        assert_eq!(count(orderings, "src/ring/claim.rs", swap), 0);
        let store = "a.store(b.load(ord!(A: Acquire, \"c\")), Ordering::Relaxed);";
        assert_eq!(count(orderings, "src/ring/claim.rs", store), 1);
        assert_eq!(count(orderings, "src/cm/mod.rs", "Message::Release"), 0);
        assert_eq!(count(orderings, "src/device/qp.rs", "// why\nfence(SeqCst);"), 1);
        assert_eq!(count(orderings, "src/sync.rs", "fence(SeqCst);"), 0);
    }

    #[test]
    fn std_atomics_outside_the_facade_are_found() {
        assert_eq!(count(orderings, "src/device/qp.rs", "use std::sync::atomic::AtomicU64;"), 1);
        assert_eq!(count(orderings, "src/memory/view.rs", "use std::sync::atomic::AtomicU64;"), 0);
        assert_eq!(count(orderings, "src/device/qp.rs", "use crate::sync::AtomicU64;"), 0);
    }

    #[test]
    fn a_mutation_names_one_place_and_exists() {
        let find = |text: &str| mutation_names(&[Source::new("src/ring/claim.rs", text)]).len();
        assert_eq!(find("ord!(A: Acquire, \"b\");\nfence!(B, \"c\");\nrecheck!(C, d);"), 0);
        assert_eq!(find("ord!(A: Acquire, \"b\");\nord!(A: Release, \"c\");"), 1);
        assert_eq!(find("ord!(A: Acquire, \"b\");\n// shares A: one step\nord!(A: Release, \"c\");"), 0);
        assert_eq!(find("ord!(A: Acquire, \"\");"), 1);
        assert_eq!(find("ord!(A: Acquire, \"b\"); // [mutations: A, B]"), 1);
    }
}

//! Imports point down the layers, since one package has no crate borders to hold them.
//!
//! May come in: whatever decides which room may name which. Not here: the table itself (tidy.rs).

use crate::source::{Source, Token};
use crate::{Finding, LAYERS, finding};

/// The rooms that are promised to users.
const PUBLIC: &[&str] = &["ndk", "ulp"];

/// Reads the rooms that each file of `src/` names, and judges them by the table.
pub fn check(source: &Source) -> Vec<Finding> {
    if source.path.starts_with("examples/") {
        let foreign = named_rooms(source).into_iter().filter(|(_, to)| !PUBLIC.contains(&to.as_str()));
        let what = |to| {
            format!(
                "an example uses qpair::{to}; show what the public faces, qpair::ndk and qpair::ulp, can do"
            )
        };
        return foreign.map(|(line, to)| finding(source, line, "layers", what(to))).collect();
    }
    let Some(inner) = source.path.strip_prefix("src/") else { return Vec::new() };
    // A test may bring up what carries its room: it is no part of what a user links.
    if inner == "main.rs" || inner == "lib.rs" || inner.contains("/tests/") {
        return Vec::new();
    }
    let room = room_of(inner);
    if place(room).is_none() {
        let what = format!("{room} is no room of the import table; give it a row in LAYERS of tests/tidy.rs");
        return vec![finding(source, 1, "layers", what)];
    }
    let named = named_rooms(source);
    let judged = named.into_iter().filter_map(|(line, to)| Some((line, refuse(room, &to)?)));
    judged.map(|(line, what)| finding(source, line, "layers", what)).collect()
}

/// The room of a file, given its path inside `src/`.
fn room_of(inner: &str) -> &str {
    let first = inner.split('/').next().unwrap_or(inner);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// Row, column group and depth in the group of a room.
fn place(room: &str) -> Option<(usize, usize, usize)> {
    LAYERS.iter().enumerate().find_map(|(row, (_, groups))| {
        groups.iter().enumerate().find_map(|(group, chain)| {
            let depth = chain.iter().position(|level| level.contains(&room))?;
            Some((row, group, depth))
        })
    })
}

/// Why `from` may not import `to`; `None` where it may.
fn refuse(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    let (from_row, ..) = place(from)?;
    let Some((to_row, ..)) = place(to) else {
        return Some(format!(
            "crate::{to} is no room of the import table; import from the room that owns it"
        ));
    };
    let layer = |row: usize| LAYERS[row].0;
    if from == "command" && to_row != from_row {
        return Some(format!("the command uses the faces only; reach {to} ({}) through ndk", layer(to_row)));
    }
    if to_row > from_row || (to_row == from_row && chained(from, to)) {
        return None;
    }
    let (above, below) = (layer(from_row), layer(to_row));
    Some(if to_row < from_row {
        format!(
            "{from} ({above}) imports {to} ({below}), which is above it; turn the call round, or pass it in"
        )
    } else {
        format!("{from} and {to} are strangers in the row {above}; let a row above bring them together")
    })
}

/// Whether some chain of one row has `to` below `from`.
fn chained(from: &str, to: &str) -> bool {
    LAYERS.iter().flat_map(|(_, chains)| chains.iter()).any(|chain| {
        let depth = |room: &str| chain.iter().position(|level| level.contains(&room));
        matches!((depth(from), depth(to)), (Some(from), Some(to)) if from < to)
    })
}

/// Rooms named by `crate::`, by `qpair::` and by `super::` that leaves the room, with the line.
fn named_rooms(source: &Source) -> Vec<(usize, String)> {
    let depth_of_file = depth(&source.path);
    let mut found = Vec::new();
    let mut modules: Vec<usize> = Vec::new(); // token indices at which inline modules end
    for (index, word) in source.words() {
        modules.retain(|end| *end > index);
        match word {
            "mod" if source.marks(index + 2, "{") => modules.push(source.after_closing(index + 2)),
            "crate" | "qpair" if source.marks(index + 1, "::") && !follows_path(source, index) => {
                found.extend(heads(source, index + 3));
            }
            "super" if source.marks(index + 1, "::") && !follows_path(source, index) => {
                let mut next = index;
                let mut climbed = 0;
                while source.word(next) == "super" && source.marks(next + 1, "::") {
                    climbed += 1;
                    next += 3;
                }
                if climbed >= depth_of_file + modules.len() {
                    found.extend(heads(source, next));
                }
            }
            _ => {}
        }
    }
    found
}

/// How many steps of `super` lead from a file to the root of the crate.
fn depth(path: &str) -> usize {
    let parts = path.split('/').count() - 1; // without src
    if path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

fn follows_path(source: &Source, index: usize) -> bool {
    index >= 2 && source.marks(index - 2, "::")
}

/// First names of the path or of the braced paths that begin at `index`.
fn heads(source: &Source, index: usize) -> Vec<(usize, String)> {
    if !source.marks(index, "{") {
        let word = source.word(index);
        let named = (!word.is_empty()).then(|| (source.line(index), word.to_owned()));
        return named.into_iter().collect();
    }
    let end = source.after_closing(index) - 1;
    let (mut found, mut depth, mut fresh) = (Vec::new(), 0_usize, false);
    for at in index..end {
        match &source.tokens[at].1 {
            Token::Mark('{') => {
                depth += 1;
                fresh = depth == 1;
            }
            Token::Mark('}') => depth -= 1,
            Token::Mark(',') => fresh = depth == 1,
            Token::Word(word) if fresh => {
                found.push((source.line(at), word.clone()));
                fresh = false;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Source::new(path, text)).iter().map(|f| f.line).collect()
    }

    #[test]
    fn down_is_allowed_and_up_is_not() {
        assert!(lines("src/device/qp.rs", "use crate::ring::Ring;\nuse crate::direct;\n").is_empty());
        assert_eq!(lines("src/ring/claim.rs", "use crate::sync::Arc;\nuse crate::work::Key;\n"), [2]);
        assert_eq!(lines("src/direct/mod.rs", "fn f() { crate::device::open() }\n"), [1]);
        assert_eq!(
            lines("src/fabric/udp/mod.rs", "use crate::{\n  device::{Pd, qp::Qp},\n  ndk,\n};\n"),
            [3]
        );
    }

    #[test]
    fn a_row_allows_what_its_chain_says() {
        assert!(lines("src/memory/mod.rs", "use crate::work::Key;").is_empty());
        assert_eq!(lines("src/work/mod.rs", "use crate::memory::View;"), [1]);
        assert_eq!(lines("src/memory/mod.rs", "use crate::wire::Packet;"), [1]);
        assert_eq!(lines("src/direct/mod.rs", "use crate::cm::Message;"), [1]);
        assert_eq!(lines("src/ring/mod.rs", "use crate::time::Time;"), [1]);
        assert!(lines("src/host.rs", "use crate::memory::Grant;").is_empty());
    }

    #[test]
    fn super_is_followed_out_of_the_room() {
        assert_eq!(lines("src/ring/claim.rs", "use super::super::work::Key;\nuse super::slots::Slot;"), [1]);
        assert_eq!(lines("src/time.rs", "use super::work::Key;"), [1]);
        assert!(lines("src/time.rs", "mod tests { use super::work; }").is_empty());
        assert_eq!(lines("src/time.rs", "mod tests { use super::super::work; }\nuse super::ring;"), [1, 2]);
    }

    #[test]
    fn the_command_and_the_examples_use_the_faces_only() {
        assert!(lines("src/command/flush.rs", "use qpair::ndk::Qp;").is_empty());
        assert_eq!(lines("src/command/flush.rs", "use qpair::device::Qp;"), [1]);
        assert!(lines("examples/hello.rs", "use qpair::ndk::Qp;").is_empty());
        assert_eq!(lines("examples/hello.rs", "use qpair::ring::Ring;"), [1]);
    }

    #[test]
    fn a_room_without_a_row_is_refused() {
        assert_eq!(lines("src/misc.rs", ""), [1]);
        assert_eq!(lines("src/device/mod.rs", "use crate::Misc;"), [1]);
        assert!(
            lines("src/device/mod.rs", "// use crate::Misc;\nconst A: &str = \"crate::ndk\";").is_empty()
        );
        assert!(lines("src/main.rs", "use qpair::anything;").is_empty());
    }
}

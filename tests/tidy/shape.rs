//! Sizes, docs at the door, comment width, and words that mean unfinished work.
//!
//! May come in: rules that look at one file and know nothing of what it does. Not here: concurrency, layers.

use crate::source::{Source, Token};
use crate::{FILE_LINES, FUNCTION_LINES, Finding, LINE_COLUMNS, finding};

/// Files and functions within size.
pub fn sizes(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.lines.len();
    if lines > FILE_LINES {
        let what = format!("{lines} lines, {FILE_LINES} at most; split it by what changes for one reason");
        findings.push(finding(source, FILE_LINES + 1, "size", what));
    }
    for (index, word) in source.words() {
        let Some(body) = (word == "fn").then(|| body_of(source, index)).flatten() else { continue };
        let length = source.line(source.after_closing(body) - 1) + 1 - source.line(index);
        if length > FUNCTION_LINES {
            let name = source.word(index + 1);
            let what = format!(
                "fn {name} has {length} lines, {FUNCTION_LINES} at most; name its steps as functions"
            );
            findings.push(finding(source, source.line(index), "size", what));
        }
    }
    findings
}

/// The `{` of the function whose `fn` is at `index`; `None` for a declaration or a type.
fn body_of(source: &Source, index: usize) -> Option<usize> {
    if source.word(index + 1).is_empty() {
        return None;
    }
    let mut at = index + 2;
    while let Some((_, token)) = source.tokens.get(at) {
        match token {
            Token::Mark('{') => return Some(at),
            Token::Mark(';') => return None,
            Token::Mark('(' | '[') => at = source.after_closing(at),
            _ => at += 1,
        }
    }
    None
}

/// Each file says what it is; each room also says what may come in and what is not there.
pub fn docs(source: &Source) -> Vec<Finding> {
    let docs: Vec<&str> =
        source.lines.iter().map(String::as_str).take_while(|l| l.starts_with("//!")).collect();
    if docs.is_empty() {
        let what = "begins without module docs; say in its first lines (//!) what it gives".to_owned();
        return vec![finding(source, 1, "docs", what)];
    }
    let inner = source.path.strip_prefix("src/").unwrap_or_default();
    let room = inner.ends_with("/mod.rs") && !inner.contains("/tests/"); // a room's tests belong to the room
    let text = docs.join(" ").replace("//!", "").to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let missing = ["may come in", "not here"].into_iter().filter(|words| room && !text.contains(words));
    missing
        .map(|words| finding(source, 1, "docs", format!("a room says \"{words}\": add that sentence")))
        .collect()
}

/// Comments fit the width that rustfmt keeps for code.
pub fn width(source: &Source) -> Vec<Finding> {
    let long =
        |line: usize| source.lines.get(line - 1).is_some_and(|text| text.chars().count() > LINE_COLUMNS);
    let wide = source.comments.iter().filter(|(line, text)| long(*line) && !text.contains("://"));
    wide.map(|(line, _)| {
        finding(source, *line, "width", format!("wrap the comment at {LINE_COLUMNS} columns"))
    })
    .collect()
}

/// Nothing is left undone or switched off.
pub fn unfinished(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, word) in source.words() {
        let line = source.line(index);
        if matches!(word, "todo" | "unimplemented" | "dbg") && source.marks(index + 1, "!") {
            findings.push(finding(
                source,
                line,
                "unfinished",
                format!("{word}! stays out of the tree; finish it"),
            ));
        }
        if word == "ignore" && index >= 2 && source.marks(index - 2, "#[") {
            let what = "a test that does not run proves nothing; make it fast enough or remove it".to_owned();
            findings.push(finding(source, line, "unfinished", what));
        }
    }
    let notes = source.comments.iter().filter_map(|(line, text)| Some((line, unsettled(text)?)));
    findings.extend(notes.map(|(line, word)| {
        finding(source, *line, "unfinished", format!("settle the {word}, or write down what is decided"))
    }));
    findings
}

/// A word by which people mark what they did not settle.
fn unsettled(text: &str) -> Option<&str> {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.find(|word| matches!(*word, "TODO" | "FIXME" | "XXX"))
}

/// The same for files that are not Rust: unsettled notes, and folders of one machine.
pub fn prose(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let mut add = |rule, what| findings.push(Finding { path: path.to_owned(), line: n + 1, rule, what });
        if let Some(word) = unsettled(line).filter(|_| !path.ends_with(".rs")) {
            add("unfinished", format!("settle the {word}, or write down what is decided"));
        }
        if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| names_folder(line, folder)) {
            add(
                "machine",
                format!("{folder} is a folder of one machine; name it relative to the repository"),
            );
        }
    }
    findings
}

const MACHINE_FOLDERS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("../sha", "red")];

/// Whether `folder` stands in `line` as the beginning of a path, not as a part of a longer one.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '*' | '/' | '}'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(text: &str) -> Source {
        Source::new("src/ring/mod.rs", text)
    }

    #[test]
    fn a_long_file_and_a_long_function_are_found() {
        let function = |lines: usize| format!("fn f(a: [u8; 4])\n{{\n{}}}\n", "    a();\n".repeat(lines - 3));
        assert!(sizes(&rust(&function(FUNCTION_LINES))).is_empty());
        assert_eq!(sizes(&rust(&function(FUNCTION_LINES + 1)))[0].line, 1);
        assert!(sizes(&rust(&"//\n".repeat(FILE_LINES))).is_empty());
        assert_eq!(sizes(&rust(&"//\n".repeat(FILE_LINES + 1)))[0].line, FILE_LINES + 1);
        let declared = format!("trait T {{ fn f();\n{}}}", "\n".repeat(FUNCTION_LINES));
        assert!(sizes(&rust(&declared)).is_empty());
    }

    #[test]
    fn a_room_without_its_three_sentences_is_found() {
        assert!(docs(&rust("//! Rings. May come\n//! in: slots. Not here: RDMA.\n")).is_empty());
        assert_eq!(docs(&rust("//! Rings. May come in: slots.\n")).len(), 1);
        assert_eq!(docs(&rust("mod slots;\n")).len(), 1);
        assert!(docs(&Source::new("src/time.rs", "//! Time.\n")).is_empty());
    }

    #[test]
    fn unfinished_work_is_found() {
        for text in
            ["fn f() { todo!() }", "#[ignore = \"slow\"]", "// TODO: later", "/* a\nXXX */", "dbg!(a)"]
        {
            assert_eq!(unfinished(&rust(text)).len(), 1, "{text}");
        }
        assert!(unfinished(&rust("let a = \"TODO\"; fn ignore() {} // todo list")).is_empty());
    }

    #[test]
    fn wide_comments_and_folders_of_a_machine_are_found() {
        assert_eq!(width(&rust(&format!("// {}", "a".repeat(LINE_COLUMNS)))).len(), 1);
        assert!(width(&rust(&format!("// {}", "a".repeat(LINE_COLUMNS - 3)))).is_empty());
        let bad = format!("see {}notes", MACHINE_FOLDERS[0]);
        assert_eq!(prose("README.md", &bad).len(), 1);
        assert!(prose("README.md", "src/work/mod.rs and ../work/a").is_empty());
        assert_eq!(prose("README.md", "FIXME").len(), 1);
    }
}

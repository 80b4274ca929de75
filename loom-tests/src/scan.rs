//! The mutations of `qpair::ring`, read from its source: what `ord!`, `fence!`, `recheck!` and `mutant!`
//! name.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// One way to weaken one place of the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mutation {
    /// As the source names the place.
    pub name: String,
    /// A weaker ordering, `dropped` or `slip`.
    pub variant: &'static str,
    /// What the source writes, and its reason.
    pub what: String,
    /// The file's name, without its folder.
    pub file: String,
}

impl fmt::Display for Mutation {
    /// As the environment variable has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.variant)
    }
}

/// The folder of this package.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every mutation of the ring layer, in the order of the source.
///
/// # Errors
/// When a file cannot be read, or a macro call has another shape than this scan knows; the message
/// says where.
pub fn mutations() -> Result<Vec<Mutation>, String> {
    let mut files = Vec::new();
    collect(&package().join("../src/ring"), &mut files)?;
    files.sort();
    let mut found: Vec<Mutation> = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for mutation in of_source(&text, &file)? {
            if !found.iter().any(|known| (&known.name, known.variant) == (&mutation.name, mutation.variant)) {
                found.push(mutation);
            }
        }
    }
    Ok(found)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn of_source(text: &str, file: &str) -> Result<Vec<Mutation>, String> {
    let code: String = text.lines().map(|line| blank_comment(line) + "\n").collect();
    let mut found = Vec::new();
    for (start, kind) in calls(&code) {
        let body = &code[start..];
        let here = || format!("{file}: {}", body.lines().next().unwrap_or_default());
        let name: String =
            body.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let rest = body.trim_start()[name.len()..].trim_start();
        let (variants, what): (&[&'static str], String) = match kind {
            "ord" => {
                let rest = rest.strip_prefix(':').ok_or_else(here)?.trim_start();
                let order: String = rest.chars().take_while(|c| c.is_alphabetic()).collect();
                (weaker(&order).ok_or_else(here)?, format!("{order}: {}", literal(rest).ok_or_else(here)?))
            }
            "fence" => (&["dropped"], format!("fence: {}", literal(rest).ok_or_else(here)?)),
            "recheck" => (&["dropped"], "a second look".to_owned()),
            _ => (&["slip"], "a slip of logic".to_owned()),
        };
        found.extend(variants.iter().map(|variant| Mutation {
            name: name.clone(),
            variant,
            what: what.clone(),
            file: file.to_owned(),
        }));
    }
    Ok(found)
}

/// Where the arguments of each macro call begin, and which macro it is.
fn calls(code: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for kind in ["ord", "fence", "recheck", "mutant"] {
        let opening = format!("{kind}!(");
        found.extend(code.match_indices(&opening).filter_map(|(at, _)| {
            let alone = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            alone.then_some((at + opening.len(), kind))
        }));
    }
    found.sort_unstable();
    found
}

fn blank_comment(line: &str) -> String {
    let code = line.trim_start();
    if code.starts_with("//") { String::new() } else { line.to_owned() }
}

fn weaker(order: &str) -> Option<&'static [&'static str]> {
    match order {
        "AcqRel" => Some(&["Acquire", "Release", "Relaxed"]),
        "Acquire" | "Release" => Some(&["Relaxed"]),
        _ => None,
    }
}

fn literal(text: &str) -> Option<String> {
    let inner = &text[text.find('"')? + 1..];
    Some(inner[..inner.find('"')?].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_macro_gives_its_variants() {
        let text = "a.load(ord!(A: Acquire, \"b\"));\n// ord!(C: Acquire, \"d\")\nfence!(\n    D,\n    \"e\"\n);\n\
                    recheck!(F, g);\nmutant!(H => 1, mutant!(I => 2, 3));\nord!(J: AcqRel, \"k\")";
        let found = of_source(text, "a.rs").unwrap();
        let names: Vec<String> = found.iter().map(Mutation::to_string).collect();
        assert_eq!(
            names,
            [
                "A=Relaxed",
                "D=dropped",
                "F=dropped",
                "H=slip",
                "I=slip",
                "J=Acquire",
                "J=Release",
                "J=Relaxed"
            ]
        );
        assert_eq!(found[1].what, "fence: e");
    }

    #[test]
    fn the_ring_layer_has_mutations() {
        assert!(mutations().unwrap().len() > 50);
    }
}

//! What was found, in words or as a document.

use serde::Serialize;
use std::fmt;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    Note,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    state: State,
    what: String,
    /// What to do, or what is said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    pub fn good(what: impl Into<String>) -> Self {
        Self { state: State::Good, what: what.into(), remedy: None }
    }

    /// Something that need not be mended.
    pub fn note(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Note, what: what.into(), remedy: Some(remedy.into()) }
    }

    pub fn bad(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Bad, what: what.into(), remedy: Some(remedy.into()) }
    }
}

/// What was looked at under one heading.
#[derive(Debug, Serialize)]
struct Part {
    about: String,
    findings: Vec<Finding>,
}

/// Everything that is told; its fields are those of the document.
#[derive(Debug, Serialize)]
pub struct Report {
    command: &'static str,
    /// The feature `rdma-core` is built in.
    built: bool,
    /// Devices that can be opened.
    opened: Vec<String>,
    /// Devices that cannot be.
    not_opened: Vec<String>,
    parts: Vec<Part>,
}

impl Report {
    pub fn new(built: bool) -> Self {
        Self { command: "doctor", built, opened: Vec::new(), not_opened: Vec::new(), parts: Vec::new() }
    }

    pub fn extend(&mut self, about: &str, findings: impl IntoIterator<Item = Finding>) {
        self.parts.push(Part { about: about.to_owned(), findings: findings.into_iter().collect() });
    }

    /// What was found at a device, and how its opening ended.
    pub fn device(&mut self, name: &str, looked_at: Vec<Finding>, opened: Finding) {
        let list = if opened.state == State::Good { &mut self.opened } else { &mut self.not_opened };
        list.push(name.to_owned());
        self.extend(name, looked_at.into_iter().chain([opened]));
    }

    /// There is a device, and each that was looked at can be opened.
    pub fn can_open(&self) -> bool {
        !self.opened.is_empty() && self.not_opened.is_empty()
    }

    /// What is to be done.
    #[cfg(test)]
    pub fn remedies(&self) -> Vec<&str> {
        let findings = self.parts.iter().flat_map(|part| &part.findings);
        findings.filter_map(|finding| finding.remedy.as_deref()).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Part { about, findings } in &self.parts {
            writeln!(f, "{about}")?;
            for Finding { state, what, remedy } in findings {
                let mark = match state {
                    State::Good => "ok  ",
                    State::Note => "note",
                    State::Bad => "BAD ",
                };
                writeln!(f, "  {mark}  {what}")?;
                if let Some(remedy) = remedy {
                    writeln!(f, "        -> {remedy}")?;
                }
            }
        }
        match (self.opened.as_slice(), self.not_opened.as_slice()) {
            ([], []) => writeln!(f, "\nThere is no device of the kernel; `local` needs none."),
            ([], not) => writeln!(f, "\n{} cannot be opened; `local` needs none of this.", not.join(", ")),
            (opened, []) => writeln!(f, "\n{} can be opened.", opened.join(", ")),
            (opened, not) => {
                writeln!(f, "\n{} can be opened, {} cannot.", opened.join(", "), not.join(", "))
            }
        }
    }
}

//! A flush told step by step: what was done, what came of it, what was seen, and which promises that kept.
//!
//! A tale asserts nothing by itself: each promise is handed in with whether it was kept, and what was seen
//! instead. The text of a broken one ends among the broken promises, never among what completion means.

use crate::command::clock::Duration;
use crate::command::output::Nanoseconds;
use serde::Serialize;
use std::fmt;

/// Everything that is told; its fields are those of the document.
#[derive(Debug, Serialize)]
pub struct Tale {
    /// Which subcommand this is of.
    command: &'static str,
    /// Whose flush it is, as `--kind` names it.
    pub kind: &'static str,
    /// What its system calls it.
    pub flush: &'static str,
    /// Every promise was kept.
    as_promised: bool,
    /// A sentence for each that was not, with its step.
    pub broken_promises: Vec<String>,
    /// How many promises were looked at.
    pub promises: usize,
    /// What is counted at each step, from where it is held back to where it goes.
    pub lanes: Vec<&'static str>,
    pub steps: Vec<Step>,
    /// What completion was seen to mean.
    pub means: Vec<Kept>,
    /// What it was seen not to mean.
    pub does_not_mean: Vec<Kept>,
    /// What cannot be seen in this way, so that nothing is claimed about it.
    pub not_seen: Vec<&'static str>,
}

/// One call, or one look.
#[derive(Debug, Serialize)]
pub struct Step {
    /// From 1.
    pub step: usize,
    pub part: Part,
    /// Who does what.
    pub call: String,
    /// What it returned.
    pub result: String,
    /// Until it returned, in nanoseconds; of flushes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ns: Option<u64>,
    /// What was looked at then.
    pub seen: Vec<Seen>,
    /// What was counted then, in the order of the lanes; empty: nothing was.
    pub amounts: Vec<u64>,
}

/// Where a step stands to the flush that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Before,
    Flush,
    After,
}

#[derive(Debug, Serialize)]
pub struct Seen {
    pub what: String,
    pub is: String,
}

/// A promise that was kept.
#[derive(Debug, Serialize)]
pub struct Kept {
    /// The step at which it showed.
    pub step: usize,
    pub text: String,
}

impl Tale {
    pub fn new(kind: &'static str, flush: &'static str, lanes: &[&'static str]) -> Self {
        Self {
            command: "flush",
            kind,
            flush,
            as_promised: true,
            broken_promises: Vec::new(),
            promises: 0,
            lanes: lanes.to_vec(),
            steps: Vec::new(),
            means: Vec::new(),
            does_not_mean: Vec::new(),
            not_seen: Vec::new(),
        }
    }

    /// The next step; what follows is about it.
    pub fn step(&mut self, part: Part, call: &str, result: impl fmt::Display) -> &mut Self {
        self.steps.push(Step {
            step: self.steps.len() + 1,
            part,
            call: call.to_owned(),
            result: result.to_string(),
            took_ns: None,
            seen: Vec::new(),
            amounts: Vec::new(),
        });
        self
    }

    /// What was seen when one looked.
    pub fn saw(&mut self, what: &str, is: impl fmt::Display) -> &mut Self {
        let seen = Seen { what: what.to_owned(), is: is.to_string() };
        self.newest(|step| step.seen.push(seen));
        self
    }

    /// What was counted in each lane.
    pub fn amounts(&mut self, amounts: &[u64]) -> &mut Self {
        self.newest(|step| step.amounts = amounts.to_vec());
        self
    }

    /// How long the flush of this step took to return.
    pub fn took(&mut self, took: Duration) -> &mut Self {
        let nanoseconds = took.as_nanos() as u64; // 584 years at most
        self.newest(|step| step.took_ns = Some(nanoseconds));
        self
    }

    /// A promise about this step; `seen` is told if it is not kept.
    pub fn holds(&mut self, kept: bool, promise: &str, seen: impl fmt::Display) {
        self.promises += 1;
        if !kept {
            self.as_promised = false;
            let (number, call) = self.place();
            self.broken_promises.push(format!("step {number}, {call}: promised is that {promise}; {seen}"));
        }
    }

    /// What the completion at this step means.
    pub fn means(&mut self, kept: bool, promise: &str, seen: impl fmt::Display) {
        self.holds(kept, promise, seen);
        if kept {
            let step = self.place().0;
            self.means.push(Kept { step, text: promise.to_owned() });
        }
    }

    /// What the completion at this step does not mean: `shown` tells whether that was seen.
    pub fn denies(&mut self, shown: bool, promise: &str, seen: impl fmt::Display) {
        self.holds(shown, &format!("a flush may return without that {promise}"), seen);
        if shown {
            let step = self.place().0;
            self.does_not_mean.push(Kept { step, text: promise.to_owned() });
        }
    }

    /// What this way of looking leaves open.
    pub fn leaves_open(&mut self, what: &'static str) {
        self.not_seen.push(what);
    }

    pub fn is_as_promised(&self) -> bool {
        self.as_promised
    }

    /// Adds to the step that is told now.
    fn newest(&mut self, add: impl FnOnce(&mut Step)) {
        if let Some(step) = self.steps.last_mut() {
            add(step);
        }
    }

    fn place(&self) -> (usize, &str) {
        self.steps.last().map_or((0, "before anything"), |step| (step.step, &step.call))
    }
}

impl fmt::Display for Tale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{}", step.told(&self.lanes))?;
        }
        let lists = [("means", &self.means), ("does not mean", &self.does_not_mean)];
        for (verb, kept) in lists.iter().filter(|(_, kept)| !kept.is_empty()) {
            writeln!(f, "Completion of {} {verb} that\n", self.flush)?;
            for Kept { step, text } in *kept {
                writeln!(f, "     {text} (step {step})")?;
            }
            writeln!(f)?;
        }
        for what in &self.not_seen {
            writeln!(f, "Not seen here: {what}.\n")?;
        }
        if self.as_promised {
            return writeln!(f, "As promised: {} promises were looked at, and kept.", self.promises);
        }
        writeln!(f, "Not as promised:\n")?;
        self.broken_promises.iter().try_for_each(|broken| writeln!(f, "     {broken}"))
    }
}

impl Step {
    /// How the step reads.
    fn told(&self, lanes: &[&str]) -> String {
        let Self { step, call, result, seen, amounts, .. } = self;
        let mut text = format!("{step}. {call}: {result}");
        if let Some(took) = self.took_ns {
            text += &format!(", returned after {}", Nanoseconds(took as f64));
        }
        text.push('\n');
        let amounts =
            lanes.iter().zip(amounts).map(|(lane, amount)| ((*lane).to_owned(), amount.to_string()));
        let seen = seen.iter().map(|seen| (seen.what.clone(), seen.is.clone()));
        let rows: Vec<(String, String)> = amounts.chain(seen).collect();
        let widest = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        for (what, is) in rows {
            text += &format!("     {what:<widest$}   {is}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tale() -> Tale {
        let mut tale = Tale::new("mmio", "mmioFlush", &["held", "there"]);
        tale.step(Part::Before, "mmioWrite", "12 bytes").amounts(&[12, 0]);
        tale.step(Part::Flush, "mmioFlush", "0").took(Duration::from_micros(3));
        tale
    }

    #[test]
    fn a_kept_promise_is_told_with_its_step() {
        let mut tale = tale();
        tale.means(true, "all was written", "unseen");
        tale.denies(true, "the medium has it", "unseen");
        assert!(tale.is_as_promised());
        assert_eq!(tale.promises, 2);
        let text = tale.to_string();
        assert!(text.contains("1. mmioWrite: 12 bytes\n     held    12\n     there   0\n"), "{text}");
        assert!(text.contains("2. mmioFlush: 0, returned after 3.00 µs\n"), "{text}");
        assert!(text.contains("means that\n\n     all was written (step 2)\n"), "{text}");
        assert!(text.contains("does not mean that\n\n     the medium has it (step 2)\n"), "{text}");
        assert!(text.ends_with("As promised: 2 promises were looked at, and kept.\n"), "{text}");
    }

    #[test]
    fn a_broken_promise_is_told_with_its_step_and_never_as_kept() {
        let mut tale = tale();
        tale.means(false, "all was written", "5 of 12 bytes were");
        tale.denies(false, "the medium has it", "it had");
        assert!(!tale.is_as_promised());
        assert!(tale.means.is_empty() && tale.does_not_mean.is_empty());
        let text = tale.to_string();
        let told = "step 2, mmioFlush: promised is that all was written; 5 of 12 bytes were";
        assert!(text.contains(&format!("Not as promised:\n\n     {told}\n")), "{text}");
        assert_eq!(tale.broken_promises.len(), 2);
    }
}

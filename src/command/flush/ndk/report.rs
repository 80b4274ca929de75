//! Whether it is as promised, told in words or as a document.

use super::story::{self, Act, Queue, STORY, Step};
use super::{AFTER, LIMIT};
use crate::command::clock::Duration;
use crate::command::flush::tale::{Part, Tale};
use qpair::ndk::{Completion, Status};
use serde::Serialize;
use std::fmt;

/// Everything that is told; its fields are those of the document.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Which subcommand this is of.
    command: &'static str,
    /// Whose flush it is.
    kind: &'static str,
    /// Everything is as NdkFlush promises.
    as_promised: bool,
    /// What is not; empty, if `as_promised`.
    broken_promises: Vec<String>,
    /// What A had posted before the flush, in posting order.
    posted: Vec<Posted>,
    /// A's requests posted and not completed when the flush was called.
    pending_before: u64,
    /// The same, when its completion queue had been drained.
    pending_after: u64,
    /// Until the flush returned, in nanoseconds.
    took_ns: u64,
    /// What was polled from A's completion queue: its receive queue's, then its initiator queue's, each as
    /// they came.
    completions: Vec<Ended>,
    /// `stays` within a process; `ends` where there are packets.
    connection: &'static str,
    /// Messages that were posted after the flush, where the connection stays.
    later: Vec<Later>,
    /// What A posted after the flush, where it ends.
    cancelled_later: Vec<Ended>,
}

/// What came of what was posted after the flush.
pub enum After {
    /// The connection stays: messages go to and fro.
    Lives(Vec<Later>),
    /// It is over: a receive and a send of A.
    Cancelled(Vec<Completion>),
}

impl After {
    fn broken(&self) -> Vec<String> {
        match self {
            Self::Lives(later) => later.iter().filter_map(Later::broken).collect(),
            Self::Cancelled(came) => {
                let lives = came.iter().filter(|completion| completion.status != Status::CANCELLED);
                lives.map(|one| format!("A's later {} ended with {}", name(one), one.status)).collect()
            }
        }
    }
}

#[derive(Debug, Serialize)]
struct Posted {
    /// Whose request it is.
    queue: Queue,
    /// What it is, and its place in its queue.
    request: Act,
    number: u64,
    /// How it stood when the flush came.
    before_flush: &'static str,
}

/// One completion.
#[derive(Debug, Serialize)]
struct Ended {
    queue: Queue,
    /// `receive 1` and so on: the kind that the completion tells, and the number its request was posted with.
    request: String,
    #[serde(flatten)]
    status: Told,
    bytes: u32,
}

/// A status by name and number (NTSTATUS).
#[derive(Clone, Copy, Debug, Serialize)]
struct Told {
    status: &'static str,
    status_code: u32,
}

impl Told {
    fn new(status: Status) -> Self {
        Self { status: status.name().unwrap_or("unnamed"), status_code: status.0 }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Status(self.status_code).fmt(f)
    }
}

/// A message that was posted after the flush.
#[derive(Debug, Serialize)]
pub struct Later {
    from: &'static str,
    to: &'static str,
    send: Told,
    receive: Told,
    /// What arrived.
    text: String,
}

impl Later {
    pub fn new(
        from: &'static str,
        to: &'static str,
        sent: &Completion,
        received: &Completion,
        text: &str,
    ) -> Self {
        let (send, receive) = (Told::new(sent.status), Told::new(received.status));
        Self { from, to, send, receive, text: text.to_owned() }
    }

    fn broken(&self) -> Option<String> {
        let Self { from, to, send, receive, text } = self;
        let lives = |told: &Told| told.status_code == Status::SUCCESS.0;
        (!lives(send) || !lives(receive) || text != AFTER).then(|| {
            format!(
                "{from}'s later send ended with {send}, {to}'s receive with {receive}, and {text:?} arrived"
            )
        })
    }
}

impl Report {
    pub fn new(
        pending_before: u64,
        took: Duration,
        completions: &[Completion],
        pending_after: u64,
        after: After,
    ) -> Self {
        let queues = [Queue::Receive, Queue::Initiator];
        let of = |queue| completions.iter().filter(move |completion| Queue::of(completion.kind) == queue);
        let mut broken: Vec<String> = queues.iter().flat_map(|queue| judge(*queue, of(*queue))).collect();
        let cancelled = story::pending();
        if pending_before != cancelled {
            broken.push(format!("{pending_before} requests were pending before the flush, not {cancelled}"));
        }
        if pending_after != 0 {
            broken.push(format!("{pending_after} requests are pending after the flush, not 0"));
        }
        broken.extend(after.broken());
        let (connection, later, cancelled_later) = match after {
            After::Lives(later) => ("stays", later, Vec::new()),
            After::Cancelled(came) => ("ends", Vec::new(), came.iter().map(ended).collect()),
        };
        Self {
            command: "flush",
            kind: "ndk",
            as_promised: broken.is_empty(),
            broken_promises: broken,
            posted: STORY.iter().map(posted).collect(),
            pending_before,
            pending_after,
            took_ns: took.as_nanos() as u64, // 584 years at most
            completions: queues.iter().flat_map(|queue| of(*queue).map(ended)).collect(),
            connection,
            later,
            cancelled_later,
        }
    }

    pub fn is_as_promised(&self) -> bool {
        self.as_promised
    }

    /// The same, as the flushes that complete are told: for a page.
    pub fn tale(&self) -> Tale {
        let lanes = ["requests pending", "completions polled"];
        let mut tale = Tale::new("ndk", "NdkFlush", &lanes);
        tale.step(Part::Before, "A, connected to B, posts", format!("{} requests", self.posted.len()));
        for Posted { request, number, before_flush, .. } in &self.posted {
            tale.saw(&format!("{request:?} {number}").to_lowercase(), before_flush);
        }
        tale.amounts(&[self.pending_before, 0]);
        tale.step(Part::Flush, "A: NdkFlush", "it returns nothing: it cannot fail");
        tale.took(Duration::from_nanos(self.took_ns));
        tale.step(Part::After, "A polls its completion queue", format!("{} entries", self.completions.len()));
        for Ended { request, status, .. } in &self.completions {
            tale.saw(request, status.status);
        }
        tale.amounts(&[self.pending_after, self.completions.len() as u64]);
        for Later { from, to, send, receive, text } in &self.later {
            tale.step(Part::After, &format!("{from} sends to {to}"), send.status);
            tale.saw(&format!("{to}'s receive"), receive.status).saw("what arrived", format!("{text:?}"));
        }
        for Ended { request, status, .. } in &self.cancelled_later {
            tale.step(Part::After, &format!("A posts {request}"), status.status);
        }
        if self.as_promised {
            tale.means(
                true,
                "each request that was pending is cancelled, once, in posting order per queue",
                "",
            );
            if self.connection == "stays" {
                tale.denies(true, "what is posted later is cancelled, or the connection is over", "");
            } else {
                tale.means(true, "the connection is over, since what was under way may have arrived", "");
            }
        }
        self.broken_promises.iter().for_each(|broken| tale.holds(false, broken, "so it was seen"));
        tale
    }
}

fn posted(step: &Step) -> Posted {
    let (queue, request) = (Queue::of(step.act.kind()), step.act);
    Posted { queue, request, number: step.number, before_flush: step.before }
}

fn ended(completion: &Completion) -> Ended {
    Ended {
        queue: Queue::of(completion.kind),
        request: name(completion),
        status: Told::new(completion.status),
        bytes: completion.bytes_transferred,
    }
}

fn name(completion: &Completion) -> String {
    format!("{:?} {}", completion.kind, completion.request_context).to_lowercase()
}

/// What is not as promised in the completions of one queue.
fn judge<'a>(queue: Queue, mut came: impl Iterator<Item = &'a Completion>) -> Vec<String> {
    let mut broken = Vec::new();
    for step in STORY.iter().filter(|step| Queue::of(step.act.kind()) == queue) {
        let due = format!("{queue}: {step} is due with {}", step.status);
        match came.next() {
            None => broken.push(format!("{due}, and did not complete within {LIMIT:?}")),
            Some(next) => {
                let same = (next.kind, next.request_context) == (step.act.kind(), step.number);
                if !same || next.status != step.status {
                    broken.push(format!("{due}, and {} came with {}", name(next), next.status));
                }
            }
        }
    }
    broken.extend(came.map(|next| format!("{queue}: {} is one too many, with {}", name(next), next.status)));
    broken
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "1. A, connected to B, has posted:\n")?;
        for Posted { request, number, before_flush, .. } in &self.posted {
            let request = format!("{request:?} {number}").to_lowercase();
            writeln!(f, "     {request:<12}{before_flush}")?;
        }
        writeln!(f, "\n2. NdkFlush(A), with {} requests pending.", self.pending_before)?;
        writeln!(f, "\n3. A polls its completion queue:\n")?;
        for Ended { request, status, .. } in &self.completions {
            writeln!(f, "     {request:<12}{status}")?;
        }
        if self.connection == "stays" {
            writeln!(f, "\n4. What is posted now lives:\n")?;
        } else {
            writeln!(f, "\n4. The connection is over, and what A posts now is cancelled:\n")?;
        }
        for Ended { request, status, .. } in &self.cancelled_later {
            writeln!(f, "     {request:<12}{status}")?;
        }
        for Later { from, to, send, receive, text } in &self.later {
            let (send, receive) = (send.status, receive.status);
            writeln!(f, "     {from} to {to}      {text:?}: {send} at {from}, {receive} at {to}")?;
        }
        if self.as_promised {
            let count = self.pending_before;
            return writeln!(
                f,
                "\nAs promised: the {count} pending ones are cancelled, each once, in posting order for each queue."
            );
        }
        writeln!(f, "\nNot as promised:\n")?;
        self.broken_promises.iter().try_for_each(|broken| writeln!(f, "     {broken}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_due() -> Vec<Completion> {
        let ended = |step: &Step| {
            let (kind, status, request_context) = (step.act.kind(), step.status, step.number);
            let mut completion = Completion::default();
            (completion.kind, completion.status, completion.request_context) =
                (kind, status, request_context);
            completion
        };
        STORY.iter().map(ended).collect()
    }

    fn broken(change: impl FnOnce(&mut Vec<Completion>)) -> Vec<String> {
        let mut completions = as_due();
        change(&mut completions);
        Report::new(8, Duration::ZERO, &completions, 0, After::Lives(Vec::new())).broken_promises
    }

    #[test]
    fn what_is_due_is_as_promised() {
        assert_eq!(broken(|_| ()), Vec::<String>::new());
        // Between the queues there is no order.
        assert_eq!(broken(|completions| completions.rotate_left(3)), Vec::<String>::new());
    }

    #[test]
    fn every_broken_promise_is_told() {
        let lost = broken(|completions| completions.truncate(8));
        assert_eq!(
            lost,
            [
                "initiator queue: send 6 is due with STATUS_CANCELLED (0xC0000120), and did not complete within 10s"
            ]
        );
        let twice = broken(|completions| completions.push(completions[8]));
        assert_eq!(twice, ["initiator queue: send 6 is one too many, with STATUS_CANCELLED (0xC0000120)"]);
        assert_eq!(broken(|completions| completions.swap(0, 1)).len(), 2);
        let lived = broken(|completions| completions[5].status = Status::SUCCESS);
        assert_eq!(lived.len(), 1);
        assert!(lived[0].ends_with("and send 3 came with STATUS_SUCCESS (0x00000000)"), "{lived:?}");
    }

    #[test]
    fn what_stays_pending_or_dies_later_is_told() {
        let ended = |status| {
            let mut completion = Completion::default();
            completion.status = status;
            completion
        };
        let dead = ended(Status::CONNECTION_INVALID);
        let later = vec![
            Later::new("A", "B", &dead, &dead, ""),
            Later::new("B", "A", &ended(Status::SUCCESS), &ended(Status::SUCCESS), AFTER),
        ];
        let report = Report::new(7, Duration::ZERO, &as_due(), 1, After::Lives(later));
        assert!(!report.is_as_promised());
        assert_eq!(report.broken_promises.len(), 3);
        assert!(report.to_string().contains("Not as promised:\n\n     7 requests were pending"));
    }
    #[test]
    fn where_the_connection_ends_what_lives_later_is_told() {
        let report = |status| {
            let mut completion = Completion::default();
            (completion.status, completion.request_context) = (status, 9);
            let after = After::Cancelled(vec![completion]);
            Report::new(8, Duration::ZERO, &as_due(), 0, after)
        };
        let over = report(Status::CANCELLED);
        assert!(over.is_as_promised());
        assert!(over.to_string().contains("4. The connection is over"), "{over}");
        let lives = report(Status::SUCCESS);
        assert_eq!(lives.broken_promises.len(), 1);
        assert!(lives.broken_promises[0].ends_with("9 ended with STATUS_SUCCESS (0x00000000)"));
    }
}

//! CQ-1 to CQ-18: polling, and which entries satisfy which arm.

use super::prelude::*;
use std::sync::{Barrier, Mutex};
use std::thread;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("CQ-1", D, "a depth above MaxCqDepth is INVALID_PARAMETER", cq_1),
    Statement::new("CQ-2", D, "an empty queue yields nothing", cq_2),
    Statement::new("CQ-3", D, "as many as asked for are taken, and the rest stay in order", cq_3),
    Statement::new("CQ-4", D, "a queue that was never armed never calls", cq_4),
    Statement::new("CQ-5", D, "one arm is one call, however many entries arrive", cq_5),
    Statement::new("CQ-6", D, "without another arm later entries call nothing", cq_6),
    Statement::new("CQ-7", D, "an entry new since the last call satisfies an arm at once", cq_7),
    Statement::new("CQ-8", I, "an entry between an empty poll and the arm is told", cq_8),
    Statement::new("CQ-9", D, "old entries call at most once more and hide no later one", cq_9),
    Statement::new("CQ-10", D, "calls of one queue do not overlap", cq_10),
    Statement::new("CQ-11", D, "ANY and any second arm are ANY", cq_11),
    Statement::new("CQ-12", D, "ERRORS and SOLICITED, in either order, are SOLICITED", cq_12),
    Statement::new("CQ-13", D, "SOLICITED or ERRORS, then ANY, are ANY", cq_13),
    Statement::new("CQ-14", D, "two arms that one entry satisfies are one call", cq_14),
    Statement::new("CQ-15", D, "an unsolicited success leaves a SOLICITED arm standing", cq_15),
    Statement::new("CQ-16", D, "a solicited receive is told when its entry is there", cq_16),
    Statement::new("CQ-17", D, "an entry with an error status satisfies a SOLICITED arm", cq_17),
    Statement::new("CQ-18", I, "successful and CANCELLED entries leave an ERRORS arm alone", cq_18),
];

fn cq_1(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let limit = adapter.info().max_cq_depth;
    for depth in [limit.saturating_add(1), u32::MAX] {
        let created = adapter.create_cq(depth, CqNotify::None);
        created.fails(Status::INVALID_PARAMETER, &format!("a depth of {depth}, the limit being {limit}"))?;
    }
    // nor none at all.
    adapter.create_cq(0, CqNotify::None).fails(Status::INVALID_PARAMETER, "a depth of 0")?;
    Ok(())
}

fn cq_2(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    ensure_eq!(noted.poll(4), [0; 0], "a fresh queue");
    noted.entry(1)?;
    noted.brings(&[1], "the entry of a flushed receive")?;
    ensure_eq!(noted.poll(4), [0; 0], "a queue that was emptied");
    Ok(())
}

fn cq_3(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    (0..5).try_for_each(|context| noted.entry(context))?;
    noted.fills(5, "five entries")?;
    ensure_eq!(noted.poll(0), [0; 0], "none asked for (Q-30)");
    ensure_eq!(noted.poll(2), [0, 1], "two of five");
    ensure_eq!(noted.poll(9), [2, 3, 4], "the rest");
    Ok(())
}

fn cq_4(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    (0..3).try_for_each(|context| noted.entry(context))?;
    noted.fills(3, "three entries")?;
    noted.calls.none(bench, "never armed")?;
    noted.brings(&[0, 1, 2], "the entries")
}

fn cq_5(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    noted.cq.arm(NotifyType::Any);
    noted.calls.none(bench, "armed, and empty")?;
    (1..4).try_for_each(|context| noted.qp.receive(context, &[]))?;
    noted.qp.flush();
    noted.entry(4)?;
    noted.calls.exactly(1, bench, "four entries, one arm")?;
    Ok(())
}

fn cq_6(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    noted.cq.arm(NotifyType::Any);
    noted.entry(1)?;
    noted.calls.exactly(1, bench, "the first entry")?;
    noted.entry(2)?;
    noted.fills(2, "a second entry")?;
    noted.calls.none(bench, "an entry without a new arm")?;
    noted.brings(&[1, 2], "both entries")?;
    noted.entry(3)?;
    noted.fills(1, "a third entry")?;
    noted.calls.none(bench, "an entry after the poll, without a new arm")
}

fn cq_7(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    noted.cq.arm(NotifyType::Any);
    noted.entry(1)?;
    noted.calls.exactly(1, bench, "the first entry")?;
    ensure_eq!(noted.poll(1), [1], "the first entry");
    noted.entry(2)?;
    noted.fills(1, "a second entry")?;
    noted.calls.none(bench, "not armed")?;
    noted.cq.arm(NotifyType::Any);
    noted.calls.exactly(1, bench, "an arm with a new entry in the queue")?;
    Ok(())
}

fn cq_8(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    for round in 0..50 {
        ensure_eq!(noted.poll(1), [0; 0], "round {round}: the empty poll");
        thread::scope(|scope| -> Outcome {
            let qp = &noted.qp;
            let poster = scope.spawn(move || -> Outcome {
                qp.receive(round, &[])?;
                qp.flush();
                Ok(())
            });
            noted.cq.arm(NotifyType::Any);
            joined(poster)
        })?;
        noted.calls.exactly(1, bench, "an entry that races with the arm")?;
        ensure_eq!(noted.poll(1), [round], "the entry");
    }
    ensure_eq!(noted.poll(1), [0; 0], "the empty poll");
    noted.entry(99)?;
    noted.fills(1, "the entry")?;
    noted.cq.arm(NotifyType::Any);
    noted.calls.exactly(1, bench, "an entry between the poll and the arm")?;
    Ok(())
}

fn cq_9(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    noted.cq.arm(NotifyType::Any);
    noted.entry(1)?;
    noted.calls.exactly(1, bench, "the first entry")?;
    noted.cq.arm(NotifyType::Any);
    bench.settle();
    let early = noted.calls.so_far().len();
    ensure!(early <= 1, "{early} calls for entries that were there at the last one");
    if early == 1 {
        noted.cq.arm(NotifyType::Any);
    }
    noted.entry(2)?;
    noted.calls.exactly(1, bench, "the later entry")?;
    Ok(())
}

fn cq_10(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (inside, first, gate) = (Mutex::new(()), Mutex::new(true), std::sync::Arc::new(Barrier::new(2)));
    let (note, calls) = notes();
    let inner = std::sync::Arc::clone(&gate);
    let notify = CqNotify::callback(move |event| {
        let alone = inside.try_lock();
        event.arm(NotifyType::Any);
        if first.lock().is_ok_and(|mut first| std::mem::take(&mut *first)) {
            inner.wait(); // in the call
            inner.wait(); // another entry has come
        }
        note.say(alone.is_ok());
    });
    let cq = adapter.create_cq(8, notify).done("NdkCreateCq")?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let qp = pd.create_qp(QpDescription::new(&cq)).done("NdkCreateQp")?;
    cq.arm(NotifyType::Any);
    let entry = |context| -> Outcome {
        qp.receive(context, &[])?;
        qp.flush();
        Ok(())
    };
    thread::scope(|scope| -> Outcome {
        let first = scope.spawn(|| entry(1));
        gate.wait();
        let second = entry(2);
        bench.settle();
        gate.wait();
        joined(first)?;
        second
    })?;
    for _ in 0..2 {
        ensure!(calls.next("a call for each entry")?, "a call began while another was running");
    }
    Ok(())
}

/// A connected receiver that notes its calls, and who sends to it.
struct Told {
    noted: Noted,
    peer: End,
    _connection: crate::conformance::world::Connection,
}

impl Told {
    fn new(bench: &Bench) -> Outcome<Self> {
        let noted = Noted::new(bench, 64)?;
        let peer = End::new(&noted.adapter)?;
        let _connection = connect(&noted.adapter, &peer.qp, &noted.qp)?;
        Ok(Self { noted, peer, _connection })
    }

    /// A message arrives, which is polled when the calls are counted.
    fn message(&self, bench: &Bench, flags: OpFlags, calls: usize, what: &str) -> Outcome {
        self.noted.qp.receive(1, &[])?;
        self.peer.send(2, b"", flags)?;
        self.peer.yields(&[(2, Status::SUCCESS)], what)?;
        self.noted.fills(1, what)?;
        self.noted.calls.exactly(calls, bench, what)?;
        self.noted.brings(&[1], what)
    }

    /// What two arms are satisfied by: an ordinary success, and then a solicited entry.
    fn row(&self, bench: &Bench, arms: [NotifyType; 2], ordinary: usize, solicited: usize) -> Outcome {
        arms.iter().for_each(|level| self.noted.cq.arm(*level));
        let what = format!("{:?}, then {:?}", arms[0], arms[1]);
        self.message(bench, NONE, ordinary, &format!("{what}, at an ordinary entry"))?;
        let solicit = OpFlags::SEND_AND_SOLICIT_EVENT;
        self.message(bench, solicit, solicited, &format!("{what}, at a solicited entry"))?;
        // Nothing is left of these arms for the next row.
        self.noted.cq.arm(NotifyType::Any);
        self.message(bench, NONE, 1, &format!("{what}, then ANY again"))
    }
}

fn cq_11(bench: &Bench) -> Outcome {
    let told = Told::new(bench)?;
    for second in [NotifyType::Any, NotifyType::Errors, NotifyType::Solicited] {
        told.row(bench, [NotifyType::Any, second], 1, 0)?;
    }
    Ok(())
}

fn cq_12(bench: &Bench) -> Outcome {
    let told = Told::new(bench)?;
    told.row(bench, [NotifyType::Errors, NotifyType::Solicited], 0, 1)?;
    told.row(bench, [NotifyType::Solicited, NotifyType::Errors], 0, 1)
}

fn cq_13(bench: &Bench) -> Outcome {
    let told = Told::new(bench)?;
    told.row(bench, [NotifyType::Errors, NotifyType::Any], 1, 0)?;
    told.row(bench, [NotifyType::Solicited, NotifyType::Any], 1, 0)
}

fn cq_14(bench: &Bench) -> Outcome {
    let told = Told::new(bench)?;
    told.row(bench, [NotifyType::Any, NotifyType::Any], 1, 0)?;
    told.row(bench, [NotifyType::Solicited, NotifyType::Solicited], 0, 1)
}

fn cq_15(bench: &Bench) -> Outcome {
    let told = Told::new(bench)?;
    told.noted.cq.arm(NotifyType::Solicited);
    told.message(bench, NONE, 0, "an unsolicited success")?;
    told.message(bench, OpFlags::SEND_AND_SOLICIT_EVENT, 1, "the arm still stands")
}

fn cq_16(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (note, calls) = notes();
    let notify = CqNotify::callback(move |event| note.say(event.poll(&mut [Completion::default(); 8])));
    let cq = adapter.create_cq(8, notify).done("NdkCreateCq")?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let qp = pd.create_qp(QpDescription::new(&cq)).done("NdkCreateQp")?;
    let peer = End::new(&adapter)?;
    let _connection = connect(&adapter, &peer.qp, &qp)?;
    cq.arm(NotifyType::Solicited);
    (0..2).try_for_each(|context| qp.receive(context, &[]))?;
    peer.send(1, b"", NONE)?;
    calls.none(bench, "an unsolicited message")?;
    peer.send(2, b"", OpFlags::SEND_AND_SOLICIT_EVENT)?;
    ensure_eq!(calls.next("the solicited message")?, 2, "entries that the call finds");
    Ok(())
}

fn cq_17(bench: &Bench) -> Outcome {
    let told = Told::new(bench)?;
    told.noted.cq.arm(NotifyType::Solicited);
    told.noted.qp.receive(1, &[])?;
    told.peer.send(2, b"too long", NONE)?; // for a receive without entries
    told.noted.calls.exactly(1, bench, "an entry with an error status")?;
    let mut place = [Completion::default()];
    ensure_eq!(told.noted.cq.poll(&mut place), 1, "the entry");
    ensure_eq!(place[0].status, Status::BUFFER_OVERFLOW, "its status");
    Ok(())
}

fn cq_18(bench: &Bench) -> Outcome {
    let told = Told::new(bench)?;
    told.noted.cq.arm(NotifyType::Errors);
    told.message(bench, NONE, 0, "a successful entry")?;
    told.message(bench, OpFlags::SEND_AND_SOLICIT_EVENT, 0, "a solicited entry")?;
    told.noted.entry(3)?;
    told.noted.fills(1, "a CANCELLED entry")?;
    told.noted.calls.none(bench, "a CANCELLED entry")?;
    told.noted.brings(&[3], "the CANCELLED entry")
}

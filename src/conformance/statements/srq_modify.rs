//! The checks of SRQ-3 to SRQ-8 and SRQ-11: the threshold, and NdkModifySrq.

use super::prelude::*;
use crate::conformance::bench::Notes;
use crate::conformance::world::Connection;
use crate::ndk::{Srq, SrqDescription};

/// A shared receive queue of four receives whose notifications are noted, and a connection that takes them.
struct Told {
    srq: Srq,
    calls: Notes<Status>,
    client: End,
    servers: Cq,
    _server: Qp,
    _connection: Connection,
}

impl Told {
    /// With that threshold from its creation on, and so many receives.
    fn new(bench: &Bench, threshold: u32, receives: u64) -> Outcome<Self> {
        let adapter = bench.adapter()?;
        let pd = adapter.create_pd().done("NdkCreatePd")?;
        let servers = cq(&adapter, 32)?;
        let (note, calls) = notes();
        let description =
            SrqDescription::new(4, 1).notify_below(threshold, move |event| note.say(event.status()));
        let srq = pd.create_srq_with(description).done("NdkCreateSrq with a notification")?;
        let server = pd.create_qp(QpDescription::new(&servers).srq(&srq)).done("NdkCreateQpWithSrq")?;
        let client = End::new(&adapter)?;
        let _connection = connect(&adapter, &client.qp, &server)?;
        let told = Self { srq, calls, client, servers, _server: server, _connection };
        told.post(receives)?;
        Ok(told)
    }

    fn post(&self, receives: u64) -> Outcome {
        (0..receives).try_for_each(|context| Ok(self.srq.receive(context, &[])?))
    }

    /// Has so many receives taken.
    fn take(&self, count: usize) -> Outcome {
        for _ in 0..count {
            self.client.send(0, b"", NONE)?;
            take(&self.servers, 1, "a receive of the shared queue")?;
            self.client.take(1, "its send")?;
        }
        Ok(())
    }

    fn modify(&self, depth: u32, threshold: u32) -> Outcome {
        self.srq.modify(depth, threshold).done("NdkModifySrq")
    }
}

pub(super) fn srq_3(bench: &Bench) -> Outcome {
    let told = Told::new(bench, 2, 4)?;
    told.take(2)?;
    told.calls.none(bench, "two receives left, the threshold being 2")?;
    told.take(1)?;
    let calls = told.calls.exactly(1, bench, "one receive left")?;
    ensure_eq!(calls, [Status::SUCCESS], "status of the notification");
    Ok(())
}

pub(super) fn srq_4(bench: &Bench) -> Outcome {
    let told = Told::new(bench, 2, 3)?;
    told.take(2)?;
    told.calls.exactly(1, bench, "the first fall below the threshold")?;
    told.post(3)?;
    told.take(4)?;
    told.calls.none(bench, "a second fall, without NdkModifySrq")?;
    told.post(3)?;
    told.modify(0, 2)?;
    told.calls.none(bench, "armed with three receives")?;
    told.take(2)?;
    told.calls.exactly(1, bench, "a fall after NdkModifySrq")?;
    Ok(())
}

pub(super) fn srq_5(bench: &Bench) -> Outcome {
    let told = Told::new(bench, 0, 2)?;
    told.modify(0, 2)?;
    told.calls.none(bench, "a threshold of 2 with two receives")?;
    told.modify(0, 3)?;
    told.calls.exactly(1, bench, "a threshold of 3 with two receives")?;
    Ok(())
}

pub(super) fn srq_6(bench: &Bench) -> Outcome {
    let told = Told::new(bench, 2, 3)?;
    told.modify(8, 0)?;
    told.calls.none(bench, "a modify with threshold 0")?;
    told.take(2)?;
    told.calls.exactly(1, bench, "a fall below the threshold that stayed")?;
    told.modify(9, 0)?;
    told.calls.none(bench, "a modify with threshold 0, disarmed and below")?;
    told.take(1)?;
    told.calls.none(bench, "a receive taken, disarmed")
}

pub(super) fn srq_7(bench: &Bench) -> Outcome {
    let told = Told::new(bench, 0, 4)?;
    told.modify(0, 1)?;
    refused(told.srq.receive(9, &[]), Status::NO_MORE_ENTRIES, "a fifth receive, the depth being 4")?;
    told.modify(6, 0)?;
    told.post(2)?;
    told.modify(0, 1)?;
    refused(told.srq.receive(9, &[]), Status::NO_MORE_ENTRIES, "a seventh receive, the depth being 6")?;
    Ok(())
}

pub(super) fn srq_8(bench: &Bench) -> Outcome {
    let told = Told::new(bench, 0, 3)?;
    told.srq.modify(2, 4).fails(Status::BUFFER_OVERFLOW, "a depth of 2 with three receives")?;
    told.calls.none(bench, "a threshold that was given with it")?;
    told.post(1)?;
    refused(told.srq.receive(9, &[]), Status::NO_MORE_ENTRIES, "a fifth receive, the depth being 4")?;
    told.take(4)
}

pub(super) fn srq_11(bench: &Bench) -> Outcome {
    let told = Told::new(bench, 3, 2)?;
    told.calls.none(bench, "two receives, the threshold being 3")?;
    told.take(2)?;
    told.calls.none(bench, "none left: there were never three")?;
    told.post(3)?;
    told.calls.none(bench, "three receives")?;
    told.take(1)?;
    told.calls.exactly(1, bench, "two left of three")?;
    Ok(())
}

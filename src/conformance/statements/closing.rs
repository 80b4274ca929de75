//! CREATE-* and CLOSE-*: what creation brings, and what a close waits for.

use super::prelude::*;
use crate::conformance::device::Host;
use crate::ndk::{Faults, HoldCalls, NdkObject, ObjectType, Request, When};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

pub(super) const CREATE: &[Statement] = &[
    Statement::new("CREATE-1", D, "a create that ends inline calls back no second time", create_1),
    Statement::new("CREATE-2", D, "a create that pends calls back once, with the object", create_2),
    Statement::not_shown(
        "CREATE-3",
        D,
        "the out parameter of a create that pends is not written",
        "the Rust face has no out parameters",
    ),
    Statement::new("CREATE-4", D, "an object's header has the right type and version", create_4),
    Statement::not_shown(
        "CREATE-5",
        D,
        "the provider works on when the consumer replaces Dispatch",
        "the Rust face has methods in place of dispatch tables",
    ),
];

pub(super) const CLOSE: &[Statement] = &[
    Statement::new("CLOSE-1", D, "a close ends in success, at once or later, and in nothing else", close_1),
    Statement::new("CLOSE-2", D, "a close that is done at once calls back no second time", close_2),
    Statement::new("CLOSE-3", D, "an antecedent's close is done after the last successor's", close_3),
    Statement::new("CLOSE-4", D, "not before the successor's close callback has returned", close_4),
    Statement::new("CLOSE-5", D, "after its close no callback of an object is called", close_5),
    Statement::new("CLOSE-6", D, "a completion queue's close waits for its notification", close_6),
    Statement::new("CLOSE-7", D, "a pending request ends before the close of its object", close_7),
    Statement::new(
        "CLOSE-8",
        I,
        "a closed queue pair's requests are CANCELLED before its close ends",
        close_8,
    ),
    Statement::new("CLOSE-9", D, "a connector's close and posts on its queue pair do not meet", close_9),
    Statement::new("CLOSE-10", D, "after the adapter's close no callback runs or will run", close_10),
    Statement::new("CLOSE-11", D, "an object closed inside its own completion does not deadlock", close_11),
    Statement::new(
        "CLOSE-12",
        I,
        "a connected connector's close tells the peer, and not this side",
        close_12,
    ),
    Statement::new("CLOSE-13", D, "a queue pair's close pends while a connector is tied to it", close_13),
];

/// A creation ends inline, and then its callback is never called, or later, and then it is called once.
fn creates<T: Send + 'static>(request: Request<T>, succeeds: bool, bench: &Bench, what: &str) -> Outcome {
    let (note, calls) = notes();
    match request.now_or_then(move |result| note.say(result.is_ok())) {
        Some(result) => {
            calls.none(bench, &format!("{what}, which ended inline"))?;
            ensure_eq!(result.is_ok(), succeeds, "{what}: success");
        }
        None => ensure_eq!(calls.exactly(1, bench, what)?, [succeeds], "{what}: success"),
    }
    calls.closed(&format!("the callback of {what}"))
}

fn create_1(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let cq = cq(&adapter, 4)?;
    creates(adapter.create_pd(), true, bench, "a domain")?;
    creates(adapter.create_cq(4, CqNotify::None), true, bench, "a completion queue")?;
    creates(adapter.create_cq(0, CqNotify::None), false, bench, "a completion queue of depth 0")?;
    creates(pd.create_qp(QpDescription::new(&cq)), true, bench, "a queue pair")?;
    let too_deep = QpDescription::new(&cq).receive_depth(u32::MAX);
    creates(pd.create_qp(too_deep), false, bench, "a queue pair that is too deep")?;
    creates(pd.register(vec![0; 8], ALL), true, bench, "a region")?;
    creates(pd.register(Vec::new(), ALL), false, bench, "an empty region")?;
    creates(adapter.create_connector(), true, bench, "a connector")?;
    creates(adapter.create_listener(drop), true, bench, "a listener")
}

/// A creation that is held back, and its callback when it is let go.
fn created_late<T: Send + 'static>(
    bench: &Bench,
    faults: &Faults,
    request: Request<T>,
    what: &str,
) -> Outcome<T> {
    let (note, made) = notes();
    let inline = request.now_or_then(move |result| note.say(result.map(NotShown)));
    ensure!(inline.is_none(), "{what}: expected it to pend");
    made.none(bench, &format!("{what}, held back"))?;
    ensure!(faults.release_all() >= 1, "{what}: it is not held back");
    let result = made.next(what)?;
    made.closed(&format!("the callback of {what}"))?;
    Ok(result?.0)
}

/// An object that need not have a text.
struct NotShown<T>(T);

impl<T> std::fmt::Debug for NotShown<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }
}

fn create_2(bench: &Bench) -> Outcome {
    let faults = Faults::new(1);
    let adapter = bench.adapter_with(|options| options.faults(&faults))?;
    faults.hold_calls(HoldCalls::UntilReleased);
    let pd = created_late(bench, &faults, adapter.create_pd(), "a domain")?;
    let waiting = adapter.create_cq(8, CqNotify::Waiters);
    let cq = created_late(bench, &faults, waiting, "a completion queue")?;
    let description = QpDescription::new(&cq);
    let qp = created_late(bench, &faults, pd.create_qp(description), "a queue pair")?;
    let mr = created_late(bench, &faults, pd.register(vec![0; 64], ALL), "a region")?;
    created_late(bench, &faults, pd.create_srq(4, 1), "a shared receive queue")?;
    created_late(bench, &faults, pd.create_mw(), "a window")?;
    created_late(bench, &faults, adapter.create_connector(), "a connector")?;
    created_late(bench, &faults, adapter.create_listener(drop), "a listener")?;
    // What came is the object: it works.
    qp.receive(1, &[mr.sge(0..64)?])?;
    qp.flush();
    yields(&cq, &[(1, Status::CANCELLED)], "a queue pair that was created late")?;
    // One that fails late brings its status and no object, once.
    faults.fail_creation(ObjectType::Cq, 1, When::Late);
    let (note, failed) = notes();
    adapter.create_cq(8, CqNotify::None).then(move |result| note.say(result.err().map(|e| e.status())));
    failed.none(bench, "a creation that fails late")?;
    faults.release_all();
    let expected = [Some(Status::INSUFFICIENT_RESOURCES)];
    ensure_eq!(failed.exactly(1, bench, "a creation that fails late")?, expected, "its status");
    faults.hold_calls(HoldCalls::No);
    Ok(())
}

fn create_4(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let end = End::new(&adapter)?;
    let srq = super::srq::create(&end.pd, 4, 1)?;
    let (connector, listener) =
        (connector(&adapter)?, adapter.create_listener(drop).done("NdkCreateListener")?);
    let shared = adapter.create_shared_endpoint(home(&adapter)?).done("NdkCreateSharedEndpoint")?;
    let version = adapter.info().version;
    let (window, fast) = (
        end.pd.create_mw().done("NdkCreateMw")?,
        end.pd.create_fast_register_mr().done("NdkCreateMr for fast register")?,
    );
    let objects: [(&dyn NdkObject, ObjectType, u32); 11] = [
        (&adapter, ObjectType::Adapter, 1),
        (&end.qp, ObjectType::Qp, 2),
        (&end.cq, ObjectType::Cq, 3),
        (&end.mr, ObjectType::Mr, 4),
        (&fast, ObjectType::Mr, 4),
        (&window, ObjectType::Mw, 5),
        (&end.pd, ObjectType::Pd, 6),
        (&shared, ObjectType::SharedEndpoint, 7),
        (&connector, ObjectType::Connector, 8),
        (&listener, ObjectType::Listener, 9),
        (&srq, ObjectType::Srq, 10),
    ];
    for (object, kind, number) in objects {
        let header = object.header();
        ensure_eq!((header.object_type, header.object_type as u32), (kind, number), "the type of a {kind:?}");
        ensure_eq!(header.version, version, "the version of a {kind:?}");
    }
    Ok(())
}

fn close_1(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.a.receive(1)?;
    pair.stall(2)?;
    let srq = super::srq::create(&pair.a.pd, 4, 1)?;
    srq.receive(1, &[])?;
    let End { qp, cq, mr, pd } = pair.a;
    // In the worst order: each finds something that is under way or depends on it.
    let closing = [pd.close(), cq.close(), qp.close(), srq.close(), pair.connection.listener.close()];
    mr.deregister().done("the region's close")?;
    pair.connection.active.close().done("the active connector's close")?;
    pair.connection.passive.close().done("the passive connector's close")?;
    for (what, closing) in ["pd", "cq", "qp", "srq", "listener"].iter().zip(closing) {
        closing.done(&format!("the close of the {what}"))?;
    }
    Ok(())
}

fn close_2(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let end = End::new(&adapter)?;
    creates(end.qp.close(), true, bench, "a queue pair's close")?;
    creates(end.cq.close(), true, bench, "a completion queue's close")?;
    creates(connector(&adapter)?.close(), true, bench, "a connector's close")?;
    creates(listen(&adapter)?.listener.close(), true, bench, "a listener's close")?;
    creates(end.mr.deregister(), true, bench, "a region's close")?;
    creates(end.pd.close(), true, bench, "a domain's close")
}

fn close_3(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let End { qp, cq, mr, pd } = End::new(&adapter)?;
    let srq = super::srq::create(&pd, 4, 1)?;
    let other = pd.create_qp(QpDescription::new(&cq).srq(&srq)).done("NdkCreateQpWithSrq")?;
    let (cq, pd, srq) = (cq.close(), pd.close(), srq.close());
    let cq = bench.pends(cq, "the queue's close while queue pairs use it")?;
    let pd = bench.pends(pd, "the domain's close while all that is in it lives")?;
    let srq = bench.pends(srq, "the shared queue's close while a queue pair uses it")?;
    mr.deregister().done("the region's close")?;
    qp.close().done("the first queue pair's close")?;
    let cq = bench.pends(cq, "the queue's close while a queue pair uses it")?;
    let pd = bench.pends(pd, "the domain's close while a queue pair of it lives")?;
    other.close().done("the last queue pair's close")?;
    srq.done("the shared queue's close")?;
    cq.done("the queue's close")?;
    pd.done("the domain's close")
}

fn close_4(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let End { qp, cq, mr, pd } = pair.a;
    let gate = Arc::new(Barrier::new(2));
    let inner = Arc::clone(&gate);
    mr.deregister().done("the region's close")?;
    let closing = qp.close();
    let closing = bench.pends(closing, "a queue pair's close while its connector lives")?;
    closing.then(move |_| {
        inner.wait(); // in the callback
        inner.wait(); // the antecedents have been looked at
    });
    let antecedents = [("queue", cq.close()), ("domain", pd.close())];
    let active = pair.connection.active;
    thread::scope(|scope| -> Outcome {
        let successor = scope.spawn(move || active.close().done("the connector's close"));
        gate.wait();
        let looked = antecedents.map(|(which, closing)| {
            bench.pends(closing, &format!("the {which}'s close inside its queue pair's close callback"))
        });
        gate.wait();
        joined(successor)?;
        looked.into_iter().try_for_each(|closing| closing?.done("an antecedent's close"))
    })
}

fn close_5(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    let Noted { cq, qp, calls, .. } = noted;
    cq.arm(NotifyType::Any);
    let closing = cq.close();
    qp.receive(1, &[])?;
    qp.flush();
    qp.close().done("the queue pair's close")?;
    closing.done("the queue's close")?;
    calls.closed("the notification of a closed queue")?;
    let (pair, events) = Pair::noted(bench)?;
    pair.connection.passive.close().done("the passive connector's close")?;
    events.next("the active side's event")?;
    pair.connection.active.close().done("the active connector's close")?;
    drop((pair.a, pair.b));
    events.closed("events of closed connectors")
}

/// An adapter on which everything but a queue was closed, whose notification is running on another thread
/// while `during` runs.
///
/// A message of another adapter brought the entry, so that nothing of this one is in use but the queue.
fn inside_a_notification(
    bench: &Bench,
    said: impl Fn() + Send + Sync + 'static,
    during: impl FnOnce(Adapter, Cq) -> Outcome,
) -> Outcome {
    let net = bench.net();
    let (one, other) = (bench.adapter_of(&net, Host::One)?, bench.adapter_of(&net, Host::Other)?);
    let gate = Arc::new(Barrier::new(2));
    let inner = Arc::clone(&gate);
    let notify = CqNotify::callback(move |_| {
        inner.wait(); // in the call
        inner.wait(); // it may return
        said();
    });
    let cq = one.create_cq(8, notify).done("NdkCreateCq")?;
    let pd = one.create_pd().done("NdkCreatePd")?;
    let qp = pd.create_qp(QpDescription::new(&cq)).done("NdkCreateQp")?;
    let (peer, door, active) = (End::new(&other)?, listen(&one)?, connector(&other)?);
    let connecting = active.connect(&peer.qp, home(&other)?, door.address, READS, b"");
    let passive = door.arrivals.next("the connect event")?;
    let accepting = passive.accept(&qp, READS, b"", ignore());
    connecting.done("NdkConnect")?;
    active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    accepting.done("NdkAccept")?;
    qp.receive(1, &[])?;
    cq.arm(NotifyType::Any);
    thread::scope(|scope| -> Outcome {
        let caller = scope.spawn(|| peer.send(2, b"", NONE));
        gate.wait();
        // Not waited for: a device may need the thread that it calls back on.
        let closing = [passive.close(), door.listener.close(), qp.close(), pd.close()];
        let found = during(one, cq);
        gate.wait();
        joined(caller)?;
        closing.into_iter().try_for_each(|closing| closing.done("a close beside a notification"))?;
        found
    })
}

fn close_6(bench: &Bench) -> Outcome {
    let (note, said) = notes();
    let returned = note.clone();
    inside_a_notification(
        bench,
        move || returned.say("returned"),
        |_, cq| {
            let closing = bench.pends(cq.close(), "a queue's close while its notification runs")?;
            closing.then(move |_| note.say("closed"));
            Ok(())
        },
    )?;
    ensure_eq!(said.exactly(2, bench, "notification and close")?, ["returned", "closed"], "what ends first");
    Ok(())
}

fn close_7(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    let (note, said) = notes();
    let connected = note.clone();
    asked.connecting.then(move |result| {
        connected.say(("connect", result.map_or_else(|error| error.status(), |()| Status::SUCCESS)));
    });
    asked.active.close().then(move |result| {
        note.say(("close", result.map_or_else(|error| error.status(), |()| Status::SUCCESS)));
    });
    let expected = [("connect", Status::CANCELLED), ("close", Status::SUCCESS)];
    ensure_eq!(said.exactly(2, bench, "the request and the close")?, expected, "which ends first, and how");
    Ok(())
}

fn close_8(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.a.receive(1)?;
    pair.stall(2)?;
    let closing = pair.a.qp.close();
    pair.connection.active.close().done("the connector's close")?;
    closing.done("the queue pair's close")?;
    let mut places = [Completion::default(); 4];
    let count = pair.a.cq.poll(&mut places); // at once: they are there before the close has ended
    let mut ends = ends_of(&places[..count]);
    ends.sort_unstable_by_key(|(context, _)| *context);
    ensure_eq!(ends, all([1, 2], Status::CANCELLED), "completions when the close has ended (Q-22)");
    Ok(())
}

fn close_9(bench: &Bench) -> Outcome {
    for _ in 0..20 {
        let pair = Pair::new(bench)?;
        let passive = pair.connection.passive;
        let taken = thread::scope(|scope| -> Outcome<usize> {
            let poster = scope.spawn(|| -> Outcome<usize> {
                let mut taken = 0;
                for context in 0..16 {
                    match pair.b.qp.send(context, Data::NONE, NONE) {
                        Ok(()) => taken += 1,
                        Err(error) if error.status() == Status::CONNECTION_INVALID => {}
                        Err(error) => return wrong(format_args!("a post beside the close: {error}")),
                    }
                }
                Ok(taken)
            });
            passive.close().done("the close beside posts")?;
            joined(poster)
        })?;
        let ends = ends_of(&pair.b.take(taken, "whatever was taken")?);
        ensure!(ends.iter().all(|(_, status)| *status == Status::CANCELLED), "not all cancelled: {ends:?}");
        bench.quiet(&pair.b.cq, "after a completion for each send that was taken")?;
    }
    Ok(())
}

fn close_10(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (a, b) = (End::new(&adapter)?, End::new(&adapter)?);
    let connection = connect(&adapter, &a.qp, &b.qp)?;
    let (note, called) = notes::<()>();
    let notify = CqNotify::callback(move |_| note.say(()));
    let idle = adapter.create_cq(1, notify).done("NdkCreateCq")?;
    thread::scope(|scope| {
        scope.spawn(move || drop((a, idle, connection, b)));
        adapter.close()
    })?;
    ensure_eq!(called.so_far(), [(); 0], "calls of a queue that was never armed");
    called.closed("a notification after the adapter's close")?;
    // One that is running holds the adapter's close back.
    let (note, said) = notes();
    let (begins, begun) = notes();
    let returned = note.clone();
    thread::scope(|scope| -> Outcome {
        let mut closer = None;
        inside_a_notification(
            bench,
            move || returned.say("callback returns"),
            |adapter, cq| {
                drop(cq);
                closer = Some(scope.spawn(move || -> Outcome {
                    begins.say(());
                    adapter.close()?;
                    note.say("adapter closed");
                    Ok(())
                }));
                // Else the thread may not have come to its close before it is said to wait there.
                begun.next("the adapter's close")?;
                (0..100).try_for_each(|_| said.none(bench, "while a callback runs"))
            },
        )?;
        closer.map_or_else(|| wrong("the adapter was not closed"), joined)
    })?;
    ensure_eq!(said.so_far(), ["callback returns", "adapter closed"], "what ends first");
    Ok(())
}

/// A place for a handle that a callback takes out, to close it.
fn place<T>(handle: T) -> Arc<Mutex<Option<T>>> {
    Arc::new(Mutex::new(Some(handle)))
}

fn taken<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().ok().and_then(|mut place| place.take())
}

fn close_11(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (note, closed) = notes();
    let disconnecting = pair.connection.active.disconnect();
    let active = place(pair.connection.active);
    let first = note.clone();
    disconnecting.then(move |_| {
        if let Some(connector) = taken(&active) {
            connector.close().then(move |result| first.say(("connector", result.is_ok())));
        }
    });
    pair.connection.passive.disconnect().done("the peer's disconnect")?;
    ensure_eq!(closed.next("a connector closed inside its disconnect")?, ("connector", true), "its close");
    let adapter = bench.adapter()?;
    let listener = adapter.create_listener(drop).done("NdkCreateListener")?;
    let listening = listener.listen(home(&adapter)?);
    let listener = place(listener);
    listening.then(move |_| {
        if let Some(listener) = taken(&listener) {
            listener.close().then(move |result| note.say(("listener", result.is_ok())));
        }
    });
    ensure_eq!(closed.next("a listener closed inside its listen")?, ("listener", true), "its close");
    Ok(())
}

fn close_12(bench: &Bench) -> Outcome {
    let (pair, events) = Pair::noted(bench)?;
    pair.a.receive(1)?;
    pair.b.receive(2)?;
    pair.connection.active.close().done("the active connector's close")?;
    ensure_eq!(events.exactly(1, bench, "a close while connected")?, ["passive"], "whose event it is");
    pair.a.yields(&[(1, Status::CANCELLED)], "receives of who has closed")?;
    pair.b.yields(&[(2, Status::CANCELLED)], "receives of the peer")
}

fn close_13(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let closing = bench.pends(pair.b.qp.close(), "a queue pair's close while its connector lives")?;
    pair.connection.passive.close().done("the connector's close")?;
    closing.done("the queue pair's close afterwards")
}

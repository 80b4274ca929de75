//! CB-*: how callbacks of requests are called, and what they may call.

use super::prelude::*;
use crate::conformance::statement::Finding;
use std::sync::{Arc, Mutex};

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("CB-1", D, "a request that ends inline calls back no second time", cb_1),
    Statement::new("CB-2", D, "a request that pends calls back once", cb_2),
    Statement::new("CB-3", D, "a callback on a call's stack may let go of what the call works on", cb_3),
    Statement::new("CB-4", I, "a callback may make any call but the adapter's close", cb_4),
];

fn cb_1(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (note, said) = notes();
    let listener = adapter.create_listener(drop).done("NdkCreateListener")?;
    let (first, second, third) = (note.clone(), note.clone(), note);
    listener.listen(home(&adapter)?).then(move |result| first.say(("listen", result.is_ok())));
    let connector = connector(&adapter)?;
    connector.disconnect().then(move |result| second.say(("disconnect", result.is_ok())));
    connector.complete_connect(ignore()).then(move |result| third.say(("complete", result.is_ok())));
    let said_now = said.exactly(3, bench, "three requests that end inline")?;
    ensure_eq!(said_now, [("listen", true), ("disconnect", false), ("complete", false)], "their results");
    said.closed("callbacks that were called")
}

fn cb_2(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    let (note, said) = notes();
    let (connected, accepted, parted) = (note.clone(), note.clone(), note);
    let connecting = bench.pends(asked.connecting, "a connect before the accept")?;
    connecting.then(move |result| connected.say(("connect", result.is_ok())));
    said.none(bench, "the connect before the accept")?;
    let accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
    accepting.then(move |result| accepted.say(("accept", result.is_ok())));
    ensure_eq!(said.exactly(1, bench, "the connect")?, [("connect", true)], "its callback");
    asked.active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    ensure_eq!(said.exactly(1, bench, "the accept")?, [("accept", true)], "its callback");
    asked.active.disconnect().then(move |result| parted.say(("disconnect", result.is_ok())));
    said.none(bench, "the disconnect before the peer's")?;
    asked.passive.disconnect().done("the peer's disconnect")?;
    ensure_eq!(said.exactly(1, bench, "the disconnect")?, [("disconnect", true)], "its callback");
    said.closed("callbacks that were called")
}

fn cb_3(bench: &Bench) -> Outcome {
    // The connect event runs on the stack of the connect, or at any other time; it lets go of the listener
    // whose event it is, of the connector that it brought, and of the queue pair that it accepted with.
    let adapter = bench.adapter()?;
    let (end, passive) = (End::new(&adapter)?, End::new(&adapter)?);
    let all = Arc::new(Mutex::new(None));
    let inside = Arc::clone(&all);
    let (note, said) = notes();
    let listener = adapter.create_listener(move |connector: Connector| {
        let held = inside.lock().ok().and_then(|mut place| place.take());
        let Some((listener, passive)): Option<(crate::ndk::Listener, End)> = held else { return };
        let closed = note.clone();
        let accepting = connector.accept(&passive.qp, READS, b"", ignore());
        listener.close().then(move |result| closed.say(("listener", result.is_ok())));
        drop((passive, connector));
        let accepted = note.clone();
        accepting.then(move |result| accepted.say(("accept", result.is_ok())));
    });
    let listener = listener.done("NdkCreateListener")?;
    listener.listen(home(&adapter)?).done("NdkListen")?;
    let address = listener.local_address()?;
    if let Ok(mut place) = all.lock() {
        *place = Some((listener, passive));
    }
    let active = connector(&adapter)?;
    let connecting = active.connect(&end.qp, home(&adapter)?, address, READS, b"");
    // Accepted and let go at once: the connect may have heard the accept, and then its completion fails.
    if connecting.ended("the connect")?.is_ok() {
        bench.settle();
        let completed = active.complete_connect(ignore()).ended("NdkCompleteConnect")?;
        ensure!(completed.is_err(), "a connection to a connector that was let go was completed");
    }
    let mut said = said.exactly(2, bench, "the close and the accept inside the event")?;
    said.sort_unstable();
    ensure_eq!(said, [("accept", false), ("listener", true)], "their results");
    Ok(())
}

/// Calls of each kind, none of which may wait; the first error is kept.
fn tour(adapter: &Adapter) -> Outcome {
    let now = |what: &str| Finding::Wrong(format!("{what} inside a callback is not done at once"));
    let pd = adapter.create_pd().now().map_err(|_| now("NdkCreatePd"))??;
    let cq = adapter.create_cq(4, CqNotify::None).now().map_err(|_| now("NdkCreateCq"))??;
    let qp = pd.create_qp(QpDescription::new(&cq)).now().map_err(|_| now("NdkCreateQp"))??;
    let mr = pd.register(vec![0; 64], ALL).now().map_err(|_| now("NdkRegisterMr"))??;
    qp.receive(1, &[mr.sge(0..64)?])?;
    cq.arm(NotifyType::Any);
    qp.flush();
    ensure_eq!(cq.poll(&mut [Completion::default(); 2]), 1, "entries of a flush inside a callback");
    let connector = adapter.create_connector().now().map_err(|_| now("NdkCreateConnector"))??;
    let listener = adapter.create_listener(drop).now().map_err(|_| now("NdkCreateListener"))??;
    listener.listen(home(adapter)?).now().map_err(|_| now("NdkListen"))??;
    let to = listener.local_address()?;
    connector.connect(&qp, home(adapter)?, to, READS, b"").then(|_| {}); // refused by the drop
    ensure!(adapter.info().max_cq_depth > 0, "the adapter's info inside a callback");
    drop((connector, listener, qp, mr, cq));
    pd.close().then(|_| {});
    Ok(())
}

fn cb_4(bench: &Bench) -> Outcome {
    let net = bench.net();
    let adapter = bench.adapter_of(&net, crate::conformance::device::Host::Any)?;
    let inner = Arc::new(bench.adapter_of(&net, crate::conformance::device::Host::Any)?);
    let (note, toured) = notes();
    let tours = |what: &'static str| {
        let (inner, note) = (Arc::clone(&inner), note.clone());
        move || note.say((what, tour(&inner).map_err(|finding| format!("{finding:?}"))))
    };
    adapter.create_pd().then({
        let tours = tours("creation");
        move |_| tours()
    });
    let in_notification = tours("notification");
    let notify = CqNotify::callback(move |_| in_notification());
    let noted = adapter.create_cq(4, notify).done("NdkCreateCq")?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let qp = pd.create_qp(QpDescription::new(&noted)).done("NdkCreateQp")?;
    noted.arm(NotifyType::Any);
    qp.receive(1, &[])?;
    qp.flush();
    let in_event = tours("connect event");
    let (arrived, arrivals) = notes();
    let listener = adapter.create_listener(move |connector: Connector| {
        in_event();
        arrived.say(connector);
    });
    let (listener, a, b) = (listener.done("NdkCreateListener")?, End::new(&adapter)?, End::new(&adapter)?);
    listener.listen(home(&adapter)?).done("NdkListen")?;
    let active = connector(&adapter)?;
    let connecting = active.connect(&a.qp, home(&adapter)?, listener.local_address()?, READS, b"");
    let passive = arrivals.next("the connect event")?;
    let accepting = passive.accept(&b.qp, READS, b"", OnDisconnect::from(tours("disconnect event")));
    connecting.then({
        let tours = tours("connect completion");
        move |_| tours()
    });
    active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    accepting.done("NdkAccept")?;
    active.close().then({
        let tours = tours("close completion");
        move |_| tours()
    });
    let mut names = Vec::new();
    for _ in 0..6 {
        let (name, result) = toured.next("a tour of all calls inside a callback")?;
        result.or_else(|finding| wrong(format_args!("inside the {name}: {finding}")))?;
        names.push(name);
    }
    names.sort_unstable();
    let expected = [
        "close completion",
        "connect completion",
        "connect event",
        "creation",
        "disconnect event",
        "notification",
    ];
    ensure_eq!(names, expected, "callbacks that were called");
    Ok(())
}

//! CB-*: how callbacks of requests are called, and what they may call.

use super::prelude::*;
use crate::conformance::bench::Note;
use crate::conformance::device::Host;
use crate::conformance::task::Task;
use crate::ndk::Listener;
use std::sync::{Arc, Mutex};

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("CB-1", D, "a request that ends inline calls back no second time", cb_1),
    Statement::new("CB-2", D, "a request that pends calls back once", cb_2),
    Statement::new("CB-3", D, "a callback on a call's stack may let go of what the call works on", cb_3),
    Statement::new("CB-4", I, "a callback may make any call but the adapter's close", cb_4),
];

fn cb_1(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (end, connector) = (End::new(&adapter)?, connector(&adapter)?);
    let listener = adapter.create_listener(drop).done("NdkCreateListener")?;
    let too_long = vec![0; adapter.info().max_caller_data + 1];
    let at = home(&adapter)?;
    for (what, request) in [
        ("a listen", listener.listen(at)),
        ("a second listen", listener.listen(at)),
        ("a disconnect, unconnected", connector.disconnect()),
        ("a completion without a connect", connector.complete_connect(ignore())),
        ("a connect with too much to say", connector.connect(&end.qp, at, at, READS, &too_long)),
    ] {
        let (note, calls) = notes();
        if let Some(result) = request.now_or_then(move |result| note.say(result.is_ok())) {
            calls.none(bench, &format!("{what}, which ended inline with {result:?}"))?;
            calls.closed(&format!("the callback of {what}"))?;
        }
    }
    Ok(())
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

/// Calls of each kind, each made inside a callback: what pends goes on inside the one that ends it.
async fn tour(adapter: Arc<Adapter>) -> Outcome {
    let pd = adapter.create_pd().await?;
    let cq = adapter.create_cq(4, CqNotify::None).await?;
    let qp = pd.create_qp(QpDescription::new(&cq)).await?;
    let mr = pd.register(vec![0; 64], ALL).await?;
    qp.receive(1, &[mr.sge(0..64)?])?;
    cq.arm(NotifyType::Any);
    qp.flush();
    ensure!(cq.poll(&mut [Completion::default(); 2]) <= 1, "two entries of a flush of one receive");
    let connector = adapter.create_connector().await?;
    let listener = adapter.create_listener(drop).await?;
    listener.listen(home(&adapter)?).await?;
    let to = listener.local_address()?;
    let connecting = connector.connect(&qp, home(&adapter)?, to, READS, b"");
    ensure!(connecting.await.is_err(), "a connect succeeded whose connector is dropped at the other end");
    ensure!(adapter.info().max_cq_depth > 0, "the adapter's info inside a callback");
    drop((qp, mr));
    connector.close().await?;
    listener.close().await?;
    cq.close().await?;
    pd.close().await?;
    Ok(())
}

/// Tours on an adapter beside the one under test, each started by a callback of that name.
struct Tours {
    inner: Arc<Adapter>,
    note: Note<(&'static str, Result<(), String>)>,
}

impl Tours {
    fn inside(&self, callback: &'static str) -> impl Fn() + Send + Sync + 'static {
        let (inner, note) = (Arc::clone(&self.inner), self.note.clone());
        move || {
            let (inner, note) = (Arc::clone(&inner), note.clone());
            Task::begin(async move {
                let toured = tour(inner).await;
                note.say((callback, toured.map_err(|finding| format!("{finding:?}"))));
            });
        }
    }
}

/// Has callbacks of every kind called, a tour inside each; what must stay for those that are on their way.
fn every_callback(adapter: &Adapter, tours: &Tours) -> Outcome<(Cq, Listener, Connector, [End; 2])> {
    let in_close = tours.inside("close completion");
    let in_notification = tours.inside("notification");
    let notify = CqNotify::callback(move |_| in_notification());
    let noted = adapter.create_cq(4, notify).done("NdkCreateCq")?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let qp = pd.create_qp(QpDescription::new(&noted)).done("NdkCreateQp")?;
    pd.close().then(move |_| in_close());
    noted.arm(NotifyType::Any);
    qp.receive(1, &[])?;
    qp.flush();
    drop(qp);
    let in_event = tours.inside("connect event");
    let (arrived, arrivals) = notes();
    let listener = adapter.create_listener(move |connector: Connector| {
        in_event();
        arrived.say(connector);
    });
    let (listener, a, b) = (listener.done("NdkCreateListener")?, End::new(adapter)?, End::new(adapter)?);
    listener.listen(home(adapter)?).done("NdkListen")?;
    let active = connector(adapter)?;
    let connecting = active.connect(&a.qp, home(adapter)?, listener.local_address()?, READS, b"");
    let in_connect = tours.inside("connect completion");
    let (note, connected) = notes();
    connecting.then(move |_| {
        in_connect();
        note.say(());
    });
    let passive = arrivals.next("the connect event")?;
    let in_disconnect = tours.inside("disconnect event");
    let accepting = passive.accept(&b.qp, READS, b"", in_disconnect);
    let in_accept = tours.inside("accept completion");
    accepting.then(move |_| in_accept());
    connected.next("the connect completion")?;
    active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    active.close().done("NdkCloseConnector")?;
    Ok((noted, listener, passive, [a, b]))
}

fn cb_4(bench: &Bench) -> Outcome {
    let net = bench.net();
    let (adapter, inner) = (bench.adapter_of(&net, Host::Any)?, bench.adapter_of(&net, Host::Any)?);
    let (note, toured) = notes();
    let _kept = every_callback(&adapter, &Tours { inner: Arc::new(inner), note })?;
    let mut names = Vec::new();
    for _ in 0..6 {
        let (name, result) = toured.next("a tour of all calls inside a callback")?;
        result.or_else(|finding| wrong(format_args!("inside the {name}: {finding}")))?;
        names.push(name);
    }
    names.sort_unstable();
    let expected = [
        "accept completion",
        "close completion",
        "connect completion",
        "connect event",
        "disconnect event",
        "notification",
    ];
    ensure_eq!(names, expected, "callbacks that were called");
    Ok(())
}

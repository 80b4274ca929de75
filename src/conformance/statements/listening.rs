//! LSN-* and SEP-*: listeners and shared endpoints.

use super::prelude::*;
use crate::ndk::{Listener, Request, SharedEndpoint};
use std::collections::BTreeSet;
use std::net::SocketAddr;

pub(super) const LSN: &[Statement] = &[
    Statement::new("LSN-1", D, "port 0 chooses one from 49152-65535, and the listener tells it", lsn_1),
    Statement::new("LSN-2", D, "a second listener at an endpoint is SHARING_VIOLATION", lsn_2),
    Statement::new("LSN-3", T, "a listener that listens does not listen again", lsn_3),
    Statement::new("LSN-4", D, "a paused listener is as if it were not there", lsn_4),
    Statement::new("LSN-5", D, "restarted it hears again", lsn_5),
    Statement::new("LSN-6", D, "its close pends for accepted connectors, and refuses at once", lsn_6),
    Statement::new("LSN-7", D, "the last accepted connector's close ends it and frees the endpoint", lsn_7),
    Statement::new("LSN-8", D, "its close waits for a connect event that is running", lsn_8),
    Statement::new("LSN-9", D, "each peer is an event with a connector of its own", lsn_9),
    Statement::new("LSN-10", I, "a connector closed unanswered refuses its peer", lsn_10),
    Statement::new("LSN-11", D, "an address of somebody else is INVALID_ADDRESS", lsn_11),
];

pub(super) const SEP: &[Statement] = &[
    Statement::new("SEP-1", D, "two connectors over one endpoint have the same local address", sep_1),
    Statement::new("SEP-2", D, "to one peer address the second is ADDRESS_ALREADY_EXISTS", sep_2),
    Statement::new("SEP-3", D, "an endpoint at a taken address is SHARING_VIOLATION", sep_3),
    Statement::new("SEP-4", D, "its close pends for connectors over it, and the address stays taken", sep_4),
    Statement::new("SEP-5", D, "created with port 0, it tells the port that was chosen", sep_5),
];

fn silent_listener(adapter: &Adapter) -> Outcome<Listener> {
    adapter.create_listener(drop).done("NdkCreateListener")
}

fn lsn_1(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let at = home(&adapter)?;
    for _ in 0..3 {
        let door = listen(&adapter)?;
        ensure_eq!(door.address.ip(), at.ip(), "the listener's address");
        let port = door.address.port();
        ensure!((49_152..=65_535).contains(&port), "the chosen port: expected 49152-65535, got {port}");
        heard_at(bench, &adapter, door.address, "a connect to that port")?;
    }
    Ok(())
}

fn lsn_2(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (door, other) = (listen(&adapter)?, silent_listener(&adapter)?);
    other.listen(door.address).fails(Status::SHARING_VIOLATION, "a second listener at that endpoint")?;
    other.listen(home(&adapter)?).done("the same listener at another port")
}

fn lsn_3(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let door = listen(&adapter)?;
    let again = door.listener.listen(home(&adapter)?).ended("a second listen")?;
    ensure!(again.is_err(), "a listener that listens took a second address");
    ensure_eq!(door.listener.local_address()?, door.address, "its address after that");
    Ok(())
}

fn lsn_4(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let door = listen(&adapter)?;
    door.listener.control_connect_events(true);
    refused_at(&adapter, door.address, "a connect while paused")?;
    door.arrivals.none(bench, "the connect event while paused")
}

fn lsn_5(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let door = listen(&adapter)?;
    door.listener.control_connect_events(true);
    refused_at(&adapter, door.address, "a connect while paused")?;
    door.listener.control_connect_events(false);
    heard_at(bench, &adapter, door.address, "a connect after that")?;
    door.arrivals.exactly(1, bench, "the connect event after that")?;
    Ok(())
}

fn lsn_6(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let address = pair.connection.listener.local_address()?;
    let closing =
        bench.pends(pair.connection.listener.close(), "the close of a listener with a connection")?;
    refused_at(&pair.adapter, address, "a connect after the close was called")?;
    let other = silent_listener(&pair.adapter)?;
    other.listen(address).fails(Status::SHARING_VIOLATION, "the endpoint while the connector lives")?;
    let _pending = bench.pends(closing, "the close while the connector lives")?;
    pair.b.receive(1)?;
    pair.a.send(2, b"", NONE)?;
    pair.b.yields(&[(1, Status::SUCCESS)], "the connection that was accepted lives on")
}

fn lsn_7(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let address = pair.connection.listener.local_address()?;
    let closing =
        bench.pends(pair.connection.listener.close(), "the close of a listener with a connection")?;
    pair.connection.passive.close().done("the accepted connector's close")?;
    closing.done("the listener's close after it")?;
    silent_listener(&pair.adapter)?.listen(address).done("the endpoint after it")
}

fn lsn_8(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (note, said) = notes();
    let (hand, handed) = later::<Listener>();
    let listener = adapter.create_listener(move |connector: Connector| {
        if let Some(listener) = handed.get() {
            let closed = note.clone();
            listener.close().then(move |_| closed.say("closed"));
        }
        drop(connector);
        note.say("event returns");
    });
    let listener = listener.done("NdkCreateListener")?;
    listener.listen(home(&adapter)?).done("NdkListen")?;
    let address = listener.local_address()?;
    hand.say(listener);
    refused_at(&adapter, address, "a connect whose connector is let go inside the event")?;
    ensure_eq!(said.next("the event")?, "event returns", "what ends first");
    ensure_eq!(said.next("the close")?, "closed", "what ends then");
    said.closed("the connect event after the close")
}

fn lsn_9(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (door, at) = (listen(&adapter)?, home(&adapter)?);
    let mut asking = Vec::new();
    for _ in 0..5 {
        let (end, connector) = (End::new(&adapter)?, connector(&adapter)?);
        let connecting = connector.connect(&end.qp, at, door.address, READS, b"");
        asking.push((end, connector, connecting));
    }
    let arrived = door.arrivals.exactly(5, bench, "five connects")?;
    let peers = arrived
        .iter()
        .map(|connector| Ok(connector.peer_address()?))
        .collect::<Outcome<BTreeSet<SocketAddr>>>()?;
    let own = asking
        .iter()
        .map(|(_, connector, _)| Ok(connector.local_address()?))
        .collect::<Outcome<BTreeSet<_>>>()?;
    ensure_eq!(peers, own, "the peers of the five connectors");
    ensure_eq!(peers.len(), 5, "distinct peers");
    Ok(())
}

fn lsn_10(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    asked.passive.close().done("the close of an unanswered connector")?;
    asked.connecting.fails(Status::CONNECTION_REFUSED, "its peer's connect")?;
    let adapter = bench.adapter()?;
    let listener = silent_listener(&adapter)?; // drops every connector inside the connect event
    listener.listen(home(&adapter)?).done("NdkListen")?;
    refused_at(&adapter, listener.local_address()?, "a connect whose connector is closed inside the event")
}

fn lsn_11(bench: &Bench) -> Outcome {
    let listener = silent_listener(&bench.adapter()?)?;
    let foreign = SocketAddr::from(([203, 0, 113, 7], 4)); // of a block that is for documentation
    listener.listen(foreign).fails(Status::INVALID_ADDRESS, "a foreign address")?;
    Ok(())
}

fn shared(adapter: &Adapter, local: SocketAddr) -> Outcome<SharedEndpoint> {
    adapter.create_shared_endpoint(local).done("NdkCreateSharedEndpoint")
}

/// A connector that asks `remote` over `endpoint`.
fn ask_over(
    adapter: &Adapter,
    end: &End,
    endpoint: &SharedEndpoint,
    remote: SocketAddr,
) -> Outcome<(Connector, Request<()>)> {
    let connector = connector(adapter)?;
    let connecting = connector.connect_with_shared_endpoint(&end.qp, endpoint, remote, READS, b"");
    Ok((connector, connecting))
}

fn sep_1(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    adapter.addresses().into_iter().try_for_each(|local| two_over_one(&adapter, local))
}

fn two_over_one(adapter: &Adapter, local: SocketAddr) -> Outcome {
    let endpoint = shared(adapter, local)?;
    let mut connections = Vec::new();
    for _ in 0..2 {
        let (a, b, door) = (End::new(adapter)?, End::new(adapter)?, listen_at(adapter, local)?);
        let (active, connecting) = ask_over(adapter, &a, &endpoint, door.address)?;
        let passive = door.arrivals.next("the connect event")?;
        let accepting = passive.accept(&b.qp, READS, b"", ignore());
        connecting.done("NdkConnectWithSharedEndpoint")?;
        active.complete_connect(ignore()).done("NdkCompleteConnect")?;
        accepting.done("NdkAccept")?;
        ensure_eq!(active.local_address()?, endpoint.local_address(), "the connector's local address");
        ensure_eq!(passive.peer_address()?, endpoint.local_address(), "its address as the peer sees it");
        connections.push((a, b, door, active, passive));
    }
    for (a, b, ..) in &connections {
        b.receive(1)?;
        a.send(2, b"shared", NONE)?;
        b.yields(&[(1, Status::SUCCESS)], "a message over each of both connections")?;
    }
    Ok(())
}

fn sep_2(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (endpoint, door) = (shared(&adapter, home(&adapter)?)?, listen(&adapter)?);
    let (first, second) = (End::new(&adapter)?, End::new(&adapter)?);
    let (_connector, connecting) = ask_over(&adapter, &first, &endpoint, door.address)?;
    let _connecting = bench.pends(connecting, "the first connect to that peer")?;
    let (_other, again) = ask_over(&adapter, &second, &endpoint, door.address)?;
    again.fails(Status::ADDRESS_ALREADY_EXISTS, "the second connect to that peer")?;
    Ok(())
}

fn sep_3(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (endpoint, asked) = (shared(&adapter, home(&adapter)?)?, listen(&adapter)?);
    let (end, connector) = (End::new(&adapter)?, connector(&adapter)?);
    let _connecting = connector.connect(&end.qp, home(&adapter)?, asked.address, READS, b"");
    for (what, taken) in [
        ("a shared endpoint", endpoint.local_address()),
        ("a listener", asked.address),
        ("a connector", connector.local_address()?),
    ] {
        let created = adapter.create_shared_endpoint(taken);
        created.fails(Status::SHARING_VIOLATION, &format!("an endpoint at the address of {what}"))?;
    }
    silent_listener(&adapter)?
        .listen(endpoint.local_address())
        .fails(Status::SHARING_VIOLATION, "a listener at the address of a shared endpoint")?;
    Ok(())
}

fn sep_4(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (endpoint, door, end) = (shared(&adapter, home(&adapter)?)?, listen(&adapter)?, End::new(&adapter)?);
    let local = endpoint.local_address();
    let (connector, _connecting) = ask_over(&adapter, &end, &endpoint, door.address)?;
    let closing = bench.pends(endpoint.close(), "the close while a connector over it lives")?;
    adapter.create_shared_endpoint(local).fails(Status::SHARING_VIOLATION, "its address meanwhile")?;
    let closing = bench.pends(closing, "the close while a connector over it lives")?;
    connector.close().done("the connector's close")?;
    closing.done("the endpoint's close after it")?;
    shared(&adapter, local)?.close().done("an endpoint at the address that is free again")
}

fn sep_5(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let endpoint = shared(&adapter, home(&adapter)?)?;
    let (address, port) = (endpoint.local_address(), endpoint.local_address().port());
    ensure_eq!(address.ip(), home(&adapter)?.ip(), "its address");
    ensure!((49_152..=65_535).contains(&port), "the chosen port: expected 49152-65535, got {port}");
    Ok(())
}

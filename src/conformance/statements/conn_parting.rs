//! CONN-29 to CONN-44: disconnecting, what the peer hears, and what holds afterwards.

use super::prelude::*;
use crate::ndk::{Mr, Timeouts};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("CONN-29", D, "the disconnect event is called once", conn_29),
    Statement::new("CONN-30", D, "a graceful notice flushes nothing", conn_30),
    Statement::new("CONN-31", D, "an abort calls the event of who has not parted", conn_31),
    Statement::new("CONN-32", D, "who parts or closes hears no event", conn_32),
    Statement::new("CONN-33", D, "a disconnect pends until the peer's, or is IO_TIMEOUT", conn_33),
    Statement::new("CONN-34", T, "both sides disconnect, in any order, and both succeed", conn_34),
    Statement::new("CONN-35", D, "after the disconnect no byte of a buffer changes", conn_35),
    Statement::new("CONN-36", D, "after a disconnect neither queue pair nor connector connects", conn_36),
    Statement::new("CONN-37", T, "what was sent successfully arrives, though the sender parts", conn_37),
    Statement::new("CONN-38", T, "a peer that vanishes cancels receives without a local call", conn_38),
    Statement::new("CONN-39", D, "a disconnect unconnected is CONNECTION_INVALID", conn_39),
    Statement::new("CONN-40", D, "the EX event without a known reason has reason 0", conn_40),
    Statement::new("CONN-41", D, "a connector closed in its connect completion does not deadlock", conn_41),
    Statement::not_shown(
        "CONN-42",
        D,
        "an address buffer that is too small is BUFFER_TOO_SMALL with the length needed",
        "the Rust face returns addresses by value, which have no buffer",
    ),
    Statement::new(
        "CONN-43",
        I,
        "who received the first message may answer before its accept is done",
        conn_43,
    ),
    Statement::new("CONN-44", D, "IPv6 is as good as IPv4", conn_44),
];

fn conn_29(bench: &Bench) -> Outcome {
    let (pair, events) = Pair::noted(bench)?;
    let leaving = pair.connection.active.disconnect();
    ensure_eq!(events.next("the event of the peer")?, "passive", "whose event it is");
    pair.connection.passive.disconnect().done("the peer's disconnect")?;
    leaving.done("the disconnect")?;
    drop(pair);
    events.none(bench, "after the one event")
}

fn conn_30(bench: &Bench) -> Outcome {
    let (pair, events) = Pair::noted(bench)?;
    pair.b.receive(1)?;
    pair.b.send(2, b"", NONE)?;
    let leaving = pair.connection.active.disconnect();
    events.next("the event of a graceful parting")?;
    bench.quiet(&pair.b.cq, "requests at a graceful notice")?;
    pair.connection.passive.disconnect().done("the peer's disconnect")?;
    leaving.done("the disconnect")?;
    let mut ends = ends_of(&pair.b.take(2, "requests when both have parted")?);
    ends.sort_unstable_by_key(|(context, _)| *context);
    ensure_eq!(ends, all([1, 2], Status::CANCELLED), "requests when both have parted");
    Ok(())
}

fn conn_31(bench: &Bench) -> Outcome {
    let (pair, events) = Pair::noted(bench)?;
    let nowhere = RemoteAddress { token: Token(0), ..pair.b.remote(0)? };
    pair.a.qp.write(1, &pair.a.sge(0, 8)?, nowhere, NONE)?; // an error that ends the connection
    pair.a.take(1, "the write that fails")?;
    let mut who = events.exactly(2, bench, "the connection broke, and nobody has parted")?;
    who.sort_unstable();
    ensure_eq!(who, ["active", "passive"], "whose events they are");
    let (pair, events) = Pair::noted(bench)?;
    pair.connection.passive.close().done("NdkCloseConnector")?;
    ensure_eq!(events.exactly(1, bench, "a close breaks off")?, ["active"], "whose event it is");
    Ok(())
}

fn conn_32(bench: &Bench) -> Outcome {
    let (pair, events) = Pair::noted(bench)?;
    let (here, there) = (pair.connection.active.disconnect(), pair.connection.passive.disconnect());
    here.done("the active side's disconnect")?;
    there.done("the passive side's disconnect")?;
    bench.settle();
    let heard = events.so_far();
    ensure!(!heard.contains(&"active"), "who parted first heard an event for that: {heard:?}");
    let (pair, events) = Pair::noted(bench)?;
    pair.connection.active.close().done("NdkCloseConnector")?;
    ensure_eq!(events.exactly(1, bench, "a close")?, ["passive"], "whose event it is");
    Ok(())
}

fn conn_33(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let leaving = bench.pends(pair.connection.active.disconnect(), "a disconnect alone")?;
    pair.connection.passive.disconnect().done("the peer's disconnect")?;
    leaving.done("the disconnect when the peer has disconnected")?;
    alone(bench).map_err(|finding| finding.during("the peer never disconnects"))
}

/// A disconnect whose peer stays is IO_TIMEOUT when the clock says so.
fn alone(bench: &Bench) -> Outcome {
    let limit = Duration::from_secs(3);
    let timeouts = Timeouts { disconnect: limit, ..Timeouts::default() };
    let (adapter, time) = bench.timed(|options| options.timeouts(timeouts))?;
    let pair = Pair::on(adapter, |d| d, Plan::default())?;
    pair.a.receive(1)?;
    let leaving = bench.pends(pair.connection.active.disconnect(), "a disconnect alone")?;
    time.nearly(bench, limit);
    let leaving = bench.pends(leaving, "a disconnect just before its limit")?;
    time.over();
    leaving.fails(Status::IO_TIMEOUT, "a disconnect at its limit")?;
    pair.a.yields(&[(1, Status::CANCELLED)], "the connection is gone either way")?;
    if time.is_real() {
        // The limits of what is below the device are its own, and no answer of the peer.
        let pair = Pair::new(bench)?;
        pair.a.receive(1)?;
        let leaving = pair.connection.active.disconnect();
        time.runs_out(bench, leaving, "a disconnect alone by the limits of the device")?;
        pair.a.yields(&[(1, Status::CANCELLED)], "that connection is gone, too")?;
    }
    Ok(())
}

fn conn_34(bench: &Bench) -> Outcome {
    for passive_first in [false, true] {
        let pair = Pair::new(bench)?;
        let (active, passive) = (&pair.connection.active, &pair.connection.passive);
        let (first, second) = if passive_first { (passive, active) } else { (active, passive) };
        let (first, second) = (first.disconnect(), second.disconnect());
        first.done("the first disconnect")?;
        second.done("the second disconnect")?;
    }
    let pair = Pair::new(bench)?;
    std::thread::scope(|scope| -> Outcome {
        let active = scope.spawn(|| pair.connection.active.disconnect().done("the active disconnect"));
        let passive = scope.spawn(|| pair.connection.passive.disconnect().done("the passive disconnect"));
        joined(active)?;
        joined(passive)
    })
}

fn conn_35(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let target = pair.b.remote(0)?;
    pair.b.receive(1)?;
    let (here, there) = (pair.connection.active.disconnect(), pair.connection.passive.disconnect());
    here.done("the active disconnect")?;
    there.done("the passive disconnect")?;
    pair.b.yields(&[(1, Status::CANCELLED)], "the receive")?;
    pair.b.mr.write(0, b"mine again")?;
    ensure!(pair.a.qp.write(2, &pair.a.sge(0, 8)?, target, NONE).is_err(), "a write was taken after it");
    ensure!(pair.a.qp.send(3, Data::NONE, NONE).is_err(), "a send was taken after it");
    bench.settle();
    ensure_eq!(pair.b.bytes(0, 10)?, b"mine again", "the buffer");
    in_full_swing(bench)
}

/// The same with a read under way that takes longer than a disconnect: how far its bytes have come at the
/// disconnect's end is how far they come. In its last quarter it is no poster's work any more on `local`, so
/// it goes on beside the disconnect; whether bytes are on their way at the right moment is luck, which a read
/// that was cut short has had. A device that is slow has it in each round, `local` in every sixth.
fn in_full_swing(bench: &Bench) -> Outcome {
    const LENGTH: usize = 24 << 20;
    let (mut round, mut lucky) = (0, 0);
    while lucky < 8 && round < 120 {
        let pair = Pair::new(bench)?;
        let source = pair.b.pd.register(vec![0xFF; LENGTH], ALL).done("NdkRegisterMr")?;
        let sink = pair.a.pd.register(zeroed(LENGTH)?, ALL).done("NdkRegisterMr")?;
        pair.a.qp.read(1, &[sink.sge(0..LENGTH)?], source.remote(0)?, NONE)?;
        let begun = (0..10_000_000).any(|_| {
            std::thread::yield_now();
            sink.load_u8(LENGTH / 4 * 3).is_ok_and(|byte| byte != 0)
        });
        ensure!(begun, "a read of 24 MiB does not get to the last quarter of it");
        let (here, there) = (pair.connection.active.disconnect(), pair.connection.passive.disconnect());
        // With a request under way no graceful end is owed, but an end is.
        let _either_way = here.ended("the disconnect under a read")?;
        let at_the_end = frontier(&sink)?;
        pair.a.take(1, "the read")?;
        (0..100).for_each(|_| std::thread::yield_now()); // who copies may be a thread of this process
        bench.settle();
        let later = frontier(&sink)?;
        ensure_eq!(later, at_the_end, "round {round}: bytes of the sink when the disconnect has completed");
        let _either_way = there.ended("the peer's disconnect")?;
        (round, lucky) = (round + 1, lucky + usize::from(at_the_end < LENGTH));
    }
    Ok(())
}

/// How many bytes from the beginning on are not 0.
fn frontier(region: &Mr) -> Outcome<usize> {
    let (mut low, mut high) = (0, region.len());
    while low < high {
        let middle = (low + high) / 2;
        if region.load_u8(middle)? == 0 {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

fn conn_36(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (at, door) = (home(&pair.adapter)?, listen(&pair.adapter)?);
    let (here, there) = (pair.connection.active.disconnect(), pair.connection.passive.disconnect());
    here.done("the active disconnect")?;
    there.done("the passive disconnect")?;
    let (third, fresh) = (End::new(&pair.adapter)?, connector(&pair.adapter)?);
    let again = pair.connection.active.connect(&third.qp, at, door.address, READS, b"");
    ensure!(again.ended("a connect")?.is_err(), "a connector that was disconnected connected");
    let again = fresh.connect(&pair.a.qp, at, door.address, READS, b"");
    ensure!(again.ended("a connect")?.is_err(), "a queue pair that was disconnected connected");
    Ok(())
}

fn conn_37(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.receive(1)?;
    pair.a.send(2, b"last", NONE)?;
    pair.a.yields(&[(2, Status::SUCCESS)], "the last send")?;
    let leaving = pair.connection.active.disconnect();
    pair.b.yields(&[(1, Status::SUCCESS)], "its receive")?;
    ensure_eq!(pair.b.bytes(0, 4)?, b"last", "what was received");
    pair.connection.passive.disconnect().done("the peer's disconnect")?;
    leaving.done("the disconnect")
}

fn conn_38(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.receive(1)?;
    let leaving = pair.connection.active.disconnect();
    bench.quiet(&pair.b.cq, "the disconnect by itself")?;
    drop((pair.connection.active, pair.a, leaving));
    pair.b.yields(&[(1, Status::CANCELLED)], "a receive whose peer has vanished")
}

fn conn_39(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let status = Status::CONNECTION_INVALID;
    connector(&adapter)?.disconnect().fails(status, "a disconnect of a fresh connector")?;
    let asked = Asked::new(bench, b"")?;
    asked.active.disconnect().fails(status, "a disconnect while connecting")?;
    asked.passive.disconnect().fails(status, "a disconnect of who was asked")?;
    Ok(())
}

fn conn_40(bench: &Bench) -> Outcome {
    let (note, reasons) = notes();
    let (here, there) = (note.clone(), note);
    let events = [
        OnDisconnect::with_reason(move |reason| here.say(("active", reason))),
        OnDisconnect::with_reason(move |reason| there.say(("passive", reason))),
    ];
    let pair = Pair::on(bench.adapter()?, |d| d, Plan { events, ..Plan::default() })?;
    let leaving = pair.connection.active.disconnect();
    ensure_eq!(reasons.next("the event of a graceful parting")?, ("passive", 0), "whose, and why");
    pair.connection.passive.disconnect().done("the peer's disconnect")?;
    leaving.done("the disconnect")
}

fn conn_41(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (a, b, door) = (End::new(&adapter)?, End::new(&adapter)?, listen(&adapter)?);
    let active = Arc::new(Mutex::new(None));
    let connector = connector(&adapter)?;
    let connecting = connector.connect(&a.qp, home(&adapter)?, door.address, READS, b"");
    if let Ok(mut place) = active.lock() {
        *place = Some(connector);
    }
    let (note, closed) = notes();
    connecting.then(move |result| {
        let connector = active.lock().ok().and_then(|mut place| place.take());
        match (result, connector) {
            (Ok(()), Some(connector)) => connector.close().then(move |closed| note.say(closed.is_ok())),
            _ => note.say(false),
        }
    });
    let passive = door.arrivals.next("the connect event")?;
    let accepting = passive.accept(&b.qp, READS, b"", ignore());
    ensure!(closed.next("the close inside the connect completion")?, "the connect or the close failed");
    accepting.fails(Status::CONNECTION_REFUSED, "the accept of who has closed")?;
    a.qp.flush();
    Ok(())
}

fn conn_43(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    asked.b.receive(1)?;
    asked.a.receive(2)?;
    let accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
    asked.connecting.done("NdkConnect")?;
    asked.active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    asked.a.send(3, b"ask", NONE)?;
    asked.b.yields(&[(1, Status::SUCCESS)], "the first message")?;
    asked.b.send(4, b"reply", NONE)?; // the accept has not been looked at
    let mut ends = ends_of(&asked.a.take(2, "the send and the answer")?);
    ends.sort_unstable_by_key(|(context, _)| *context);
    ensure_eq!(ends, all([2, 3], Status::SUCCESS), "the send and the answer");
    accepting.done("the accept")
}

fn conn_44(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let Some(at) = adapter.addresses().into_iter().find(|address| address.is_ipv6()) else {
        return lacks("an IPv6 address");
    };
    let (a, b) = (End::new(&adapter)?, End::new(&adapter)?);
    let connection = connect_at(&adapter, at, &a.qp, &b.qp, Plan::default())?;
    for address in [connection.active.peer_address()?, connection.passive.peer_address()?] {
        ensure_eq!(address.ip(), at.ip(), "the peer's address");
    }
    ensure_eq!(connection.active.local_address()?, connection.passive.peer_address()?, "both ends");
    b.receive(1)?;
    a.send(2, b"six", NONE)?;
    b.yields(&[(1, Status::SUCCESS)], "a message over IPv6")?;
    let taken = adapter.create_listener(drop).done("NdkCreateListener")?;
    let at_listener = connection.listener.local_address()?;
    taken.listen(at_listener).fails(Status::SHARING_VIOLATION, "a listener at a taken IPv6 address")?;
    let nobody = std::net::SocketAddr::new(at.ip(), 7);
    let (third, connector) = (End::new(&adapter)?, connector(&adapter)?);
    let connecting = connector.connect(&third.qp, at, nobody, READS, b"");
    connecting.fails(Status::CONNECTION_REFUSED, "a connect to an IPv6 port without listener")?;
    let leaving = connection.active.disconnect();
    connection.passive.disconnect().done("the passive disconnect")?;
    leaving.done("the active disconnect")
}

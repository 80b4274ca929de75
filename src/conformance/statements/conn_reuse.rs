//! CONN-17 to CONN-28: read limits, connecting again, and local addresses.

use super::prelude::*;
use crate::conformance::device::Host;
use crate::ndk::{Mr, Timeouts};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("CONN-17", D, "read limits above the adapter's are capped silently", conn_17),
    Statement::new("CONN-18", D, "each limit is the least of what both sides ask for and can do", conn_18),
    Statement::new("CONN-19", D, "limits of 0 make a connection", conn_19),
    Statement::new("CONN-20", I, "reads beyond the outbound limit wait, and all succeed", conn_20),
    Statement::new("CONN-21", T, "a second connect of connector or queue pair is CONNECTION_ACTIVE", conn_21),
    Statement::new(
        "CONN-22",
        D,
        "a failed connect leaves receives pending and the queue pair usable",
        conn_22,
    ),
    Statement::new("CONN-23", D, "after a retryable failure the same connector can connect", conn_23),
    Statement::new("CONN-24", D, "after a failed accept or CompleteConnect the connector is spent", conn_24),
    Statement::new("CONN-25", D, "a local address that is taken is SHARING_VIOLATION", conn_25),
    Statement::new("CONN-26", D, "a local address of somebody else is INVALID_ADDRESS", conn_26),
    Statement::new("CONN-27", D, "port 0 with none free is TOO_MANY_ADDRESSES", conn_27),
    Statement::new("CONN-28", D, "two addresses that are connected are ADDRESS_ALREADY_EXISTS", conn_28),
];

/// Limits that the passive side is shown, and those that the active side is shown after the accept.
fn agreed(bench: &Bench, active: ReadLimits, passive: ReadLimits) -> Outcome<[ReadLimits; 2]> {
    let asked = Asked::with(bench.adapter()?, active, b"")?;
    let shown = asked.passive.connection_data()?.limits;
    let accepting = asked.passive.accept(&asked.b.qp, passive, b"", ignore());
    asked.connecting.done("NdkConnect")?;
    let agreed = asked.active.connection_data()?.limits;
    asked.active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    accepting.done("NdkAccept")?;
    Ok([shown, agreed])
}

fn conn_17(bench: &Bench) -> Outcome {
    let info = bench.adapter()?.info().clone();
    let (inbound, outbound) = (info.max_inbound_read_limit, info.max_outbound_read_limit);
    let greedy = ReadLimits { inbound: u32::MAX, outbound: u32::MAX };
    let [shown, agreed] = agreed(bench, greedy, greedy)?;
    // What the active side gives is what the passive side may use, and the reverse.
    let least = inbound.min(outbound);
    for (what, limits) in [("the passive side", shown), ("the active side", agreed)] {
        ensure!(limits.inbound <= inbound, "{what}: inbound limit {} is not capped", limits.inbound);
        ensure!(limits.outbound <= outbound, "{what}: outbound limit {} is not capped", limits.outbound);
    }
    let expected = ReadLimits { inbound: least, outbound: least };
    ensure_eq!(agreed, expected, "limits when both sides ask for everything");
    Ok(())
}

fn conn_18(bench: &Bench) -> Outcome {
    let (active, passive) = (ReadLimits { inbound: 9, outbound: 7 }, ReadLimits { inbound: 3, outbound: 12 });
    let [shown, agreed] = agreed(bench, active, passive)?;
    let expected = ReadLimits { inbound: 7, outbound: 9 };
    ensure_eq!(shown, expected, "what the active side asks for, as the passive side sees it");
    ensure_eq!(
        agreed,
        ReadLimits { inbound: 9, outbound: 3 },
        "what both agree on, as the active side sees it"
    );
    Ok(())
}

fn conn_19(bench: &Bench) -> Outcome {
    let limits = ReadLimits { inbound: 0, outbound: 0 };
    let pair = Pair::on(bench.adapter()?, |d| d, Plan { limits, ..Plan::default() })?;
    pair.a.write(1, &pair.b, NONE)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a write over a connection without reads")?;
    let read = pair.a.qp.read(2, &[pair.a.sge(0, 8)?], pair.b.remote(0)?, NONE);
    refused(read, Status::INVALID_DEVICE_REQUEST, "a read over it (Q-36)")?;
    Ok(())
}

/// How many reads are in progress shows in their bytes alone: a read whose bytes begin to come is in
/// progress, and so is one of which bytes are missing. A device may have begun more of them without moving a
/// byte; that no caller can see.
fn conn_20(bench: &Bench) -> Outcome {
    let limits = ReadLimits { inbound: 2, outbound: 2 };
    let pair = Pair::on(bench.adapter()?, |d| d, Plan { limits, ..Plan::default() })?;
    pair.b.mr.write(0, b"in parts")?;
    for context in 0..10 {
        pair.a.read(context, &pair.b, OpFlags::DEFER)?;
    }
    pair.a.read(10, &pair.b, NONE)?;
    pair.a.yields(&all(0..11, Status::SUCCESS), "eleven reads, two at a time")?;
    ensure_eq!(pair.a.bytes(0, 8)?, b"in parts", "what was read");
    watched_reads(bench, ReadLimits { inbound: 1, outbound: 1 })?;
    watched_reads(bench, ReadLimits { inbound: 1, outbound: 2 })?; // of either side the limit is 1
    watched_reads(bench, limits)
}

/// Bytes of a long read.
const LONG: usize = 4 << 20;

/// Eight long reads, each into a sink of its own, at which another thread looks meanwhile.
fn watched_reads(bench: &Bench, limits: ReadLimits) -> Outcome {
    let pair = Pair::on(bench.adapter()?, |d| d, Plan { limits, ..Plan::default() })?;
    let source = pair.b.pd.register(vec![0xFF; LONG], ALL).done("NdkRegisterMr")?;
    let sinks: Vec<Mr> = (0..8)
        .map(|_| pair.a.pd.register(zeroed(LONG)?, ALL).done("NdkRegisterMr"))
        .collect::<Outcome<_>>()?;
    let most = limits.inbound.min(limits.outbound) as usize;
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&sinks, most));
        for (context, sink) in (0..).zip(&sinks) {
            let flags = if context < 7 { OpFlags::DEFER } else { NONE };
            pair.a.qp.read(context, &[sink.sge(0..LONG)?], source.remote(0)?, flags)?;
        }
        pair.a.yields(&all(0..8, Status::SUCCESS), "eight long reads")?;
        joined(watcher)
    })
}

/// When bytes of a sink have come, none is missing any more of the sink that is `most` before it.
fn watch(sinks: &[Mr], most: usize) -> Outcome {
    for (nth, sink) in sinks.iter().enumerate() {
        comes("the first byte of a long read", || sink.load_u8(0).is_ok_and(|byte| byte != 0))?;
        let Some(earlier) = nth.checked_sub(most).map(|earlier| &sinks[earlier]) else { continue };
        let is_whole = || {
            (0..LONG)
                .step_by(4096)
                .chain([LONG - 1])
                .all(|at| earlier.load_u8(at).is_ok_and(|byte| byte == 0xFF))
        };
        // Stores of two reads may become visible in either order, though not for longer than a moment.
        let whole = is_whole() || {
            thread::yield_now();
            is_whole()
        };
        ensure!(
            whole,
            "read {nth} has begun while {most} before it are in progress, which are all that may be"
        );
    }
    Ok(())
}

fn conn_21(bench: &Bench) -> Outcome {
    let active = Status::CONNECTION_ACTIVE;
    let asked = Asked::new(bench, b"")?;
    let (to, third) = (asked.door.address, End::new(&asked.adapter)?);
    let again = asked.active.connect(&third.qp, asked.at, to, READS, b"");
    again.fails(active, "a connect of a connector that is connecting")?;
    let other = connector(&asked.adapter)?;
    let again = other.connect(&asked.a.qp, asked.at, to, READS, b"");
    again.fails(active, "a connect of a queue pair that is connecting")?;
    let pair = Pair::new(bench)?;
    let (at, door) = (home(&pair.adapter)?, listen(&pair.adapter)?);
    let (third, other) = (End::new(&pair.adapter)?, connector(&pair.adapter)?);
    let again = pair.connection.active.connect(&third.qp, at, door.address, READS, b"");
    again.fails(active, "a connect of a connected connector")?;
    let again = other.connect(&pair.a.qp, at, door.address, READS, b"");
    again.fails(active, "a connect of a connected queue pair")?;
    // Neither refusal has harmed the one that was not at fault.
    let connecting = other.connect(&third.qp, at, door.address, READS, b"");
    door.arrivals.next("a connect of the two that are free")?;
    drop(connecting);
    Ok(())
}

/// A connect of an asked pair that was refused is tried again with what is left of it, and works.
fn tries_again(a: &End, b: &End, active: &Connector, door: &Door, at: SocketAddr) -> Outcome<Connector> {
    let connecting = active.connect(&a.qp, at, door.address, READS, b"");
    let passive = door.arrivals.next("the connect event of the next attempt")?;
    let accepting = passive.accept(&b.qp, READS, b"", ignore());
    connecting.done("the next attempt")?;
    active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    accepting.done("NdkAccept")?;
    b.write(1, a, NONE)?;
    b.yields(&[(1, Status::SUCCESS)], "a write over the connection of the next attempt")?;
    Ok(passive)
}

fn conn_22(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    asked.a.receive(7)?;
    asked.passive.reject(b"")?;
    asked.connecting.fails(Status::CONNECTION_REFUSED, "the first attempt")?;
    bench.quiet(&asked.a.cq, "a receive after a failed connect")?;
    let fresh = connector(&asked.adapter)?;
    let _passive = tries_again(&asked.a, &asked.b, &fresh, &asked.door, asked.at)?;
    asked.b.send(2, b"again", NONE)?;
    asked.a.yields(&[(7, Status::SUCCESS)], "the receive that was posted before the failed connect")
}

fn conn_23(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    asked.a.receive(7)?;
    asked.passive.reject(b"")?;
    asked.connecting.fails(Status::CONNECTION_REFUSED, "the first attempt")?;
    let nobody = SocketAddr::new(asked.at.ip(), 7);
    let again = asked.active.connect(&asked.a.qp, asked.at, nobody, READS, b"");
    again.fails(Status::CONNECTION_REFUSED, "the second attempt, to a port without listener")?;
    tries_again(&asked.a, &asked.b, &asked.active, &asked.door, asked.at)?;
    unreachable(bench)?;
    unanswered(bench).map_err(|finding| finding.during("IO_TIMEOUT, the last of the four"))
}

/// A peer that does not answer is IO_TIMEOUT when the clock says so, and may be tried again.
fn unanswered(bench: &Bench) -> Outcome {
    let limit = Duration::from_secs(1);
    let timeouts = Timeouts { connect: limit, ..Timeouts::default() };
    let (adapter, time) = bench.timed(|options| options.timeouts(timeouts))?;
    let asked = Asked::with(adapter, READS, b"")?;
    let connecting = bench.pends(asked.connecting, "a connect before its limit")?;
    time.nearly(bench, limit);
    let connecting = bench.pends(connecting, "a connect just before its limit")?;
    time.over();
    connecting.fails(Status::IO_TIMEOUT, "a connect at its limit")?;
    tries_again(&asked.a, &asked.b, &asked.active, &asked.door, asked.at)?;
    if time.is_real() {
        // The limits of what is below the device are its own, and say the same.
        let asked = Asked::new(bench, b"")?;
        time.runs_out(bench, asked.connecting, "a connect by the limits of the device")?;
        tries_again(&asked.a, &asked.b, &asked.active, &asked.door, asked.at)?;
    }
    Ok(())
}

/// An address that nobody has is HOST_UNREACHABLE or NETWORK_UNREACHABLE, and may be tried again.
fn unreachable(bench: &Bench) -> Outcome {
    let adapter = bench.adapter_of(&bench.net(), Host::One)?;
    let (end, door, active, at) =
        (End::new(&adapter)?, listen(&adapter)?, connector(&adapter)?, home(&adapter)?);
    let nobody = SocketAddr::from(([203, 0, 113, 7], 5)); // of a block that is for documentation
    let ended = active.connect(&end.qp, at, nobody, READS, b"").ended("a connect to nobody")?;
    let status = ended.map_or_else(|error| error.status(), |()| Status::SUCCESS);
    let expected = [Status::HOST_UNREACHABLE, Status::NETWORK_UNREACHABLE];
    ensure!(expected.contains(&status), "a connect to nobody: expected one of {expected:?}, got {status}");
    tries_again(&end, &End::new(&adapter)?, &active, &door, at)?;
    Ok(())
}

fn conn_24(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    let accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
    asked.connecting.done("NdkConnect")?;
    asked.active.reject(b"")?;
    accepting.fails(Status::CONNECTION_REFUSED, "the accept")?;
    let spent = asked.passive.accept(&asked.b.qp, READS, b"", ignore()).ended("another accept")?;
    ensure!(spent.is_err(), "a connector whose accept had failed accepted again");
    let third = End::new(&asked.adapter)?;
    let spent = asked.passive.connect(&third.qp, asked.at, asked.door.address, READS, b"");
    ensure!(spent.ended("a connect of it")?.is_err(), "a connector whose accept had failed connects");
    let asked = Asked::new(bench, b"")?;
    let _accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
    asked.connecting.done("NdkConnect")?;
    asked.passive.close().done("the passive side's close")?;
    bench.settle();
    asked.active.complete_connect(ignore()).fails(Status::CONNECTION_ABORTED, "CompleteConnect")?;
    let third = End::new(&asked.adapter)?;
    let spent = asked.active.connect(&third.qp, asked.at, asked.door.address, READS, b"");
    ensure!(spent.ended("another connect")?.is_err(), "a connector whose completion had failed connects");
    Ok(())
}

fn conn_25(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    let (third, other) = (End::new(&asked.adapter)?, connector(&asked.adapter)?);
    let elsewhere = listen(&asked.adapter)?;
    for (what, taken) in [("a connector", asked.active.local_address()?), ("a listener", asked.door.address)]
    {
        let connecting = other.connect(&third.qp, taken, elsewhere.address, READS, b"");
        connecting.fails(Status::SHARING_VIOLATION, &format!("a connect from the address of {what}"))?;
    }
    Ok(())
}

fn conn_26(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (end, door, connector) = (End::new(&adapter)?, listen(&adapter)?, connector(&adapter)?);
    let foreign = SocketAddr::from(([203, 0, 113, 7], 0)); // of a block that is for documentation
    let connecting = connector.connect(&end.qp, foreign, door.address, READS, b"");
    connecting.fails(Status::INVALID_ADDRESS, "a connect from a foreign address")?;
    Ok(())
}

fn conn_27(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (at, mut taken) = (home(&adapter)?, Vec::new());
    for port in 49_152..=65_535_u32 {
        let listener = adapter.create_listener(drop).done("NdkCreateListener")?;
        listener.listen(at).done(&format!("listener {port} of all ports that can be chosen"))?;
        taken.push(listener);
    }
    let last = adapter.create_listener(drop).done("NdkCreateListener")?;
    last.listen(at).fails(Status::TOO_MANY_ADDRESSES, "a listener when every port is taken")?;
    let (end, connector) = (End::new(&adapter)?, connector(&adapter)?);
    let to = taken[0].local_address()?;
    let connecting = connector.connect(&end.qp, at, to, READS, b"");
    connecting.fails(Status::TOO_MANY_ADDRESSES, "a connect when every port is taken")?;
    let freed = taken.pop();
    if let Some(freed) = freed {
        freed.close().done("closing one")?;
    }
    let connecting = connector.connect(&end.qp, at, to, READS, b"");
    connecting.fails(Status::CONNECTION_REFUSED, "a connect from the one port that is free")?;
    Ok(())
}

fn conn_28(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    let (third, other) = (End::new(&asked.adapter)?, connector(&asked.adapter)?);
    let same = asked.active.local_address()?;
    let connecting = other.connect(&third.qp, same, asked.door.address, READS, b"");
    connecting.fails(Status::ADDRESS_ALREADY_EXISTS, "a connect between the same two addresses")?;
    Ok(())
}

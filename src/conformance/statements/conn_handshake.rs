//! CONN-1 to CONN-16: the three legs, refusals, and private data.

use super::prelude::*;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("CONN-1", D, "connect is done by the accept, before CompleteConnect", conn_1),
    Statement::new("CONN-2", D, "accept pends until CompleteConnect is called", conn_2),
    Statement::new("CONN-3", D, "accept is done by CompleteConnect", conn_3),
    Statement::new("CONN-4", D, "CompleteConnect without a connect is CONNECTION_INVALID", conn_4),
    Statement::new("CONN-5", DT, "no listener, or one that closes, is CONNECTION_REFUSED", conn_5),
    Statement::new("CONN-6", D, "a rejected connect is CONNECTION_REFUSED", conn_6),
    Statement::new("CONN-7", D, "private data of a reject can be read", conn_7),
    Statement::new("CONN-8", T, "the active side's reject fails the accept: CONNECTION_REFUSED", conn_8),
    Statement::new("CONN-9", T, "the active side's close fails the accept: CONNECTION_REFUSED", conn_9),
    Statement::new("CONN-10", D, "given up before the accept: CONNECTION_ABORTED", conn_10),
    Statement::new("CONN-11", D, "given up before the reject: CONNECTION_ABORTED", conn_11),
    Statement::new("CONN-12", T, "too much private data is INVALID_BUFFER_SIZE, without harm", conn_12),
    Statement::new("CONN-13", T, "private data of the maximum length is taken", conn_13),
    Statement::new("CONN-14", T, "36 bytes each way arrive", conn_14),
    Statement::new("CONN-15", D, "GetConnectionData without a buffer gives the size", conn_15),
    Statement::new("CONN-16", D, "a short buffer takes what fits: BUFFER_TOO_SMALL and the size", conn_16),
];

fn conn_1(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    let connecting = bench.pends(asked.connecting, "a connect before the accept")?;
    let _accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
    connecting.done("a connect after the accept, CompleteConnect not being called")?;
    let early = asked.a.qp.send(1, Data::NONE, NONE);
    refused(early, Status::CONNECTION_INVALID, "a send before CompleteConnect")?;
    Ok(())
}

fn conn_2(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    let accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
    asked.connecting.done("NdkConnect")?;
    let accepting = bench.pends(accepting, "an accept before CompleteConnect")?;
    asked.active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    accepting.done("the accept afterwards")
}

fn conn_3(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    let accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
    asked.connecting.done("NdkConnect")?;
    asked.active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    accepting.done("the accept")?;
    asked.b.receive(1)?;
    asked.a.send(2, b"", NONE)?;
    asked.a.yields(&[(2, Status::SUCCESS)], "a send over the new connection")?;
    asked.b.yields(&[(1, Status::SUCCESS)], "its receive")
}

fn conn_4(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let connector = connector(&adapter)?;
    let status = Status::CONNECTION_INVALID;
    connector.complete_connect(ignore()).fails(status, "CompleteConnect of a fresh connector")?;
    let asked = Asked::new(bench, b"")?;
    let early = asked.active.complete_connect(ignore());
    early.fails(status, "CompleteConnect before the peer's accept")?;
    let pair = Pair::new(bench)?;
    let again = pair.connection.active.complete_connect(ignore());
    again.fails(status, "CompleteConnect of a connected connector")?;
    Ok(())
}

fn conn_5(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let door = listen(&adapter)?;
    let address = door.address;
    heard_at(bench, &adapter, address, "somebody listens")?;
    let Door { listener, arrivals, .. } = door;
    let unanswered = arrivals.next("the connect event")?;
    let closing = listener.close();
    refused_at(&adapter, address, "the listener is closing")?;
    unanswered.close().done("closing the connector that arrived")?;
    closing.done("the listener's close")?;
    refused_at(&adapter, address, "nobody listens")
}

fn conn_6(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    asked.passive.reject(b"")?;
    asked.connecting.fails(Status::CONNECTION_REFUSED, "a connect that is rejected")?;
    Ok(())
}

fn conn_7(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"please")?;
    ensure!(asked.passive.connection_data()?.private_data.starts_with(b"please"), "the words of the connect");
    asked.passive.reject(b"not today")?;
    asked.connecting.fails(Status::CONNECTION_REFUSED, "a connect that is rejected")?;
    let data = asked.active.connection_data()?.private_data;
    ensure!(data.starts_with(b"not today"), "the words of the reject: expected \"not today\", got {data:?}");
    Ok(())
}

/// The active side changes its mind after its connect has succeeded.
fn changes_its_mind(bench: &Bench, how: impl FnOnce(Connector) -> Outcome) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    let accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
    asked.connecting.done("NdkConnect")?;
    how(asked.active)?;
    accepting.fails(Status::CONNECTION_REFUSED, "the peer's accept (Q-17)")?;
    Ok(())
}

fn conn_8(bench: &Bench) -> Outcome {
    changes_its_mind(bench, |active| Ok(active.reject(b"sorry")?))
}

fn conn_9(bench: &Bench) -> Outcome {
    changes_its_mind(bench, |active| active.close().done("the active side's close"))
}

fn conn_10(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    asked.active.close().done("the active side's close")?;
    bench.settle();
    let accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
    accepting.fails(Status::CONNECTION_ABORTED, "an accept of who has given up")?;
    Ok(())
}

fn conn_11(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    asked.active.close().done("the active side's close")?;
    bench.settle();
    failed(asked.passive.reject(b""), Status::CONNECTION_ABORTED, "a reject of who has given up")?;
    Ok(())
}

fn conn_12(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (info, at, door) = (adapter.info().clone(), home(&adapter)?, listen(&adapter)?);
    let (a, b, active) = (End::new(&adapter)?, End::new(&adapter)?, connector(&adapter)?);
    let (caller, callee) = (vec![1; info.max_caller_data + 1], vec![2; info.max_callee_data + 1]);
    let status = Status::INVALID_BUFFER_SIZE;
    let connecting = active.connect(&a.qp, at, door.address, READS, &caller);
    connecting.fails(status, "a connect with a byte too many")?;
    let connecting = active.connect(&a.qp, at, door.address, READS, &caller[1..]);
    let passive = door.arrivals.next("the connect of a legal length")?;
    passive.accept(&b.qp, READS, &callee, ignore()).fails(status, "an accept with a byte too many")?;
    failed(passive.reject(&callee), status, "a reject with a byte too many")?;
    let accepting = passive.accept(&b.qp, READS, &callee[1..], ignore());
    connecting.done("the connect")?;
    active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    accepting.done("the accept of a legal length")
}

/// Private data of these lengths arrives, each way.
fn exchanged(bench: &Bench, caller: &[u8], callee: &[u8]) -> Outcome {
    let asked = Asked::new(bench, caller)?;
    let heard = asked.passive.connection_data()?.private_data;
    ensure!(heard.starts_with(caller), "the connect's data: expected {caller:?}, got {heard:?}");
    let accepting = asked.passive.accept(&asked.b.qp, READS, callee, ignore());
    asked.connecting.done("NdkConnect")?;
    let heard = asked.active.connection_data()?.private_data;
    ensure!(heard.starts_with(callee), "the accept's data: expected {callee:?}, got {heard:?}");
    asked.active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    accepting.done("NdkAccept")
}

fn conn_13(bench: &Bench) -> Outcome {
    let info = bench.adapter()?.info().clone();
    let bytes = |length: usize| (0..length).map(|at| at as u8 + 1).collect::<Vec<u8>>();
    exchanged(bench, &bytes(info.max_caller_data), &bytes(info.max_callee_data))?;
    let asked = Asked::new(bench, b"")?;
    let words = bytes(info.max_callee_data);
    asked.passive.reject(&words)?;
    asked.connecting.fails(Status::CONNECTION_REFUSED, "a connect that is rejected")?;
    let heard = asked.active.connection_data()?.private_data;
    ensure!(heard.starts_with(&words), "the reject's data: expected {words:?}, got {heard:?}");
    Ok(())
}

fn conn_14(bench: &Bench) -> Outcome {
    exchanged(bench, &[0xA5; 36], &[0x5A; 36])
}

fn conn_15(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"hello")?;
    let size = asked.passive.connection_data_into(&mut [])?;
    ensure_eq!(size.status, Status::SUCCESS, "no buffer at all");
    ensure!(size.required >= 5, "the size of five bytes: got {}", size.required);
    ensure_eq!(size.limits, READS, "the read limits");
    let mut buffer = vec![0; size.required];
    let size = asked.passive.connection_data_into(&mut buffer)?;
    ensure_eq!((size.status, size.required), (Status::SUCCESS, buffer.len()), "a buffer of that size");
    ensure!(buffer.starts_with(b"hello"), "what it holds: {buffer:?}");
    Ok(())
}

fn conn_16(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"hello")?;
    let required = asked.passive.connection_data_into(&mut [])?.required;
    for length in 1..5 {
        let mut short = [b'?'; 5];
        let size = asked.passive.connection_data_into(&mut short[..length])?;
        ensure_eq!(
            (size.status, size.required),
            (Status::BUFFER_TOO_SMALL, required),
            "a buffer of {length}"
        );
        ensure_eq!(&short[..length], &b"hello"[..length], "what fits into {length}");
        ensure!(short[length..].iter().all(|byte| *byte == b'?'), "more than {length} were written");
    }
    Ok(())
}

//! Conversations between threads, with blocking calls: nothing is lost, and nobody waits for ever.

use crate::lus::partners::{Data, invoke_right};
use crate::lus::*;
use qpair::ndk::Faults;
use qpair::ulp::conversation::appc::codes as ap;
use qpair::ulp::conversation::appc::{Allocate, Deallocate, ReceiveArguments, SendType};
use qpair::ulp::conversation::cpic::Program;
use qpair::ulp::conversation::cpic::codes::*;
use qpair::ulp::conversation::{Options, Security, TpDefinition};
use std::net::SocketAddr;

/// A long stream between two threads with blocking calls arrives whole, whatever the window.
pub fn threads() -> Check {
    stream("threads", None)
}

/// The same, on an adapter that breaks its work off by chance and goes on later.
pub fn threads_cut() -> Check {
    let faults = Faults::new(7);
    faults.cut_passes(true);
    stream("threads_cut", Some(&faults))
}

fn stream(net: &str, faults: Option<&Faults>) -> Check {
    let options = Options { receive_allocate_limit: None, ..small() };
    let world = World::with_faults(net, options, faults)?;
    let program = Program::new(&world.units[1], &["SERVER"]);
    let tp = done("TP_STARTED", world.appc[0].tp_started("LEFT", "CLIENT"))?;
    let conv = done("ALLOCATE", world.appc[0].allocate(tp, &Allocate::new("RIGHT", "SERVER")).wait())?;
    let appc = &world.appc[0];
    let mut data = Data::default();
    let send = appc.send_data(tp, conv, &data.record(), SendType::Flush).wait();
    same("SEND_DATA", send.rc.is_ok(), true)?;
    let id = done("cmaccp", program.cmaccp())?;
    std::thread::scope(|scope| {
        let received = scope.spawn(|| {
            let mut data = Data::default();
            loop {
                let got = program.cmrcv(&id, 32_767);
                data.took(&got.data)?;
                if got.return_code != CM_OK {
                    return same("end", got.return_code, CM_DEALLOCATED_NORMAL).map(|()| data.received);
                }
            }
        });
        for _ in 1..500 {
            let send = appc.send_data(tp, conv, &data.record(), SendType::None).wait();
            same("SEND_DATA", send.rc.is_ok(), true)?;
        }
        let end = appc.deallocate(tp, conv, Deallocate::Flush, &[]).wait();
        same("DEALLOCATE", end.rc.is_ok(), true)?;
        let received = received.join().map_err(|_| "the receiver panicked".to_owned())??;
        same("records", received, 500)
    })
}

/// Two conversations at once, whose turns go to and fro between four threads.
pub fn threads_with_turns() -> Check {
    let world = World::with("turns", Options { receive_allocate_limit: None, ..small() })?;
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for side in 0..2 {
            let (world, there) = (&world, 1 - side);
            threads.push(scope.spawn(move || {
                let names = ["LEFT", "RIGHT"];
                let appc = &world.appc[side];
                let tp = done("TP_STARTED", appc.tp_started(names[side], "CLIENT"))?;
                let asks = Allocate::new(names[there], "SERVER");
                let conv = done("ALLOCATE", appc.allocate(tp, &asks).wait())?;
                for _ in 0..100 {
                    let sent = appc.send_data(tp, conv, &record(b"to"), SendType::None).wait();
                    same("SEND_DATA", sent.rc.is_ok(), true)?;
                    let arguments = ReceiveArguments::new(u16::MAX).with_status();
                    let got = appc.receive_and_wait(tp, conv, arguments).wait();
                    let what = ap::AP_DATA_COMPLETE | ap::AP_SEND;
                    same("RECEIVE", (got.rc.is_ok(), got.what_rcvd, got.data), (true, what, record(b"fro")))?;
                }
                same("DEALLOCATE", appc.deallocate(tp, conv, Deallocate::Flush, &[]).wait().rc.is_ok(), true)
            }));
            threads.push(scope.spawn(move || {
                let program = Program::new(&world.units[there], &["SERVER"]);
                let id = done("cmaccp", program.cmaccp())?;
                for _ in 0..100 {
                    let got = program.cmrcv(&id, 32_767);
                    same("cmrcv", (got.return_code, got.data), (CM_OK, record(b"to")))?;
                    if got.status_received != CM_SEND_RECEIVED {
                        same("the turn", program.cmrcv(&id, 9).status_received, CM_SEND_RECEIVED)?;
                    }
                    same("cmsst", program.cmsst(&id, CM_SEND_AND_PREP_TO_RECEIVE), CM_OK)?;
                    same("cmsend", program.cmsend(&id, &record(b"fro")).return_code, CM_OK)?;
                }
                same("end", program.cmrcv(&id, 9).return_code, CM_DEALLOCATED_NORMAL)
            }));
        }
        let ends =
            threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?);
        ends.collect()
    })
}

/// RECEIVE_ALLOCATE finds its attach at any unit of the node, whichever was defined first.
pub fn any_unit() -> Check {
    let world = World::with("any_unit", Options { receive_allocate_limit: None, ..small() })?;
    let address = world.units[1].address();
    let third = world.nodes[1].define_lu("THIRD", "NET.THIRD", SocketAddr::new(address.ip(), 0));
    let third = done("a second unit", third)?;
    third.define_tp(TpDefinition::new("SERVER"));
    world.units[0].define_partner("THIRD", "NET.THIRD", third.address());
    let appc = &world.appc[0];
    let tp = done("TP_STARTED", appc.tp_started("LEFT", "CLIENT"))?;
    let conv = done("ALLOCATE", appc.allocate(tp, &Allocate::new("THIRD", "SERVER")).wait())?;
    same("FLUSH", appc.flush(tp, conv).wait().rc.is_ok(), true)?;
    let got = done("RECEIVE_ALLOCATE", world.appc[1].receive_allocate("SERVER"))?;
    same("its unit", got.lu_alias, "THIRD".to_owned())
}

/// A name that is longer than its place is refused, not cut to one that is somebody else's.
pub fn long_names() -> Check {
    let world = World::new("long_names")?;
    let name = "S".repeat(64);
    world.units[1].define_tp(TpDefinition::new(&name));
    let appc = &world.appc[0];
    let tp = done("TP_STARTED", appc.tp_started("LEFT", "CLIENT"))?;
    let asks = |asks: Allocate| appc.allocate(tp, &asks).wait().map(drop).map_err(|rc| rc.secondary);
    same("64 bytes", asks(Allocate::new("RIGHT", &name)), Ok(()))?;
    let longer = Allocate::new("RIGHT", &format!("{name}X"));
    same("65 bytes", asks(longer), Err(ap::AP_TP_NAME_NOT_RECOGNIZED))?;
    let security = Security::Same("elevenbytes".to_owned());
    let user = Allocate { security, ..Allocate::new("RIGHT", "SERVER") };
    same("a user of 11", asks(user), Err(ap::AP_SECURITY_NOT_VALID))
}

/// A program that is dropped ends its conversations abnormally.
pub fn dropped() -> Check {
    let world = World::new("dropped")?;
    let program = Program::new(&world.units[1], &["SERVER"]);
    let (left, _id) = invoke_right(&world, &program)?;
    drop(program);
    same("SEND_DATA", left.send(&record(b"a")), (ap::AP_DEALLOC_ABEND_PROG, 0))
}

checks! { threads, threads_cut, threads_with_turns, any_unit, long_names, dropped }

//! What a program is told when the peer, the link or the device goes: an orderly error, never a hang.
//!
//! These take the link down and remove the device, so they run where QPAIR_RDMA_MAY_BREAK is set, as
//! `cargo xtask softroce` does, whose guest is thrown away.

use super::rig::{Door, End, PATIENCE, Pair, alone};
use qpair::ndk::{Adapter, Completion, Data, OnDisconnect, OpFlags, ReadLimits, Status};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

const LIMITS: ReadLimits = ReadLimits { inbound: 4, outbound: 4 };

/// What breaks the device is for a machine that is thrown away.
fn may_break() {
    let may = std::env::var_os("QPAIR_RDMA_MAY_BREAK").is_some();
    assert!(
        may,
        "this takes the device from everybody: set QPAIR_RDMA_MAY_BREAK, or leave it out (--skip loss)"
    );
}

/// Receives and sends of an end that stay pending, as its peer neither sends nor receives.
const PENDING: u64 = 8;

fn pend(end: &End) {
    for context in 0..PENDING {
        end.qp.receive(context, &[end.sge()]).expect("a receive");
        end.qp.send(context, Data::Sgl(&[end.sge()]), OpFlags::NONE).expect("a send");
    }
}

/// The completions of everything that is pending.
#[track_caller]
fn answered(end: &End) -> Vec<Completion> {
    let (mut all, mut places) = (Vec::new(), [Completion::default(); 16]);
    let begun = Instant::now();
    while all.len() < 2 * PENDING as usize {
        assert!(begun.elapsed() < 2 * PATIENCE, "{} of {} were answered: {all:?}", all.len(), 2 * PENDING);
        let count = end.cq.wait(&mut places, Some(PATIENCE)).expect("a wait");
        all.extend_from_slice(&places[..count]);
    }
    assert_eq!(end.cq.poll(&mut places), 0, "nothing is left over");
    all
}

fn ran(program: &str, arguments: &[&str]) {
    let status = tool(program, arguments).status().expect("a tool of iproute2 can be started");
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

fn tool(program: &str, arguments: &[&str]) -> Command {
    let path = format!("{}:/sbin:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", path).stdin(Stdio::null());
    command
}

/// The network interface of soft-RoCE.
fn interface() -> String {
    let output = tool("rdma", &["link", "show"]).output().expect("rdma, of iproute2, can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<_> = text.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "netdev").expect("the device has an interface");
    words[at + 1].to_owned()
}

/// Waits until the device opens, as it does when its interface has its address again.
fn wait_for_device() {
    let begun = Instant::now();
    while let Err(error) = Adapter::open(&crate::device()) {
        assert!(begun.elapsed() < PATIENCE, "the device does not come back: {error}");
        thread::yield_now();
    }
}

/// Begins to remove the device.
fn removal() -> Killed {
    Killed(tool("rdma", &["link", "delete", &crate::device()]).spawn().expect("rdma can be started"))
}

/// The removal, for which nothing is open any more, ends; then the device is made anew.
fn renewed(mut removal: Killed, interface: &str) {
    let begun = Instant::now();
    let status = loop {
        match removal.0.try_wait().expect("its status") {
            Some(status) => break status,
            None => assert!(begun.elapsed() < PATIENCE, "the removal does not end"),
        }
        thread::yield_now();
    };
    assert!(status.success(), "rdma link delete: {status}");
    ran("rdma", &["link", "add", &crate::device(), "type", "rxe", "netdev", interface]);
    wait_for_device();
}

/// Set for the process that is killed, which is this program too.
const PEER: &str = "QPAIR_TEST_PEER";

/// The killed end: waits for a request, accepts it, and does nothing more.
fn peer() -> ! {
    let door = Door::open();
    let end = End::new(&door.adapter);
    println!("listens at {}", door.address());
    let passive = door.arrival();
    passive.accept(&end.qp, LIMITS, b"", OnDisconnect::ignore()).wait().expect("it accepts");
    println!("connected");
    loop {
        thread::park();
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn a_peer_that_is_killed_ends_what_is_pending() {
    if std::env::var_os(PEER).is_some() {
        peer();
    }
    let _alone = alone();
    let own = std::env::current_exe().expect("this program");
    let mut command = Command::new(own);
    command
        .args(["--exact", "loss::a_peer_that_is_killed_ends_what_is_pending", "--nocapture"])
        .env(PEER, "yes");
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the peer starts");
    let mut child = Killed(child);
    let mut lines = BufReader::new(child.0.stdout.take().expect("its output")).lines();
    let mut said = |what: &str| -> String {
        let found = lines
            .by_ref()
            .map(|line| line.expect("text"))
            .find_map(|line| line.split_once(what).map(|(_, rest)| rest.trim().to_owned()));
        found.unwrap_or_else(|| panic!("the peer never said {what:?}"))
    };
    let to: SocketAddr = said("listens at").parse().expect("an address");
    let adapter = Adapter::open(&crate::device()).expect("the device opens");
    let (end, active) = (End::new(&adapter), adapter.create_connector().wait().expect("a connector"));
    active.connect(&end.qp, adapter.addresses()[0], to, LIMITS, b"").wait().expect("the peer accepts");
    let (gone, parting) = channel();
    active.complete_connect(move || gone.send(()).unwrap_or_default()).wait().expect("the connect completes");
    let _rest = said("connected");
    pend(&end);
    drop(child);
    parting.recv_timeout(2 * PATIENCE).expect("the disconnect event");
    let failed = answered(&end);
    let first = failed.iter().find(|completion| completion.status != Status::CANCELLED);
    assert!(failed.iter().all(|completion| completion.status != Status::SUCCESS), "{failed:?}");
    assert!(first.is_none_or(|first| first.status == Status::IO_TIMEOUT), "{first:?}");
    active.close().wait().expect("the connector closes");
    end.close();
    adapter.close().expect("the adapter closes");
}

#[test]
fn a_link_that_goes_down_leaves_nothing_that_cannot_be_cancelled() {
    may_break();
    let _alone = alone();
    let (interface, door) = (interface(), Door::open());
    let Pair { a, b, active, passive } = door.connect();
    pend(&a);
    ran("ip", &["link", "set", &interface, "down"]);
    a.qp.flush();
    let cancelled = answered(&a);
    assert!(cancelled.iter().all(|completion| completion.status != Status::SUCCESS), "{cancelled:?}");
    [active.close(), passive.close()].into_iter().for_each(|close| close.wait().expect("a connector closes"));
    a.close();
    b.close();
    door.close();
    ran("ip", &["link", "set", &interface, "up"]);
    // Soft-RoCE brings no message of the connection manager any more once one was sent over a link that is
    // down; a device that is made anew does.
    let adapter = Adapter::open(&crate::device()).expect("the device opens");
    let end = End::new(&adapter);
    end.qp.receive(0, &[end.sge()]).expect("a receive");
    let removal = removal();
    let mut completion = [Completion::default()];
    assert_eq!(end.cq.wait(&mut completion, Some(PATIENCE)).expect("a wait"), 1, "the removal is heard of");
    end.close();
    adapter.close().expect("the adapter closes");
    renewed(removal, &interface);
}

#[test]
fn a_device_that_is_removed_answers_what_is_pending() {
    may_break();
    let _alone = alone();
    let (interface, door) = (interface(), Door::open());
    let Pair { a, b, active, passive } = door.connect();
    pend(&a);
    let mut removal = removal();
    let cancelled = answered(&a);
    assert!(cancelled.iter().all(|completion| completion.status == Status::CANCELLED), "{cancelled:?}");
    assert!(removal.0.try_wait().expect("its status").is_none(), "it waits for the context to be closed");
    [active.close(), passive.close()].into_iter().for_each(|close| close.wait().expect("a connector closes"));
    a.close();
    b.close();
    door.close();
    renewed(removal, &interface);
}

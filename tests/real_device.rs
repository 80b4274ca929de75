//! Real devices, as programs meet them: the `qpair` command on one, and what a program must be able to rely
//! on.
//!
//! QPAIR_RDMA_DEVICE names the device, rxe0 if it does not: `cargo xtask softroce` runs these over rxe0 in a
//! guest, and builds the examples first, which are run too. They are no part of `cargo test`, which has no
//! device. QPAIR_STRESS multiplies the long ones.

use qpair::ndk::ext::Feature;
use qpair::ndk::{Adapter, Status};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

#[path = "real_device/cycles.rs"]
mod cycles;
#[path = "real_device/features.rs"]
mod features;
#[path = "real_device/flush.rs"]
mod flush;
#[path = "real_device/loss.rs"]
mod loss;
#[path = "real_device/programs.rs"]
mod programs;
#[path = "real_device/protection.rs"]
mod protection;
#[path = "real_device/queues.rs"]
mod queues;
#[path = "real_device/rig.rs"]
mod rig;

fn device() -> String {
    std::env::var("QPAIR_RDMA_DEVICE").unwrap_or_else(|_| "rxe0".to_owned())
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qpair"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command.output().expect("the command can be started")
}

/// The document of a run that succeeds.
#[track_caller]
fn document(arguments: &[&str]) -> Value {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}{printed}");
    serde_json::from_slice(&output.stdout).expect("one JSON document on standard output")
}

#[test]
fn the_device_is_listed_with_what_it_can_do() {
    let _alone = rig::alone();
    let listed = document(&["devices", "--json"]);
    let devices = listed["devices"].as_array().expect("a list");
    let own = devices.iter().find(|one| one["name"] == device()).expect("the device");
    assert_eq!(own["kind"], "kernel");
    assert!(own["can"]["max_cq_depth"].as_u64().is_some_and(|depth| depth >= 1024), "{own}");
    assert!(!own["can"]["addresses"].as_array().expect("a list").is_empty(), "{own}");
    let lacks = own["can"]["lacks"].as_object().expect("names and reasons");
    let features = own["can"]["features"].as_array().expect("names");
    assert_eq!(lacks.len() + features.len(), Feature::ALL.len(), "{own}");
    assert!(lacks["ALLOW_REMOTE_INVALIDATE"].as_str().is_some_and(|why| why.contains(&device())), "{own}");
}

#[test]
fn the_doctor_opens_the_device() {
    let _alone = rig::alone();
    let examined = document(&["doctor", "--json", "--device", &device()]);
    assert_eq!(examined["opened"], serde_json::json!([device()]));
}

#[test]
fn pingpong_verifies_each_operation() {
    let _alone = rig::alone();
    for (op, threads) in [("send", "2"), ("send", "1"), ("write", "2"), ("read", "1"), ("cas", "1")] {
        let arguments = ["pingpong", "--json", "--iters", "200", "--device", &device(), "--op", op];
        let done = document(&[&arguments[..], &["--threads", threads]].concat());
        let messages = if matches!(op, "send" | "write") { 440 } else { 220 };
        assert_eq!(done["verified_messages"], messages, "{op}: {done}");
    }
}

#[test]
fn flush_keeps_its_promises_and_ends_the_connection() {
    let _alone = rig::alone();
    let told = document(&["flush", "--json", "--device", &device()]);
    assert_eq!((&told["pending_before"], &told["pending_after"]), (&8.into(), &0.into()));
    assert_eq!(told["connection"], "ends");
    assert_eq!(told["cancelled_later"].as_array().expect("a list").len(), 2);
}

#[test]
fn the_statements_about_flush_hold() {
    let _alone = rig::alone();
    let report = document(&["conformance", "--json", "--device", &device(), "--filter", "FLUSH"]);
    assert_eq!(report["counts"]["failed"], 0);
    assert!(report["counts"]["passed"].as_u64().is_some_and(|passed| passed >= 25), "{}", report["counts"]);
}

#[test]
fn the_statements_about_own_memory_hold() {
    let _alone = rig::alone();
    let which = ["MR-16", "MR-18", "MR-19", "MR-24"].map(|statement| ["--filter", statement]).concat();
    let report = document(&[&["conformance", "--json", "--device", &device()], &which[..]].concat());
    assert_eq!(report["counts"]["passed"], 4, "{report}");
}

/// Every port that can be chosen is taken here, so nothing else of this process may hold one.
#[test]
fn all_ports_that_can_be_chosen_are_its_users() {
    let _alone = rig::alone();
    for _ in 0..rig::rounds(3) {
        let report = document(&["conformance", "--json", "--device", &device(), "--filter", "CONN-27"]);
        assert_eq!(report["counts"]["passed"], 1, "{}", report["counts"]);
    }
}

#[test]
fn other_addresses_of_the_device_are_other_hosts() {
    let _alone = rig::alone();
    let addresses = Adapter::open(&device()).expect("the device opens").addresses();
    let two_hosts = addresses.iter().filter(|address| address.is_ipv4()).count() >= 2;
    let ipv6 = addresses.iter().any(|address| address.is_ipv6());
    for (statement, can) in
        [("CLOSE-6", two_hosts), ("CLOSE-10", two_hosts), ("ADP-8", two_hosts), ("CONN-44", ipv6)]
    {
        let report = document(&["conformance", "--json", "--device", &device(), "--filter", statement]);
        let expected = if can { "pass" } else { "not supported" };
        assert_eq!(report["statements"][0]["result"], expected, "{report}");
    }
}

#[test]
fn an_adapter_of_one_address_has_no_other() {
    let _alone = rig::alone();
    let all = Adapter::open(&device()).expect("the device opens").addresses();
    for address in &all {
        let one = Adapter::open(&format!("{}@{}", device(), address.ip())).expect("it opens by its address");
        assert_eq!(one.addresses(), [*address]);
        for other in &all {
            let listener = one.create_listener(drop).wait().expect("a listener");
            let ended = listener.listen(*other).wait().map_err(|error| error.status());
            let expected = if other == address { Ok(()) } else { Err(Status::INVALID_ADDRESS) };
            assert_eq!(ended, expected, "a listener at {other} on the adapter of {address}");
        }
    }
    let refused = Adapter::open(&format!("{}@203.0.113.7", device())).expect_err("nobody has it");
    assert_eq!(refused.status(), Status::INVALID_ADDRESS);
    let why = std::error::Error::source(&refused).expect("what it has").to_string();
    assert!(all.iter().all(|address| why.contains(&address.ip().to_string())), "{why}");
}

#[test]
fn a_peer_that_parts_is_told_from_one_that_is_gone() {
    let _alone = rig::alone();
    for statement in ["CONN-30", "CONN-38", "CLOSE-12"] {
        let report = document(&["conformance", "--json", "--device", &device(), "--filter", statement]);
        assert_eq!(report["counts"]["passed"], 1, "{statement}: {}", report["counts"]);
    }
}

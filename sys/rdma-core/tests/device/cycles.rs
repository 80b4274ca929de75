//! Two hundred connections made and dropped leave nothing behind, in the kernel or in the process.

#[allow(dead_code)] // shared with the other tests, which use more of it
mod rig;

use qpair_rdma_core::{Access, Operation, Payload, QpDescription};
use rig::{Memory, Pair};
use std::process::Command;

/// What the kernel holds, in its own words.
fn resources() -> String {
    let output = Command::new("rdma").args(["resource", "show"]).output().expect("rdma of iproute2 runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn cycles_leave_nothing_behind() {
    // The first one of each kind makes what the libraries keep for the process.
    cycle(0);
    let (kernel, files) = (resources(), open_files());
    (1..=200).for_each(cycle);
    assert_eq!(resources(), kernel);
    assert_eq!(open_files(), files);
}

/// Creates, connects, exchanges, fails half-way, and drops: in order, or by an end that goes first.
fn cycle(round: u32) {
    let context = rig::device();
    let pair = Pair::new(&context, round % 2 == 0);
    let window = pair.passive.pd.create_mw().unwrap();
    pair.active.run(Operation::Write(pair.passive.memory.remote(0)), Payload::Inline(b"x"));
    pair.passive.qp.post_receive(1, &[]).unwrap(); // left pending
    let huge = QpDescription { send_sge: 1 << 20, ..QpDescription::new(&pair.active.cq) };
    assert!(pair.active.pd.create_qp(&huge).is_err());
    let extra = Memory::new(&pair.active.pd, 64, Access::LOCAL_WRITE);
    match round % 3 {
        0 => drop(pair),
        1 => pair.active_id.disconnect().unwrap(),
        _ => rig::to_error(&pair.passive.qp),
    }
    drop(extra);
    window.close().unwrap();
}

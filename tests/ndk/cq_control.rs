//! CQ-27 to CQ-30: resize. CQ-32 to CQ-36: interrupt moderation.

use crate::cq::Noted;
use crate::world::{PATIENCE, adapter};
use qpair::ndk::{
    Adapter, AdapterFlags, Clock, Completion, Cq, CqNotify, ManualClock, NotifyType, QpDescription, Status,
};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// MAXULONG.
const MAX: u32 = u32::MAX;

/// CQ-27, Q-30: above MaxCqDepth, or nothing at all.
#[test]
fn cq_27_a_depth_above_the_limit_is_refused() {
    let adapter = adapter("cq_27");
    let (cq, max) = (adapter.create_cq(4, CqNotify::None).wait().unwrap(), adapter.info().max_cq_depth);
    for depth in [0, max + 1] {
        let error = cq.resize(depth).wait().unwrap_err();
        assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("CqDepth")));
        assert_eq!((error.call(), error.limit()), ("NdkResizeCq", Some(max.to_string().as_str())));
    }
    assert_eq!(cq.depth(), 4);
    cq.resize(max).wait().unwrap();
    assert_eq!(cq.depth(), max);
}

/// Without the adapter flag the call is not supported.
#[test]
fn cq_27_resize_needs_the_adapter_flag() {
    let all = Adapter::open("local/cq_flags").unwrap().info().adapter_flags;
    let without = |flag: AdapterFlags| {
        let adapter = Adapter::options("local/cq_flags").flags(all.outside(flag)).open().unwrap();
        (adapter.create_cq(4, CqNotify::None).wait().unwrap(), adapter)
    };
    let (cq, _adapter) = without(AdapterFlags::CQ_RESIZE_SUPPORTED);
    assert_eq!(cq.resize(8).wait().unwrap_err().status(), Status::NOT_SUPPORTED);
    cq.control_interrupt_moderation(10, 2).unwrap();
    let (cq, _adapter) = without(AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED);
    cq.resize(8).wait().unwrap();
    // CQ-32.
    let error = cq.control_interrupt_moderation(10, 2).unwrap_err();
    assert_eq!(error.status(), Status::NOT_SUPPORTED);
}

/// CQ-29: fewer than are in it: BUFFER_OVERFLOW, and nothing changes.
#[test]
fn cq_29_fewer_than_are_in_it() {
    let noted = Noted::new("cq_29", 8);
    (0..3).for_each(|context| noted.entry(context));
    let error = noted.cq.resize(2).wait().unwrap_err();
    assert_eq!((error.status(), error.got()), (Status::BUFFER_OVERFLOW, Some("2")));
    assert_eq!((noted.cq.depth(), noted.cq.len()), (8, 3));
    noted.cq.resize(3).wait().unwrap();
    assert_eq!((noted.cq.depth(), noted.poll(8)), (3, vec![0, 1, 2]));
}

/// CQ-28, CQ-19: the new depth is what an overrun is judged by, and what is in it stays in order.
#[test]
fn cq_28_an_overrun_is_judged_by_the_new_depth() {
    let noted = Noted::new("cq_28_overrun", 2);
    (0..2).for_each(|context| noted.entry(context));
    noted.cq.resize(5).wait().unwrap();
    (2..5).for_each(|context| noted.entry(context));
    assert!(!noted.cq.has_overrun());
    assert_eq!(noted.poll(3), [0, 1, 2]);
    noted.cq.resize(2).wait().unwrap();
    noted.cq.arm(NotifyType::Errors);
    noted.entry(5);
    assert!(noted.cq.has_overrun());
    assert_eq!(noted.notes.try_iter().collect::<Vec<_>>(), [Status::BUFFER_OVERFLOW]);
    assert_eq!(noted.poll(9), [3, 4]);
}

/// A queue that notes its notifications, on a clock that stands still.
fn moderated(test: &str, depth: u32) -> (ManualClock, Noted) {
    let clock = ManualClock::new();
    let adapter = Adapter::options(&format!("local/{test}")).clock(Clock::Manual(clock.clone()));
    (clock, Noted::on(adapter.open().unwrap(), depth))
}

/// The next notification comes, by the driver's thread.
fn called(noted: &Noted) -> Result<Status, RecvTimeoutError> {
    noted.notes.recv_timeout(PATIENCE)
}

/// CQ-33: neither bound, or none but a count that may never be reached.
#[test]
fn cq_33_both_bounds_missing() {
    let noted = Noted::new("cq_33", 8);
    for (interval, count) in [(MAX, MAX), (MAX, 9)] {
        let error = noted.cq.control_interrupt_moderation(interval, count).unwrap_err();
        assert_eq!(error.status(), Status::INVALID_PARAMETER_MIX);
        assert_eq!((error.argument(), error.limit()), (Some("ModerationCount"), Some("8")));
    }
    for (interval, count) in [(MAX, 8), (10, MAX), (10, 9), (MAX, 0), (0, MAX)] {
        noted.cq.control_interrupt_moderation(interval, count).unwrap();
    }
}

/// CQ-34, CQ-36, Q-18: interval 0, or count 0 or 1, is none; the call returns its result at once.
#[test]
fn cq_34_no_moderation() {
    let (_clock, noted) = moderated("cq_34", 8);
    for (context, (interval, count)) in
        [(0, 4), (0, MAX), (100, 0), (100, 1), (MAX, 1)].into_iter().enumerate()
    {
        noted.cq.control_interrupt_moderation(interval, count).unwrap();
        noted.cq.arm(NotifyType::Any);
        noted.entry(context as u64);
        assert_eq!((noted.calls(), noted.poll(8).len()), (1, 1), "interval {interval}, count {count}");
    }
}

/// CQ-35: called when the count is reached, however many were polled meanwhile; then not again.
#[test]
fn cq_35_the_count_is_reached() {
    let (_clock, noted) = moderated("cq_35_count", 8);
    noted.cq.control_interrupt_moderation(MAX, 3).unwrap();
    noted.cq.arm(NotifyType::Any);
    noted.entry(0);
    noted.entry(1);
    assert_eq!((noted.calls(), noted.poll(1)), (0, vec![0]));
    noted.entry(2);
    assert_eq!(noted.calls(), 1);
    noted.entry(3);
    assert_eq!(noted.calls(), 0, "one arm, one call");
    noted.poll(8);
    // Those that are there when it is armed count too.
    (4..6).for_each(|context| noted.entry(context));
    noted.cq.arm(NotifyType::Any);
    assert_eq!(noted.calls(), 0);
    noted.entry(6);
    assert_eq!(noted.calls(), 1);
}

/// CQ-35: called when the interval since the satisfying entry is over, and not before.
#[test]
fn cq_35_the_interval_is_over() {
    let (clock, noted) = moderated("cq_35_interval", 8);
    noted.cq.control_interrupt_moderation(100, MAX).unwrap();
    noted.cq.arm(NotifyType::Any);
    clock.advance(Duration::from_micros(500));
    noted.entry(0);
    clock.advance(Duration::from_micros(99));
    noted.entry(1);
    assert_eq!(noted.calls(), 0);
    clock.advance(Duration::from_micros(1));
    assert_eq!(called(&noted), Ok(Status::SUCCESS));
    clock.advance(Duration::from_secs(1));
    noted.cq.arm(NotifyType::Any);
    noted.entry(2);
    assert_eq!(noted.calls(), 0, "the next interval begins with the next entry");
    clock.advance(Duration::from_micros(100));
    assert_eq!(called(&noted), Ok(Status::SUCCESS));
    assert_eq!(noted.calls(), 0);
}

/// CQ-35: whatever is reached first; the other bound then calls nothing.
#[test]
fn cq_35_the_first_bound_counts() {
    let (clock, noted) = moderated("cq_35_both", 8);
    noted.cq.control_interrupt_moderation(100, 2).unwrap();
    noted.cq.arm(NotifyType::Any);
    noted.entry(0);
    noted.entry(1);
    assert_eq!((noted.calls(), noted.poll(8).len()), (1, 2));
    clock.advance(Duration::from_micros(99));
    noted.cq.arm(NotifyType::Any);
    noted.entry(2);
    clock.advance(Duration::from_micros(1));
    assert_eq!(noted.calls(), 0, "the time of the first is over, not that of the second");
    clock.advance(Duration::from_micros(99));
    assert_eq!(called(&noted), Ok(Status::SUCCESS));
}

/// CQ-33, CQ-34: a later call supersedes an earlier one, and what was held is not lost.
#[test]
fn cq_34_a_later_call_supersedes() {
    let (_clock, noted) = moderated("cq_34_later", 8);
    for (context, (interval, count)) in [(0, 0), (MAX, 2), (1000, MAX)].into_iter().enumerate() {
        noted.cq.control_interrupt_moderation(1000, 8).unwrap();
        noted.cq.arm(NotifyType::Any);
        noted.entry(context as u64);
        assert_eq!(noted.calls(), 0);
        noted.cq.control_interrupt_moderation(interval, count).unwrap();
        assert_eq!((noted.calls(), noted.poll(8).len()), (1, 1));
    }
}

/// CQ-19, CQ-21: an overrun is told at once, moderated or not.
#[test]
fn cq_35_an_overrun_is_not_delayed() {
    let (_clock, noted) = moderated("cq_35_overrun", 2);
    noted.cq.control_interrupt_moderation(1000, MAX).unwrap();
    noted.cq.arm(NotifyType::Any);
    (0..2).for_each(|context| noted.entry(context));
    assert_eq!(noted.calls(), 0);
    noted.entry(2);
    assert_eq!(noted.notes.try_iter().collect::<Vec<_>>(), [Status::BUFFER_OVERFLOW]);
}

/// CLOSE-5, CQ-35: the close waits for no interval, and what is held dies with the arm.
#[test]
fn cq_35_close_drops_what_is_held() {
    let (clock, noted) = moderated("cq_35_close", 8);
    noted.cq.control_interrupt_moderation(1000, MAX).unwrap();
    noted.cq.arm(NotifyType::Any);
    noted.entry(0);
    let Noted { cq, qp, notes, .. } = noted;
    qp.close().wait().unwrap();
    cq.close().wait().unwrap();
    clock.advance(Duration::from_secs(1));
    // The closure went with the close, and has not been called.
    assert_eq!(notes.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

/// CQ-35: who waits is held back as well, and is woken when the interval is over.
#[test]
fn cq_35_who_waits_is_woken() {
    let clock = ManualClock::new();
    let adapter = Adapter::options("local/cq_35_wait").clock(Clock::Manual(clock.clone())).open().unwrap();
    let cq: Cq = adapter.create_cq(8, CqNotify::Waiters).wait().unwrap();
    let qp = adapter.create_pd().wait().unwrap().create_qp(QpDescription::new(&cq)).wait().unwrap();
    cq.control_interrupt_moderation(50, MAX).unwrap();
    cq.arm(NotifyType::Any);
    qp.receive(7, &[]).unwrap();
    qp.flush();
    assert_eq!(cq.counters().notifications, 0);
    clock.advance(Duration::from_micros(50));
    let mut place = [Completion::default()];
    assert_eq!(cq.wait(&mut place, Some(PATIENCE)), Ok(1));
    assert_eq!(place[0].request_context, 7);
}

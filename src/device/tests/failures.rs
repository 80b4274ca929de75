//! Completion queues and shared receive queues that fail for a reason of their own, and moderation with a
//! driver by hand.

use super::super::cq::{Cq, CqState, Notify};
use super::super::lifetime::Life;
use super::super::srq::{Srq, SrqDescription, SrqState};
use super::super::{Device, qp};
use super::world::{Hand, World, pair_by_hand, pair_with};
use super::{send, statuses};
use crate::device::state::QpState;
use crate::ring::ArmLevel;
use crate::work::Status;
use std::sync::{Arc, Mutex};

type Diary<T> = Arc<Mutex<Vec<T>>>;

fn noted_cq(device: &Arc<Device>, depth: u32) -> (Arc<Cq>, Diary<CqState>) {
    let diary = Diary::default();
    let notes = Arc::clone(&diary);
    let notify = Notify::Callback(Box::new(move |state| notes.lock().unwrap().push(state)));
    (Cq::new(Arc::clone(device), Life::new([]), depth, notify), diary)
}

fn noted_srq(device: &Arc<Device>, threshold: u32) -> (Arc<Srq>, Diary<SrqState>) {
    let diary = Diary::default();
    let notes = Arc::clone(&diary);
    let callback: super::super::srq::SrqCallback = Box::new(move |state| notes.lock().unwrap().push(state));
    let description = SrqDescription { depth: 4, sge: 1, threshold, callback: Some(callback) };
    (device.create_srq(description, Vec::new()).unwrap(), diary)
}

fn take<T>(diary: &Diary<T>) -> Vec<T> {
    std::mem::take(&mut *diary.lock().unwrap())
}

/// A queue pair of its own, neither connected nor used for messages.
fn queue_pair(device: &Arc<Device>, cq: &Arc<Cq>, srq: Option<&Arc<Srq>>) -> Arc<qp::Qp> {
    let description = qp::QpDescription {
        pd: device.new_pd(),
        send_cq: Arc::clone(cq),
        receive_cq: Arc::clone(cq),
        srq: srq.cloned(),
        context: 0,
        send_depth: 4,
        receive_depth: if srq.is_some() { 0 } else { 4 },
        send_sge: 1,
        receive_sge: 1,
        inline: 0,
        rnr_limit: None,
        rules: qp::Rules::default(),
        faults: None,
    };
    device.create_qp(description, Vec::new()).unwrap()
}

#[test]
fn a_completion_queue_that_fails_tells_every_arm_and_kills_its_queue_pairs() {
    let (_, a, b) = pair_by_hand(&World::default());
    send(&a, 1, 0..1).unwrap();
    b.receive(1, 0..1).unwrap();
    b.receive(2, 0..1).unwrap();
    a.cq.fail();
    assert_eq!((a.cq.state(), a.notified()), (CqState::Fatal, 0));
    assert_eq!((a.qp.state(), b.qp.state()), (QpState::Error, QpState::Error), "and the peer");
    a.cq.arm(ArmLevel::Errors);
    a.cq.arm(ArmLevel::Any);
    assert_eq!(a.notified(), 2);
    // What was in it stays, what comes does not.
    assert_eq!(statuses(&a), [(1, Status::Success)]);
    a.receive(3, 0..1).unwrap();
    assert_eq!(statuses(&a), []);
    assert_eq!(statuses(&b), [(1, Status::Success), (2, Status::Flushed)]);
    a.cq.fail();
    assert_eq!(a.notified(), 2, "it fails once");
}

#[test]
fn an_arm_hears_of_a_failure_at_once_moderated_or_not() {
    let (_, a, _b) = pair_by_hand(&World::default());
    let (cq, notes) = noted_cq(a.device(), 4);
    let qp = queue_pair(a.device(), &cq, None);
    cq.moderate(crate::device::moderation::Moderation { interval: None, count: Some(3) });
    cq.arm(ArmLevel::Any);
    qp.post_receive(1, &[]).unwrap();
    qp.flush();
    assert_eq!(take(&notes), []);
    cq.fail();
    assert_eq!(take(&notes), [CqState::Fatal]);
    assert_eq!((qp.state(), cq.len()), (QpState::Error, 1));
}

#[test]
fn a_shared_receive_queue_that_fails_tells_its_user_and_kills_its_queue_pairs() {
    let (_, a, _b) = pair_by_hand(&World::default());
    let (cq, _) = noted_cq(a.device(), 4);
    let (srq, notes) = noted_srq(a.device(), 0);
    let (with, without) = (queue_pair(a.device(), &cq, Some(&srq)), queue_pair(a.device(), &cq, None));
    srq.post(1, &[]).unwrap();
    srq.fail();
    srq.fail();
    assert_eq!(take(&notes), [SrqState::Fatal]);
    assert_eq!((with.state(), without.state()), (QpState::Error, QpState::Init));
    // A threshold that is set on it is answered, whatever is queued.
    srq.modify(0, 1).unwrap();
    assert_eq!(take(&notes), [SrqState::Fatal]);
    srq.modify(8, 0).unwrap();
    assert_eq!((take(&notes), srq.depth(), cq.len()), (vec![], 8, 0));
}

#[test]
fn a_queue_that_nobody_hears_of_has_no_threshold() {
    let (_a, b) = pair_with(World { shared_depth: 4, ..World::default() });
    let srq = b.srq.as_ref().unwrap();
    srq.modify(0, 3).unwrap();
    srq.fail();
    assert_eq!(b.qp.state(), QpState::Error);
}

#[test]
fn the_driver_is_told_of_each_hold_and_releases_what_is_due() {
    use crate::device::moderation::Moderation;
    use crate::time::Span;
    let (hand, a, _b) = pair_by_hand(&World::default());
    let (cq, notes) = noted_cq(a.device(), 8);
    let qp = queue_pair(a.device(), &cq, None);
    let entry = || {
        qp.post_receive(1, &[]).unwrap();
        qp.flush();
    };
    cq.moderate(Moderation { interval: Some(Span::from_millis(1)), count: None });
    cq.arm(ArmLevel::Any);
    hand.drive(a.device());
    entry();
    assert_eq!((hand.drive(a.device()), take(&notes)), (1, vec![]));
    hand.set(999_999);
    entry();
    assert_eq!((hand.drive(a.device()), take(&notes)), (0, vec![]), "one arm, one time");
    hand.set(1_000_000);
    hand.drive(a.device());
    assert_eq!(take(&notes), [CqState::Working]);
    // Held, released by a new rule, held anew: the time of the first is nothing to the second.
    cq.arm(ArmLevel::Any);
    entry();
    hand.set(1_500_000);
    cq.moderate(Moderation { interval: Some(Span::from_millis(1)), count: Some(9) });
    assert_eq!(take(&notes), [CqState::Working]);
    cq.arm(ArmLevel::Any);
    entry();
    hand.set(2_000_000);
    hand.drive(a.device());
    assert_eq!(take(&notes), []);
    hand.set(2_500_000);
    hand.drive(a.device());
    assert_eq!(take(&notes), [CqState::Working]);
    assert_eq!(Hand::drive(&hand, a.device()), 0, "nothing is left to do");
}

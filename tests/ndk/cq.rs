//! CQ-*: polling, arming, waiting, overrun.

use crate::world::{End, PATIENCE, adapter, all, connect, cq, pair, take};
use qpair::ndk::{
    Adapter, Completion, Cq, CqError, CqNotify, Data, NotifyType, OpFlags, Qp, QpDescription, Status,
};
use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

/// A completion queue that notes its notifications, and a queue pair that completes into it.
pub struct Noted {
    pub cq: Cq,
    pub qp: Qp,
    pub notes: Receiver<Status>,
    _adapter: Adapter,
}

impl Noted {
    pub fn new(test: &str, depth: u32) -> Self {
        Self::on(adapter(test), depth)
    }

    pub fn on(adapter: Adapter, depth: u32) -> Self {
        let (note, notes) = mpsc::channel();
        let notify = CqNotify::callback(move |event| note.send(event.status()).unwrap());
        let cq = adapter.create_cq(depth, notify).wait().unwrap();
        let pd = adapter.create_pd().wait().unwrap();
        let qp = pd.create_qp(QpDescription::new(&cq)).wait().unwrap();
        Self { cq, qp, notes, _adapter: adapter }
    }

    /// Brings an entry: a receive that is cancelled.
    pub fn entry(&self, context: u64) {
        self.qp.receive(context, &[]).unwrap();
        self.qp.flush();
    }

    pub fn calls(&self) -> usize {
        self.notes.try_iter().count()
    }

    pub fn poll(&self, count: usize) -> Vec<u64> {
        let mut places = vec![Completion::default(); count];
        let got = self.cq.poll(&mut places);
        places[..got].iter().map(|c| c.request_context).collect()
    }
}

/// CQ-2, CQ-3: an empty queue yields nothing; more entries than asked for stay, in order.
#[test]
fn cq_3_as_many_as_asked_for_are_taken() {
    let noted = Noted::new("cq_3", 8);
    assert_eq!(noted.poll(4), [0; 0]);
    (0..5).for_each(|context| noted.entry(context));
    assert_eq!(noted.poll(0), [0; 0]);
    assert_eq!(noted.poll(2), [0, 1]);
    assert_eq!(noted.poll(9), [2, 3, 4]);
}

/// CQ-4, CQ-5, CQ-6: never armed, never called; one arm, one call, however many entries.
#[test]
fn cq_5_one_arm_one_call() {
    let noted = Noted::new("cq_5", 8);
    noted.entry(0);
    assert_eq!(noted.calls(), 0);
    assert_eq!(noted.poll(1), [0]);
    noted.cq.arm(NotifyType::Any);
    assert_eq!(noted.calls(), 0, "polled entries do not count");
    (1..4).for_each(|context| noted.entry(context));
    assert_eq!(noted.calls(), 1);
}

/// CQ-7, CQ-8: an entry that is new since the last call satisfies an arm at once.
#[test]
fn cq_7_an_entry_before_the_arm_notifies_at_once() {
    let noted = Noted::new("cq_7", 8);
    assert_eq!(noted.poll(1), [0; 0]);
    noted.entry(1);
    noted.cq.arm(NotifyType::Any);
    assert_eq!(noted.calls(), 1);
    noted.entry(2);
    noted.cq.arm(NotifyType::Any);
    assert_eq!(noted.calls(), 1);
}

/// CQ-9: old entries call at most once more, and a later one is still told.
#[test]
fn cq_9_old_entries_do_not_hide_a_new_one() {
    let noted = Noted::new("cq_9", 8);
    noted.cq.arm(NotifyType::Any);
    noted.entry(1);
    assert_eq!(noted.calls(), 1);
    noted.cq.arm(NotifyType::Any);
    let early = noted.calls();
    assert!(early <= 1);
    if early == 1 {
        noted.cq.arm(NotifyType::Any);
    }
    noted.entry(2);
    assert_eq!(noted.calls(), 1);
}

/// CQ-10: a call that is due while one is running starts when that one has returned.
#[test]
fn cq_10_calls_do_not_overlap() {
    let adapter = adapter("cq_10");
    let inside = Arc::new(Mutex::new(()));
    let (note, notes) = mpsc::channel();
    let (gate, in_call) = (Arc::new(Barrier::new(2)), Arc::clone(&inside));
    let wait = Arc::clone(&gate);
    let first = Mutex::new(true);
    let notify = CqNotify::callback(move |event| {
        let _alone = in_call.try_lock().expect("calls of one queue do not overlap");
        event.arm(NotifyType::Any);
        if std::mem::take(&mut *first.lock().unwrap()) {
            wait.wait(); // in the call
            wait.wait(); // another entry has come
        }
        note.send(()).unwrap();
    });
    let cq = adapter.create_cq(8, notify).wait().unwrap();
    let qp = adapter.create_pd().wait().unwrap().create_qp(QpDescription::new(&cq)).wait().unwrap();
    cq.arm(NotifyType::Any);
    thread::scope(|scope| {
        scope.spawn(|| {
            qp.receive(1, &[]).unwrap();
            qp.flush();
        });
        gate.wait();
        qp.receive(2, &[]).unwrap();
        qp.flush();
        gate.wait();
    });
    for _ in 0..2 {
        notes.recv_timeout(PATIENCE).unwrap();
    }
}

/// CQ-11 to CQ-14: arms merge into the strongest, and two of them are one call.
#[test]
fn cq_14_arms_merge() {
    use NotifyType::{Any, Errors, Solicited};
    let pair = pair("cq_14");
    let (note, notes) = mpsc::channel();
    let notify = CqNotify::callback(move |_| note.send(()).unwrap());
    let cq = pair.adapter.create_cq(64, notify).wait().unwrap();
    let pd = pair.adapter.create_pd().wait().unwrap();
    let qp = pd.create_qp(QpDescription::new(&cq)).wait().unwrap();
    let peer = End::new(&pair.adapter);
    let _connection = connect(&pair.adapter, &qp, &peer.qp);
    // What a pair of arms is satisfied by: an ordinary success, and a solicited entry.
    let rows = [
        (Any, Any, 1, 0),
        (Any, Errors, 1, 0),
        (Any, Solicited, 1, 0),
        (Errors, Any, 1, 0),
        (Solicited, Any, 1, 0),
        (Errors, Solicited, 0, 1),
        (Solicited, Errors, 0, 1),
        (Solicited, Solicited, 0, 1),
        (Errors, Errors, 0, 0),
    ];
    for (first, second, by_ordinary, by_solicited) in rows {
        cq.arm(first);
        cq.arm(second);
        for (flags, calls) in [(OpFlags::NONE, by_ordinary), (OpFlags::SEND_AND_SOLICIT_EVENT, by_solicited)]
        {
            qp.receive(1, &[]).unwrap();
            peer.qp.send(2, Data::NONE, flags).unwrap();
            assert_eq!(notes.try_iter().count(), calls, "{first:?}, then {second:?}, {flags:?}");
            assert_eq!(cq.poll(&mut [Completion::default(); 2]), 1);
        }
        // Nothing is left of this row's arms for the next: an ANY that is satisfied at once at the latest.
        cq.arm(Any);
        qp.receive(1, &[]).unwrap();
        peer.qp.send(2, Data::NONE, OpFlags::NONE).unwrap();
        assert_eq!(notes.try_iter().count(), 1);
        assert_eq!(cq.poll(&mut [Completion::default(); 2]), 1);
        peer.take(3);
    }
}

/// CQ-15, CQ-16: an unsolicited success leaves a SOLICITED arm, a solicited one is told when it is there.
#[test]
fn cq_16_solicited_entries_are_told() {
    let adapter = adapter("cq_16");
    let (note, notes) = mpsc::channel();
    let notify = CqNotify::callback(move |event| {
        note.send(event.poll(&mut [Completion::default(); 8])).unwrap();
    });
    let cq = adapter.create_cq(8, notify).wait().unwrap();
    let qp = adapter.create_pd().wait().unwrap().create_qp(QpDescription::new(&cq)).wait().unwrap();
    let peer = End::new(&adapter);
    let _connection = connect(&adapter, &peer.qp, &qp);
    cq.arm(NotifyType::Solicited);
    (0..2).for_each(|context| qp.receive(context, &[]).unwrap());
    peer.qp.send(1, Data::NONE, OpFlags::NONE).unwrap();
    assert!(notes.try_recv().is_err());
    peer.qp.send(2, Data::NONE, OpFlags::SEND_AND_SOLICIT_EVENT).unwrap();
    assert_eq!(notes.try_recv(), Ok(2));
}

/// CQ-19 to CQ-23: an overrun satisfies every arm, is told again at each, and kills the queue pairs.
#[test]
fn cq_19_overrun_is_told_and_what_fitted_can_be_polled() {
    for level in [NotifyType::Errors, NotifyType::Solicited, NotifyType::Any] {
        let noted = Noted::new(&format!("cq_19_{level:?}"), 2);
        noted.entry(0);
        noted.entry(1);
        noted.cq.arm(NotifyType::Errors);
        assert_eq!(noted.calls(), 0);
        noted.cq.arm(level);
        noted.calls(); // entries that were there may satisfy the arm; then it is armed once more
        noted.cq.arm(NotifyType::Errors);
        noted.entry(2);
        assert!(noted.cq.has_overrun());
        assert_eq!(noted.notes.try_recv(), Ok(Status::BUFFER_OVERFLOW));
        noted.cq.arm(level);
        assert_eq!(noted.notes.try_recv(), Ok(Status::BUFFER_OVERFLOW));
        assert_eq!(noted.poll(8), [0, 1]);
        noted.qp.receive(3, &[]).unwrap();
        noted.qp.flush();
        assert_eq!(noted.poll(8), [0; 0]);
    }
}

/// CQ-24: a queue less deep than what completes into it is no creation error.
#[test]
fn cq_24_a_shallow_queue_is_allowed() {
    let adapter = adapter("cq_24");
    let shallow = cq(&adapter, 2);
    let pd = adapter.create_pd().wait().unwrap();
    pd.create_qp(QpDescription::new(&shallow).receive_depth(64).initiator_depth(64)).wait().unwrap();
}

/// CQ-25, CQ-26: both kinds into one queue, or each into its own.
#[test]
fn cq_26_receives_and_others_complete_where_they_are_told_to() {
    let adapter = adapter("cq_26");
    let (receives, others) = (cq(&adapter, 8), cq(&adapter, 8));
    let pd = adapter.create_pd().wait().unwrap();
    let qp = pd.create_qp(QpDescription::new(&receives).initiator_cq(&others)).wait().unwrap();
    let peer = End::new(&adapter);
    let _connection = connect(&adapter, &qp, &peer.qp);
    qp.receive(1, &[]).unwrap();
    qp.send(2, Data::NONE, OpFlags::NONE).unwrap();
    qp.flush();
    let ends = |cq: &Cq| take(cq, 1).iter().map(|c| (c.request_context, c.status)).collect::<Vec<_>>();
    assert_eq!(ends(&receives), all([1], Status::CANCELLED));
    assert_eq!(ends(&others), all([2], Status::CANCELLED));
    assert!(receives.is_empty() && others.is_empty());
    peer.qp.receive(3, &[]).unwrap();
    peer.qp.send(4, Data::NONE, OpFlags::NONE).unwrap();
    peer.qp.flush();
    let mut both = peer.ends(2);
    both.sort_unstable_by_key(|(context, _)| *context);
    assert_eq!(both, all([3, 4], Status::CANCELLED));
}

/// CQ-37: an arm belongs to its queue.
#[test]
fn cq_37_an_arm_belongs_to_its_queue() {
    let (one, other) = (Noted::new("cq_37_one", 8), Noted::new("cq_37_other", 8));
    one.cq.arm(NotifyType::Any);
    other.cq.arm(NotifyType::Any);
    one.entry(1);
    assert_eq!((one.calls(), other.calls()), (1, 0));
}

/// A wait ends with the completion that another thread brings.
#[test]
fn wait_meets_a_completion_of_another_thread() {
    let end = End::new(&adapter("cq_wait"));
    for round in 0..200 {
        thread::scope(|scope| {
            scope.spawn(|| {
                end.qp.receive(round, &[]).unwrap();
                end.qp.flush();
            });
            assert_eq!(end.ends(1), all([round], Status::CANCELLED));
        });
    }
}

/// A wait ends when its limit has passed, and by an overrun.
#[test]
fn wait_ends_by_its_limit_and_by_an_overrun() {
    let adapter = adapter("cq_limit");
    let cq = cq(&adapter, 1);
    let mut place = [Completion::default()];
    assert_eq!(cq.wait(&mut place, Some(Duration::ZERO)), Ok(0));
    assert_eq!(cq.wait(&mut place, Some(Duration::from_millis(1))), Ok(0));
    assert_eq!(cq.wait(&mut [], None), Ok(0));
    let qp = adapter.create_pd().wait().unwrap().create_qp(QpDescription::new(&cq)).wait().unwrap();
    qp.receive(1, &[]).unwrap();
    qp.flush();
    take(&cq, 1);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            loop {
                match cq.wait(&mut [Completion::default()], None) {
                    Ok(_) => {}
                    Err(error) => break error,
                }
            }
        });
        (2..6).for_each(|context| qp.receive(context, &[]).unwrap());
        qp.flush();
        let error = waiter.join().unwrap();
        assert_eq!((error, error.status()), (CqError::Overrun { depth: 1 }, Status::BUFFER_OVERFLOW));
    });
}

/// Waiting inside a callback is an error, not a deadlock; so is waiting where nobody is woken.
#[test]
fn waiting_in_vain_is_an_error() {
    let adapter = adapter("cq_in_vain");
    let cq = Arc::new(cq(&adapter, 1));
    let (tell, told) = mpsc::channel();
    let inner = Arc::clone(&cq);
    adapter.create_pd().then(move |_| tell.send(inner.wait(&mut [Completion::default()], None)).unwrap());
    assert_eq!(told.try_recv(), Ok(Err(CqError::InCallback)));
    let silent = adapter.create_cq(1, CqNotify::None).wait().unwrap();
    let error = silent.wait(&mut [Completion::default()], None).unwrap_err();
    assert_eq!((error, error.status()), (CqError::NoWaiters, Status::INVALID_DEVICE_REQUEST));
}

/// A task that awaits completions is woken; dropped before, it has taken nothing.
#[test]
fn completions_wake_a_task() {
    struct Note(mpsc::Sender<()>);
    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
        }
    }
    let end = End::new(&adapter("cq_await"));
    let (note, notes) = mpsc::channel();
    let waker = Waker::from(Arc::new(Note(note)));
    let mut context = Context::from_waker(&waker);
    let mut place = [Completion::default()];
    {
        let mut dropped = pin!(end.cq.completions(&mut place));
        assert!(dropped.as_mut().poll(&mut context).is_pending());
    }
    {
        let mut task = pin!(end.cq.completions(&mut place));
        assert!(task.as_mut().poll(&mut context).is_pending());
        end.qp.receive(7, &[]).unwrap();
        end.qp.flush();
        notes.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(task.as_mut().poll(&mut context), std::task::Poll::Ready(Ok(1))));
    }
    assert_eq!(place[0].request_context, 7);
}

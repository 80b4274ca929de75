//! Waiting for completions, by threads and by tasks.

use crate::world::{End, PATIENCE, adapter, all, cq, take};
use qpair::ndk::{Adapter, Completion, Cq, CqError, CqNotify, Qp, QpDescription, Status};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
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

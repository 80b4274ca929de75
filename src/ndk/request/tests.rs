//! Each way to take a result, against each moment at which it may come.

use super::*;
use crate::device::callbacks::Outbox;
use crate::device::lifetime::Life;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::task::Wake;
use std::thread;

/// Wakes by unparking.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor.
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn failed() -> Error {
    Error::new("NdkConnect", Status::CONNECTION_REFUSED)
}

/// Notes that it was dropped.
#[derive(Debug)]
struct Handle(mpsc::Sender<&'static str>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.send("closed").unwrap();
    }
}

#[test]
fn a_ready_request_gives_its_result_each_way() {
    assert_eq!(ready(Ok(1)).now().unwrap().unwrap(), 1);
    assert_eq!(ready(Ok(2)).wait().unwrap(), 2);
    assert_eq!(block_on(ready(Ok(3))).unwrap(), 3);
    assert_eq!(ready::<()>(Err(failed())).wait().unwrap_err().status(), Status::CONNECTION_REFUSED);
    let (note, notes) = mpsc::channel();
    ready(Ok(4)).then(move |result| note.send(result.unwrap()).unwrap());
    assert_eq!(notes.try_recv(), Ok(4));
    assert_eq!(format!("{:?}", ready(Ok(5))), "Request(ready)");
}

#[test]
fn now_gives_a_pending_request_back() {
    let (completer, request) = pending();
    let request = request.now().unwrap_err();
    assert_eq!(format!("{request:?}"), "Request(pending)");
    completer.complete(Ok(7));
    assert_eq!(format!("{request:?}"), "Request(done)");
    assert_eq!(request.now().unwrap().unwrap(), 7);
}

#[test]
fn wait_and_await_meet_a_completion_on_another_thread() {
    for _ in 0..100 {
        let (completer, request) = pending();
        let carrier = thread::spawn(move || completer.complete(Ok(1)));
        assert_eq!(request.wait().unwrap(), 1);
        carrier.join().unwrap();
        let (completer, request) = pending();
        let carrier = thread::spawn(move || completer.complete(Ok(2)));
        assert_eq!(block_on(request).unwrap(), 2);
        carrier.join().unwrap();
    }
}

#[test]
fn a_polled_request_can_be_taken_another_way() {
    let mut context = Context::from_waker(Waker::noop());
    let (completer, mut request) = pending();
    assert!(Pin::new(&mut request).poll(&mut context).is_pending());
    assert!(Pin::new(&mut request).poll(&mut context).is_pending());
    completer.complete(Ok(1));
    assert_eq!(request.wait().unwrap(), 1);
    let (completer, mut request) = pending();
    assert!(Pin::new(&mut request).poll(&mut context).is_pending());
    let (note, notes) = mpsc::channel();
    request.then(move |result| note.send(result.unwrap()).unwrap());
    completer.complete(Ok(2));
    assert_eq!(notes.try_recv(), Ok(2));
}

#[test]
fn using_a_spent_request_panics() {
    type Use = fn(Request<()>);
    let uses: [Use; 5] = [
        |mut request| drop(Pin::new(&mut request).poll(&mut Context::from_waker(Waker::noop()))),
        |request| drop(request.now()),
        |request| drop(request.wait()),
        |request| request.then(drop),
        |request| drop(request.now_or_then(drop)),
    ];
    for (nth, again) in uses.into_iter().enumerate() {
        for late in [false, true] {
            let (completer, mut request) = pending();
            if !late {
                request = ready(Ok(()));
            }
            completer.complete(Ok(()));
            assert!(Pin::new(&mut request).poll(&mut Context::from_waker(Waker::noop())).is_ready());
            let panicked = catch_unwind(AssertUnwindSafe(|| again(request))).unwrap_err();
            let words = *panicked.downcast_ref::<&str>().unwrap();
            assert_eq!(words, "a request was used after it had been polled to its end", "use {nth}");
        }
    }
}

#[test]
fn cb_2_a_pending_request_calls_back_once() {
    for late in [false, true] {
        let (note, notes) = mpsc::channel();
        let (completer, request) = pending();
        let callback = move |result: Result<u8, Error>| note.send(result.unwrap_err().status()).unwrap();
        if late {
            completer.complete(Err(failed()));
            request.then(callback);
        } else {
            request.then(callback);
            assert!(notes.try_recv().is_err());
            completer.complete(Err(failed()));
        }
        assert_eq!(notes.try_iter().collect::<Vec<_>>(), [Status::CONNECTION_REFUSED]);
    }
}

#[test]
fn cb_1_a_result_that_is_there_is_taken_and_not_called_back() {
    let (note, notes) = mpsc::channel();
    let never = |note: &mpsc::Sender<u32>| {
        let note = note.clone();
        move |result: Result<u32, Error>| note.send(result.unwrap()).unwrap()
    };
    assert_eq!(ready(Ok(1)).now_or_then(never(&note)).unwrap().unwrap(), 1);
    let (completer, request) = pending();
    completer.complete(Ok(2));
    assert_eq!(request.now_or_then(never(&note)).unwrap().unwrap(), 2);
    assert!(notes.try_recv().is_err());

    let (completer, request) = pending();
    assert!(request.now_or_then(never(&note)).is_none());
    assert!(notes.try_recv().is_err());
    completer.complete(Ok(3));
    assert_eq!((notes.try_recv(), notes.try_recv().is_err()), (Ok(3), true));
}

#[test]
fn no_callback_runs_below_a_guard() {
    let (note, notes) = mpsc::channel();
    let (completer, request) = pending();
    let of_pending = note.clone();
    request.then(move |result| of_pending.send(result.unwrap()).unwrap());
    let guard = callbacks::guard();
    completer.complete(Ok("pending"));
    ready(Ok("ready")).then(move |result| note.send(result.unwrap()).unwrap());
    assert!(notes.try_recv().is_err());
    drop(guard);
    assert_eq!(notes.try_iter().collect::<Vec<_>>(), ["pending", "ready"]);
}

#[test]
fn cb_4_callbacks_that_make_further_requests_do_not_nest() {
    fn next(left: u32, done: mpsc::Sender<()>) {
        match left {
            0 => done.send(()).unwrap(),
            _ => ready(Ok(())).then(move |_| next(left - 1, done)),
        }
    }
    let (done, is_done) = mpsc::channel();
    next(100_000, done);
    assert_eq!(is_done.try_recv(), Ok(()));
}

#[test]
fn waiting_inside_a_callback_is_an_error() {
    let (note, notes) = mpsc::channel();
    callbacks::call(move || {
        assert_eq!(ready(Ok(1)).wait().unwrap(), 1);
        let (completer, request) = pending();
        let error = request.wait().unwrap_err();
        assert_eq!((error.call(), error.status()), ("Request::wait", Status::INVALID_DEVICE_REQUEST));
        completer.complete(Ok(Handle(note)));
    });
    assert_eq!(notes.try_recv(), Ok("closed"));
}

#[test]
fn a_dropped_request_runs_on_and_its_result_is_closed() {
    for late in [false, true] {
        let (note, notes) = mpsc::channel();
        let (completer, request) = pending();
        let life = Life::new([]);
        let completer = completer.with_hold(life.hold());
        if late {
            completer.complete(Ok(Handle(note)));
            assert!(notes.try_recv().is_err());
            drop(request);
        } else {
            drop(request);
            completer.complete(Ok(Handle(note)));
        }
        assert_eq!(notes.try_recv(), Ok("closed"));
        assert!(life.begin_close(None, &mut Outbox::new()));
        assert!(life.is_closed());
    }
}

#[test]
fn a_completer_given_up_brings_internal_error() {
    let (completer, request) = pending::<()>();
    let gave_up = catch_unwind(AssertUnwindSafe(|| drop(completer)));
    assert_eq!(gave_up.is_err(), cfg!(debug_assertions));
    assert_eq!(request.wait().unwrap_err().status(), Status::INTERNAL_ERROR);
    let (completer, request) = pending::<()>();
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _completer = completer;
        panic!("the carrier fails");
    }));
    assert_eq!(*unwound.unwrap_err().downcast_ref::<&str>().unwrap(), "the carrier fails");
    assert_eq!(request.wait().unwrap_err().status(), Status::INTERNAL_ERROR);
}

#[test]
fn close_7_the_callback_has_returned_before_the_close_completes() {
    let (note, notes) = mpsc::channel();
    let life = Life::new([]);
    let (completer, request) = pending();
    let completer = completer.with_hold(life.hold());
    let (of_request, of_life) = (note.clone(), life.clone());
    request.then(move |result: Result<(), Error>| {
        result.unwrap();
        of_request.send("request begins").unwrap();
        // CLOSE-11: inside the callback of its own request.
        assert!(
            of_life.begin_close(Some(Box::new(move || note.send("closed").unwrap())), &mut Outbox::new())
        );
        drop(callbacks::guard());
        of_request.send("request returns").unwrap();
    });
    completer.complete(Ok(()));
    assert_eq!(notes.try_iter().collect::<Vec<_>>(), ["request begins", "request returns", "closed"]);
    assert!(life.is_closed());
}

#[test]
fn close_7_a_panicking_callback_does_not_keep_the_close() {
    let life = Life::new([]);
    let (completer, request) = pending::<()>();
    let completer = completer.with_hold(life.hold());
    request.then(|_| panic!("mine"));
    assert!(life.begin_close(None, &mut Outbox::new()));
    assert!(!life.is_closed());
    let unwound = catch_unwind(AssertUnwindSafe(|| completer.complete(Ok(()))));
    assert_eq!(*unwound.unwrap_err().downcast_ref::<&str>().unwrap(), "mine");
    assert!(life.is_closed());
}

#[test]
fn requests_and_their_ends_cross_threads() {
    fn crosses<T: Send>() {}
    crosses::<Request<Handle>>();
    crosses::<Completer<Handle>>();
}

//! Calls that pend, made one after the other inside callbacks: a future that goes on where it is woken.
//!
//! Whoever makes calls inside a callback must not wait there for those that pend. A task does not: it goes on
//! inside the callback that brings what it awaits.

use std::future::Future;
use std::mem::replace;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A future, run by whoever wakes it.
pub(super) struct Task(Mutex<State>);

enum State {
    Rests(Work),
    Runs,
    /// It runs, and was woken meanwhile.
    RunsAgain,
    Ended,
}

impl Task {
    /// Runs `work` on this thread as far as it goes; later on the threads that wake it.
    pub(super) fn begin(work: impl Future<Output = ()> + Send + 'static) {
        Arc::new(Self(Mutex::new(State::Rests(Box::pin(work))))).go_on();
    }

    fn go_on(self: Arc<Self>) {
        let mut work = match self.put(State::RunsAgain) {
            State::Rests(work) => work,
            State::Runs | State::RunsAgain => return, // it is told, and looks again
            State::Ended => return drop(self.put(State::Ended)),
        };
        let waker = Waker::from(Arc::clone(&self));
        // Below no lock: it makes calls, which may wake it.
        loop {
            drop(self.put(State::Runs));
            if work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return drop(self.put(State::Ended));
            }
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*state, State::Runs) {
                *state = State::Rests(work);
                return;
            }
        }
    }

    fn put(&self, state: State) -> State {
        replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.go_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::task::Poll;

    #[test]
    fn goes_on_where_it_is_woken_and_looks_again_when_woken_meanwhile() {
        let (hand, handed) = mpsc::channel();
        let (note, notes) = mpsc::channel();
        Task::begin(async move {
            let mut looks = 0;
            poll_fn(|context| {
                looks += 1;
                match looks {
                    1 => context.waker().wake_by_ref(), // while it runs
                    2 => hand.send(context.waker().clone()).unwrap(),
                    _ => return Poll::Ready(()),
                }
                Poll::Pending
            })
            .await;
            note.send(looks).unwrap();
        });
        assert!(notes.try_recv().is_err());
        let waker: Waker = handed.try_recv().unwrap();
        std::thread::spawn(move || {
            waker.wake_by_ref();
            waker.wake(); // it has ended: nothing happens
        })
        .join()
        .unwrap();
        assert_eq!(notes.try_iter().collect::<Vec<_>>(), [3]);
    }
}

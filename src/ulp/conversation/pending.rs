//! A verb or call that may take its time: taken, waited for, or awaited.

use event_listener::{Event, EventListener, Listener as _};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The result of a verb or call, now or later.
///
/// Take it [`now`](Self::now) if it is there, [`wait`](Self::wait) for it, or `.await` it. Dropped, the verb
/// runs on, and what it brings is lost.
#[must_use = "dropped, the verb runs on and its result is lost"]
pub struct Pending<T> {
    look: Option<Look<T>>,
    event: Arc<Event>,
    listener: Option<EventListener>,
}

/// Looks whether the result is there.
type Look<T> = Box<dyn FnMut() -> Option<T> + Send>;

impl<T> Pending<T> {
    /// Looked for at once, and after each notification of `event`.
    pub(super) fn new(event: &Arc<Event>, look: impl FnMut() -> Option<T> + Send + 'static) -> Self {
        Self { look: Some(Box::new(look)), event: Arc::clone(event), listener: None }
    }

    /// What is known already.
    pub(super) fn ready(value: T) -> Self
    where
        T: Send + 'static,
    {
        let mut value = Some(value);
        Self::new(&Arc::new(Event::new()), move || value.take())
    }

    /// Another form of the same result.
    pub(super) fn map<U>(self, mut form: impl FnMut(T) -> U + Send + 'static) -> Pending<U>
    where
        T: 'static,
    {
        let Self { look, event, .. } = self;
        let mut look = look;
        Pending::new(&event, move || look.as_mut().and_then(|look| look()).map(&mut form))
    }

    fn look(&mut self) -> Option<T> {
        let found = self.look.as_mut().and_then(|look| look());
        if found.is_some() {
            self.look = None;
        }
        found
    }

    /// The result if it is there, else the same again; never blocks.
    ///
    /// # Errors
    /// Itself, if it is pending.
    pub fn now(mut self) -> Result<T, Self> {
        self.look().ok_or(self)
    }

    /// Blocks until the result is there.
    ///
    /// Not in a callback of the adapter: the thread that brings the result may be that very one.
    pub fn wait(mut self) -> T {
        loop {
            if let Some(value) = self.look() {
                return value;
            }
            let listener = self.event.listen();
            if let Some(value) = self.look() {
                return value;
            }
            listener.wait();
        }
    }
}

/// # Panics
/// When polled again after it has given its result.
impl<T> Future for Pending<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        assert!(self.look.is_some(), "a pending verb was polled after it had given its result");
        loop {
            if let Some(value) = self.look() {
                return Poll::Ready(value);
            }
            let event = Arc::clone(&self.event);
            let fresh = self.listener.is_none();
            let listener = self.listener.get_or_insert_with(|| event.listen());
            if fresh {
                continue; // what came before the listener was there is seen now
            }
            match Pin::new(listener).poll(context) {
                Poll::Ready(()) => self.listener = None,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Nothing in it is pinned.
impl<T> Unpin for Pending<T> {}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.look.is_some() { "Pending(pending)" } else { "Pending(taken)" })
    }
}

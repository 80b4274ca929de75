//! When user code may run: never under a role, a pin or a lock, and never inside other user code.
//!
//! What has something to say to a user (a completion queue's event, the end of a request, a close) is pushed
//! into an [`Outbox`] that travels on the stack of a drain frame or a control call, and is emitted when the
//! frame holds nothing any more. Three rules follow.
//!
//! - **Emit holding nothing.** A frame that holds a role (a claim), a pin or a lock declares so with
//!   [`guard`]; until the outermost guard of the thread is dropped, whatever is emitted waits in the thread's
//!   list. A frame declares its guard *before* its outbox, so that also an unwinding frame hands over first.
//! - **Callbacks do not nest.** What is emitted inside a callback joins the list of the thread and runs when
//!   that callback has returned. So recursion is bounded, and a chain of closes of any length needs no stack.
//! - **A panic harms only itself.** The callbacks that still wait run, then the panic goes on in the call
//!   that delivered them. Of several panics the first goes on, and none does in a thread that unwinds
//!   already; the panic hook has reported each.
//!
//! Not here: which callbacks there are. Membership (one entry for many events of one queue) is kept by who
//! pushes; a [`Deliver`] takes whatever has gathered by the time it runs.

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, take};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// Something that has to be said to a user.
pub(crate) trait Deliver: Send + Sync {
    /// Says it: calls the user's code. The thread holds no role, pin or lock of ours.
    fn deliver(self: Arc<Self>);
}

/// What a frame has to say when it holds nothing any more; dropped, it is emitted all the same.
///
/// The first two entries need no memory: a drain pass seldom reports more than its own completion queue and
/// its peer's.
#[derive(Default)]
#[must_use]
pub(crate) struct Outbox {
    near: [Option<Arc<dyn Deliver>>; 2],
    far: Vec<Arc<dyn Deliver>>,
}

impl Outbox {
    /// An empty one; allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { near: [None, None], far: Vec::new() }
    }

    /// Adds `item` behind those already there.
    pub(crate) fn push(&mut self, item: Arc<dyn Deliver>) {
        match self.near.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(item),
            None => self.far.push(item),
        }
    }

    /// Nothing to say.
    pub(crate) fn is_empty(&self) -> bool {
        self.near[0].is_none()
    }

    /// Delivers all, in order: at once, or when the thread's outermost guard or present callback ends.
    ///
    /// # Panics
    /// With the panic of the first callback that panicked, after the others have run.
    pub(crate) fn emit(self) {
        drop(self);
    }
}

impl Drop for Outbox {
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.deliver_all();
        }
    }
}

impl Outbox {
    #[inline(never)] // every post drops an outbox, nearly always an empty one
    fn deliver_all(&mut self) {
        let items = take(&mut self.near).into_iter().flatten().chain(take(&mut self.far));
        match Delivery::begin() {
            Some(mut delivery) => {
                items.for_each(|item| delivery.attempt(|| item.deliver()));
                delivery.finish();
            }
            None => THREAD.with(|thread| thread.append(items)),
        }
    }
}

/// Runs `task` as a callback: at once on this thread if it is free, otherwise when it becomes so.
///
/// # Panics
/// With the panic of `task`, if it ran at once.
pub(crate) fn call(task: impl FnOnce() + Send + 'static) {
    match Delivery::begin() {
        Some(mut delivery) => {
            delivery.attempt(task);
            delivery.finish();
        }
        None => {
            let item: Arc<dyn Deliver> = Arc::new(Once(Mutex::new(Some(task))));
            THREAD.with(|thread| thread.append([item]));
        }
    }
}

/// Declares that roles, pins or locks may be held: this thread delivers nothing until the guard is dropped.
///
/// Guards nest; the outermost counts. Costs an increment of a thread-local counter.
#[must_use = "the guard ends where it is dropped"]
pub(crate) fn guard() -> Guard {
    THREAD.with(|thread| thread.guards.set(thread.guards.get() + 1));
    Guard { stays_on_its_thread: PhantomData }
}

/// This thread may hold roles, pins or locks; what was emitted meanwhile is delivered at its end.
pub(crate) struct Guard {
    stays_on_its_thread: PhantomData<*const ()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let waiting = THREAD.with(|thread| {
            thread.guards.set(thread.guards.get() - 1);
            thread.listed.get() != 0
        });
        if waiting {
            if let Some(delivery) = Delivery::begin() {
                delivery.finish();
            }
        }
    }
}

/// This thread is inside a callback.
pub(crate) fn in_callback() -> bool {
    THREAD.with(|thread| thread.delivering.get())
}

/// Waiting inside a callback could wait for that very callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("waiting inside a callback could wait for the callback itself; wait on another thread")]
pub(crate) struct InCallback;

/// Says whether this thread may block for something that a callback brings about.
///
/// # Errors
/// [`InCallback`] inside a callback.
///
/// # Panics
/// In debug builds under a [`guard`]: what the thread waits for may be in its own list.
pub(crate) fn check_may_wait() -> Result<(), InCallback> {
    if in_callback() {
        return Err(InCallback);
    }
    debug_assert_eq!(THREAD.with(|thread| thread.guards.get()), 0, "waiting under a guard");
    Ok(())
}

thread_local! {
    static THREAD: Thread = const {
        Thread {
            guards: Cell::new(0),
            delivering: Cell::new(false),
            listed: Cell::new(0),
            list: Cell::new(ManuallyDrop::new(VecDeque::new())),
        }
    };
}

/// What a thread remembers between frames.
struct Thread {
    guards: Cell<usize>,
    delivering: Cell<bool>,
    /// Length of `list`, so that a guard's end need not take the list out.
    listed: Cell<usize>,
    /// Never dropped with the thread, so that a handle in another thread-local variable may still be closed
    /// while the thread ends. Nothing is lost: entries are there only below a guard or a callback, and the
    /// memory goes when the last entry does.
    list: Cell<ManuallyDrop<VecDeque<Arc<dyn Deliver>>>>,
}

impl Thread {
    fn append(&self, items: impl IntoIterator<Item = Arc<dyn Deliver>>) {
        let mut list = ManuallyDrop::into_inner(self.list.take());
        list.extend(items);
        self.keep(list);
    }

    fn pop(&self) -> Option<Arc<dyn Deliver>> {
        if self.listed.get() == 0 {
            return None;
        }
        let mut list = ManuallyDrop::into_inner(self.list.take());
        let item = list.pop_front();
        if list.is_empty() {
            list = VecDeque::new();
        }
        self.keep(list);
        item
    }

    fn keep(&self, list: VecDeque<Arc<dyn Deliver>>) {
        self.listed.set(list.len());
        self.list.set(ManuallyDrop::new(list));
    }
}

/// The thread is in a callback; one at a time.
struct Delivery {
    panic: Option<Box<dyn Any + Send>>,
}

impl Delivery {
    /// `None`: the thread holds something or is in a callback already.
    fn begin() -> Option<Self> {
        THREAD.with(|thread| {
            let free = thread.guards.get() == 0 && !thread.delivering.get();
            free.then(|| {
                thread.delivering.set(true);
                Self { panic: None }
            })
        })
    }

    fn attempt(&mut self, task: impl FnOnce()) {
        // Unwind safety: `task` is consumed, and what it touched of ours is kept consistent by its own
        // guards.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(task)) {
            self.panic.get_or_insert(payload);
        }
    }

    /// Empties the thread's list, callbacks that come meanwhile included, then lets a panic go on.
    fn finish(mut self) {
        while let Some(item) = THREAD.with(Thread::pop) {
            self.attempt(|| item.deliver());
        }
        THREAD.with(|thread| thread.delivering.set(false));
        if let Some(payload) = self.panic {
            if !std::thread::panicking() {
                resume_unwind(payload);
            }
        }
    }
}

/// A closure as an entry of the list.
///
/// What is delivered is shared, hence the lock, which is taken once, by the thread that delivers.
struct Once<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Deliver for Once<F> {
    fn deliver(self: Arc<Self>) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::diary::Diary;

    /// An entry that notes `line`, does `more`, and notes that it returns.
    fn item(diary: &Diary, line: &'static str, more: impl FnOnce() + Send + 'static) -> Arc<dyn Deliver> {
        let diary = diary.clone();
        Arc::new(Once(Mutex::new(Some(move || {
            assert!(in_callback());
            diary.note(line);
            more();
            diary.note(format!("{line} returns"));
        }))))
    }

    fn outbox(items: impl IntoIterator<Item = Arc<dyn Deliver>>) -> Outbox {
        let mut outbox = Outbox::new();
        items.into_iter().for_each(|item| outbox.push(item));
        outbox
    }

    #[test]
    fn delivers_in_order_whatever_the_number() {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        for count in 0..=NAMES.len() {
            let diary = Diary::default();
            let outbox = outbox(NAMES[..count].iter().map(|name| item(&diary, name, || {})));
            assert_eq!(outbox.is_empty(), count == 0);
            outbox.emit();
            let expected: Vec<_> =
                NAMES[..count].iter().flat_map(|n| [(*n).to_owned(), format!("{n} returns")]).collect();
            assert_eq!(diary.lines(), expected);
            assert!(!in_callback());
        }
    }

    #[test]
    fn nested_calls_only_add() {
        let diary = Diary::default();
        let inner = diary.clone();
        outbox([
            item(&diary, "first", move || {
                outbox([item(&inner, "nested", || {})]).emit();
                let second = inner.clone();
                call(move || second.note("call"));
                drop(guard());
                inner.note("still first");
            }),
            item(&diary, "second", || {}),
        ])
        .emit();
        let expected = [
            "first",
            "still first",
            "first returns",
            "second",
            "second returns",
            "nested",
            "nested returns",
            "call",
        ];
        assert_eq!(diary.lines(), expected);
    }

    #[test]
    fn nothing_runs_before_the_outermost_guard_ends() {
        let diary = Diary::default();
        let outer = guard();
        let inner = guard();
        outbox([item(&diary, "a", || {})]).emit();
        let b = diary.clone();
        call(move || b.note("b"));
        drop(inner);
        assert_eq!(diary.lines(), [""; 0]);
        drop(outer);
        assert_eq!(diary.lines(), ["a", "a returns", "b"]);
        assert_eq!(THREAD.with(|thread| thread.listed.get()), 0);
    }

    #[test]
    fn an_unwinding_frame_hands_over() {
        let diary = Diary::default();
        let frame = diary.clone();
        let unwound = catch_unwind(AssertUnwindSafe(move || {
            let _guard = guard();
            let _outbox = outbox([
                item(&frame, "a", || panic!("the second panic of this thread stays inside")),
                item(&frame, "b", || {}),
            ]);
            panic!("the engine fails");
        }));
        assert_eq!(*unwound.unwrap_err().downcast_ref::<&str>().unwrap(), "the engine fails");
        assert_eq!(diary.lines(), ["a", "b", "b returns"]);
        assert!(!in_callback());
        assert_eq!(THREAD.with(|thread| thread.guards.get()), 0);
    }

    #[test]
    fn a_panic_goes_on_when_the_others_have_run() {
        let diary = Diary::default();
        let nested = diary.clone();
        let outbox = outbox([
            item(&diary, "a", move || {
                outbox([item(&nested, "nested", || {})]).emit();
                let _guard = guard();
                panic!("a");
            }),
            item(&diary, "b", || panic!("b")),
            item(&diary, "c", || {}),
        ]);
        let unwound = catch_unwind(AssertUnwindSafe(move || outbox.emit()));
        assert_eq!(*unwound.unwrap_err().downcast_ref::<&str>().unwrap(), "a");
        assert_eq!(diary.lines(), ["a", "b", "c", "c returns", "nested", "nested returns"]);
        assert!(!in_callback());
        assert_eq!(check_may_wait(), Ok(()));
        assert_eq!(THREAD.with(|thread| thread.guards.get()), 0);
    }

    #[test]
    fn waiting_is_refused_inside_a_callback() {
        assert_eq!(check_may_wait(), Ok(()));
        call(|| assert_eq!(check_may_wait(), Err(InCallback)));
        assert_eq!(check_may_wait(), Ok(()));
    }

    #[test]
    fn a_hundred_thousand_that_call_each_other_need_no_stack() {
        fn again(left: u32, diary: Diary) {
            match left {
                0 => diary.note("end"),
                _ => call(move || again(left - 1, diary)),
            }
        }
        let diary = Diary::default();
        again(100_000, diary.clone());
        assert_eq!(diary.lines(), ["end"]);
    }

    #[test]
    fn the_end_of_a_thread_may_still_deliver() {
        struct AtTheEnd(Diary);
        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                let diary = self.0.clone();
                let _guard = guard();
                call(move || diary.note("at the end"));
            }
        }
        thread_local!(static LAST: Cell<Option<AtTheEnd>> = const { Cell::new(None) });
        let diary = Diary::default();
        let of_thread = diary.clone();
        let thread = std::thread::spawn(move || {
            LAST.set(Some(AtTheEnd(of_thread)));
            call(|| {}); // this thread has delivered before its variables go
        });
        thread.join().unwrap();
        assert_eq!(diary.lines(), ["at the end"]);
    }
}

//! Who moves a device's queue pair: nobody undoes another's move, and no receive is lost or left behind.
//!
//! The device is as soft-RoCE is. Its memory of what was posted is written without its lock and read below
//! it; what is moved to error is cancelled when its completions are looked at, what comes later stays where
//! it is, and a reset forgets all.

use super::{ALL, B3, LONG, Model, model};
use crate::support::{Arc, Unwatched, join, spawn, yield_now};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Mutex, MutexGuard};
use qpair::ring::{Gate, Phase, Phases, Turn};

pub const MODELS: &[Model] = &[
    model("phases_post", "a receive is given to a device that is moved to error", ALL, phases_post),
    model("phases_limits", "who finds it connected sees what was agreed", ALL, phases_limits),
    model("phases_flush", "a receive comes while an unconnected queue pair is flushed", ALL, phases_flush),
    model("phases_flush_two", "two flushes, and a receive between", B3, phases_flush_two),
    model("phases_flush_end", "it breaks while it is flushed", ALL, phases_flush_end),
    model("phases_flush_end_post", "the same, and a receive comes", LONG, phases_flush_end_post),
    model(
        "phases_flush_ready",
        "it is flushed while the connection manager takes it",
        B3,
        phases_flush_ready,
    ),
    model("phases_return_end", "it breaks while an attempt to connect is taken back", ALL, phases_return_end),
    model("phases_return_open", "a message says late that it is connected", ALL, phases_return_open),
    model("phases_return_post", "a receive comes while an attempt is taken back", ALL, phases_return_post),
    model("phases_return_flush", "it is flushed while an attempt is taken back", B3, phases_return_flush),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reset,
    Init,
    Sends,
    Error,
}

/// What the kernel has below its lock.
struct Kernel {
    state: State,
    /// Receives below are gone: cancelled or forgotten.
    gone: usize,
    /// Receives below are cancelled by the next look at the completions.
    cancelled: usize,
}

struct Device {
    kernel: Mutex<Kernel>,
    /// How many receives it was ever given.
    given: AtomicUsize,
    receives: Unwatched<Vec<u64>>,
    completions: Unwatched<Vec<u64>>,
}

impl Device {
    fn new(state: State) -> Self {
        Self {
            kernel: Mutex::new(Kernel { state, gone: 0, cancelled: 0 }),
            given: AtomicUsize::new(0),
            receives: Unwatched::default(),
            completions: Unwatched::default(),
        }
    }

    fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock().expect("no thread of a model panics below it")
    }

    /// By one thread at a time.
    fn give(&self, ticket: u64) {
        self.receives.get().push(ticket);
        let given = self.receives.get().len();
        self.given.store(given, Ordering::Release);
    }

    fn to_error(&self) {
        let mut kernel = self.kernel();
        kernel.state = State::Error;
        kernel.cancelled = self.given.load(Ordering::Acquire);
    }

    /// Through Reset, where it forgets, to Init.
    fn back(&self) -> Result<(), State> {
        let mut kernel = self.kernel();
        kernel.state = State::Reset;
        kernel.gone = self.given.load(Ordering::Acquire);
        kernel.cancelled = kernel.gone;
        drop(kernel);
        self.step(State::Reset, State::Init)
    }

    fn step(&self, from: State, to: State) -> Result<(), State> {
        let mut kernel = self.kernel();
        if kernel.state != from {
            return Err(kernel.state);
        }
        kernel.state = to;
        Ok(())
    }

    /// Looks at the completions.
    fn poll(&self) {
        let mut kernel = self.kernel();
        if kernel.state == State::Error {
            self.completions.get().extend(&self.receives.get()[kernel.gone..kernel.cancelled]);
            kernel.gone = kernel.cancelled;
        }
    }
}

/// A queue pair, as the backend of real devices has it.
struct World {
    phases: Phases,
    device: Device,
    /// The role of the receive queue.
    role: Gate,
    posted: AtomicUsize,
    given: Unwatched<usize>,
    limits: AtomicUsize,
}

impl World {
    fn new(receives: usize) -> Arc<Self> {
        qpair::ring::begin_model();
        let world = Arc::new(Self {
            phases: Phases::new(),
            device: Device::new(State::Init),
            role: Gate::new(),
            posted: AtomicUsize::new(0),
            given: Unwatched::new(0),
            limits: AtomicUsize::new(0),
        });
        (0..receives).for_each(|_| world.post());
        world
    }

    /// The same, and the connection manager has moved it.
    fn readied(receives: usize) -> Arc<Self> {
        let world = Self::new(receives);
        assert!(world.ready());
        world
    }

    fn post(&self) {
        self.posted.fetch_add(1, Ordering::AcqRel);
        if self.role.kick() {
            self.run();
        }
    }

    /// Makes passes until nobody has asked for another, in the role.
    fn run(&self) {
        let mut counted = 1;
        while counted != 0 {
            self.pass();
            counted = self.role.leave(counted);
        }
    }

    fn pass(&self) {
        if self.phases.holds_back() {
            return;
        }
        let (before, posted) = (*self.given.get(), self.posted.load(Ordering::Acquire));
        (before..posted).for_each(|ticket| self.device.give(ticket as u64));
        *self.given.get() = posted;
        if posted > before && self.phases.is_over_for_given() {
            self.to_error();
        }
    }

    fn in_role<R>(&self, work: impl FnOnce() -> R) -> R {
        while !(self.role.is_idle() && self.role.kick()) {
            yield_now();
        }
        let result = work();
        self.run();
        result
    }

    fn completed(&self) -> usize {
        self.device.completions.get().len()
    }

    fn to_error(&self) {
        self.phases.cancel(|| self.device.to_error());
    }

    fn break_down(&self) {
        if self.phases.end(Phase::Error) {
            self.to_error();
        }
    }

    fn flush(&self) {
        loop {
            let begun = self.in_role(|| {
                self.pass();
                self.phases.begin_flush(*self.given.get() as u64, self.completed() as u64)
            });
            match begun {
                Ok(true) => {
                    self.to_error();
                    return self.settle();
                }
                Ok(false) => return,
                Err(Phase::Readied | Phase::Connected) => return self.break_down(),
                Err(Phase::Error | Phase::Closed) => return,
                Err(turn) => self.wait(turn),
            }
        }
    }

    fn settle(&self) {
        while !self.try_settle() {
            yield_now();
        }
    }

    /// Waits for the end of another's turn; that of a flush may be ended by anybody.
    fn wait(&self, turn: Phase) {
        while self.phases.now() == turn {
            if turn == Phase::Flushed {
                self.settle();
            }
            yield_now();
        }
    }

    fn try_settle(&self) -> bool {
        if self.phases.is_settled() {
            return true;
        }
        self.device.poll();
        let back = || self.device.back();
        let turn = self.in_role(|| self.phases.end_flush(self.completed() as u64, back));
        match turn.expect("the device refuses nothing unless it is over") {
            Turn::Lasts => return false,
            Turn::Nobody | Turn::Ended => {}
            Turn::Over => self.to_error(),
        }
        true
    }

    /// As the connection manager; false: it is over.
    fn ready(&self) -> bool {
        // Relaxed: published by the phase.
        self.limits.store(1, Ordering::Relaxed);
        loop {
            match self.phases.ready() {
                Ok(()) => break,
                Err(Phase::Flushed) => self.wait(Phase::Flushed),
                Err(_) => return false,
            }
        }
        let ready = self.device.step(State::Init, State::Sends);
        assert!(ready.is_ok() || ready == Err(State::Error) && self.phases.now().is_over(), "{ready:?}");
        ready.is_ok()
    }

    /// An attempt to connect comes to nothing.
    fn take_back(&self) {
        if !self.phases.begin_return() {
            return;
        }
        self.in_role(|| self.phases.hold_back_for_return());
        let back = self.device.back();
        self.device.poll();
        let turn = self.in_role(|| {
            (self.completed()..*self.given.get()).for_each(|ticket| self.device.give(ticket as u64));
            self.phases.end_return()
        });
        match turn {
            Turn::Over => self.to_error(),
            _ => back.expect("the device refuses nothing unless it is over"),
        }
    }

    /// Each receive has come back or is with the device, which is where its phase says; how many have.
    fn check(&self) -> usize {
        self.device.poll();
        let mut tickets = self.device.completions.get().clone();
        let cancelled = tickets.len();
        let kernel = self.device.kernel();
        tickets.extend(&self.device.receives.get()[kernel.gone..]);
        let posted = self.posted.load(Ordering::Acquire);
        assert_eq!(tickets, (0..posted as u64).collect::<Vec<_>>(), "each once, and in order");
        let phase = self.phases.now();
        let state = match phase {
            Phase::Init => State::Init,
            Phase::Readied | Phase::Connected => State::Sends,
            Phase::Error | Phase::Closed => State::Error,
            Phase::Flushed | Phase::Returning => panic!("{phase:?} has no end"),
        };
        assert_eq!(kernel.state, state, "{phase:?}");
        assert!(!phase.is_over() || cancelled == posted, "{cancelled} of {posted} are cancelled");
        assert!(self.phases.is_settled());
        cancelled
    }
}

fn phases_post() {
    let world = World::readied(0);
    let breaker = spawn(&world, World::break_down);
    world.post();
    join([breaker]);
    assert_eq!(world.check(), 1);
}

fn phases_limits() {
    let world = World::new(0);
    let connector = spawn(&world, |world| {
        assert!(world.ready());
    });
    let receiver = spawn(&world, |world| world.phases.open());
    if world.phases.now() == Phase::Connected {
        // Relaxed: published by the phase.
        assert_eq!(world.limits.load(Ordering::Relaxed), 1);
    }
    join([connector, receiver]);
    world.check();
}

fn phases_flush() {
    let world = World::new(1);
    let poster = spawn(&world, World::post);
    world.flush();
    join([poster]);
    assert!((1..=2).contains(&world.check()));
}

fn phases_flush_two() {
    let world = World::new(1);
    let other = spawn(&world, World::flush);
    world.post();
    world.flush();
    join([other]);
    assert_eq!(world.check(), 2);
}

fn phases_flush_end() {
    let world = World::new(1);
    let breaker = spawn(&world, World::break_down);
    world.flush();
    join([breaker]);
    world.post();
    assert_eq!(world.check(), 2);
}

fn phases_flush_end_post() {
    let world = World::new(0);
    let others = [spawn(&world, World::break_down), spawn(&world, World::post)];
    world.flush();
    join(others);
    assert_eq!(world.check(), 1);
}

fn phases_flush_ready() {
    let world = World::new(1);
    let connector = spawn(&world, |world| {
        if world.ready() {
            world.phases.open();
        }
    });
    world.flush();
    join([connector]);
    assert_eq!(world.check(), 1);
}

fn phases_return_end() {
    let world = World::readied(1);
    let breaker = spawn(&world, World::break_down);
    world.take_back();
    join([breaker]);
    assert_eq!(world.check(), 1);
}

fn phases_return_open() {
    let world = World::readied(1);
    let receiver = spawn(&world, |world| world.phases.open());
    world.take_back();
    join([receiver]);
    assert_eq!((world.check(), world.phases.now()), (0, Phase::Init));
}

fn phases_return_post() {
    let world = World::readied(1);
    let poster = spawn(&world, World::post);
    world.take_back();
    join([poster]);
    assert_eq!((world.check(), world.phases.now()), (0, Phase::Init));
}

fn phases_return_flush() {
    let world = World::readied(1);
    let flusher = spawn(&world, World::flush);
    world.take_back();
    join([flusher]);
    assert_eq!(world.check(), 1);
}

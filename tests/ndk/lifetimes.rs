//! CLOSE-*: whatever is closed in whatever order, from wherever: nothing hangs, leaks or calls back
//! afterwards.

use crate::world::{ALL, PATIENCE, READS};
use proptest::prelude::*;
use qpair::ndk::{
    Adapter, Clock, Connector, CqNotify, Data, Faults, HoldCalls, ManualClock, Memory, NotifyType,
    OnDisconnect, OpFlags, QpDescription, Request,
};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Where a close is begun.
#[derive(Clone, Copy, Debug)]
enum From {
    Here,
    /// On a thread of its own, while the others go on.
    Thread,
    /// Inside a callback of another adapter.
    Callback,
}

/// What is done to the object.
#[derive(Clone, Copy, Debug)]
enum By {
    Close,
    Drop,
}

/// How calls come to their end meanwhile.
#[derive(Clone, Copy, Debug)]
enum Pace {
    Prompt,
    Shuffled(u64),
    Told,
}

impl Pace {
    fn begin(self, faults: &Faults) {
        faults.hold_calls(match self {
            Self::Prompt => HoldCalls::No,
            Self::Shuffled(nanos) => HoldCalls::Shuffled(Duration::from_nanos(nanos)),
            Self::Told => HoldCalls::UntilReleased,
        });
        faults.cut_passes(true);
    }
}

/// The end of one object; it brings what it is given when the close is complete.
type End = Box<dyn FnOnce(By, Box<dyn FnOnce() + Send>) + Send>;

/// Tells whether callbacks come after the close of their object.
#[derive(Clone, Default)]
struct Watch {
    /// Closed, and called back afterwards.
    seen: Arc<Mutex<(bool, bool)>>,
}

impl Watch {
    /// A callback of the object runs.
    fn called(&self) {
        let mut seen = self.seen.lock().unwrap();
        seen.1 |= seen.0;
    }

    /// A callback has come after the close.
    fn is_broken(&self) -> bool {
        self.seen.lock().unwrap().1
    }

    /// The end of an object, whose close callback is its last.
    fn end<T: Send + 'static>(
        &self,
        object: T,
        close: impl FnOnce(T) -> Request<()> + Send + 'static,
    ) -> End {
        let watch = self.clone();
        Box::new(move |by, done| match by {
            By::Drop => drop((object, done)),
            By::Close => close(object).then(move |result| {
                watch.called();
                result.unwrap();
                watch.seen.lock().unwrap().0 = true;
                done();
            }),
        })
    }
}

/// The objects of the two sides of a connection, with requests pending on each.
struct World {
    ends: Vec<End>,
    watches: Vec<Watch>,
    /// As many shares as closures of the user still live, and one more.
    alive: Arc<()>,
}

impl World {
    fn watch(&mut self) -> Watch {
        let watch = Watch::default();
        self.watches.push(watch.clone());
        watch
    }

    fn keep<T: Send + 'static>(&mut self, object: T, close: impl FnOnce(T) -> Request<()> + Send + 'static) {
        let watch = self.watch();
        self.ends.push(watch.end(object, close));
    }

    fn new(adapter: &Adapter, faults: &Faults, pace: Pace) -> Self {
        let mut world = Self { ends: Vec::new(), watches: Vec::new(), alive: Arc::new(()) };
        let here = adapter.addresses()[0];
        let (on_event, watch) = world.notification();
        let (cq, pd) = (adapter.create_cq(64, on_event).wait().unwrap(), adapter.create_pd().wait().unwrap());
        cq.arm(NotifyType::Any);
        let srq = pd.create_srq(4, 1).wait().unwrap();
        let a = pd.create_qp(QpDescription::new(&cq)).wait().unwrap();
        let b = pd.create_qp(QpDescription::new(&cq).srq(&srq)).wait().unwrap();
        let mr = pd.register(Memory::zeroed(64).unwrap(), ALL).wait().unwrap();
        let (arrived, arrivals) = mpsc::channel::<Connector>();
        let (called, alive) = (world.watch(), Arc::clone(&world.alive));
        let listener_watch = called.clone();
        let listener = adapter.create_listener(move |connector| {
            let _alive = &alive;
            called.called();
            drop(arrived.send(connector)); // nobody takes the later ones: they refuse
        });
        let listener = listener.wait().unwrap();
        listener.listen(here).wait().unwrap();
        let shared = adapter.create_shared_endpoint(here).wait().unwrap();
        let active = adapter.create_connector().wait().unwrap();
        let remote = listener.local_address().unwrap();
        let connecting = active.connect_with_shared_endpoint(&a, &shared, remote, READS, b"");
        let passive = arrivals.recv_timeout(PATIENCE).unwrap();
        let (on_active, active_watch) = world.event();
        let (on_passive, passive_watch) = world.event();
        let accepting = passive.accept(&b, READS, b"", on_passive);
        connecting.wait().unwrap();
        active.complete_connect(on_active).wait().unwrap();
        accepting.wait().unwrap();
        a.receive(1, &[mr.sge(0..8).unwrap()]).unwrap();
        srq.receive(2, &[]).unwrap();
        for context in 3..6 {
            a.send(context, Data::NONE, OpFlags::NONE).unwrap();
        }
        pace.begin(faults);
        world.ask(adapter, &active, &active_watch);
        world.ends.push(watch.end(cq, |cq| cq.close()));
        world.ends.push(listener_watch.end(listener, |listener| listener.close()));
        world.ends.push(active_watch.end(active, |connector| connector.close()));
        world.ends.push(passive_watch.end(passive, |connector| connector.close()));
        world.keep(pd, |pd| pd.close());
        world.keep(srq, |srq| srq.close());
        world.keep(a, |qp| qp.close());
        world.keep(b, |qp| qp.close());
        world.keep(shared, |endpoint| endpoint.close());
        let (watch, memory) = (world.watch(), mr);
        world.ends.push(Box::new(move |by, done| match by {
            By::Drop => drop((memory, done)),
            By::Close => memory.deregister().then(move |memory| {
                watch.called();
                assert_eq!(memory.unwrap().len(), 64);
                done();
            }),
        }));
        world
    }

    /// Requests that pend, or whose ends are late; one is dropped, and what it brings is closed.
    fn ask(&self, adapter: &Adapter, active: &Connector, watch: &Watch) {
        drop(adapter.create_pd());
        let alive = Arc::clone(&self.alive);
        adapter.create_cq(4, CqNotify::None).then(move |cq| drop((cq.unwrap(), alive)));
        let (watch, alive) = (watch.clone(), Arc::clone(&self.alive));
        active.disconnect().then(move |result| {
            watch.called();
            assert!(result.is_err(), "the peer does not take leave");
            drop(alive);
        });
    }

    /// A notification that arms again.
    fn notification(&mut self) -> (CqNotify, Watch) {
        let (watch, alive) = (self.watch(), Arc::clone(&self.alive));
        let told = watch.clone();
        let notify = CqNotify::callback(move |event| {
            let _alive = &alive;
            told.called();
            event.arm(NotifyType::Any);
        });
        (notify, watch)
    }

    fn event(&mut self) -> (OnDisconnect, Watch) {
        let (watch, alive) = (self.watch(), Arc::clone(&self.alive));
        let called = watch.clone();
        let event = move || {
            let _alive = alive;
            called.called();
        };
        (OnDisconnect::from(event), watch)
    }
}

/// How many objects a world has.
const OBJECTS: usize = 10;

/// Rounds of `goes_on`: far more than anything takes, reached only by a bug.
const ROUNDS: u32 = 2_000_000;

/// Goes on until `done`, doing `meanwhile` again and again; false: something hangs.
fn goes_on(mut meanwhile: impl FnMut(), mut done: impl FnMut() -> bool) -> bool {
    (0..ROUNDS).any(|_| {
        meanwhile();
        thread::yield_now();
        done()
    })
}

fn closes(net: &str, pace: Pace, order: &[usize], ways: &[(From, By)], adapter_at: usize) {
    let (clock, faults) = (ManualClock::new(), Faults::new(5));
    let options = || Adapter::options(net).clock(Clock::Manual(clock.clone()));
    let (adapter, other) = (options().faults(&faults).open().unwrap(), options().open().unwrap());
    let World { ends, watches, alive } = World::new(&adapter, &faults, pace);
    let mut ends: Vec<_> = ends.into_iter().map(Some).collect();
    assert_eq!(ends.len(), OBJECTS);
    let (mut adapter, mut threads) = (Some(adapter), Vec::<JoinHandle<()>>::new());
    let (closed, complete) = mpsc::channel();
    let closed = Mutex::new(closed);
    let mut expected = 0;
    let mut adapter_closed = None;
    for (step, (object, (from, by))) in order.iter().zip(ways).enumerate() {
        if step == adapter_at {
            adapter_closed = adapter.take().map(close_adapter);
        }
        let end = ends[*object].take().unwrap();
        let done = closed.lock().unwrap().clone();
        expected += usize::from(matches!(by, By::Close));
        let (by, done) = (*by, Box::new(move || done.send(()).unwrap()));
        match from {
            From::Here => end(by, done),
            From::Thread => threads.push(thread::spawn(move || end(by, done))),
            From::Callback => other.create_pd().then(move |pd| {
                end(by, done);
                drop(pd);
            }),
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let meanwhile = || {
        clock.advance(Duration::from_nanos(700));
        faults.release_one();
    };
    let mut ended = 0;
    let all_ended = || {
        ended += complete.try_iter().count();
        ended == expected
    };
    assert!(goes_on(meanwhile, all_ended), "{ended} of {expected} closes are complete");
    let adapter_closed = adapter_closed.or_else(|| adapter.take().map(close_adapter)).unwrap();
    assert!(goes_on(meanwhile, || is_closed(&adapter_closed)), "the adapter is not closed");
    assert!(!watches.iter().any(Watch::is_broken), "a callback after the close");
    drop(watches);
    assert!(goes_on(|| (), || Arc::strong_count(&alive) == 1), "a closure is left");
    other.close().unwrap();
    // The NET ends with whatever refers to it: then it can be opened with another clock.
    let gone = || Adapter::options(net).clock(Clock::Manual(ManualClock::new())).open().is_ok();
    assert!(goes_on(|| (), gone), "something still holds the adapter");
}

fn close_adapter(adapter: Adapter) -> Receiver<()> {
    let (told, closed) = mpsc::channel();
    thread::spawn(move || {
        adapter.close().unwrap();
        told.send(()).unwrap();
    });
    closed
}

fn is_closed(closed: &Receiver<()>) -> bool {
    match closed.try_recv() {
        Ok(()) => true,
        Err(TryRecvError::Empty) => false,
        Err(TryRecvError::Disconnected) => panic!("the close of the adapter has panicked"),
    }
}

fn ways() -> impl Strategy<Value = Vec<(From, By)>> {
    let from = prop_oneof![Just(From::Here), Just(From::Thread), Just(From::Callback)];
    let by = prop_oneof![3 => Just(By::Close), 1 => Just(By::Drop)];
    proptest::collection::vec((from, by), OBJECTS)
}

proptest! {
    /// CLOSE-3 to CLOSE-5, CLOSE-10, CLOSE-11: any order, from anywhere, with late and shuffled ends.
    #[test]
    fn closes_in_any_order_are_complete(
        order in Just((0..OBJECTS).collect::<Vec<_>>()).prop_shuffle(),
        ways in ways(),
        pace in prop_oneof![Just(Pace::Prompt), (1..100_000_u64).prop_map(Pace::Shuffled), Just(Pace::Told)],
        adapter_at in 0..=OBJECTS,
    ) {
        closes("local/lifetimes", pace, &order, &ways, adapter_at);
    }
}

//! The node: an adapter with logical units on it, what can go wrong below them, and what is said of that.

use super::code::Code;
use super::lu::{Lu, LuCore};
use super::session::is_fatal;
use super::terms::{FRAME_MAX, FRAME_MIN, WINDOW_MAX};
use crate::ndk::{Adapter, Error, Pd};
use crate::observe;
use event_listener::Event;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How conversations of a node are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a frame at most, and so of what one is sent early; 256 to 65,560. Default 4,096.
    ///
    /// Two nodes use the smaller of theirs. Each session takes `window + 16` such buffers.
    pub frame_size: usize,
    /// Frames that a side takes without its program receiving; 1 to 1,024. Default 16.
    pub window: u32,
    /// Attaches that may wait for one program; more are refused, to be tried again. Default 64.
    pub attaches: usize,
    /// Sessions that partners may begin with one unit; more are rejected. Default 1,024.
    pub sessions: usize,
    /// How long a RECEIVE_ALLOCATE waits for an attach; `None`, the default: for ever.
    pub receive_allocate_limit: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { frame_size: 4096, window: 16, attaches: 64, sessions: 1024, receive_allocate_limit: None }
    }
}

impl Options {
    /// The same, with what is out of bounds brought to the nearest that is not.
    fn bounded(self) -> Self {
        let frame_size = self.frame_size.clamp(FRAME_MIN, FRAME_MAX);
        Self { frame_size, window: self.window.clamp(1, WINDOW_MAX), ..self }
    }
}

/// An adapter with logical units on it.
///
/// Cloning gives another handle to the same node. It goes, with all its conversations, when the last handle
/// and the last face on it go.
#[derive(Clone)]
pub struct Node {
    core: Arc<NodeCore>,
    units: Arc<Mutex<Vec<Arc<LuCore>>>>,
}

/// The node as its units hold it.
pub(super) struct NodeCore {
    pub(super) adapter: Adapter,
    pub(super) pd: Pd,
    pub(super) options: Options,
    state: Mutex<NodeState>,
    units: Mutex<Vec<Weak<LuCore>>>,
    /// Notified when an attach comes in at one of them, or none will any more.
    pub(super) attached: Event,
}

#[derive(Default)]
struct NodeState {
    /// Why nothing works any more.
    down: Option<&'static str>,
    /// What the next system call is to fail with.
    system_error: Option<i32>,
    numbers: u64,
}

impl Node {
    /// A node on `adapter`, with the default options.
    ///
    /// # Errors
    /// Those of [`Adapter::create_pd`].
    pub fn new(adapter: Adapter) -> Result<Self, Error> {
        Self::with_options(adapter, Options::default())
    }

    /// A node on `adapter`; options out of bounds are brought to the nearest that are not.
    ///
    /// # Errors
    /// Those of [`Adapter::create_pd`].
    pub fn with_options(adapter: Adapter, options: Options) -> Result<Self, Error> {
        let pd = adapter.create_pd().wait()?;
        let (state, units) = (Mutex::default(), Mutex::default());
        let (options, attached) = (options.bounded(), Event::new());
        let core = Arc::new(NodeCore { adapter, pd, options, state, units, attached });
        Ok(Self { core, units: Arc::default() })
    }

    /// Defines a logical unit: `name` is its fully qualified name, up to 17 bytes, `alias` what programs of
    /// this node call it, up to 8, `address` where others reach it; port 0 chooses one.
    ///
    /// # Errors
    /// Those of [`Listener::listen`](crate::ndk::Listener::listen).
    pub fn define_lu(&self, alias: &str, name: &str, address: SocketAddr) -> Result<Lu, Error> {
        let lu = LuCore::listening(&self.core, alias, name, address)?;
        lock(&self.core.units).push(Arc::downgrade(&lu));
        lock(&self.units).push(Arc::clone(&lu));
        Ok(Lu { core: lu })
    }

    /// The unit of that alias; blanks name the one that was defined first.
    pub(super) fn lu(&self, alias: &str) -> Option<Arc<LuCore>> {
        let units = lock(&self.units);
        units.iter().find(|lu| alias.is_empty() || lu.alias == alias).cloned()
    }

    /// All units, in the order of their definition.
    pub(super) fn units(&self) -> Vec<Arc<LuCore>> {
        lock(&self.units).clone()
    }

    pub(super) fn core(&self) -> &Arc<NodeCore> {
        &self.core
    }

    /// Shuts the node down: every conversation ends, and verbs return AP_COMM_SUBSYSTEM_ABENDED.
    pub fn shut_down(&self) {
        self.core.mark_down("the node was shut down");
    }

    /// Faults to inject, for tests.
    pub fn faults(&self) -> Faults {
        Faults { core: Arc::clone(&self.core) }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("units", &lock(&self.units).len()).finish_non_exhaustive()
    }
}

/// The cause that is told when the adapter says so itself.
pub(super) const DEVICE_GONE: &str = "the device of the adapter was removed";

/// What can be made to go wrong in a node.
///
/// What an adapter can be made to do wrong has [`ndk::Faults`](crate::ndk::Faults).
#[derive(Clone)]
pub struct Faults {
    core: Arc<NodeCore>,
}

impl Faults {
    /// The adapter has a fatal error.
    pub fn adapter_fatal(&self) {
        self.core.mark_down("the adapter has a fatal error");
    }

    /// The adapter was closed under the node, or its backend is gone.
    pub fn adapter_gone(&self) {
        self.core.mark_down("the adapter was closed under the node");
    }

    /// The next system call within a verb fails with that error number.
    pub fn system_error(&self, number: i32) {
        lock(&self.core.state).system_error = Some(number);
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

impl NodeCore {
    pub(super) fn is_up(&self) -> bool {
        lock(&self.state).down.is_none()
    }

    /// Why the node is down.
    pub(super) fn cause(&self) -> &'static str {
        lock(&self.state).down.unwrap_or("the system refused")
    }

    /// A number that no other object of the node has.
    pub(super) fn new_number(&self) -> u64 {
        let mut state = lock(&self.state);
        state.numbers += 1;
        state.numbers
    }

    /// Ends everything; the first cause stays.
    pub(super) fn mark_down(&self, cause: &'static str) {
        lock(&self.state).down.get_or_insert(cause);
        let units: Vec<Arc<LuCore>> = lock(&self.units).iter().filter_map(Weak::upgrade).collect();
        for lu in units {
            lu.node_down();
        }
    }

    /// Asks the adapter whether it is still there; a call that costs nothing but the answer.
    pub(super) fn probe(&self) {
        if let Ok(Err(error)) = self.adapter.create_pd().now() {
            if is_fatal(error.status()) {
                self.mark_down(DEVICE_GONE);
            }
        }
    }

    /// What a system call within a verb gives.
    ///
    /// # Errors
    /// The fault that was injected.
    pub(super) fn system_call(&self) -> Result<(), Code> {
        lock(&self.state).system_error.take().map_or(Ok(()), |number| Err(Code::System(number)))
    }

    /// A failure that is nobody's own fault goes into the log, with its cause.
    pub(super) fn log_failure(&self, call: &'static str, code: Code) {
        let (cause, system_error) = match code {
            Code::System(number) => ("a system call failed", number),
            _ => (self.cause(), 0),
        };
        observe::emit(observe::Event::ConversationFailed { call, cause, system_error });
    }
}

/// A poisoned lock is sound: below it only whole values move.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

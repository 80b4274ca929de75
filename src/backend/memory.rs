//! Protection domains, regions and windows of either kind.

#[cfg(feature = "rdma-core")]
use super::real;
use super::refused::Refused;
use crate::device::Device;
use crate::device::qp::latest_key;
use crate::memory::{Deregistering, Memory, Registration};
use crate::work::Key;
use std::sync::Arc;

/// A protection domain.
#[derive(Clone, Debug)]
pub(crate) enum Pd {
    Emulated {
        device: Arc<Device>,
        number: u32,
        privileged: Key,
    },
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::Pd>),
}

impl Pd {
    /// A domain of an emulated device, for the adapter of that number.
    pub(super) fn emulated(device: &Arc<Device>, adapter: u32) -> Result<Self, Refused> {
        let number = device.new_pd();
        let privileged = device.keys().create_privileged(number, adapter)?;
        Ok(Self::Emulated { device: Arc::clone(device), number, privileged })
    }

    /// Tells it from the others of its device.
    pub(crate) fn number(&self) -> u32 {
        match self {
            Self::Emulated { number, .. } => *number,
            #[cfg(feature = "rdma-core")]
            Self::Real(pd) => pd.number,
        }
    }

    /// The key of logical addresses; 0, which grants nothing, where the device has none.
    pub(crate) fn privileged(&self) -> Key {
        match self {
            Self::Emulated { privileged, .. } => *privileged,
            #[cfg(feature = "rdma-core")]
            Self::Real(_) => Key(0),
        }
    }

    /// The end of its life.
    pub(crate) fn close(&self) {
        match self {
            Self::Emulated { device, privileged, .. } => device.close_key(*privileged, drop),
            #[cfg(feature = "rdma-core")]
            Self::Real(_) => {} // goes with the last of its objects, which are gone
        }
    }

    /// Registers memory.
    ///
    /// # Errors
    /// [`Refused`]: the memory is not kept.
    pub(crate) fn register(
        &self,
        memory: &Arc<Memory>,
        registration: Registration,
    ) -> Result<Region, Refused> {
        match self {
            Self::Emulated { device, .. } => {
                let key = device.keys().register(memory, registration)?;
                Ok(Region::Emulated { device: Arc::clone(device), key })
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(pd) => Ok(Region::Real(real::Region::register(pd, memory, &registration)?)),
        }
    }

    /// Makes a window.
    ///
    /// # Errors
    /// [`Refused`]: no key is left, or the device has no windows.
    pub(crate) fn create_window(&self) -> Result<Window, Refused> {
        match self {
            Self::Emulated { device, number, .. } => {
                let home = device.keys().create_window(*number)?;
                Ok(Window::Emulated { device: Arc::clone(device), home })
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(pd) => Ok(Window::Real(real::Window::new(pd)?)),
        }
    }
}

/// A registration of memory.
#[derive(Clone, Debug)]
pub(crate) enum Region {
    Emulated {
        device: Arc<Device>,
        key: Key,
    },
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::Region>),
}

/// A deregistration that has begun, which [`Region::close`] finishes.
#[derive(Debug)]
#[must_use = "the key is refused already; close the region"]
pub(crate) enum Going {
    Emulated(Deregistering),
    #[cfg(feature = "rdma-core")]
    Real(Arc<Memory>),
}

impl Region {
    /// The key of this side's requests.
    pub(crate) fn local_key(&self) -> Key {
        match self {
            Self::Emulated { key, .. } => *key,
            #[cfg(feature = "rdma-core")]
            Self::Real(region) => region.local,
        }
    }

    /// The key of the peer's requests.
    pub(crate) fn remote_key(&self) -> Key {
        match self {
            Self::Emulated { key, .. } => *key,
            #[cfg(feature = "rdma-core")]
            Self::Real(region) => region.remote,
        }
    }

    /// Refuses the keys from now on; `None`: a window is bound to it, and nothing has changed.
    pub(crate) fn begin(&self) -> Option<Going> {
        match self {
            Self::Emulated { device, key } => device.keys().deregister_unbound(*key).map(Going::Emulated),
            #[cfg(feature = "rdma-core")]
            Self::Real(region) => region.deregister().map(Going::Real),
        }
    }

    /// Finishes what has begun, or begins when no window is bound any more; `done` gets the memory when no
    /// access is going on.
    pub(crate) fn close(
        &self,
        going: Option<Going>,
        done: impl FnOnce(Option<Arc<Memory>>) + Send + 'static,
    ) {
        let mut done = Some(done);
        let mut end = move |memory| {
            if let Some(done) = done.take() {
                done(memory);
            }
        };
        match self {
            Self::Emulated { device, key } => {
                let mut going = match going {
                    Some(Going::Emulated(going)) => Some(going),
                    #[cfg(feature = "rdma-core")]
                    Some(Going::Real(_)) => unreachable!("begun by this region, which is emulated"),
                    None => device.keys().deregister_unbound(*key),
                };
                let unbound = going.is_some();
                let (keys, key) = (Arc::clone(device), *key);
                let chore = move || {
                    let now = going.take().or_else(|| keys.keys().deregister(key));
                    debug_assert!(now.is_some(), "a region is deregistered once, by its handle");
                    match now.map(Deregistering::try_finish) {
                        Some(Err(later)) => {
                            going = Some(later);
                            return false;
                        }
                        Some(Ok(memory)) => end(Some(memory)),
                        None => end(None),
                    }
                    true
                };
                if unbound { device.chore(chore) } else { device.chore_after_windows(key, chore) }
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(region) => match going {
                Some(Going::Real(memory)) => end(Some(memory)),
                _ => region.close_when_unbound(move |memory| end(Some(memory))),
            },
        }
    }

    /// Deregisters at once, whatever is bound to it, and returns when no access is going on.
    pub(crate) fn end_now(&self) {
        match self {
            Self::Emulated { device, key } => {
                let mut going = device.keys().deregister(*key);
                debug_assert!(going.is_some(), "a scope ends its regions once");
                while let Some(Err(later)) = going.map(Deregistering::try_finish) {
                    going = Some(later);
                    std::thread::yield_now(); // a pass of another thread, without user code, still copies
                }
            }
            #[cfg(feature = "rdma-core")]
            Self::Real(region) => region.end_now(),
        }
    }
}

/// A memory window.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    Emulated {
        device: Arc<Device>,
        home: Key,
    },
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::Window>),
}

impl Window {
    /// The key by which its device knows it.
    pub(crate) fn home(&self) -> Key {
        match self {
            Self::Emulated { home, .. } => *home,
            #[cfg(feature = "rdma-core")]
            Self::Real(window) => window.home,
        }
    }

    /// The key of the last bind posted.
    pub(crate) fn latest_key(&self) -> Key {
        match self {
            Self::Emulated { device, home } => latest_key(device, *home),
            #[cfg(feature = "rdma-core")]
            Self::Real(window) => window.latest_key(),
        }
    }

    /// Unbinds it; `done` is called when no access through it is going on.
    pub(crate) fn close(&self, done: impl FnOnce() + Send + 'static) {
        match self {
            Self::Emulated { device, home } => device.close_key(*home, move |_| done()),
            #[cfg(feature = "rdma-core")]
            Self::Real(window) => window.close(done),
        }
    }
}

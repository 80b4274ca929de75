//! Protection domains and regions of a device.
//!
//! The one file of this room with unsafe code: a region is registered by pointer.

#![expect(unsafe_code, reason = "regions are registered by pointer")]

use super::grants::Grant;
use super::{Adapter, lock};
use crate::backend::Refused;
use crate::memory::{Memory, Registration, Rights};
use crate::work::{Feature, Key};
use qpair_rdma_core::{self as rdma, Access};
use std::sync::{Arc, Mutex};

/// A protection domain.
#[derive(Debug)]
pub(crate) struct Pd {
    pub(crate) number: u32,
    pub(super) adapter: Arc<Adapter>,
    pub(super) pd: rdma::Pd,
}

impl Pd {
    pub(crate) fn new(adapter: &Arc<Adapter>) -> Result<Arc<Self>, Refused> {
        let pd = adapter.context.create_pd()?;
        Ok(Arc::new(Self { number: adapter.new_key() as u32, adapter: Arc::clone(adapter), pd }))
    }
}

/// Registered memory. It keeps the bytes until the device has let go of them.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) local: Key,
    pub(crate) remote: Key,
    adapter: Arc<Adapter>,
    grant: Grant,
    /// Until it is deregistered.
    held: Mutex<Option<(rdma::Mr, Arc<Memory>)>>,
}

impl Region {
    pub(crate) fn register(pd: &Pd, memory: &Arc<Memory>, of: &Registration) -> Result<Arc<Self>, Refused> {
        judge(pd, memory, of.rights)?;
        let view = memory.view();
        // SAFETY: the bytes stay mapped as long as the `Memory`, whose share goes into `held` below and comes
        // out only when `Mr::close` has said that the region is gone, or never: `Region::drop` sees to that.
        // Nobody holds a Rust reference to them meanwhile, which is the promise of every `Memory` in a
        // registration: it is read and written by copy, through `View`.
        let mr = unsafe { pd.pd.register(view.as_ptr(), view.len(), access(of.rights)) };
        let mr = mr.map_err(|error| explained(pd, of.rights, error))?;
        let (local, remote) = (Key(mr.lkey()), Key(mr.rkey()));
        let grant = Grant {
            pd: pd.number,
            address: view.as_ptr() as u64,
            length: view.len() as u64,
            writable: of.rights.contains(Rights::LOCAL_WRITE),
        };
        pd.adapter.know_region(local, grant);
        let held = Mutex::new(Some((mr, Arc::clone(memory))));
        Ok(Arc::new(Self { local, remote, adapter: Arc::clone(&pd.adapter), grant, held }))
    }

    /// Does something with the region; `None`: it is deregistered.
    pub(super) fn with_mr<R>(&self, with: impl FnOnce(&rdma::Mr) -> R) -> Option<R> {
        lock(&self.held).as_ref().map(|(mr, _)| with(mr))
    }

    /// Deregisters; `None`: something is bound to it, and it stays as it was.
    pub(crate) fn deregister(&self) -> Option<Arc<Memory>> {
        let mut held = lock(&self.held);
        let (mr, memory) = held.take()?;
        // Before the key can be another region's.
        self.adapter.forget_region(self.local);
        match mr.close() {
            Ok(()) => {
                self.adapter.region_is_gone(self.grant.pd);
                Some(memory)
            }
            Err(refused) => {
                tracing::debug!(error = %refused.error, "a region is not deregistered yet");
                self.adapter.region_stays(self.local, self.grant);
                *held = Some((refused.object, memory));
                None
            }
        }
    }

    /// Deregisters as soon as nothing is bound to it.
    pub(crate) fn close_when_unbound(self: &Arc<Self>, mut done: impl FnMut(Arc<Memory>) + Send + 'static) {
        let region = Arc::clone(self);
        self.adapter.chore(move || region.deregister().map(&mut done).is_some());
    }

    /// Deregisters, and returns when that is done.
    ///
    /// Its memory is about to be used by its owner, so a device that does not let go of it leaves no way on.
    pub(crate) fn end_now(&self) {
        for _ in 0..1000 {
            if self.deregister().is_some() {
                return;
            }
            std::thread::yield_now();
        }
        tracing::error!("a device does not let go of borrowed memory, which it may write at any time");
        std::process::abort();
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // Never reached with a region in it by way of the face, whose handles deregister. A device that keeps
        // it may write to the bytes for ever, so they are leaked then.
        if self.deregister().is_none() {
            if let Some((mr, memory)) = lock(&self.held).take() {
                std::mem::forget(memory);
                drop(mr);
            }
        }
    }
}

/// What the rights ask for is there, of this device and this memory.
fn judge(pd: &Pd, memory: &Memory, rights: Rights) -> Result<(), Refused> {
    for (right, feature) in [
        (Rights::REMOTE_ATOMIC, Feature::Atomics),
        (Rights::REMOTE_INVALIDATE, Feature::RemoteInvalidate),
        (Rights::FLUSH_GLOBAL, Feature::FlushGlobal),
        (Rights::FLUSH_PERSISTENT, Feature::FlushPersistent),
    ] {
        if !rights.contains(right) {
            continue;
        }
        pd.adapter.has(feature)?;
        let flushes = matches!(feature, Feature::FlushGlobal | Feature::FlushPersistent);
        if flushes && memory.persistence().is_some() {
            return Err(pd.adapter.without(feature, OF_A_FILE));
        }
    }
    Ok(())
}

const OF_A_FILE: &str = "not for memory of a file, to which this process takes the bytes, while a device's \
                         flush waits for the device; register memory that it reaches by itself";
const NOT_PERSISTENT: &str = "not for this memory, which the kernel refuses (EINVAL): devices want \
                              persistent memory that is mapped directly (DAX)";

/// What soft-RoCE means by EINVAL.
fn explained(pd: &Pd, rights: Rights, error: rdma::Error) -> Refused {
    if rights.contains(Rights::FLUSH_PERSISTENT) && error.errno() == Some(EINVAL) {
        return pd.adapter.without(Feature::FlushPersistent, NOT_PERSISTENT);
    }
    error.into()
}

const EINVAL: i32 = 22;

/// What a device calls the rights; windows may be bound to every region, since NDK has no flag for it.
fn access(rights: Rights) -> Access {
    let mut access = Access::NONE;
    for (right, bit) in [
        (Rights::LOCAL_WRITE, Access::LOCAL_WRITE),
        (Rights::REMOTE_READ, Access::REMOTE_READ),
        (Rights::REMOTE_WRITE, Access::REMOTE_WRITE | Access::LOCAL_WRITE),
        (Rights::REMOTE_ATOMIC, Access::REMOTE_ATOMIC | Access::LOCAL_WRITE),
        (Rights::FLUSH_GLOBAL, Access::FLUSH_GLOBAL),
        (Rights::FLUSH_PERSISTENT, Access::FLUSH_PERSISTENT),
    ] {
        if rights.contains(right) {
            access |= bit;
        }
    }
    access | Access::WINDOW_BIND
}

#[test]
fn rights_are_those_of_verbs() {
    let own = Access::WINDOW_BIND;
    assert_eq!(access(Rights::NONE), own);
    assert_eq!(access(Rights::REMOTE_WRITE), own | Access::REMOTE_WRITE | Access::LOCAL_WRITE);
    let flushes = access(Rights::FLUSH_GLOBAL | Rights::FLUSH_PERSISTENT);
    assert_eq!(flushes, own | Access::FLUSH_GLOBAL | Access::FLUSH_PERSISTENT);
}

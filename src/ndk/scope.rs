//! Borrowed memory: registered only while a closure runs.

use super::pd::PdCore;
use super::{Error, Mr, MrFlags};
use crate::device::callbacks;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Registers memory that the caller lends for as long as the scope lasts; made by
/// [`Pd::scope`](super::Pd::scope).
///
/// A guard would not do: it can be leaked, and then the memory could be used again while a peer still writes
/// it.
///
/// What is lent must live as long as the scope:
///
/// ```compile_fail,E0597
/// # use qpair::ndk::{Adapter, MrFlags};
/// # let pd = Adapter::open("local/docs")?.create_pd().wait()?;
/// pd.scope(|scope| {
///     let mut short = [0; 8];
///     scope.register(&mut short, MrFlags::ALLOW_LOCAL_WRITE)?;
///     Ok::<(), qpair::ndk::Error>(())
/// })?;
/// # Ok::<(), qpair::ndk::Error>(())
/// ```
pub struct Scope<'scope, 'env: 'scope> {
    pd: &'scope PdCore,
    regions: Mutex<Vec<Arc<Mr>>>,
    // Neither lifetime may be taken for a shorter or longer one.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// A region of borrowed memory: an [`Mr`] that ends with its scope.
pub struct ScopedMr<'scope> {
    region: Arc<Mr>,
    scope: PhantomData<&'scope ()>,
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Registers `bytes` until the scope ends.
    ///
    /// # Errors
    /// As [`Pd::register`](super::Pd::register).
    pub fn register(&'scope self, bytes: &'env mut [u8], flags: MrFlags) -> Result<ScopedMr<'scope>, Error> {
        // Nothing that could unwind stands between the registration and its entry in the list.
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions.reserve(1);
        // SAFETY: `bytes` is borrowed mutably for `'env`, so it is valid and initialised, and nobody else
        // uses it before `'env` is over, which is after the scope (`'env: 'scope`). The region is gone by
        // then: `run` ends each of them, waiting for accesses, whether its body returns or unwinds.
        // Afterwards only a `ScopedMr` could reach the bytes, and none outlives `'scope`, since `run` is
        // called with a `'scope` that `body` cannot name.
        let region = unsafe { Mr::register_raw(self.pd, bytes.as_mut_ptr(), bytes.len(), flags) }?;
        let region = Arc::new(region);
        regions.push(Arc::clone(&region));
        drop(regions);
        region.observe_made();
        Ok(ScopedMr { region, scope: PhantomData })
    }

    pub(super) fn run<R>(pd: &PdCore, body: impl for<'s> FnOnce(&'s Scope<'s, 'env>) -> R) -> R {
        /// Ends the regions also when `body` unwinds.
        struct End<'a>(&'a Mutex<Vec<Arc<Mr>>>);

        impl Drop for End<'_> {
            fn drop(&mut self) {
                let regions = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
                // Close callbacks of the user, which may panic, only when every region has ended.
                let _deliver_after = callbacks::guard();
                regions.iter().for_each(|region| region.end_scoped());
                regions.iter().for_each(|region| region.observe_gone());
            }
        }

        let scope = Scope { pd, regions: Mutex::default(), scope: PhantomData, env: PhantomData };
        let _end = End(&scope.regions);
        body(&scope)
    }
}

impl Deref for ScopedMr<'_> {
    type Target = Mr;

    fn deref(&self) -> &Mr {
        &self.region
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Scope").field("regions", &regions).finish_non_exhaustive()
    }
}

impl fmt::Debug for ScopedMr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.region.fmt(f)
    }
}
